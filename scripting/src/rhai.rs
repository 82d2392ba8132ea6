//! The Rhai host: scripts in Rhai as modules. The only door to rhai.
//!
//! What a script declares runs natively; what it computes runs in an engine of
//! its own, with the loop over a batch outside the script and its callbacks
//! inlined in it ([`body`]). Rhai walks a tree, so a callback costs about ten
//! times what the same costs in Lua: declare what can be declared.

mod addr;
mod asides;
mod body;
mod breadth;
mod bytes;
mod caught;
mod constants;
mod ended;
mod engine;
mod fault;
mod filters;
mod forgive;
mod keyed;
mod layered;
mod libraries;
mod module;
mod nowhere;
mod packet;
mod records;
mod returned;
mod script;
mod tables;
mod text;
mod top;
mod value;
mod watch;
mod words;

#[cfg(test)]
mod tests;

use como_core::lookup::Subject;
use como_core::module::trace;
use como_core::module::{Args, Kind, Manifest, Merge, ModuleError, Print, Replay, Setup, Started};

use crate::api;
use crate::begin::{self, Beginning};
use crate::declare::{Callback, Callbacks};
use crate::host::Means;
use crate::host::tables::State;
use crate::library::Library;
use crate::scan::Language;
use module::RhaiModule;
use records::{Merger, Reader};
use script::{Ran, Source};

/// A Rhai script as a module.
#[derive(Clone, Debug)]
pub struct Rhai {
    source: Source,
    manifest: Manifest,
    callbacks: Callbacks,
}

impl Rhai {
    /// Reads a script: its top level runs once, in an engine that is thrown away. `missing` is what
    /// it requires and cannot have.
    pub fn load(
        file: &str,
        name: &str,
        text: &str,
        (libraries, missing): (Vec<Library>, Vec<ModuleError>),
    ) -> Result<Self, ModuleError> {
        let libraries = libraries.into();
        let code = api::rhai_text(text).into();
        let (file, name, text) = (file.into(), name.into(), text.into());
        let source = Source { file, name, text, code, libraries };
        if !missing.is_empty() {
            return Err(source.all_wrong(missing));
        }
        let ran = source.run(&Args::default(), &Means::default());
        let ran = ran.map_err(|error| source.all_wrong(error.each()))?;
        Ok(Self { source, manifest: ran.declared.manifest, callbacks: ran.declared.callbacks })
    }
}

impl Kind for Rhai {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn start(&self, setup: &Setup) -> Result<Started, ModuleError> {
        let ran = self.source.run(&setup.args, &Means::of(setup))?;
        let declared = &ran.declared;
        if declared.service.is_some() {
            return trace::start(&declared.manifest, setup);
        }
        let text = (self.source.code.as_ref(), Language::Rhai);
        let begun = Beginning::new(declared, &ran.args, setup, text)
            .map_err(|error| self.source.error(0, error))?;
        // What a callback counts is the script's own affair: it may be packets themselves.
        let singly = [Callback::Update, Callback::Check].map(|one| self.callbacks.has(one));
        let table_demand = match singly {
            [false, false] => begun.demand(),
            _ => begun.demand().singly(),
        };
        let Beginning { interval, tables, schema, recorder, apart } = begun;
        let filter = declared.manifest.filter.clone();
        let shared = tables.map(|declared| State::shared(declared, false));
        let host = ran.host.clone();
        host.said.lock().declare(declared.outputs.clone());
        host.tables.lock().set_interval(interval, setup.keeps_states);
        let module = RhaiModule::new(ran, shared, recorder, setup.limits)?;
        let demand = table_demand.and(module.demand()).and(module.settle_filters());
        let demand = host.tables.lock().settle(demand);
        Ok(Started { module: Box::new(module), filter, demand, interval, schema, apart })
    }

    fn looks_up(&self) -> Vec<Subject> {
        api::looks_up(self.source.texts(), Language::Rhai)
    }

    fn asks_for(&self) -> Vec<&'static str> {
        api::asks_for(self.source.texts(), Language::Rhai)
    }

    fn printer(&self, format: &str, setup: &Setup) -> Option<Box<dyn Print>> {
        let own = self.own(Callback::Print, setup, |ran| Reader::printer(ran, format));
        own.map(|own| Box::new(own) as _)
    }

    fn replayer(&self, setup: &Setup) -> Option<Box<dyn Replay>> {
        self.own(Callback::Replay, setup, Reader::replayer).map(|own| Box::new(own) as _)
    }

    fn merger(&self, setup: &Setup) -> Option<Box<dyn Merge>> {
        let own = || self.own(Callback::Merge, setup, Merger::new);
        self.callbacks.merges_records().then(own).flatten().map(|own| Box::new(own) as _)
    }
}

impl Rhai {
    /// What the script has in place of what all records have, if it has this callback.
    fn own<T>(
        &self,
        callback: Callback,
        setup: &Setup,
        make: impl FnOnce(Ran) -> Result<Option<T>, ModuleError>,
    ) -> Option<T> {
        let ran = || self.source.run(&setup.args, &Means::of(setup));
        let made = self.callbacks.has(callback).then(|| make(ran()?))?;
        made.inspect_err(|error| begin::goes_without(callback, error)).ok().flatten()
    }
}

/// Stack that must be left for a script to run on, and how much it gets where there is less.
const STACK_BYTES_MIN: usize = 32 << 20;
const STACK_BYTES: usize = 64 << 20;

/// Runs what a script may drive deep on a stack that it cannot exhaust in the time it has: its
/// functions and the nesting of its values are bounded, but by numbers meant for a large stack.
fn deep<R>(call: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(STACK_BYTES_MIN, STACK_BYTES, call)
}
