//! Filters that a script compiles and matches itself: `local web = filter("tcp port 80")`.
//!
//! They are compiled while a module starts, into one plan, and evaluated for a batch at once,
//! column by column, before the script sees its first packet: matching one is reading a bit.

use std::fmt;

use como_core::batch::Batch;
use como_core::field::Demand;
use como_core::filter::{FilterError, Plan, parse};
use como_core::selection::Selection;

/// The most filters of one script.
pub const FILTERS_MAX: usize = 32;

/// A filter that makes no sense, as the script wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfilter {
    /// Its text.
    pub text: String,
    /// What is wrong with it.
    pub error: FilterError,
}

impl fmt::Display for Misfilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, error } = self;
        let shown = text.chars().take(80).collect::<String>();
        write!(f, "filter \"{}\": {error}", shown.escape_debug())?;
        error.hint().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// The filters of one script, by their numbers.
#[derive(Debug, Default)]
pub struct Filters {
    /// The canonical form of each.
    known: Vec<String>,
    plan: Plan,
    /// Whether the module has started: the columns that packets are decoded for are settled.
    settled: bool,
    /// Those that made no sense, the last few.
    wrong: Vec<Misfilter>,
}

impl Filters {
    /// The number of the filter in `text`; a new one only where `begins`, and not once the module
    /// has started.
    pub fn compile(&mut self, text: &str, begins: bool) -> Result<usize, String> {
        let expr = match parse(text) {
            Ok(parsed) => parsed.expr,
            Err(error) => {
                let wrong = Misfilter { text: text.to_owned(), error };
                let message = wrong.to_string();
                if self.wrong.len() == FILTERS_MAX {
                    self.wrong.remove(0);
                }
                self.wrong.push(wrong);
                return Err(message);
            }
        };
        let canonical = expr.to_string();
        if let Some(at) = self.known.iter().position(|known| *known == canonical) {
            return Ok(at);
        }
        if self.settled || !begins {
            return Err(
                "filter: a filter is compiled while the module starts: write it at the top \
                        level, or in `init`, where the first interval begins"
                    .to_owned(),
            );
        }
        if self.known.len() == FILTERS_MAX {
            return Err(format!("filter: a script has at most {FILTERS_MAX} filters"));
        }
        self.known.push(canonical);
        Ok(self.plan.add(&expr))
    }

    /// Takes no more filters: what they read is known from now on.
    pub fn settle(&mut self) -> Demand {
        self.settled = true;
        self.plan.demand()
    }

    /// The canonical form of a filter.
    pub fn text(&self, number: usize) -> &str {
        self.known.get(number).map_or("", String::as_str)
    }

    /// What is wrong with filters that did not compile.
    pub fn wrong(&self) -> &[Misfilter] {
        &self.wrong
    }

    /// Fills `picks` with what each filter picks of a batch.
    pub fn select(&mut self, batch: &Batch, picks: &mut Vec<Selection>) {
        if self.known.is_empty() {
            picks.clear();
        } else {
            self.plan.select(batch, picks);
        }
    }
}
