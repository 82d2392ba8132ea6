//! The Lua host: scripts in Luau as modules. The only door to mlua.
//!
//! What a script declares runs natively; what it computes runs in a VM of its
//! own, compiled to native code, with the loop over a batch inside ([`driver`]).

mod asides;
mod caught;
mod convert;
mod driver;
mod ended;
mod feed;
mod fetch;
mod forgive;
mod handles;
mod inplace;
mod known;
mod lifted;
mod locals;
mod meaning;
mod missing;
mod module;
mod payload;
mod prelude;
mod records;
mod renamed;
mod reserved;
mod returned;
mod script;
mod tables;
mod trouble;
mod vm;
mod watch;

#[cfg(test)]
mod tests;

use como_core::lookup::Subject;
use como_core::module::trace;
use como_core::module::{
    Args, Kind, Manifest, Merge, Mistake, ModuleError, Print, Replay, Setup, Started,
};

use crate::api;
use crate::begin::{self, Beginning};
use crate::declare::{Callback, Callbacks};
use crate::host::Means;
use crate::host::tables::State;
use crate::library::Library;
use crate::scan::Language;
use lifted::Lifts;
use module::LuaModule;
use parking_lot::Mutex;
use records::{Merger, Printer, Replayer};
use script::{Ran, Source};
use vm::Vm;

/// A Lua script as a module.
pub struct Lua {
    source: Source,
    manifest: Manifest,
    callbacks: Callbacks,
    /// The top level as it ran to be read: the first instance's, if that is given nothing else. A
    /// script that draws random numbers runs anew: what they begin with is settled only then.
    read: Mutex<Option<Ran>>,
}

impl Lua {
    /// Reads a script: its top level runs once. `missing` is what it requires and cannot have.
    pub fn load(
        file: &str,
        name: &str,
        text: &str,
        (libraries, missing): (Vec<Library>, Vec<ModuleError>),
    ) -> Result<Self, ModuleError> {
        let libraries = libraries.into();
        let source = Source { file: file.into(), name: name.into(), text: text.into(), libraries };
        if !missing.is_empty() {
            return Err(source.all_wrong(missing));
        }
        let ran = source.run(&Args::default(), &Means::default());
        let ran = ran.map_err(|error| source.all_wrong(error.each()))?;
        let (manifest, callbacks) = (ran.declared.manifest.clone(), ran.declared.callbacks);
        let draws = source.texts().any(|text| text.contains("random"));
        Ok(Self { source, manifest, callbacks, read: Mutex::new((!draws).then_some(ran)) })
    }

    /// The top level, run for an instance.
    fn ran(&self, setup: &Setup) -> Result<Ran, ModuleError> {
        let means = Means::of(setup);
        let read = self.read.lock().take();
        match read.filter(|_| setup.args == Args::default() && means.is_default()) {
            Some(read) => Ok(read),
            None => self.source.run(&setup.args, &means),
        }
    }
}

/// The names that a script calls or looks into and that are nowhere, as far as its text tells.
pub fn strangers(file: &str, text: &str) -> Vec<Mistake> {
    let (file, text, libraries) = (file.into(), text.into(), Vec::new().into());
    let source = Source { file, name: "".into(), text, libraries };
    Vm::new(&source, &Means::default(), false).map(|vm| vm.strangers()).unwrap_or_default()
}

impl Kind for Lua {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn start(&self, setup: &Setup) -> Result<Started, ModuleError> {
        let ran = self.ran(setup)?;
        let declared = &ran.declared;
        if declared.service.is_some() {
            return trace::start(&declared.manifest, setup);
        }
        let text = (&*self.source.text, Language::Lua);
        let begun = Beginning::new(declared, &ran.args, setup, text)
            .map_err(|e| self.source.error(0, e))?;
        let lifts = Lifts::of(text.0, |callback| self.callbacks.has(callback), &setup.limits);
        let demand = ran.reads.demand().and(begun.demand());
        let demand = lifts.update.iter().fold(demand, |all, update| all.and(update.demand()));
        let singly = lifts.looks_singly(|callback| self.callbacks.has(callback));
        let demand = if singly { demand.singly() } else { demand };
        let Beginning { interval, tables, schema, recorder, apart } = begun;
        let filter = declared.manifest.filter.clone();
        let shared = tables.map(|declared| State::shared(declared, false));
        let host = ran.vm.host().clone();
        host.tables.lock().set_interval(interval, setup.keeps_states);
        host.said.lock().declare(declared.outputs.clone());
        let module = LuaModule::new(ran, shared, recorder, setup.limits, lifts)
            .map_err(|told| host.explained(told, &self.source.script()))?;
        let demand = demand.and(module.settle_filters());
        let demand = host.tables.lock().settle(demand);
        Ok(Started { module: Box::new(module), filter, demand, interval, schema, apart })
    }

    fn looks_up(&self) -> Vec<Subject> {
        api::looks_up(self.source.texts(), Language::Lua)
    }

    fn asks_for(&self) -> Vec<&'static str> {
        api::asks_for(self.source.texts(), Language::Lua)
    }

    fn printer(&self, format: &str, setup: &Setup) -> Option<Box<dyn Print>> {
        let printer = || Printer::new(self.source.run(&setup.args, &Means::of(setup))?, format);
        self.own(Callback::Print, printer).map(|own| Box::new(own) as _)
    }

    fn replayer(&self, setup: &Setup) -> Option<Box<dyn Replay>> {
        let replayer = || Replayer::new(self.source.run(&setup.args, &Means::of(setup))?);
        self.own(Callback::Replay, replayer).map(|own| Box::new(own) as _)
    }

    fn merger(&self, setup: &Setup) -> Option<Box<dyn Merge>> {
        let merger = || Merger::new(self.source.run(&setup.args, &Means::of(setup))?);
        let own = self.callbacks.merges_records().then(|| self.own(Callback::Merge, merger));
        own.flatten().map(|own| Box::new(own) as _)
    }
}

impl Lua {
    /// What the script has in place of what all records have, if it has this callback.
    fn own<T>(
        &self,
        callback: Callback,
        make: impl FnOnce() -> Result<T, ModuleError>,
    ) -> Option<T> {
        let made = self.callbacks.has(callback).then(make)?;
        made.inspect_err(|error| begin::goes_without(callback, error)).ok()
    }
}
