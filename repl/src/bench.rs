//! `como bench`: what the callbacks of a module cost, in all the forms it has.
//!
//! All forms run in turns in one process over the same batches, which are decoded, numbered and
//! filtered before the clock starts: what is measured is `check` and `update` alone, in CPU time
//! of this thread. Times on a shared machine mean little; the ratio to the native twin of the same
//! run means something.

mod forms;
mod traffic;

use std::io::IsTerminal;
use std::ops::Range;

use como_core::batch::Batch;
use como_core::costs::thread_cpu_ns;
use como_core::field::Demand;
use como_core::filter::{self, Plan};
use como_core::module::{Export, Limits, Module, Setup, Started};
use como_core::record::Schema;
use como_core::selection::Selection;
use como_core::time::{Interval, Span, Ts};
use serde::Serialize;
use std::sync::Arc;

use crate::catalogue;
use crate::cli::{Bench, Format};
use crate::error::{Failure, Result};
use crate::output;
use forms::Form;

/// CPU time that one call may take here: what is measured is not to be stopped.
const CALL_MS_MAX: u64 = 10_000;
/// CPU time that one round of a form may take: of a slow one fewer packets are measured.
const ROUND_NS_MAX: u64 = 2_000_000_000;
const MEMORY_BYTES_MAX: usize = 1 << 30;

/// What one form of a module costs.
#[derive(Debug, Serialize)]
struct Row {
    module: String,
    form: String,
    ns_per_packet: f64,
    /// To the native twin, of this run.
    ratio: Option<f64>,
    export_us: f64,
    /// What starting an instance takes: for a script, its virtual machine too.
    start_us: f64,
    /// What it holds then.
    start_bytes: usize,
    packets: u64,
}

/// Measures the modules asked for, one after another.
pub fn perform(args: &Bench) -> Result {
    let names: Vec<String> = match (&args.modules, args.all) {
        (Some(names), _) => names.split(',').map(|name| name.trim().to_owned()).collect(),
        (None, true) => forms::names(),
        (None, false) => {
            let failure = Failure::usage("there is no module to measure");
            return Err(failure.hint("name one, or write `como bench --all`"));
        }
    };
    let mut rows = Vec::new();
    for name in names {
        rows.extend(measure(&name, args)?);
    }
    let format = args.format.unwrap_or(match std::io::stdout().is_terminal() {
        true => Format::Table,
        false => Format::Ndjson,
    });
    match format {
        Format::Table => output::line(&table(&rows)),
        Format::Ndjson => {
            rows.iter().try_for_each(|row| output::line(&serde_json::to_string(row)?))
        }
        _ => Err(Failure::usage("measurements are a table or ndjson")),
    }
}

fn table(rows: &[Row]) -> String {
    let mut table = output::list([
        "MODULE",
        "FORM",
        "NS/PACKET",
        "x NATIVE",
        "EXPORT US",
        "START US",
        "START KIB",
    ]);
    for row in rows {
        table.add_row([
            row.module.clone(),
            row.form.clone(),
            format!("{:.2}", row.ns_per_packet),
            row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
            format!("{:.0}", row.export_us),
            format!("{:.0}", row.start_us),
            format!("{}", row.start_bytes / 1024),
        ]);
    }
    (2..7).for_each(|column| output::align_right(&mut table, column));
    output::text(table)
}

/// A form that runs, with what its filter picks of each batch.
struct Runner {
    form: Form,
    module: Box<dyn Module>,
    schema: Arc<Schema>,
    picks: Vec<Selection>,
    /// How many of the batches it is measured with.
    batches: usize,
    packets: usize,
    update_ns: Vec<u64>,
    export_ns: Vec<u64>,
    start_ns: Vec<u64>,
    start_bytes: usize,
}

fn measure(name: &str, args: &Bench) -> Result<Vec<Row>> {
    let forms = forms::of(name)?;
    let mut started = Vec::new();
    let (mut demand, mut plan) = (Demand::NONE, Plan::default());
    for form in forms {
        let mut start_ns = Vec::new();
        for _ in 0..args.runs.max(1) {
            let began = thread_cpu_ns();
            let _started = start(&form, args)?;
            start_ns.push(thread_cpu_ns().saturating_sub(began));
        }
        let one: Started = start(&form, args)?;
        let parsed =
            filter::parse(&one.filter).map_err(|e| crate::filter::wrong(&one.filter, &e))?;
        demand = demand.and(one.demand);
        started.push((form, plan.add(&parsed.expr), one, start_ns));
    }
    demand = demand.and(plan.demand());
    let mut batches = traffic::batches(args, demand)?;
    batches.iter_mut().for_each(|batch| plan.run(batch));
    let packets: usize = batches.iter().map(Batch::len).sum();
    if packets == 0 {
        return Err(Failure::new("there are no packets to measure with"));
    }
    let runner = |(form, slot, started, start_ns): (Form, usize, Started, Vec<u64>)| Runner {
        form,
        start_ns,
        start_bytes: started.module.state_bytes(),
        module: started.module,
        schema: started.schema.unwrap_or_default(),
        picks: batches.iter().map(|b| picked(b, slot)).collect(),
        batches: batches.len(),
        packets,
        update_ns: Vec::new(),
        export_ns: Vec::new(),
    };
    let mut runners: Vec<Runner> = started.into_iter().map(runner).collect();
    // The first round fills caches and tables, shows who is slow, and is not counted.
    for runner in &mut runners {
        runner.warm_up(&batches)?;
    }
    for _ in 0..args.runs.max(1) {
        for runner in &mut runners {
            runner.run(&batches)?;
        }
    }
    Ok(rows(name, &mut runners))
}

fn picked(batch: &Batch, slot: usize) -> Selection {
    batch.pick(slot).cloned().unwrap_or_else(|| Selection::none(batch.len()))
}

fn start(form: &Form, args: &Bench) -> Result<Started> {
    let given = args.args.iter().filter(|text| {
        let key = text.split('=').next().unwrap_or_default();
        form.kind.manifest().takes(key)
    });
    let given =
        como_core::module::Args::parse(given).map_err(|error| Failure::usage(error.to_string()))?;
    let limits = Limits {
        call_ms_max: CALL_MS_MAX,
        memory_bytes_max: MEMORY_BYTES_MAX,
        ..Limits::default()
    };
    let setup = Setup { instance: form.name.clone(), args: given, limits, ..Setup::default() };
    form.kind.start(&setup).map_err(|error| catalogue::refused(&error))
}

impl Runner {
    /// A round that is not counted, over as many batches as there is time for: that many are
    /// measured.
    fn warm_up(&mut self, batches: &[Batch]) -> Result {
        let began = thread_cpu_ns();
        let mut done = 0;
        while done < batches.len() && thread_cpu_ns().saturating_sub(began) < ROUND_NS_MAX {
            self.update(batches, done..done + 1);
            done += 1;
        }
        self.batches = done;
        self.packets = batches.iter().take(done).map(Batch::len).sum();
        self.export()
    }

    /// One round, and the export behind it.
    fn run(&mut self, batches: &[Batch]) -> Result {
        let began = thread_cpu_ns();
        self.update(batches, 0..self.batches);
        let updated = thread_cpu_ns();
        let exported = self.export();
        self.update_ns.push(updated.saturating_sub(began));
        self.export_ns.push(thread_cpu_ns().saturating_sub(updated));
        exported
    }

    fn update(&mut self, batches: &[Batch], range: Range<usize>) {
        let checks = self.module.checks();
        for (batch, picked) in batches.iter().zip(&self.picks).take(range.end).skip(range.start) {
            if checks {
                let mut picked = picked.clone();
                self.module.check(batch, &mut picked);
                self.module.update(batch, &picked);
            } else {
                self.module.update(batch, picked);
            }
        }
    }

    fn export(&mut self) -> Result {
        let interval = Interval::holding(Ts::new(1, 0), Span::from_secs(1));
        let mut out = Export::new(interval, self.schema.clone());
        self.module.export(interval, &mut out);
        match self.module.fault() {
            Some(fault) => Err(Failure::new(format!("{}: {}", self.form.name, fault))),
            None => Ok(()),
        }
    }
}

fn rows(name: &str, runners: &mut [Runner]) -> Vec<Row> {
    let each = |runner: &mut Runner| median(&mut runner.update_ns) / runner.packets as f64;
    let twin = runners.iter_mut().find(|runner| runner.form.is_native).map(each);
    let row = |runner: &mut Runner| {
        let ns = each(runner);
        Row {
            module: name.to_owned(),
            form: runner.form.name.clone(),
            ns_per_packet: ns,
            ratio: twin.filter(|twin| *twin > 0.0).map(|twin| ns / twin),
            export_us: median(&mut runner.export_ns) / 1000.0,
            start_us: median(&mut runner.start_ns) / 1000.0,
            start_bytes: runner.start_bytes,
            packets: runner.packets as u64,
        }
    };
    runners.iter_mut().map(row).collect()
}

fn median(times: &mut [u64]) -> f64 {
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |ns| *ns as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &str, want: &[&str]) {
        let args =
            Bench { modules: Some(names.into()), packets: 5000, runs: 1, ..Bench::default() };
        let rows = measure(names, &args).unwrap_or_else(|failure| panic!("{failure}"));
        let forms: Vec<&str> = rows.iter().map(|row| row.form.as_str()).collect();
        assert_eq!(forms, want);
        assert!(rows.iter().all(|row| row.ns_per_packet > 0.0 && row.packets == 5000));
    }

    #[test]
    fn a_shipped_module_is_measured_in_all_its_forms() {
        check(
            "traffic",
            &["native", "declared, Lua", "declared, Rhai", "update, Lua", "update, Rhai"],
        );
    }

    #[test]
    fn a_native_twin_is_the_measure() {
        let args = Bench { packets: 5000, runs: 1, ..Bench::default() };
        let rows = measure("topaddr", &args).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(rows[0].form, "native");
        assert_eq!(rows[0].ratio, Some(1.0));
        assert!(rows[1].ratio.is_some_and(|ratio| ratio > 0.0));
    }

    #[test]
    fn of_a_slow_form_fewer_packets_are_measured() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("slow.lua");
        let slow = "function update(pkt, state) for n = 1, 8e4 do state.n = n end end function \
            export() end";
        std::fs::write(&file, slow).expect("written");
        let args = Bench { packets: 60_000, runs: 1, ..Bench::default() };
        let rows = measure(&file.display().to_string(), &args);
        let [row] = &rows.unwrap_or_else(|failure| panic!("{failure}"))[..] else { panic!("one") };
        assert!(row.packets < 60_000, "{}", row.packets);
    }

    #[test]
    fn medians_do_not_mind_one_slow_round() {
        assert_eq!(median(&mut [9_000, 1, 2]), 2.0);
        assert_eq!(median(&mut []), 0.0);
    }
}
