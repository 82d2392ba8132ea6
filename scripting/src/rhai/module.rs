//! A running Rhai module: the callbacks, in the order an interval calls them.

use como_core::batch::Batch;
use como_core::field::Demand;
use como_core::module::declared::Action;
use como_core::module::{Asides, Export, Fault, Limit, Limits, Mistake, Module, ModuleError};
use como_core::record::{Records, Value};
use como_core::selection::Selection;
use como_core::time::{Interval, Ts};
use rhai::{Dynamic, Engine, EvalAltResult, Map, Scope};

use super::body::{Body, Packets};
use super::deep;
use super::fault::{ends, limit, passed, placed};
use super::packet::{Feed, Holder};
use super::returned::{answer, returned};
use super::script::Ran;
use super::tables::{self, Shared, View, Which};
use super::value::{self, weigh};
use super::words::named;
use crate::common::{Common, ERRORS_MAX};
use crate::declare::Callback;
use crate::host::Phase;
use crate::passed::{Output, Passed};
use crate::recorder::{Recorder, Returned, stored_schema};

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// How many packets a state's weight is taken to last, for each byte of it.
const WEIGH_EVERY: usize = 64;

/// A callback that gets packets.
struct PacketBody {
    body: Body,
    packets: Packets,
}

/// One instance of a script.
pub(super) struct RhaiModule {
    ran: Ran,
    init: Option<Body>,
    check: Option<PacketBody>,
    update: Option<PacketBody>,
    export: Option<Body>,
    action: Option<Body>,
    store: Option<Body>,
    common: Common,
    recorder: Recorder,
    holder: Holder,
    state: Dynamic,
    /// Whether `init` has failed for the open interval, which is left out then.
    idle: bool,
    /// What a script without a declared long-term table keeps across intervals.
    own_long: Dynamic,
    /// What `state` and `own_long` weighed, and how many packets came since.
    weighed: usize,
    since: usize,
    /// What each filter of the script picks of the batch at hand.
    matches: Vec<Selection>,
}

impl RhaiModule {
    /// Starts an instance of a script whose top level has run.
    pub fn new(
        ran: Ran,
        tables: Option<Shared>,
        recorder: Recorder,
        limits: Limits,
    ) -> Result<Self, ModuleError> {
        let plain = |callback| ran.body(callback).map(|found| found.map(|(body, _)| body));
        let packets = |callback| {
            let found = ran.body(callback)?;
            Ok::<_, ModuleError>(found.map(|(body, packets)| PacketBody { body, packets }))
        };
        let mut module = Self {
            init: plain(Callback::Init)?,
            check: packets(Callback::Check)?,
            update: packets(Callback::Update)?,
            export: plain(Callback::Export)?,
            action: plain(Callback::Action)?,
            store: plain(Callback::Store)?,
            common: Common::new(ran.host.clone(), tables, limits),
            ran,
            recorder,
            holder: Holder::default(),
            state: Dynamic::UNIT,
            idle: false,
            own_long: Dynamic::from_map(Map::new()),
            weighed: 0,
            since: 0,
            matches: Vec::new(),
        };
        let begun = module.begin();
        begun.map_err(|error| module.ran.refusal(error))?;
        Ok(module)
    }

    /// What must be decoded for its callbacks.
    pub fn demand(&self) -> Demand {
        let bodies = [&self.check, &self.update].into_iter().flatten();
        bodies.fold(Demand::NONE, |d, b| d.and(b.packets.demand()))
    }

    /// What the filters read that the script has compiled; it compiles no more from now on.
    pub fn settle_filters(&self) -> Demand {
        self.ran.host.filters.lock().settle()
    }

    /// Begins an interval: what `init` returns is the state; an empty map if that is nothing.
    /// If it fails, the interval is left out, and what comes next begins as the first did.
    fn begin(&mut self) -> Fallible<()> {
        self.ran.host.turn(Phase::Init);
        let last = std::mem::take(&mut self.state);
        let last = if self.idle { Dynamic::UNIT } else { last };
        self.idle = true;
        self.state = Dynamic::from_map(Map::new());
        if let Some(init) = &mut self.init {
            init.set(0, self.ran.args_map());
            init.set(1, last);
            let state = self.ran.call(|engine| init.run(engine));
            init.set(1, Dynamic::UNIT);
            let state = state?;
            if !state.is_unit() {
                self.state = state;
            }
        }
        self.idle = false;
        Ok(())
    }

    /// Begins an interval, or notes why that failed.
    fn begin_or_note(&mut self) {
        if let Err(error) = self.begin() {
            let (ran, line) = (&self.ran, self.init.as_ref().map_or(0, Body::line));
            self.common.note_init(passed(&error), || ran.told(placed(error, line)));
        }
    }

    fn note(&mut self, error: Box<EvalAltResult>) {
        let ran = &self.ran;
        self.common.note(passed(&error), || ran.told(error));
    }

    /// Runs a callback over the picked packets, and hands its answers to `answered`.
    fn pass(
        &mut self,
        which: Callback,
        batch: &Batch,
        picked: &Selection,
        answered: impl FnMut(usize, Dynamic),
    ) {
        let slot = if which == Callback::Check { &mut self.check } else { &mut self.update };
        let Some(PacketBody { body, packets }) = slot else { return };
        let stateful = body.takes(1);
        if stateful {
            body.set(1, std::mem::take(&mut self.state));
        }
        self.ran.host.meet(batch, &mut self.matches);
        let matches = self.matches.as_slice();
        let view = BatchView { batch, matches, packets, holder: &self.holder, ran: &self.ran };
        let passed = self.ran.call(|engine| Ok(view.pass((body, engine), picked, answered)));
        if stateful {
            self.state = body.take(1);
        }
        self.holder.close();
        for field in self.holder.asked().into_iter().filter(|field| !packets.shown.contains(field))
        {
            self.ran.host.note_fetched(field);
        }
        self.ran.host.tables.lock().count(batch, usize::MAX, &Some);
        match passed {
            Ok((done, errors)) => {
                errors.into_iter().flatten().for_each(|error| self.note(error));
                self.common.leave_out(picked.count().saturating_sub(done));
            }
            Err(error) => self.note(error),
        }
        self.since = self.since.saturating_add(picked.count());
    }

    /// Weighs what the script keeps, now and then, and drops it if it is too much.
    fn weigh(&mut self, now: bool) {
        if !now && self.since < self.weighed / WEIGH_EVERY {
            return;
        }
        self.since = 0;
        let max = self.common.limits().memory_bytes_max;
        let why = match (weigh(&self.state), weigh(&self.own_long)) {
            (Ok(state), Ok(long)) => {
                self.weighed = state.saturating_add(long);
                (self.weighed > max).then(|| format!("its state passes {max} bytes: begun anew"))
            }
            _ => Some("its state nests too deep: begun anew".to_owned()),
        };
        if let Some(message) = why {
            self.state = Dynamic::UNIT;
            self.own_long = Dynamic::from_map(Map::new());
            self.weighed = 0;
            let mistake = Mistake::new(self.ran.file(), 0, message);
            self.common.note(Some(Limit::Memory), || mistake);
            self.begin_or_note();
        }
    }

    /// The records of a closed interval, by `export` or by the tables alone.
    fn records(&mut self, out: &mut Export) -> Fallible<()> {
        if self.idle {
            return Ok(());
        }
        let Some(export) = &mut self.export else {
            let records = self.common.records(out.interval());
            return records.map_or(Ok(()), |records| self.write(Returned::Whole(records), out));
        };
        let view = |shared: &Shared, which| Dynamic::from(View::new(shared, which));
        let (tables, declared_long) = (self.common.tables(), self.common.long());
        export.set(
            0,
            match tables {
                Some(shared) => view(shared, Which::Interval),
                None if export.takes(0) => std::mem::take(&mut self.state),
                None => Dynamic::UNIT,
            },
        );
        export.set(
            1,
            match declared_long {
                Some(shared) => view(shared, Which::Long),
                None if export.takes(1) => std::mem::take(&mut self.own_long),
                None => Dynamic::UNIT,
            },
        );
        export.set(2, self.ran.args_map());
        let output = Output::new(self.common.limits());
        let line = export.line();
        let returned = self.ran.call(|engine| returned(&export.run(engine)?, out, line, output));
        if tables.is_none() && export.takes(0) {
            self.state = export.take(0);
        }
        if declared_long.is_none() && export.takes(1) {
            self.own_long = export.take(1);
        }
        self.write(returned.map_err(|error| placed(error, line))?, out)
    }

    /// Writes what was returned, through the script's own `store` if it has one.
    fn write(&mut self, returned: Returned, out: &mut Export) -> Fallible<()> {
        let Some(store) = &mut self.store else {
            match returned {
                Returned::Whole(records) => out.records(records),
                Returned::Rows(rows) => self.recorder.write(rows, out)?,
            }
            return Ok(());
        };
        let mut records = Records::empty(stored_schema(), out.interval().len());
        let mut output = Output::new(self.common.limits());
        for row in returned.into_rows() {
            let row = row.into_iter().map(|(name, v)| (name.into(), value::of_value(v)));
            store.set(0, Dynamic::from_map(row.collect::<Map>()));
            let bytes = self.ran.call(|engine| store.run(engine))?;
            let bytes = match value::to_value(&bytes) {
                Ok(Value::Bytes(bytes)) => bytes,
                Ok(Value::Text(text)) => text.into_bytes(),
                _ => {
                    let error = format!("store returned {}, not bytes", named(&bytes));
                    return Err(placed(error.into(), store.line()));
                }
            };
            output.bytes(bytes.len()).map_err(|passed| limit(passed, store.line()))?;
            records.push(out.interval().start(), [Value::Bytes(bytes)]);
        }
        out.records(records);
        Ok(())
    }

    /// Asks `action` about every long-term row, and writes those to store.
    fn flush(&mut self, out: &mut Export) -> Fallible<()> {
        let (answers, error) = self.ask(out.now());
        if let Some(records) = self.common.flush(out, &answers) {
            self.write(Returned::Whole(records), out)?;
        }
        error.map_or(Ok(()), Err)
    }

    /// Closes an interval and begins the next.
    fn close(&mut self, out: &mut Export) {
        self.ran.host.close(out.interval());
        let results = [self.records(out), self.flush(out)];
        self.common.begin();
        self.weigh(true);
        results.into_iter().filter_map(Result::err).for_each(|error| self.note(error));
        self.begin_or_note();
    }

    /// What `action` says of each long-term row.
    fn ask(&mut self, now: Ts) -> (Vec<Option<Action>>, Option<Box<EvalAltResult>>) {
        let Some(action) = &mut self.action else { return (Vec::new(), None) };
        let (ran, line) = (&self.ran, action.line());
        let ask = |shared: &Shared, at: usize| {
            let row = shared.lock().declared.long().map(|long| tables::row(long, at));
            action.set(0, row.unwrap_or(Dynamic::UNIT));
            action.set(1, Dynamic::from_float(now.as_secs_f64()));
            ran.call(|engine| answer(&action.run(engine)?)).map_err(|error| placed(error, line))
        };
        let wrong = |passed: Option<Limit>, message: String| match passed {
            Some(at) => limit(Passed { limit: at, message }, line),
            None => message.into(),
        };
        self.common.ask(ask, |error| ends(error), wrong)
    }
}

/// A batch as a callback sees it.
struct BatchView<'a> {
    batch: &'a Batch,
    matches: &'a [Selection],
    packets: &'a Packets,
    holder: &'a Holder,
    ran: &'a Ran,
}

impl BatchView<'_> {
    /// Runs a body for each picked packet; answers how many it got to, and what went wrong: the
    /// first packet's error, and what ended them all.
    fn pass(
        &self,
        (body, engine): (&mut Body, &Engine),
        picked: &Selection,
        mut answered: impl FnMut(usize, Dynamic),
    ) -> (usize, [Option<Box<EvalAltResult>>; 2]) {
        let packet = body.param_name(0).map(str::to_owned);
        let reads = self.packets.reads.iter();
        let feed = |read| Feed::new(read, self.batch, self.matches);
        let feeds: Vec<_> = reads.map(|(name, read)| (name.as_str(), feed(*read))).collect();
        let (mut first, mut ended, mut failed, mut done) = (None, None, 0, 0);
        let mut turns = body.turns(engine);
        for at in picked.iter() {
            done += 1;
            self.turn_to(at);
            let answer = turns.next(|scope| {
                for (name, feed) in &feeds {
                    set(scope, name, feed.at(self.batch, at));
                }
                if let (Some(fields), Some(packet)) = (&self.packets.held, &packet) {
                    let held = self.holder.turn(self.batch, at, fields, self.matches);
                    set(scope, packet, Dynamic::from(held));
                }
            });
            match answer {
                Ok(answer) => answered(at, answer),
                Err(error) if ends(&error) => {
                    ended = Some(error);
                    break;
                }
                Err(error) => {
                    first.get_or_insert_with(|| self.ran.written(error, self.holder.layer()));
                    failed += 1;
                    if failed == ERRORS_MAX {
                        break;
                    }
                }
            }
        }
        (done, [first, ended])
    }

    /// Has the tables that are added to know which packet is at hand.
    fn turn_to(&self, at: usize) {
        if self.packets.adds {
            if self.packets.looks {
                self.ran.host.tables.lock().count(self.batch, usize::MAX, &Some);
            }
            self.ran.host.turn_to(at);
        }
    }
}

fn set(scope: &mut Scope<'static>, name: &str, value: Dynamic) {
    if let Some(held) = scope.get_mut(name) {
        *held = value;
    }
}

impl Module for RhaiModule {
    fn checks(&self) -> bool {
        self.check.is_some()
    }

    fn check(&mut self, batch: &Batch, picked: &mut Selection) {
        if self.check.is_none() {
            return;
        }
        if self.idle {
            *picked = Selection::none(batch.len());
            return;
        }
        let all = picked.clone();
        let (mut pass, mut odd) = (Selection::none(batch.len()), None);
        deep(|| {
            self.pass(Callback::Check, batch, &all, |at, answer| match answer.as_bool() {
                Ok(true) => pass.insert(at),
                Ok(false) => {}
                Err(_) => odd = Some(named(&answer)),
            });
            self.weigh(false);
        });
        picked.and(&pass);
        if let Some(odd) = odd {
            let line = self.check.as_ref().map_or(0, |check| check.body.line());
            let error = format!("check returned {odd}, not true or false");
            self.note(placed(error.into(), line));
        }
    }

    fn update(&mut self, batch: &Batch, picked: &Selection) {
        if !self.idle && !self.common.count(batch, picked) {
            deep(|| {
                self.pass(Callback::Update, batch, picked, |_, _| {});
                self.weigh(false);
            });
        }
    }

    fn export(&mut self, _: Interval, out: &mut Export) {
        deep(|| self.close(out));
    }

    fn fault(&mut self) -> Option<Fault> {
        self.common.fault()
    }

    fn state_bytes(&self) -> usize {
        self.weighed.saturating_add(self.common.table_bytes())
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

impl Drop for RhaiModule {
    /// Dropping what nests goes as deep as it does.
    fn drop(&mut self) {
        deep(|| {
            self.state = Dynamic::UNIT;
            self.own_long = Dynamic::UNIT;
        });
    }
}
