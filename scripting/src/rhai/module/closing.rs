//! The end of an interval: its records, and what becomes of each long-term row.

use como_core::module::Export;
use como_core::module::declared::Action;
use como_core::record::{Records, Value};
use como_core::time::Ts;
use rhai::{Dynamic, Map};

use super::{Fallible, RhaiModule};
use crate::common::{UNASKED, UNSTORED};
use crate::passed::Output;
use crate::recorder::{Returned, Row, stored_schema};
use crate::rhai::body::Body;
use crate::rhai::fault::{ends, limit, placed};
use crate::rhai::returned::{answer, returned, stored};
use crate::rhai::tables::{self, Shared, View, Which};
use crate::rhai::value;
use crate::watch::Budget;

impl RhaiModule {
    /// The records of a closed interval, by `export` or by the tables alone.
    fn records(&mut self, out: &mut Export, storing: &mut Budget) -> Fallible<()> {
        if self.idle {
            return Ok(());
        }
        let Some(export) = &mut self.export else {
            return match self.common.records(out.interval()) {
                Some(records) => self.write(Returned::Whole(records), out, storing),
                None => Ok(()),
            };
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
        self.write(returned.map_err(|error| placed(error, line))?, out, storing)
    }

    /// Writes what was returned, through the script's own `store` if it has one.
    fn write(
        &mut self,
        returned: Returned,
        out: &mut Export,
        storing: &mut Budget,
    ) -> Fallible<()> {
        match (self.store.is_some(), returned) {
            (false, Returned::Whole(records)) => out.records(records),
            (false, Returned::Rows(rows)) => {
                let line = self.export.as_ref().map_or(0, Body::line);
                let written = self.recorder.write(rows, out);
                written.map_err(|message| placed(message.into(), line))?;
            }
            (true, returned) => self.store(returned.into_rows(), out, storing),
        }
        Ok(())
    }

    /// Each record as the bytes the script makes of it: all of an interval have the time of one
    /// call together. What it cannot make is lost.
    fn store(&mut self, rows: Vec<Row>, out: &mut Export, storing: &mut Budget) {
        let Some(store) = &mut self.store else { return };
        let (all, start, line) = (rows.len(), out.interval().start(), store.line());
        let mut records = Records::empty(stored_schema(), out.interval().len());
        let mut output = Output::new(self.common.limits());
        let stored = self.ran.call_within(storing, |engine| {
            for row in rows {
                let row = row.into_iter().map(|(name, v)| (name.into(), value::of_value(v)));
                store.set(0, Dynamic::from_map(row.collect::<Map>()));
                let bytes = stored(&store.run(engine)?)?;
                output.bytes(bytes.len()).map_err(|passed| limit(passed, line))?;
                records.push(start, [Value::Bytes(bytes)]);
            }
            Ok(())
        });
        let lost = all - records.rows();
        records.cut |= lost > 0;
        out.records(records);
        if let Err(error) = stored
            && self.note(placed(error, line))
        {
            self.common.leave_out(lost, UNSTORED);
        }
    }

    /// Asks `action` about every long-term row, and writes those to store.
    fn flush(&mut self, out: &mut Export, storing: &mut Budget) -> Fallible<()> {
        let answers = self.ask(out.now());
        match self.common.flush(out, &answers) {
            Some(records) => self.write(Returned::Whole(records), out, storing),
            None => Ok(()),
        }
    }

    /// Closes an interval and begins the next.
    pub(super) fn close(&mut self, out: &mut Export) {
        self.ran.host.close(out.interval());
        let mut storing = self.ran.budget();
        let results = [self.records(out, &mut storing), self.flush(out, &mut storing)];
        self.common.begin();
        self.weigh(true);
        for error in results.into_iter().filter_map(Result::err) {
            self.note(error);
        }
        self.begin_or_note();
    }

    /// What `action` says of each long-term row: all have the time of one call together.
    fn ask(&mut self, now: Ts) -> Vec<Option<Action>> {
        let Some(action) = &mut self.action else { return Vec::new() };
        let (ran, line) = (&self.ran, action.line());
        let mut budget = ran.budget();
        let ask = |shared: &Shared, at: usize| {
            let row = shared.lock().declared.long().map(|long| tables::row(long, at));
            action.set(0, row.unwrap_or(Dynamic::UNIT));
            action.set(1, Dynamic::from_float(now.as_secs_f64()));
            let answered = ran.call_within(&mut budget, |engine| answer(&action.run(engine)?));
            answered.map_err(|error| placed(error, line))
        };
        let wrong = |message: String| placed(message.into(), line);
        let (answers, unasked, error) = self.common.ask(ask, |error| ends(error), wrong);
        if let Some(error) = error
            && self.note(error)
        {
            self.common.leave_out(unasked, UNASKED);
        }
        answers
    }
}
