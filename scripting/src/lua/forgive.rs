//! A script that does not start, looked through for all that is wrong with it.
//!
//! Its top level runs once more, and forgivingly: a name that is nowhere, and whatever a function
//! of ours refuses to make, is a [`Hole`], of which anything may be asked. So what stands behind
//! the first mistake is declared as well, and looked at.

use std::ops::Range;
use std::sync::Arc;

use como_core::module::{Args, ModuleError};
use como_core::table::AGGREGATES;
use mlua::{Function, Lua, MetaMethod, MultiValue, Table, UserData, UserDataMethods};
use parking_lot::Mutex;

use super::driver;
use super::script::{Notes, Source};
use super::trouble::{Trouble, syntax};
use super::vm::Vm;
use crate::declare;
use crate::foreign;
use crate::host::Means;
use crate::mistakes::{RESUMED_MAX, TOLD_MAX};
use crate::scan::{Language, resumed};

/// What stands in for a value that could not be had.
#[derive(Clone, Copy, Debug)]
pub struct Hole;

impl UserData for Hole {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        let more = [
            MetaMethod::Index,
            MetaMethod::Call,
            MetaMethod::Add,
            MetaMethod::Sub,
            MetaMethod::Mul,
            MetaMethod::Div,
            MetaMethod::IDiv,
            MetaMethod::Mod,
            MetaMethod::Pow,
            MetaMethod::Unm,
            MetaMethod::Concat,
        ];
        for method in more {
            methods.add_meta_function(method, |lua, _: MultiValue| lua.create_userdata(Self));
        }
        methods.add_meta_function(MetaMethod::NewIndex, |_, _: MultiValue| Ok(()));
        methods.add_meta_function(MetaMethod::Len, |_, _: MultiValue| Ok(0));
        methods.add_meta_function(MetaMethod::ToString, |_, _: MultiValue| Ok(""));
        methods.add_meta_function(MetaMethod::Iter, |lua, _: MultiValue| {
            lua.create_function(|_, _: MultiValue| Ok(mlua::Value::Nil))
        });
    }
}

/// What functions of ours refused, with the lines they were called in.
type Refused = Arc<Mutex<Vec<(u32, mlua::Error)>>>;

impl Source {
    /// All that is wrong with a script, of which `errors` are known.
    pub fn all_wrong(&self, mut errors: Vec<ModuleError>) -> ModuleError {
        let reads = driver::reads_of(&self.text);
        let slips = self.slips(&reads);
        match super::vm::compiler().compile(&*self.text) {
            // Behind the place where it is no Lua any more little is sure.
            Err(error) => {
                let end = syntax(&error).line;
                let (behind, sure) = self.behind(end);
                errors.extend(behind);
                let is_sure = |line: u32| sure.iter().any(|lines| lines.contains(&line));
                let sure = |slip: &ModuleError| slip.line() < end || is_sure(slip.line());
                errors.extend(slips.into_iter().filter(sure));
            }
            Ok(_) => {
                let found = self.forgiven().unwrap_or_default();
                // What the first run failed of is told by what it comes from.
                let same = |error: &ModuleError| found.iter().any(|f| f.line() == error.line());
                errors.retain(|error| !same(error));
                errors.extend(found);
                errors.extend(slips);
            }
        }
        match ModuleError::of(errors) {
            Err(error) => error,
            Ok(()) => self.error(0, "it does not start".to_owned()),
        }
    }

    /// What else is no Lua behind the line `end`, which is none: from the next function on, as
    /// often as that is so. And the lines in which all is sure to be what it seems.
    fn behind(&self, mut end: u32) -> (Vec<ModuleError>, Vec<Range<u32>>) {
        let (mut wrong, mut sure): (Vec<ModuleError>, _) = (Vec::new(), Vec::new());
        while let Some((rest, from)) = resumed(&self.text, Language::Lua, end) {
            let Err(error) = super::vm::compiler().compile(rest) else {
                sure.push(from..u32::MAX);
                break;
            };
            let Trouble { line, message, .. } = syntax(&error);
            // Where ends do not match, it may be those before that are to blame.
            if message.contains("<eof>") || line < from || wrong.len() == RESUMED_MAX {
                break;
            }
            sure.push(from..line);
            let mistake = self.script().mistake(line, message);
            wrong.push(foreign::hinted(mistake, &self.script()).into());
            end = line;
        }
        (wrong, sure)
    }

    /// What a forgiving run finds; none where there can be none.
    fn forgiven(&self) -> Option<Vec<ModuleError>> {
        let mut vm = Vm::new(self, &Means::default(), false).ok()?;
        for library in self.libraries.iter() {
            // One that is wrong itself is among what is known.
            vm.load_library(library).ok()?;
        }
        let notes = Arc::new(Mutex::new(Notes::forgiving()));
        let refused = Refused::default();
        let index = forgiving(&vm, &refused).ok()?;
        let environment = self.environment(&vm, &notes, &Args::default(), index).ok()?;
        let chunk = vm.load(&self.text, (&self.text, false), &environment).ok()?;
        // Names of the library are looked up like any other, and not when the code is loaded.
        environment.set_safeenv(false);
        let ended = vm.call(|| chunk.call::<()>(()));
        let told = |trouble| vm.host().explained(vm.told(trouble), &self.script()).into();
        let mut wrong: Vec<ModuleError> = vm.strangers().into_iter().map(Into::into).collect();
        // What a hole does not bear comes of what is told already.
        let ended = ended.err().filter(|trouble| !trouble.message.contains("Hole"));
        wrong.extend(ended.map(told));
        for (line, error) in std::mem::take(&mut *refused.lock()) {
            let trouble = vm.trouble(error, false);
            wrong.push(told(Trouble { line, ..trouble }));
        }
        let mut notes = std::mem::take(&mut *notes.lock());
        wrong.extend(notes.error.take());
        let (globals, functions, odd) = self.found(&environment, notes, []).ok()?;
        wrong.extend(odd);
        let described: Vec<declare::Function> =
            functions.iter().map(|function| super::script::describe(function, 0)).collect();
        wrong.extend(declare::mistakes(&self.script(), &globals, &described));
        Some(wrong)
    }
}

/// What names are looked up by: those of the library, where functions forgive, and holes.
fn forgiving(vm: &Vm, refused: &Refused) -> mlua::Result<mlua::Value> {
    let lua = vm.lua();
    let ours = lua.create_table()?;
    let names = AGGREGATES.iter().map(|usage| usage.name).chain(["addr", "filter", "require"]);
    for name in names {
        let strict: Function = vm.base().get(name)?;
        // What is required and is not there was told before.
        let refused = (name != "require").then(|| refused.clone());
        ours.raw_set(name, forgiven(lua, strict, refused)?)?;
    }
    let base = vm.base().clone();
    let find = lua.create_function(move |lua, (_, name): (Table, mlua::Value)| {
        let own = ours.raw_get::<mlua::Value>(&name)?;
        let found = if own.is_nil() { base.raw_get::<mlua::Value>(&name)? } else { own };
        match found {
            mlua::Value::Nil => lua.create_userdata(Hole).map(mlua::Value::UserData),
            found => Ok(found),
        }
    })?;
    Ok(mlua::Value::Function(find))
}

/// A function that gives a hole where `strict` fails, and notes why.
fn forgiven(lua: &Lua, strict: Function, refused: Option<Refused>) -> mlua::Result<Function> {
    lua.create_function(move |lua, given: MultiValue| {
        let holes = given.iter().any(|value| value.as_userdata().is_some_and(|u| u.is::<Hole>()));
        match strict.call::<mlua::Value>(given) {
            Ok(value) => Ok(value),
            Err(error) => {
                let line = lua.inspect_stack(1, |debug| debug.current_line()).flatten();
                let line = line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
                if let Some(refused) = refused.as_ref().filter(|_| !holes) {
                    let mut refused = refused.lock();
                    if refused.len() < TOLD_MAX {
                        refused.push((line, error));
                    }
                }
                lua.create_userdata(Hole).map(mlua::Value::UserData)
            }
        }
    })
}
