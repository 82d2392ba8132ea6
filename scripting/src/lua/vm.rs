//! One virtual machine: what a script finds in it, what it may use, and how it is called.
//!
//! Every call from the host goes through [`Vm::call`], which watches its CPU
//! time, and turns whatever goes wrong into a [`Trouble`] with its place. A VM
//! stays usable after any of them.

mod place;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use como_core::module::{Limits, Mistake, ModuleError};
use como_core::table::AGGREGATES;
use mlua::chunk::{ChunkMode, Compiler};
use mlua::{Lua, LuaOptions, StdLib, Table, Variadic};

use super::handles::{HANDLE_BYTES, Handles, object, parse};
use super::known::Known;
use super::script::Source;
pub use super::trouble::Trouble;
use super::trouble::{chunk_name, line_of, syntax};
use super::watch::Watch;
use super::{asides, ended, locals, reserved};
use super::{convert, prelude, tables};
use super::{meaning, renamed};
use crate::host::{Means, Reach};
use crate::library::{self, Library};
use crate::scan::tokens::code;
use crate::scan::{Language, Reads};
use crate::talk::LINE_CHARS_MAX;
use crate::watch::Budget;

/// What a sandboxed script has no use for, or could harm others with.
const REMOVED: [&str; 11] = [
    "collectgarbage",
    "debug",
    "gcinfo",
    "getfenv",
    "loadstring",
    "newproxy",
    "os",
    "setfenv",
    "shared",
    "_G",
    "_VERSION",
];

/// What compiles the code of every machine.
pub fn compiler() -> Compiler {
    Compiler::new().set_optimization_level(2).set_type_info_level(1)
}

/// The same where packets may go: what writes into a table natively is called, and looks.
fn watchful() -> Compiler {
    compiler().set_disabled_builtins(["rawset", "table.insert"])
}

/// A VM with its limits.
pub struct Vm {
    lua: Lua,
    watch: Watch,
    host: Arc<Reach>,
    base: Table,
    /// What the driver calls: see `prelude.rs`.
    pub prelude: Table,
    /// What `require` finds, by name.
    libraries: Table,
    limits: Limits,
    source: Source,
    /// What the code of the script is called inside, and that of each library with its file.
    chunk: String,
    chunks: Vec<(String, String)>,
    /// How many lines the script has; the driver stands behind them.
    lines: AtomicU32,
}

impl Vm {
    /// A VM for the script `source`, with the library and nothing else in it; what it loads becomes
    /// `native` code or stays bytecode.
    pub fn new(source: &Source, means: &Means, native: bool) -> Result<Self, ModuleError> {
        let (limits, file) = (means.limits, &*source.file);
        let build = || -> mlua::Result<Self> {
            let libraries = StdLib::COROUTINE
                | StdLib::TABLE
                | StdLib::STRING
                | StdLib::UTF8
                | StdLib::BIT
                | StdLib::MATH
                | StdLib::BUFFER
                | StdLib::VECTOR
                | StdLib::DEBUG;
            let lua = Lua::new_with(libraries, LuaOptions::default())?;
            lua.set_compiler(compiler());
            // The library's own code is small steps around native functions: native code of it
            // would take longer to make than all the rest.
            lua.enable_jit(false);
            let base = lua.globals();
            let libraries = lua.create_table()?;
            let host = Arc::new(Reach::new(file, means));
            let prelude = prelude::furnish(&lua, source)?;
            furnish(&lua, &base, &libraries, &prelude, &host)?;
            lua.enable_jit(native);
            base.set("top", prelude::top(&lua, source)?)?;
            lua.sandbox(true)?;
            // A quarter of the memory is kept for the handles, which lie outside the VM's own.
            let handles_max = limits.memory_bytes_max / 4 / HANDLE_BYTES;
            lua.set_app_data(Handles::new(&lua, handles_max)?);
            lua.set_memory_limit(limits.memory_bytes_max / 4 * 3)?;
            let watch = Watch::new(&lua);
            let chunk = chunk_name(file.rsplit('/').next().unwrap_or(file));
            let (source, chunks) = (source.clone(), Vec::new());
            let lines = AtomicU32::new(0);
            let vm = Self {
                lua,
                watch,
                host,
                base,
                prelude,
                libraries,
                limits,
                source,
                chunk,
                chunks,
                lines,
            };
            Ok(vm)
        };
        build().map_err(|error| source.error(0, format!("no virtual machine for it: {error}")))
    }

    /// The VM.
    pub fn lua(&self) -> &Lua {
        &self.lua
    }

    /// What the library's functions reach.
    pub fn host(&self) -> &Arc<Reach> {
        &self.host
    }

    /// The table of the library, which scripts read through.
    pub fn base(&self) -> &Table {
        &self.base
    }

    /// Refuses a script that is not Lua by itself, or that says names of the driver, before it is
    /// looked through: an error must not speak of what the driver adds.
    pub fn read(&self, source: &str) -> Result<(), Trouble> {
        reserved::refuse(source)?;
        let read = Compiler::new().compile(source).map(drop);
        read.map_err(|error| ended::behind(source, syntax(&error)))
    }

    /// Compiles `text` as the script `source`, which is Lua, to run in `environment`; with
    /// `packets` it may hold some.
    pub fn load(
        &self,
        source: &str,
        (text, packets): (&str, bool),
        environment: &Table,
    ) -> Result<mlua::Function, Trouble> {
        self.lines.store(source.lines().count().try_into().unwrap_or(u32::MAX), Relaxed);
        let compiler = if packets { watchful() } else { compiler() };
        self.compile((&self.chunk, compiler), text, environment).map_err(|error| match error {
            // The driver's own come to those of the script.
            mlua::Error::SyntaxError { message, .. } if message.contains("local registers") => {
                let line = line_of(&message, &self.chunk).map_or(0, |(line, _)| line);
                locals::many(source, line)
            }
            error @ mlua::Error::SyntaxError { .. } => {
                ended::line(source).map_or_else(|| self.trouble(error, false), ended::early)
            }
            error => self.trouble(error, false),
        })
    }

    /// Whether that is what stands behind the script, and no function of its own.
    pub fn is_driver(&self, value: Option<&mlua::Value>) -> bool {
        let Some(mlua::Value::Function(function)) = value else { return false };
        let (info, lines) = (function.info(), self.lines.load(Relaxed));
        info.source.is_some_and(|source| source.strip_prefix('=') == Some(&self.chunk))
            && info.line_defined.is_some_and(|line| line as u64 > u64::from(lines))
    }

    fn compile(
        &self,
        (chunk, compiler): (&str, Compiler),
        text: &str,
        environment: &Table,
    ) -> mlua::Result<mlua::Function> {
        environment.set_safeenv(true);
        self.lua
            .load(text)
            .set_name(format!("={chunk}"))
            .set_environment(environment.clone())
            .set_mode(ChunkMode::Text)
            .set_compiler(compiler)
            .into_function()
    }

    /// Runs a library, so that `require` finds what it returns: a table, which nobody can change.
    ///
    /// It has names of its own, and sees nothing of the script.
    pub fn load_library(&mut self, library: &Library) -> Result<(), Trouble> {
        let file = Some(library.file.clone());
        let wrong = |trouble: Trouble| Trouble { file: file.clone(), ..trouble };
        if library.text.contains('\0') {
            return Err(wrong(Trouble::new(0, "a library is text, and this has a zero byte")));
        }
        let from = if library.name.contains('/') { "" } else { "stdlib/" };
        let chunk = chunk_name(&format!("{from}{}.lua", library.name));
        self.chunks.push((chunk.clone(), library.file.clone()));
        reserved::refuse(&library.text).map_err(wrong)?;
        Compiler::new().compile(&library.text).map_err(|error| wrong(syntax(&error)))?;
        let environment = self.environment().map_err(|error| self.trouble(error, false))?;
        let text = self.lenient(library, &environment);
        let text = text.map_err(|error| self.trouble(error, false))?;
        let own = !library::is_shipped(&library.file);
        let compiler = if own { watchful() } else { compiler() };
        let code = self.compile((&chunk, compiler), &text, &environment);
        let code = code.map_err(|error| wrong(self.trouble(error, false)))?;
        let returned = self.call(|| match code.call::<mlua::Value>(())? {
            mlua::Value::Table(table) => {
                self.prelude.get::<mlua::Function>("freeze")?.call::<()>(&table)?;
                Ok(Some(table))
            }
            _ => Ok(None),
        })?;
        let Some(table) = returned else {
            return Err(wrong(Trouble::new(0, "a library ends by returning a table")));
        };
        environment.set_readonly(true);
        let kept = self.libraries.raw_set(library.name.as_str(), table);
        kept.map_err(|error| self.trouble(error, false))
    }

    /// The text of a library in which fields that a packet lacks are nil by whatever name it goes.
    fn lenient(&self, library: &Library, environment: &Table) -> mlua::Result<String> {
        let mut text = library.text.clone();
        if library::is_shipped(&library.file) {
            return Ok(text);
        }
        let tokens = code(&text, Language::Lua);
        let mut edits = renamed::edits(&text, &tokens, &Reads::default(), &HashSet::new());
        edits.sort_by_key(|(at, _)| std::cmp::Reverse((at.start, at.end)));
        if !edits.is_empty() {
            environment.raw_set(renamed::OPEN, self.prelude.get::<Table>("open")?)?;
        }
        drop(tokens);
        for (at, new) in edits {
            text.replace_range(at, &new);
        }
        Ok(text)
    }

    /// An empty set of names, which sees the library.
    fn environment(&self) -> mlua::Result<Table> {
        let environment = self.lua.create_table()?;
        let meta = self.lua.create_table()?;
        meta.raw_set("__index", &self.base)?;
        meta.set_readonly(true);
        environment.set_metatable(Some(meta))?;
        Ok(environment)
    }

    /// Runs a call into the script, watched.
    pub fn call<R>(&self, call: impl FnOnce() -> mlua::Result<R>) -> Result<R, Trouble> {
        self.call_within(&mut self.budget(), call)
    }

    /// The CPU time that a call may take from now on.
    pub fn budget(&self) -> Budget {
        Budget::of_ms(self.limits.call_ms_max)
    }

    /// Begins a turn, which others may wait for.
    pub fn turn(&self, shared: bool) {
        self.watch.turn(shared, self.limits.call_ms_max);
    }

    /// Runs one of several calls that have their time together.
    pub fn call_within<R>(
        &self,
        budget: &mut Budget,
        call: impl FnOnce() -> mlua::Result<R>,
    ) -> Result<R, Trouble> {
        if budget.is_spent() || self.watch.is_spent() {
            return Err(self.trouble(mlua::Error::runtime("stopped"), true));
        }
        let (result, stopped) = self.watch.run(budget, call);
        match result {
            Ok(result) if !stopped => Ok(result),
            Ok(_) => Err(self.trouble(mlua::Error::runtime("stopped"), true)),
            Err(error) => Err(self.trouble(error, stopped)),
        }
    }

    /// What went wrong, in words.
    pub fn told(&self, trouble: Trouble) -> Mistake {
        let Trouble { file, line, message, calls, .. } = trouble;
        let script = self.source.origin(file.as_deref());
        meaning::told(&script, line, &message, &calls, &Known(&self.base))
    }

    /// The names that the script calls or looks into and that are nowhere.
    pub fn strangers(&self) -> Vec<Mistake> {
        meaning::strangers(&self.source.script(), &Known(&self.base))
    }

    /// Those of them that would fail wherever they are come to.
    pub fn nowhere(&self) -> Vec<Mistake> {
        meaning::nowhere(&self.source.script(), &Known(&self.base))
    }

    /// Calls the VM's handles, between two calls into the script.
    pub fn with_handles<R>(&self, f: impl FnOnce(&Lua, &mut Handles) -> R) -> Option<R> {
        let mut handles = self.lua.app_data_mut::<Handles>()?;
        Some(f(&self.lua, &mut handles))
    }

    /// Forgets handles no one holds, if many are held. Not between filling a batch and its loop.
    pub fn tidy(&self) {
        let swept = self.with_handles(|lua, handles| {
            handles.lend(false);
            handles.tidy(lua)
        });
        if let Some(Err(error)) = swept {
            tracing::warn!("{}: addresses cannot be given back: {error}", self.source.file);
        }
    }

    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        let handles = self.with_handles(|_, handles| handles.bytes()).unwrap_or(0);
        self.lua.used_memory() + handles
    }
}

/// Values as a line, parted by blanks.
fn line(values: &[mlua::Value]) -> String {
    let mut line = String::new();
    for value in values {
        // No more than a line can show, and a long text is not copied for that.
        let room = LINE_CHARS_MAX.saturating_sub(line.len());
        if room == 0 {
            break;
        }
        let text = match value {
            mlua::Value::String(text) => {
                let bytes = text.as_bytes();
                let shown = bytes.get(..bytes.len().min(4 * LINE_CHARS_MAX));
                String::from_utf8_lossy(shown.unwrap_or_default()).into_owned()
            }
            value => value.to_string().unwrap_or_else(|_| value.type_name().to_owned()),
        };
        line.extend(text.chars().take(room));
        line.push(' ');
    }
    line
}

/// Puts our functions into the library and takes out what does not belong there.
fn furnish(
    lua: &Lua,
    base: &Table,
    libraries: &Table,
    prelude: &Table,
    host: &Arc<Reach>,
) -> mlua::Result<()> {
    let flag: mlua::Function = prelude.get("flag")?;
    let numbers = lua.create_table()?;
    numbers.set("__index", flag)?;
    numbers.set_readonly(true);
    lua.set_type_metatable::<mlua::Number>(Some(numbers));
    for name in REMOVED {
        base.raw_remove(name)?;
    }
    for name in ["foreach", "foreachi", "getn"] {
        base.raw_get::<Table>("table")?.raw_remove(name)?;
    }
    for aggregate in AGGREGATES {
        base.set(aggregate.name, convert::aggregate(lua, aggregate.name)?)?;
    }
    let name = host.talk.script().rsplit('/').next().unwrap_or_default();
    // The generator takes half of it.
    let seed = como_core::hash::random_seed(name) as i32;
    let seeds: mlua::Function = base.raw_get::<Table>("math")?.raw_get("randomseed")?;
    seeds.call::<()>(seed)?;
    base.set("require", require(lua, libraries.clone())?)?;
    tables::register(lua, base, host)?;
    convert::library(lua, base, host)?;
    let addr = |lua: &Lua, text: mlua::LuaString| object(lua, parse(&convert::short(&text)?)?);
    base.set("addr", lua.create_function(addr)?)?;
    let (filters, ours) = (host.clone(), prelude.clone());
    let filter = lua.create_function(move |_, text: String| {
        let number = filters.filter(&text).map_err(mlua::Error::runtime)?;
        let canonical = filters.filters.lock().text(number).to_owned();
        ours.get::<mlua::Function>("filter")?.call::<mlua::Value>((number, canonical))
    })?;
    base.set("filter", filter)?;
    asides::furnish(lua, base, host)?;
    let host = host.clone();
    let log = lua.create_function(move |_, values: Variadic<mlua::Value>| {
        host.talk.say(|| line(&values));
        Ok(())
    })?;
    base.set("log", &log)?;
    base.set("print", log)?;
    Ok(())
}

/// What gives a script its libraries by their names.
fn require(lua: &Lua, libraries: Table) -> mlua::Result<mlua::Function> {
    lua.create_function(move |_, name: mlua::LuaString| {
        match libraries.raw_get::<Option<Table>>(&name)? {
            Some(library) => Ok(library),
            None => Err(mlua::Error::runtime(format!(
                "`require` takes the name of a library in quotes, where `{}` stands",
                convert::short(&name)?.escape_debug()
            ))),
        }
    })
}
