//! What a filter comes to, for those who ask: its canonical form and what running it takes.

use crate::field::{Demand, Field};

use super::plan::Plan;
use super::term::Term;
use super::{Expr, FilterError, Warning, parse};

/// What a filter comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explain {
    /// The filter itself.
    pub expr: Expr,
    /// Its canonical form, which parses to the same filter.
    pub canonical: String,
    /// The columns that are decoded for it.
    pub columns: Vec<Field>,
    /// Whether headers must be found at all.
    pub headers: bool,
    /// Whether it reads payload.
    pub payload: bool,
    /// What is pushed into the kernel on Ethernet, where that can drop anything.
    pub bpf: Option<String>,
    /// What may not mean what was meant.
    pub warnings: Vec<Warning>,
}

impl Explain {
    /// Explains a filter.
    pub fn of(text: &str) -> Result<Self, FilterError> {
        let super::Parsed { expr, warnings } = parse(text)?;
        let mut plan = Plan::default();
        plan.add(&expr);
        let mut payload = false;
        expr.terms(&mut |term| {
            payload |= matches!(term, Term::Contains { field: Field::Payload, .. })
        });
        let demand: Demand = plan.demand();
        Ok(Self {
            canonical: expr.to_string(),
            columns: demand.fields().collect(),
            headers: demand.finds_headers(),
            payload,
            bpf: plan.bpf(),
            warnings,
            expr,
        })
    }
}
