//! Instances: modules as they are to run.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::lookup::Lookups;
use crate::module::{Args, Grants, Kind, Limits, Maker, Setup};
use crate::storage::packets::Place;
use crate::time::{Span, Ts};

/// A module to run: which, under what name, on which packets, with what arguments.
#[derive(Clone)]
pub struct Instance {
    /// What queries call it.
    pub name: String,
    /// The module.
    pub kind: Arc<dyn Kind>,
    /// The user's filter, on top of the module's own; empty for none.
    pub filter: String,
    /// The user's arguments.
    pub args: Args,
    /// What it may use.
    pub limits: Limits,
    /// What it may reach beyond its packets.
    pub grants: Grants,
    /// Where it may keep packets, if its module does.
    pub packets: Option<Place>,
    /// How much of the past it is to run over before it joins what comes.
    pub backfill: Option<Backfill>,
    /// Whether its records keep all that is needed to merge them into longer intervals.
    pub keeps_states: bool,
}

/// How much of the past an instance runs over first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// How long before the stream's clock it begins, in whole intervals.
    pub span: Span,
    /// The end of the records of it that are there already: none is made again.
    pub stored: Option<Ts>,
    /// Until when earlier runs shed packets that instances would have kept, of each that lacks any.
    pub shed: BTreeMap<String, Ts>,
}

impl Instance {
    /// A module under its own name with default arguments.
    pub fn of(kind: Arc<dyn Kind>) -> Self {
        let name = kind.manifest().name.clone();
        let (filter, args, limits, grants) = Default::default();
        Self {
            name,
            kind,
            filter,
            args,
            limits,
            grants,
            packets: None,
            backfill: None,
            keeps_states: false,
        }
    }

    /// What its module is started with, where addresses are looked up in these tables; it writes
    /// no files.
    pub(super) fn setup(&self, lookups: Arc<Lookups>) -> Setup {
        Setup {
            filter: self.filter.clone(),
            instance: self.name.clone(),
            args: self.args.clone(),
            limits: self.limits,
            grants: self.grants.clone(),
            lookups,
            packets: self.packets.clone(),
            keeps_states: self.keeps_states,
            ..Setup::default()
        }
    }

    /// Its module, for its own ways with the records that this instance makes.
    pub fn maker(&self, lookups: Arc<Lookups>) -> Maker {
        Maker::new(self.kind.clone(), Setup { packets: None, ..self.setup(lookups) })
    }
}
