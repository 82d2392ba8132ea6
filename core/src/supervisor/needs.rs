//! Needs and offers: what a task cannot do without, and whether the sources have it.

use std::sync::Arc;

use super::{Around, AttachError, Instance, prepare};
use crate::capture::Joining;
use crate::field::{Demand, Field, Fields};
use crate::filter::{Expr, Plan};
use crate::lookup::{Lookups, MissingTable, Subject};
use crate::module::trace;
use crate::record::Schema;
use crate::rollup::{self, Rollup};
use crate::source::Description;
use crate::time::Span;

/// What a source offers: its name and the fields.
pub(crate) type Offer = (String, Fields);

/// What a source offers, by its description.
pub(crate) fn offer(description: &Description) -> Offer {
    (description.name.clone(), description.offers)
}

/// What an instance asks of its sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The instance.
    pub instance: String,
    /// Its filter and its module's, canonical.
    pub filter: String,
    /// How long its intervals are.
    pub interval: Span,
    /// The fields it cannot do without.
    pub fields: Vec<Field>,
    /// The fields it reads where they are, and goes on without.
    pub if_any: Vec<Field>,
    /// All fields it reads of the captured bytes, or of how many those are.
    pub reads: Fields,
    /// Whether headers are looked for at all.
    pub headers: bool,
    /// Whether it may read bytes that no field tells of, wherever they lie.
    pub deep: bool,
    /// Whether it looks at packets one by one, at their own lengths and times.
    pub singly: bool,
    /// What it may look up of addresses by itself, and goes on without.
    pub looks_up: Vec<Subject>,
    /// Whether its intervals may be measured apart from each other.
    pub apart: bool,
    /// Fields that every packet has which it counts, as far as is known.
    pub brought: Fields,
    /// The columns of its records, where they are known before the first.
    pub columns: Option<Arc<Schema>>,
}

impl Needs {
    /// What an instance would ask for; it is started for that, and dropped.
    pub fn of(instance: Instance) -> Result<Self, AttachError> {
        let looks_up = instance.kind.looks_up();
        let (lookups, costs) = Default::default();
        let around = Around { lookups: &lookups, costs: &costs, writes: false };
        let joining = prepare(instance, false, around)?;
        let demand = demand(&joining.filter, joining.demand);
        let needed = demand.needs();
        Ok(Self {
            instance: joining.task.name.to_string(),
            filter: joining.filter.to_string(),
            interval: joining.task.interval,
            fields: needed.without(Fields::NONE).collect(),
            if_any: demand.fields().filter(|field| !needed.has(*field)).collect(),
            reads: demand.reads(),
            headers: demand.finds_headers(),
            deep: demand.is_deep(),
            singly: demand.is_singly(),
            looks_up,
            apart: joining.apart,
            brought: brought(&joining),
            columns: Some(joining.task.schema).filter(|schema| !schema.columns.is_empty()),
        })
    }

    /// The fields it cannot do without that a source does not offer.
    pub fn missing(&self, source: &Description) -> Vec<Field> {
        self.fields.iter().copied().filter(|field| !source.offers.has(*field)).collect()
    }

    /// The first field it reads that no table serves.
    pub fn missing_table(&self, lookups: &Lookups) -> Option<MissingTable> {
        lookups.lacks(self.fields.iter().chain(&self.if_any).copied())
    }
}

/// Whether an instance's records make records of longer intervals, as far as that is known before
/// the first one. It is started for that, and dropped.
pub fn rolls_up(instance: Instance, rollups: &[Rollup]) -> Result<(), AttachError> {
    let own = instance.maker(Arc::default()).merger();
    // It keeps none while it is only looked at, and then says something else.
    let keeps = instance.kind.manifest().keeps_packets && instance.packets.is_some();
    let (lookups, costs) = Default::default();
    let around = Around { lookups: &lookups, costs: &costs, writes: false };
    let task = prepare(instance, false, around)?.task;
    let schema = if keeps { Arc::new(trace::kept_schema()) } else { task.schema };
    for rollup in rollups {
        let checked = rollup::check(&schema, task.interval, rollup.len, own.as_deref());
        checked.map_err(|error| AttachError::Rollup {
            instance: task.name.to_string(),
            len: rollup.len,
            error,
        })?;
    }
    Ok(())
}

/// What every packet has which a task counts, by its filter and its key.
fn brought(joining: &Joining) -> Fields {
    let keys = joining.demand.keys().without(Fields::NONE);
    keys.map(Fields::with).fold(joining.filter.brings(), Fields::and)
}

/// What a task reads, for its filter and its module.
pub(super) fn demand(filter: &Expr, module: Demand) -> Demand {
    let mut plan = Plan::default();
    plan.add(filter);
    module.and(plan.demand())
}

/// Whether there is a table for all that a task looks up, and some source has all fields that it
/// cannot do without; where there is no source yet, one may come that has.
pub(super) fn suits(
    joining: &Joining,
    offers: &[Offer],
    lookups: &Lookups,
) -> Result<(), AttachError> {
    let demand = demand(&joining.filter, joining.demand);
    let instance = joining.task.name.to_string();
    if let Some(missing) = lookups.lacks(demand.fields()) {
        return Err(AttachError::Table { instance, missing });
    }
    let needs = demand.needs();
    if offers.is_empty() || offers.iter().any(|(_, offered)| offered.covers(needs)) {
        return Ok(());
    }
    let offered = offers.iter().fold(Fields::NONE, |all, (_, offered)| all.and(*offered));
    let Some(field) = needs.without(offered).next() else {
        let lacks = |(name, offered): &Offer| {
            let fields: Vec<&str> = needs.without(*offered).map(Field::name).collect();
            format!("`{name}` does not give `{}`", fields.join("`, `"))
        };
        let lacking: Vec<String> = offers.iter().map(lacks).collect();
        return Err(AttachError::Scattered { instance, lacking: lacking.join("; ") });
    };
    let names: Vec<String> = offers.iter().map(|(name, _)| format!("`{name}`")).collect();
    let verb = if names.len() == 1 { "does" } else { "do" };
    let lacking = format!("{} {verb}", names.join(", "));
    Err(AttachError::Lacks { instance, field, lacking })
}
