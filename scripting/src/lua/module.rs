//! A running Lua module: the callbacks, in the order an interval calls them.

use como_core::batch::Batch;
use como_core::field::Demand;
use como_core::module::declared::Action;
use como_core::module::{Asides, Export, Fault, Limits, Mistake, Module};
use como_core::record::{Records, Value};
use como_core::selection::Selection;
use como_core::time::Ts;
use mlua::{Function, MultiValue};

use super::convert;
use super::feed::Feed;
use super::fetch::fetch;
use super::lifted::{self, Lifts, Settler};
use super::payload::Payloads;
use super::returned::returned;
use super::script::Ran;
use super::tables::{self, Open, Shared, View, Which};
use super::vm::{Budget, Trouble};
use crate::common::{Common, ERRORS_MAX};
use crate::declare::Callback;
use crate::host::Phase;
use crate::lift::Lifted;
use crate::passed::Output;
use crate::recorder::{Recorder, Returned, Row, stored_schema};

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

    fn note(&mut self, trouble: Trouble) {
        let vm = &self.ran.vm;
        self.common.note(trouble.limit, || vm.told(trouble));
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
                return self.note(trouble);
            }
            None => return,
        };
        let count = self.feed.places().len();
        let first = self.payloads.begin(count);
        let (mut from, mut errors) = (0, 0);
        // However often a packet fails, all packets of a batch have the time of one call.
        let budget = self.ran.vm.budget();
        while from < count {
            let run = || self.run(pass, batch, (mixed, from, first), budget);
            let Err(trouble) = self.payloads.within(batch, self.feed.places(), run) else { break };
            let stop = trouble.limit.is_some();
            let callback = if pass == Pass::Update { Callback::Update } else { Callback::Check };
            self.note(self.placed(callback, trouble));
            if self.ran.fetches {
                self.abandon();
            }
            errors += 1;
            // The packet that failed is passed over.
            let place = self.ran.vm.call(|| self.place.call::<usize>(()));
            from = place.map_or(count, |at| at.max(from) + 1);
            if stop || errors == ERRORS_MAX {
                self.common.leave_out(count.saturating_sub(from));
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
        budget: Budget,
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

    /// The records of a closed interval, by `export` or by the tables alone.
    fn records(&mut self, out: &mut Export) -> Result<(), Trouble> {
        if self.idle {
            return Ok(());
        }
        let interval = out.interval();
        let Some(export) = self.ran.function(Callback::Export).cloned() else {
            let records = self.common.records(interval);
            return records.map_or(Ok(()), |records| self.write(Returned::Whole(records), out));
        };
        let output = Output::new(self.common.limits());
        let returned = self.ran.vm.call(|| {
            let value = export.call::<mlua::Value>(self.export_args()?)?;
            returned(&value, out, output)
        });
        let returned = returned.map_err(|trouble| self.placed(Callback::Export, trouble))?;
        self.write(returned, out)
    }

    /// Writes what was returned, through the script's own `store` if it has one.
    fn write(&mut self, returned: Returned, out: &mut Export) -> Result<(), Trouble> {
        match (self.ran.function(Callback::Store).cloned(), returned) {
            (None, Returned::Whole(records)) => out.records(records),
            (None, Returned::Rows(rows)) => {
                let line = self.ran.line(Callback::Export);
                self.recorder.write(rows, out).map_err(|message| Trouble::new(line, message))?;
            }
            (Some(store), returned) => self.store(&store, returned.into_rows(), out)?,
        }
        Ok(())
    }

    /// Each record as the bytes the script makes of it.
    fn store(&self, store: &Function, rows: Vec<Row>, out: &mut Export) -> Result<(), Trouble> {
        let vm = &self.ran.vm;
        let mut records = Records::empty(stored_schema(), out.interval().len());
        let mut output = Output::new(self.common.limits());
        for row in rows {
            let bytes = vm.call(|| {
                let record =
                    convert::table_of(vm.lua(), row.iter().map(|(name, v)| (name.as_str(), v)))?;
                let stored = store.call::<mlua::LuaString>(record)?;
                output.bytes(stored.as_bytes().len()).map_err(mlua::Error::external)?;
                Ok(stored.as_bytes().to_vec())
            });
            let bytes = bytes.map_err(|trouble| self.placed(Callback::Store, trouble))?;
            records.push(out.interval().start(), [Value::Bytes(bytes)]);
        }
        out.records(records);
        Ok(())
    }

    /// Asks `action` about every long-term row, and writes those to store.
    fn flush(&mut self, out: &mut Export) -> Result<(), Trouble> {
        let (answers, trouble) = self.ask(out.now());
        if let Some(records) = self.common.flush(out, &answers) {
            self.write(Returned::Whole(records), out)?;
        }
        trouble.map_or(Ok(()), Err)
    }

    /// What `action` says of each long-term row.
    fn ask(&self, now: Ts) -> (Vec<Option<Action>>, Option<Trouble>) {
        let Some(action) = self.ran.function(Callback::Action) else { return (Vec::new(), None) };
        let vm = &self.ran.vm;
        let ask = |shared: &Shared, row| {
            vm.call(|| {
                let record = match shared.lock().declared.long() {
                    Some(long) => tables::row(vm.lua(), long, row)?,
                    None => return Ok(None),
                };
                let answer = action.call::<Option<String>>((record, now.as_secs_f64()))?;
                answer.map(|name| named(&name)).transpose()
            })
        };
        let wrong = |limit, message| Trouble { limit, ..Trouble::new(0, message) };
        self.common.ask(ask, |trouble| trouble.limit.is_some(), wrong)
    }
}

fn named(name: &str) -> mlua::Result<Action> {
    Action::named(name).ok_or_else(|| {
        let name = name.escape_debug();
        mlua::Error::runtime(format!("action returned `{name}`: return store, keep or discard"))
    })
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
        if let Err(trouble) = self.records(out) {
            self.note(trouble);
        }
        if let Err(trouble) = self.flush(out) {
            self.note(trouble);
        }
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
}
