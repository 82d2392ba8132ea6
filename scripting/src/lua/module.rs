//! A running Lua module: the callbacks, in the order an interval calls them.

mod closing;

use como_core::batch::Batch;
use como_core::field::Demand;
use como_core::module::{Asides, Export, Fault, Limits, Mistake, Module};
use como_core::selection::Selection;
use mlua::{Function, MultiValue};

use super::feed::Feed;
use super::fetch::fetch;
use super::lifted::{self, Lifts, Settler};
use super::payload::Payloads;
use super::script::Ran;
use super::tables::{Open, Shared, View, Which};
use super::vm::Trouble;
use crate::common::{Common, ERRORS_MAX, UNSEEN};
use crate::declare::Callback;
use crate::host::Phase;
use crate::lift::Lifted;
use crate::recorder::Recorder;
use crate::watch::Budget;

/// One instance of a script.
pub struct LuaModule {
    ran: Ran,
    feed: Feed,
    payloads: Payloads,
    update: Function,
    check: Function,
    place: Function,
    common: Common,
    recorder: Recorder,
    state: mlua::Value,
    /// Whether `init` has failed for the open interval, which is left out then.
    idle: bool,
    /// What a script without a declared long-term table keeps across intervals.
    own_long: mlua::Value,
    lifts: Lifts,
    /// What each filter of the script picks of the batch at hand.
    matches: Vec<Selection>,
}

/// Which loop of the driver.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Update,
    Check,
}

impl LuaModule {
    /// Starts an instance of a script whose top level has run.
    pub fn new(
        ran: Ran,
        tables: Option<Shared>,
        recorder: Recorder,
        limits: Limits,
        lifts: Lifts,
    ) -> Result<Self, Mistake> {
        let build = || {
            let lua = ran.vm.lua();
            let feed = Feed::new(lua, &ran.reads, &ran.filters)?;
            let objects = ran.vm.with_handles(|_, handles| handles.objects().clone());
            let mut args: Vec<mlua::Value> = objects.map(mlua::Value::Table).into_iter().collect();
            args.push(mlua::Value::Table(ran.vm.prelude.clone()));
            let payloads = Payloads::new(lua, ran.vm.base())?;
            args.push(mlua::Value::Table(payloads.functions().clone()));
            args.extend(feed.buffers());
            let args: MultiValue = args.into_iter().collect();
            let (update, check, place) = ran.driver.call::<(Function, Function, Function)>(args)?;
            let own_long = mlua::Value::Table(lua.create_table()?);
            Ok((feed, payloads, update, check, place, own_long))
        };
        let built = ran.vm.call(build).map_err(|trouble| ran.vm.told(trouble));
        let (feed, payloads, update, check, place, own_long) = built?;
        let state = mlua::Value::Nil;
        let common = Common::new(ran.vm.host().clone(), tables, limits);
        let mut module = Self {
            ran,
            feed,
            payloads,
            update,
            check,
            place,
            common,
            recorder,
            state,
            idle: false,
            own_long,
            lifts,
            matches: Vec::new(),
        };
        let begun = module.prepare().and_then(|()| module.begin());
        begun.map_err(|trouble| module.ran.vm.told(module.placed(Callback::Init, trouble)))?;
        Ok(module)
    }

    /// What the filters read that the script has compiled; it compiles no more from now on.
    pub fn settle_filters(&self) -> Demand {
        self.ran.vm.host().filters.lock().settle()
    }

    /// Has what runs natively put into the state, or all left to the script.
    fn prepare(&mut self) -> Result<(), Trouble> {
        let Some(update) = &self.lifts.update else { return Ok(()) };
        let vm = &self.ran.vm;
        self.lifts.settler = vm.call(|| Settler::new(vm.lua(), update))?;
        if self.lifts.settler.is_none() {
            self.lifts.update = None;
        }
        Ok(())
    }

    /// Begins an interval: what `init` returns is the state; an empty table if there is none.
    /// If it fails, the interval is left out, and what comes next begins as the first did.
    fn begin(&mut self) -> Result<(), Trouble> {
        let last = std::mem::replace(&mut self.state, mlua::Value::Nil);
        let last = if self.idle { mlua::Value::Nil } else { last };
        self.lifts.fits = None;
        // Until it has a state.
        self.idle = true;
        let vm = &self.ran.vm;
        vm.host().turn(Phase::Init);
        let state = match self.ran.function(Callback::Init) {
            Some(init) => vm.call(|| init.call((&self.ran.args_table, last))),
            None => Ok(mlua::Value::Nil),
        };
        self.state = match &state {
            Ok(mlua::Value::Nil) | Err(_) => {
                vm.call(|| vm.lua().create_table().map(mlua::Value::Table))?
            }
            Ok(state) => state.clone(),
        };
        self.idle = state.is_err();
        let update = self.lifts.update.as_ref();
        self.lifts.fits = update.and_then(|update| lifted::fits(&self.state, update));
        state.map(|_| ())
    }

    /// Brings the state up to date with what was added up natively.
    fn settle(&mut self) {
        let Lifts { update: Some(update), settler: Some(settler), .. } = &mut self.lifts else {
            return;
        };
        if let Err(trouble) = settler.settle(&self.ran.vm, update, &self.state) {
            self.note(trouble);
        }
    }

    /// Runs `update` natively, where that is surely the same.
    fn update_natively(&mut self, batch: &Batch, picked: &Selection) -> bool {
        let Some((update, tables)) = self.lifts.update.as_mut().zip(self.lifts.fits.as_deref())
        else {
            return false;
        };
        let done = update.update(batch, picked, tables);
        if !done || update.is_full() {
            self.settle();
        }
        done
    }

    /// What names no line, as when memory was up, is told with that of the callback.
    fn placed(&self, callback: Callback, trouble: Trouble) -> Trouble {
        let line = if trouble.line > 0 { trouble.line } else { self.ran.line(callback) };
        Trouble { line, ..trouble }
    }

    /// As [`Common::note`].
    fn note(&mut self, trouble: Trouble) -> bool {
        let vm = &self.ran.vm;
        self.common.note(trouble.limit, || vm.told(trouble))
    }

    /// Runs one of the driver's loops over the picked packets.
    fn pass(&mut self, pass: Pass, batch: &Batch, picked: &Selection) {
        self.ran.vm.host().meet(batch, &mut self.matches);
        let filled = {
            let (feed, picks) = (&mut self.feed, (picked, self.matches.as_slice()));
            self.ran.vm.with_handles(|lua, handles| feed.fill(lua, handles, batch, picks))
        };
        let mixed = match filled {
            Some(Ok(mixed)) => mixed,
            Some(Err(error)) => {
                let trouble = self.ran.vm.trouble(error, false);
                self.note(trouble);
                return;
            }
            None => return,
        };
        let count = self.feed.places().len();
        let first = self.payloads.begin(count);
        let (mut from, mut errors, mut is_told) = (0, 0, false);
        // However often a packet fails, all packets of a batch have the time of one call.
        let mut budget = self.ran.vm.budget();
        while from < count {
            let run = || self.run(pass, batch, (mixed, from, first), &mut budget);
            let Err(trouble) = self.payloads.within(batch, self.feed.places(), run) else { break };
            let stop = trouble.limit.is_some();
            let callback = if pass == Pass::Update { Callback::Update } else { Callback::Check };
            is_told |= self.note(self.placed(callback, trouble));
            if self.ran.fetches {
                self.abandon();
            }
            errors += 1;
            // The packet that failed is passed over.
            let place = self.ran.vm.call(|| self.place.call::<usize>(()));
            from = place.map_or(count, |at| at.max(from) + 1);
            if stop || errors == ERRORS_MAX {
                let unseen = if is_told { count.saturating_sub(from) } else { 0 };
                self.common.leave_out(unseen, UNSEEN);
                break;
            }
        }
        let places = self.feed.places();
        self.ran.vm.host().tables.lock().count(batch, count, &|at| places.get(at).copied());
    }

    /// Tells whoever kept the packet of a call that failed that it is gone.
    fn abandon(&mut self) {
        let vm = &self.ran.vm;
        let ended = vm.call(|| vm.prelude.get::<Function>("finish")?.call::<()>(()));
        if let Err(trouble) = ended {
            self.note(trouble);
        }
    }

    fn run(
        &self,
        pass: Pass,
        batch: &Batch,
        (mixed, from, first): (bool, usize, u64),
        budget: &mut Budget,
    ) -> Result<(), Trouble> {
        let function = if pass == Pass::Update { &self.update } else { &self.check };
        let count = self.feed.places().len();
        let adds = self.ran.reads.adds();
        if !self.ran.fetches && !adds {
            let call = || function.call((mixed, from, count, &self.state, first));
            return self.ran.vm.call_within(budget, call);
        }
        let places = self.feed.places();
        let (lua, host) = (self.ran.vm.lua(), self.ran.vm.host());
        self.ran.vm.call_within(budget, || {
            lua.scope(|scope| {
                let counts = scope.create_function(|_, ()| {
                    let end = self.place.call::<usize>(())?;
                    host.tables.lock().count(batch, end, &|at| places.get(at).copied());
                    Ok(())
                })?;
                lua.set_app_data(Open(adds.then_some(counts)));
                let fetch =
                    scope.create_function(|lua, (at, name): (usize, mlua::Value)| match places
                        .get(at)
                    {
                        Some(at) => fetch((lua, host), (batch, &self.matches), *at, &name),
                        None => Ok(mlua::Value::Nil),
                    })?;
                let done = function.call((mixed, from, count, &self.state, first, fetch));
                lua.set_app_data(Open(None));
                done
            })
        })
    }

    /// What `export` gets: the core table and the long-term one, or the state and the script's own.
    fn export_args(&self) -> mlua::Result<MultiValue> {
        let lua = self.ran.vm.lua();
        let view = |shared: &Shared, which| {
            lua.create_userdata(View::new(shared, which)).map(mlua::Value::UserData)
        };
        let long = match self.common.long() {
            Some(shared) => view(shared, Which::Long)?,
            None => self.own_long.clone(),
        };
        let table = match self.common.tables() {
            Some(shared) => view(shared, Which::Interval)?,
            None => self.state.clone(),
        };
        let args = mlua::Value::Table(self.ran.args_table.clone());
        Ok([table, long, args].into_iter().collect())
    }
}

impl Module for LuaModule {
    fn checks(&self) -> bool {
        self.ran.function(Callback::Check).is_some()
    }

    fn check(&mut self, batch: &Batch, picked: &mut Selection) {
        if self.checks() && self.idle {
            *picked = Selection::none(batch.len());
        } else if self.checks() && !picked.is_empty() {
            let natively = self.lifts.check.as_ref().and_then(|check| check.pick(batch, picked));
            if let Some(passed) = natively {
                *picked = passed;
                return;
            }
            self.settle();
            self.feed.forget_verdicts();
            self.pass(Pass::Check, batch, picked);
            self.feed.narrow(picked);
        }
    }

    fn turn(&mut self, shared: bool) {
        self.ran.vm.turn(shared);
    }

    fn update(&mut self, batch: &Batch, picked: &Selection) {
        if !self.idle
            && !self.common.count(batch, picked)
            && self.ran.function(Callback::Update).is_some()
            && !picked.is_empty()
            && !self.update_natively(batch, picked)
        {
            self.pass(Pass::Update, batch, picked);
        }
    }

    fn export(&mut self, interval: como_core::time::Interval, out: &mut Export) {
        self.settle();
        self.ran.vm.tidy();
        self.ran.vm.host().close(interval);
        self.close(out);
        self.common.begin();
        if let Err(trouble) = self.begin() {
            let trouble = self.placed(Callback::Init, trouble);
            let vm = &self.ran.vm;
            self.common.note_init(trouble.limit, || vm.told(trouble));
        }
    }

    fn fault(&mut self) -> Option<Fault> {
        self.common.fault()
    }

    fn state_bytes(&self) -> usize {
        let lifted = self.lifts.update.as_ref().map_or(0, Lifted::state_bytes);
        self.ran.vm.bytes() + lifted + self.common.table_bytes()
    }

    fn muted(&self) -> u64 {
        self.common.muted()
    }

    fn denied(&self) -> u64 {
        self.common.denied()
    }

    fn asides(&mut self) -> Asides {
        self.common.asides()
    }

    fn unheard(&self) -> u64 {
        self.common.unheard()
    }

    fn overflowed(&self) -> u64 {
        self.common.overflowed()
    }

    fn filled(&self) -> Option<String> {
        self.common.filled()
    }
}
