//! The end of an interval: its records, and what becomes of each long-term row.

use como_core::module::Export;
use como_core::module::declared::Action;
use como_core::record::{Records, Value};
use como_core::time::Ts;
use mlua::Function;

use super::LuaModule;
use crate::common::{UNASKED, UNSTORED};
use crate::declare::Callback;
use crate::lua::convert;
use crate::lua::returned::returned;
use crate::lua::tables::{self, Shared};
use crate::lua::trouble::Trouble;
use crate::passed::Output;
use crate::recorder::{Returned, Row, stored_schema};
use crate::watch::Budget;

impl LuaModule {
    /// Writes all that is to be written of a closed interval.
    pub(super) fn close(&mut self, out: &mut Export) {
        let mut storing = self.ran.vm.budget();
        if let Err(trouble) = self.records(out, &mut storing) {
            self.note(trouble);
        }
        if let Err(trouble) = self.flush(out, &mut storing) {
            self.note(trouble);
        }
    }

    /// The records of a closed interval, by `export` or by the tables alone.
    fn records(&mut self, out: &mut Export, storing: &mut Budget) -> Result<(), Trouble> {
        if self.idle {
            return Ok(());
        }
        let interval = out.interval();
        let Some(export) = self.ran.function(Callback::Export).cloned() else {
            return match self.common.records(interval) {
                Some(records) => self.write(Returned::Whole(records), out, storing),
                None => Ok(()),
            };
        };
        let output = Output::new(self.common.limits());
        let returned = self.ran.vm.call(|| {
            let value = export.call::<mlua::Value>(self.export_args()?)?;
            returned(&value, out, output)
        });
        let returned = returned.map_err(|trouble| self.placed(Callback::Export, trouble))?;
        self.write(returned, out, storing)
    }

    /// Writes what was returned, through the script's own `store` if it has one.
    fn write(
        &mut self,
        returned: Returned,
        out: &mut Export,
        storing: &mut Budget,
    ) -> Result<(), Trouble> {
        match (self.ran.function(Callback::Store).cloned(), returned) {
            (None, Returned::Whole(records)) => out.records(records),
            (None, Returned::Rows(rows)) => {
                let line = self.ran.line(Callback::Export);
                self.recorder.write(rows, out).map_err(|message| Trouble::new(line, message))?;
            }
            (Some(store), returned) => self.store(&store, returned.into_rows(), out, storing),
        }
        Ok(())
    }

    /// Each record as the bytes the script makes of it: all of an interval have the time of one
    /// call together. What it cannot make is lost.
    fn store(&mut self, store: &Function, rows: Vec<Row>, out: &mut Export, storing: &mut Budget) {
        let vm = &self.ran.vm;
        let (all, start) = (rows.len(), out.interval().start());
        let mut records = Records::empty(stored_schema(), out.interval().len());
        let mut output = Output::new(self.common.limits());
        let stored = vm.call_within(storing, || {
            for row in rows {
                let record =
                    convert::table_of(vm.lua(), row.iter().map(|(name, v)| (name.as_str(), v)))?;
                let stored = store.call::<mlua::LuaString>(record)?;
                output.bytes(stored.as_bytes().len()).map_err(mlua::Error::external)?;
                records.push(start, [Value::Bytes(stored.as_bytes().to_vec())]);
            }
            Ok(())
        });
        let lost = all - records.rows();
        records.cut |= lost > 0;
        out.records(records);
        if let Err(trouble) = stored
            && self.note(self.placed(Callback::Store, trouble))
        {
            self.common.leave_out(lost, UNSTORED);
        }
    }

    /// Asks `action` about every long-term row, and writes those to store.
    fn flush(&mut self, out: &mut Export, storing: &mut Budget) -> Result<(), Trouble> {
        let answers = self.ask(out.now());
        match self.common.flush(out, &answers) {
            Some(records) => self.write(Returned::Whole(records), out, storing),
            None => Ok(()),
        }
    }

    /// What `action` says of each long-term row: all have the time of one call together.
    fn ask(&mut self, now: Ts) -> Vec<Option<Action>> {
        let Some(action) = self.ran.function(Callback::Action) else { return Vec::new() };
        let vm = &self.ran.vm;
        let mut budget = vm.budget();
        let ask = |shared: &Shared, row| {
            vm.call_within(&mut budget, || {
                let record = match shared.lock().declared.long() {
                    Some(long) => tables::row(vm.lua(), long, row)?,
                    None => return Ok(None),
                };
                let answer = action.call::<Option<String>>((record, now.as_secs_f64()))?;
                answer.map(|name| named(&name)).transpose()
            })
        };
        let wrong = |message| Trouble::new(0, message);
        let (answers, unasked, trouble) =
            self.common.ask(ask, |trouble| trouble.limit.is_some(), wrong);
        if let Some(trouble) = trouble
            && self.note(self.placed(Callback::Action, trouble))
        {
            self.common.leave_out(unasked, UNASKED);
        }
        answers
    }
}

fn named(name: &str) -> mlua::Result<Action> {
    Action::named(name).ok_or_else(|| {
        let name = name.escape_debug();
        mlua::Error::runtime(format!("action returned `{name}`: return store, keep or discard"))
    })
}
