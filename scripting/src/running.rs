//! A script run by hand: what both hosts' tests stand on.

use std::time::Duration;

use como_core::batch::Batch;
use como_core::costs::thread_cpu_ns;
use como_core::intern::Interner;
use como_core::module::{Args, Export, Fault, Limits, ModuleError, Setup, Started};
use como_core::packet::build::{ACK, Frame, SYN, batch_of};
use como_core::record::{Column, Records, Value};
use como_core::selection::Selection;
use como_core::time::{Interval, Ts};

/// Longer than any script may hold its caller: the machine that runs the tests may be busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a script takes of this thread's CPU time: that others are at work as well takes nothing
/// away.
pub struct Took(u64);

impl Took {
    /// Nothing so far.
    pub fn begin() -> Self {
        Self(thread_cpu_ns())
    }

    /// So much by now.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(thread_cpu_ns().saturating_sub(self.0))
    }

    /// Not too much.
    #[track_caller]
    pub fn check(&self) {
        let time = self.time();
        assert!(time < PATIENCE, "took {time:?}");
    }
}

/// A started script, its interner, and the faults it has given so far.
pub struct Running {
    pub started: Started,
    pub interner: Interner,
    pub at: u64,
    pub faults: Vec<Fault>,
}

impl Running {
    /// Starts the script in `text`; the ending of `file` says its language.
    pub fn start(
        file: &str,
        text: &str,
        args: &[&str],
        limits: Limits,
    ) -> Result<Self, ModuleError> {
        let args = Args::parse(args).expect("name=value");
        let setup = Setup { instance: "test".into(), args, limits, ..Setup::default() };
        Ok(Self::of(crate::load_text(file, text)?.start(&setup)?))
    }

    /// Goes on with a module that was started elsewhere.
    pub fn of(started: Started) -> Self {
        Self { started, interner: Interner::default(), at: 1, faults: Vec::new() }
    }

    pub fn batch(&mut self, frames: impl IntoIterator<Item = Frame>) -> Batch {
        let mut batch = batch_of(frames);
        batch.decode(self.started.demand);
        self.interner.fill(&mut batch, self.started.demand);
        batch
    }

    pub fn feed(&mut self, frames: impl IntoIterator<Item = Frame>) -> Selection {
        let batch = self.batch(frames);
        self.feed_batch(&batch)
    }

    pub fn feed_batch(&mut self, batch: &Batch) -> Selection {
        let mut picked = Selection::all(batch.len());
        let module = &mut self.started.module;
        // Whoever does not narrow passes everything, asked or not.
        module.check(batch, &mut picked);
        self.faults.extend(module.fault());
        module.update(batch, &picked);
        self.faults.extend(module.fault());
        picked
    }

    /// The records of the interval that closes here, perhaps the last.
    pub fn close(&mut self, last: bool) -> Vec<Records> {
        let interval = Interval::holding(Ts::new(self.at, 0), self.started.interval);
        self.at = interval.end().parts().0;
        let out = Export::new(interval, self.started.schema.clone().unwrap_or_default());
        let mut out = if last { out.closing() } else { out };
        self.started.module.export(interval, &mut out);
        self.faults.extend(self.started.module.fault());
        out.into_records()
    }

    /// The rows of the interval that closes here, as texts.
    pub fn rows(&mut self) -> Vec<String> {
        self.close(false).iter().flat_map(shown).collect()
    }

    #[track_caller]
    pub fn faultless(&self) {
        assert_eq!(self.faults, []);
    }
}

/// Rows as texts, `name=value` for each column.
pub fn shown(records: &Records) -> Vec<String> {
    let cell = |row: usize, (at, column): (usize, &Column)| {
        let value = match records.value(row, at) {
            Value::Null => "-".to_owned(),
            Value::Bool(x) => x.to_string(),
            Value::Uint(x) => x.to_string(),
            Value::Int(x) => x.to_string(),
            Value::Float(x) => x.to_string(),
            Value::Addr(x) => x.to_string(),
            Value::Mac(x) => x.to_string(),
            Value::Text(x) => x,
            Value::Bytes(x) => format!("{x:?}"),
            Value::Time(x) => x.to_string(),
        };
        format!("{}={value}", column.name)
    };
    let columns = &records.schema.columns;
    let line = |row| columns.iter().enumerate().map(|c| cell(row, c)).collect::<Vec<_>>().join(" ");
    (0..records.rows()).map(line).collect()
}

pub fn udp(src: &str, dst: &str, len: usize) -> Frame {
    Frame::udp(format!("{src}:1000").as_str(), format!("{dst}:53").as_str()).len(len)
}

/// A few packets of several kinds.
pub fn some() -> Vec<Frame> {
    vec![
        udp("10.0.0.1", "10.0.0.9", 100),
        udp("10.0.0.2", "10.0.0.9", 200),
        Frame::udp("[2001:db8::2]:1000", "[2001:db8::1]:53").len(150),
        Frame::tcp("10.0.0.1:2000", "10.0.0.3:443").flags(SYN).len(60),
        Frame::tcp("10.0.0.3:443", "10.0.0.1:2000").flags(SYN | ACK).len(60),
        Frame::arp("10.0.0.1", "10.0.0.2", true).len(60),
    ]
}

/// Checks the rows a script makes of [`some`] packets, without any fault.
#[track_caller]
pub fn check_rows(file: &str, text: &str, args: &[&str], want: &[&str]) {
    let mut running = match Running::start(file, text, args, Limits::default()) {
        Ok(running) => running,
        Err(error) => panic!("{error}"),
    };
    running.feed(some());
    let rows = running.rows();
    running.faultless();
    assert_eq!(rows, want);
}
