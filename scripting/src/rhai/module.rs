//! A running Rhai module: the callbacks, in the order an interval calls them.

mod closing;

use como_core::batch::Batch;
use como_core::field::Demand;
use como_core::module::{Asides, Export, Fault, Limit, Limits, Mistake, Module, ModuleError};
use como_core::selection::Selection;
use como_core::time::Interval;
use rhai::{Dynamic, Engine, EvalAltResult, Map, Scope};

use super::body::{Body, Packets};
use super::deep;
use super::fault::{ends, passed, placed};
use super::packet::{Feed, Holder};
use super::script::Ran;
use super::tables::Shared;
use super::value::weigh;
use super::words::named;
use crate::common::{Common, ERRORS_MAX, UNSEEN};
use crate::declare::Callback;
use crate::host::Phase;
use crate::recorder::Recorder;

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

    /// As [`Common::note`].
    fn note(&mut self, error: Box<EvalAltResult>) -> bool {
        let ran = &self.ran;
        self.common.note(passed(&error), || ran.told(error))
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
                let noted = errors.into_iter().flatten().map(|error| self.note(error));
                if noted.fold(false, |any, is_told| any | is_told) {
                    self.common.leave_out(picked.count().saturating_sub(done), UNSEEN);
                }
            }
            Err(error) => drop(self.note(error)),
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

    fn turn(&mut self, shared: bool) {
        self.ran.turn(shared);
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

    fn filled(&self) -> Option<String> {
        self.common.filled()
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
