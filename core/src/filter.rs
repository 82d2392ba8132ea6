//! Filters: one language, three layers of habit, one shared plan for all tasks.
//!
//! Text becomes a typed expression in canonical form ([`parse`], [`Expr`]).
//! What CoMo and tcpdump accept selects the same packets here, except that
//! ours also sees behind VLAN, MPLS and PPPoE tags and IPv6 extension headers.
//! The language is described for its users in `docs/filters.md`.

mod answered;
pub mod clues;
mod error;
mod explain;
mod expr;
mod implied;
mod inside;
mod lex;
mod names;
mod parse;
mod plan;
mod print;
mod push;
mod says;
mod set;
mod term;

pub use error::FilterError;
pub use explain::Explain;
pub use expr::Expr;
pub use parse::{DEPTH_MAX, TERMS_MAX, TEXT_BYTES_MAX, Warning};
pub use plan::Plan;

/// A filter as parsed, and what about it may not mean what was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What it asks.
    pub expr: Expr,
    /// What to tell its writer.
    pub warnings: Vec<Warning>,
}

/// Parses a filter. An empty text passes every packet; a mistake is an error, never that.
pub fn parse(text: &str) -> Result<Parsed, FilterError> {
    if text.len() > TEXT_BYTES_MAX {
        let what = "the filter is too long in bytes";
        return Err(FilterError::TooMuch { what, max: TEXT_BYTES_MAX, at: 0..0 });
    }
    let (expr, warnings) = parse::Parser::new(text).run()?;
    Ok(Parsed { expr, warnings })
}

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;
