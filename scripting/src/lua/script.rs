//! Running the top level of a script: what it declares, and the functions it leaves behind.
//!
//! The top level runs once for the manifest, with the default arguments, and
//! once per instance, with the user's. An assignment to `args` is caught: what
//! the script reads afterwards are its defaults merged with what the user set.

use std::ops::Range;
use std::sync::Arc;

use como_core::module::{Args, Manifest, ModuleError};
use mlua::{FromLuaMulti, Function, Lua, MultiValue, Table};
use parking_lot::Mutex;

use super::convert;
use super::vm::Vm;
use super::{driver, ended};
use crate::SOURCE_BYTES_MAX;
use crate::declare::{self, Callback, Declared, Global, Script};
use crate::foreign;
use crate::host::Means;
use crate::library::Library;
use crate::mistakes::TOLD_MAX;
use crate::scan::{Language, Reads, no_field, written_order};

/// A script's source, and what it is called.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file, as messages name it.
    pub file: Arc<str>,
    /// The module's name.
    pub name: Arc<str>,
    /// The text.
    pub text: Arc<str>,
    /// What it requires, in the order in which to load it.
    pub libraries: Arc<[Library]>,
}

/// A script whose top level has run.
pub struct Ran {
    /// The VM it lives in.
    pub vm: Vm,
    /// What it says of itself.
    pub declared: Declared,
    /// What its packet callbacks read.
    pub reads: Reads,
    /// The arguments it runs with.
    pub args: Args,
    /// The same as its callbacks get them.
    pub args_table: Table,
    /// The filters that its packet callbacks match, in the order of their names in `reads`.
    pub filters: Vec<usize>,
    /// Makes the loops over a batch, given the handles, the prelude, what gives payloads, and the
    /// buffers.
    pub driver: Function,
    /// Whether those need a way to fetch what they do not hold of a packet.
    pub fetches: bool,
    functions: Vec<(Callback, Function)>,
}

impl Ran {
    /// A callback, if the script defines it.
    pub fn function(&self, callback: Callback) -> Option<&Function> {
        self.functions.iter().find(|(c, _)| *c == callback).map(|(_, function)| function)
    }

    /// The line a callback begins in.
    pub fn line(&self, callback: Callback) -> u32 {
        let line = self.function(callback).and_then(|f| f.info().line_defined);
        line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0)
    }
}

/// What a script with its driver returns: the driver, `update`, `check`, and the filters that
/// packets are matched with.
type Found = (Function, Option<Function>, Option<Function>, Vec<mlua::Value>);

/// Functions, by the names they have at the top level.
type Named = Vec<(String, Function)>;

/// What is noted while the top level runs.
#[derive(Default)]
pub struct Notes {
    /// Where each name was first set.
    lines: Vec<(String, u32)>,
    /// `args` as written, and what became of it.
    args: Option<(Global, Args)>,
    /// The packets it declares itself for: `filter` itself stays the function of the library.
    filter: Option<mlua::Value>,
    /// What is wrong with the arguments.
    pub error: Option<ModuleError>,
    /// Whether the top level goes on all the same.
    pub forgives: bool,
}

/// What to say where a packet is to be the key of a table.
pub const NO_KEY: &str = "a packet is only valid in the call it is given to, and so no key; take a \
                          field of it, or `pkt.flow`, as in `t[pkt.ip.src]`";

impl Notes {
    /// Of a top level that goes on whatever is wrong with it.
    pub fn forgiving() -> Self {
        Self { forgives: true, ..Self::default() }
    }

    fn line(&self, name: &str) -> u32 {
        self.lines.iter().find(|(n, _)| n == name).map_or(0, |(_, line)| *line)
    }
}

impl Source {
    /// Its text, and those of its libraries.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let libraries = self.libraries.iter().map(|library| library.text.as_str());
        std::iter::once(&*self.text).chain(libraries)
    }

    /// The script itself.
    pub fn script(&self) -> Script<'_> {
        Script { file: &self.file, name: &self.name, language: Language::Lua, text: &self.text }
    }

    /// The text in which something went wrong: the script's, or that of one of its libraries.
    pub fn origin<'a>(&'a self, file: Option<&str>) -> Script<'a> {
        let library = file.and_then(|file| self.libraries.iter().find(|l| l.file == file));
        library.map_or(self.script(), |Library { name, file, text }| Script {
            file,
            name,
            language: Language::Lua,
            text,
        })
    }

    /// Runs the top level with what a user gave as arguments.
    pub fn run(&self, given: &Args, means: &Means) -> Result<Ran, ModuleError> {
        let vm = self.furnished(means)?;
        let told = |trouble| foreign::hinted(vm.told(trouble), &self.script());
        vm.read(&self.text).map_err(told)?;
        let notes = Arc::new(Mutex::new(Notes::default()));
        let reads = driver::reads_of(&self.text);
        let library = mlua::Value::Table(vm.base().clone());
        let environment = self.environment(&vm, &notes, given, library);
        let environment = environment.map_err(|error| self.inner(&error))?;
        let composed = driver::compose(&self.text, &reads);
        let chunk =
            vm.load(&self.text, (&composed.text, composed.fetches), &environment).map_err(told)?;
        let ran = vm.call(|| {
            environment.raw_set(driver::GIVEN, &vm.prelude)?;
            let found = chunk.call::<MultiValue>(())?;
            if !vm.is_driver(found.front()) {
                return Ok(None);
            }
            let (driver, update, check, filters): Found =
                FromLuaMulti::from_lua_multi(found, vm.lua())?;
            let number = |made| vm.prelude.get::<Function>("filter_number")?.call::<usize>(made);
            let filters = filters.into_iter().map(number);
            Ok(Some((driver, update, check, filters.collect::<mlua::Result<Vec<_>>>()?)))
        });
        if let Some(error) = notes.lock().error.take() {
            return Err(error);
        }
        let ran = ran.map_err(|trouble| {
            ModuleError::from(vm.host().explained(vm.told(trouble), &self.script()))
        })?;
        let Some((driver, update, check, filters)) = ran else {
            return Err(told(ended::early(ended::line(&self.text).unwrap_or(0))).into());
        };
        let notes = std::mem::take(&mut *notes.lock());
        let (globals, functions, mut wrong) =
            self.found(&environment, notes, [("update", update), ("check", check)])?;
        let mut slips = self.slips(&reads);
        slips.extend(vm.nowhere().into_iter().map(ModuleError::from));
        // What cannot be read might be what would seem to be missing.
        if !wrong.is_empty() {
            wrong.extend(slips.iter().cloned());
        }
        ModuleError::of(wrong)?;
        let described: Vec<declare::Function> =
            functions.iter().map(|f| describe(f, composed.parameters)).collect();
        let declared = declare::declare(&self.script(), &globals, &described);
        let declared = ModuleError::with(declared, slips)?;
        let args = declared.manifest.resolve(given)?;
        let args_table = sealed(&vm, &environment, &args).map_err(|error| self.inner(&error))?;
        let named = |(name, f): (String, Function)| {
            Some((Callback::ALL.into_iter().find(|c| c.name() == name)?, f))
        };
        let functions = functions.into_iter().filter_map(named).collect();
        let fetches = composed.fetches;
        Ok(Ran { vm, declared, reads, args, args_table, filters, driver, fetches, functions })
    }

    /// A machine for it, with its libraries.
    fn furnished(&self, means: &Means) -> Result<Vm, ModuleError> {
        // This bounds the native code too, which lies outside the VM's own memory: no code can be
        // made while a script runs.
        if self.text.len() > SOURCE_BYTES_MAX {
            let message = format!("the script is longer than {} KiB", SOURCE_BYTES_MAX >> 10);
            return Err(self.error(0, message));
        }
        if let Some(at) = self.text.find('\0') {
            let line = self.text[..at].lines().count() as u32;
            return Err(self.error(line, "a script is text, and this has a zero byte".into()));
        }
        // Native code pays where packets are looked at; for what is declared it only delays the
        // start.
        let native = ["update", "check"].iter().any(|name| self.text.contains(name));
        let mut vm = Vm::new(self, means, native)?;
        vm.host().tables.lock().set_source(&self.text);
        for library in self.libraries.iter() {
            vm.load_library(library).map_err(|trouble| vm.told(trouble))?;
        }
        Ok(vm)
    }

    /// What the top level has set, and which of it means nothing. Functions that the driver holds
    /// are `ours`.
    pub fn found(
        &self,
        environment: &Table,
        mut notes: Notes,
        ours: impl IntoIterator<Item = (&'static str, Option<Function>)>,
    ) -> Result<(Vec<Global>, Named, Vec<ModuleError>), ModuleError> {
        let mut found: Vec<(String, mlua::Value)> = ours
            .into_iter()
            .filter_map(|(name, f)| Some((name.to_owned(), mlua::Value::Function(f?))))
            .collect();
        found.extend(notes.filter.take().map(|filter| ("filter".to_owned(), filter)));
        for pair in environment.pairs::<mlua::LuaString, mlua::Value>() {
            let (name, value) = pair.map_err(|error| self.inner(&error))?;
            let name = name.to_string_lossy();
            if !found.iter().any(|(known, _)| *known == name) {
                found.push((name, value));
            }
        }
        let order = |path: &str| written_order(&self.text, Language::Lua, path);
        let (mut globals, mut functions, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in found {
            let line = notes.line(&name);
            if let mlua::Value::Function(function) = value {
                functions.push((name, function));
            } else if name == "args" {
                globals.extend(notes.args.as_ref().map(|(global, _)| global.clone()));
            } else {
                match convert::tree_of(&value, &name, &order) {
                    Ok(value) => globals.push(Global { name, line, value }),
                    Err(message) if wrong.len() <= TOLD_MAX => {
                        wrong.push(self.error(line, message));
                    }
                    Err(_) => {}
                }
            }
        }
        globals.sort_by_key(|global| global.line);
        functions.sort_by_key(|(_, function)| function.info().line_defined);
        Ok((globals, functions, wrong))
    }

    /// The table that the script's top-level names go into; what is not among them is looked up by
    /// `index`.
    pub fn environment(
        &self,
        vm: &Vm,
        notes: &Arc<Mutex<Notes>>,
        given: &Args,
        index: mlua::Value,
    ) -> mlua::Result<Table> {
        let lua = vm.lua();
        let environment = lua.create_table()?;
        let meta = lua.create_table()?;
        meta.raw_set("__index", index)?;
        meta.raw_set("__newindex", self.noting(lua, notes, given)?)?;
        meta.set_readonly(true);
        environment.set_metatable(Some(meta))?;
        Ok(environment)
    }

    /// What is called where the top level sets a name.
    fn noting(&self, lua: &Lua, notes: &Arc<Mutex<Notes>>, given: &Args) -> mlua::Result<Function> {
        let (notes, source, given) = (notes.clone(), self.clone(), given.clone());
        lua.create_function(
            move |lua, (table, name, value): (Table, mlua::LuaString, mlua::Value)| {
                let line = lua.inspect_stack(1, |debug| debug.current_line()).flatten();
                let line = line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
                let name = name.to_string_lossy();
                let mut notes = notes.lock();
                let value = match (name.as_str(), value) {
                    ("args", value) => match source.args(line, &value, &given) {
                        Ok((global, args)) => {
                            let merged = convert::args_table(lua, &args)?;
                            notes.args = Some((global, args));
                            mlua::Value::Table(merged)
                        }
                        Err(error) if notes.forgives => {
                            notes.error = Some(error);
                            value
                        }
                        Err(error) => {
                            let message = error.to_string();
                            notes.error = Some(error);
                            return Err(mlua::Error::runtime(message));
                        }
                    },
                    ("filter", value) => {
                        notes.lines.push((name, line));
                        notes.filter = Some(value);
                        return Ok(());
                    }
                    (_, value) => value,
                };
                notes.lines.push((name.clone(), line));
                table.raw_set(name, value)
            },
        )
    }

    /// The defaults in `args` and what the user made of them.
    fn args(
        &self,
        line: u32,
        value: &mlua::Value,
        given: &Args,
    ) -> Result<(Global, Args), ModuleError> {
        let order = |path: &str| written_order(&self.text, Language::Lua, path);
        let value = convert::tree_of(value, "args", &order).map_err(|m| self.error(line, m))?;
        let global = Global { name: "args".into(), line, value };
        let args = declare::arg_specs(&self.script(), &global)?;
        let manifest = Manifest { name: self.name.to_string(), args, ..Manifest::default() };
        let args = manifest.with_interval().resolve(given)?;
        Ok((global, args))
    }

    /// What is surely a slip: names of a packet that no field has, what is written into one, one as
    /// a key, addresses that are compared with text, which in Lua are silently never equal, and
    /// functions of texts that are taken for their length.
    pub fn slips(&self, reads: &Reads) -> Vec<ModuleError> {
        let message = "an address never equals a text; compare it with addr(\"10.0.0.1\")";
        let texts = reads.texts.iter().take(TOLD_MAX).map(|line| self.error(*line, message.into()));
        let unknown = reads
            .unknown
            .iter()
            .take(TOLD_MAX)
            .map(|(name, line)| self.error(*line, no_field(name)));
        let lengths = reads.lengths.iter().take(TOLD_MAX).map(|at| self.length(at.clone()));
        let keys = reads.keys.iter().take(TOLD_MAX).map(|at| self.key(at.clone()));
        let places = self.script().writes(reads).into_iter().chain(lengths).chain(keys);
        texts.chain(unknown).chain(places).collect()
    }

    /// What to say where a packet is a key.
    fn key(&self, at: Range<usize>) -> ModuleError {
        let (message, hint) = NO_KEY.split_once("; ").unwrap_or((NO_KEY, ""));
        self.script().mistake_at(at, message, Some(hint.to_owned())).into()
    }

    /// What to say where `p.len` stands for the length of a text `p`.
    fn length(&self, at: Range<usize>) -> ModuleError {
        let what = &self.text[at.clone()];
        let name = what.rfind(['.', '[']).map_or(what, |end| what[..end].trim_end());
        let message = format!("`{what}` is a function where `{name}` is a text");
        self.script().mistake_at(at, message, Some(format!("write `#{name}`"))).into()
    }

    /// An error in a line of the script.
    pub fn error(&self, line: u32, message: String) -> ModuleError {
        self.script().mistake(line, message).into()
    }

    /// An error of the VM itself, as when its memory is up.
    fn inner(&self, error: &mlua::Error) -> ModuleError {
        self.error(0, error.to_string())
    }
}

/// The arguments as the script finds them; from here on its top level stays as it is.
fn sealed(vm: &Vm, environment: &Table, args: &Args) -> mlua::Result<Table> {
    let table = convert::args_table(vm.lua(), args)?;
    if environment.raw_get::<mlua::Value>("args").is_ok_and(|value| value.is_nil()) {
        environment.raw_set("args", &table)?;
    }
    environment.set_readonly(true);
    Ok(table)
}

/// A function as the script wrote it: `hidden` parameters of the packet callbacks are ours.
pub fn describe((name, function): &(String, Function), hidden: usize) -> declare::Function {
    let info = function.info();
    let line = info.line_defined.and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
    let hidden = if ["update", "check"].contains(&name.as_str()) { hidden } else { 0 };
    let params = usize::from(info.num_params).saturating_sub(hidden);
    declare::Function { name: name.clone(), line, params }
}
