//! One virtual machine: what a script finds in it, what it may use, and how it is called.
//!
//! Every call from the host goes through [`Vm::call`], which watches its CPU
//! time, and turns whatever goes wrong into a [`Trouble`] with its place. A VM
//! stays usable after any of them.

use std::time::Duration;

use como_core::module::{Fault, Limits, ModuleError};
use como_core::table::AGGREGATES;
use mlua::chunk::Compiler;
use mlua::{Lua, LuaOptions, StdLib, Table, Variadic};

use super::convert;
use super::handles::{HANDLE_BYTES, Handles, object, parse};
use super::watch::Watch;
use crate::scan::LAYERS;

/// What a sandboxed script has no use for, or could harm others with.
const REMOVED: [&str; 12] = [
    "collectgarbage",
    "debug",
    "gcinfo",
    "getfenv",
    "loadstring",
    "newproxy",
    "os",
    "require",
    "setfenv",
    "shared",
    "_G",
    "_VERSION",
];

/// A VM with its limits.
pub struct Vm {
    lua: Lua,
    watch: Watch,
    base: Table,
    /// What the driver calls: see `prelude.lua`.
    pub prelude: Table,
    limits: Limits,
    file: String,
    chunk: String,
}

/// What went wrong in a script, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Whether a limit was passed.
    pub limit: bool,
    /// The line, from 1; 0 where unknown.
    pub line: u32,
    /// What happened.
    pub message: String,
}

impl Vm {
    /// A VM for the script `file`, with the library and nothing else in it; what it loads becomes
    /// `native` code or stays bytecode.
    pub fn new(file: &str, limits: Limits, native: bool) -> Result<Self, ModuleError> {
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
            let compiler = Compiler::new().set_optimization_level(2).set_type_info_level(1);
            lua.set_compiler(compiler);
            lua.enable_jit(native);
            let base = lua.globals();
            let prelude = furnish(&lua, &base)?;
            lua.sandbox(true)?;
            // A quarter of the memory is kept for the handles, which lie outside the VM's own.
            let handles_max = limits.memory_bytes_max / 4 / HANDLE_BYTES;
            lua.set_app_data(Handles::new(&lua, handles_max)?);
            lua.set_memory_limit(limits.memory_bytes_max / 4 * 3)?;
            let watch = Watch::new(&lua);
            let name = file.rsplit('/').next().unwrap_or(file);
            let chunk: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
            Ok(Self { lua, watch, base, prelude, limits, file: file.to_owned(), chunk })
        };
        build().map_err(|error| ModuleError::Script {
            file: file.to_owned(),
            line: 0,
            message: format!("no virtual machine for it: {error}"),
        })
    }

    /// The VM.
    pub fn lua(&self) -> &Lua {
        &self.lua
    }

    /// The table of the library, which scripts read through.
    pub fn base(&self) -> &Table {
        &self.base
    }

    /// Compiles `text` as the script `source`, to run in `environment`.
    pub fn load(
        &self,
        source: &str,
        text: &str,
        environment: &Table,
    ) -> Result<mlua::Function, Trouble> {
        let name = format!("={}", self.chunk);
        // Alone first: an error must not speak of what the driver adds.
        Compiler::new().compile(source).map_err(|error| self.syntax(&error))?;
        environment.set_safeenv(true);
        self.lua
            .load(text)
            .set_name(name)
            .set_environment(environment.clone())
            .set_mode(mlua::chunk::ChunkMode::Text)
            .into_function()
            .map_err(|error| match error {
                mlua::Error::SyntaxError { .. } => {
                    let message = "a module declares by plain top-level names and has no `return` \
                                   at its end";
                    Trouble { limit: false, line: 0, message: message.into() }
                }
                error => self.trouble(error, false),
            })
    }

    fn syntax(&self, error: &mlua::Error) -> Trouble {
        let text = match error {
            mlua::Error::SyntaxError { message, .. } => message.clone(),
            error => error.to_string(),
        };
        // `3: Expected ...`, perhaps with a colon before.
        let place = text.trim_start_matches(':').split_once(':');
        let place = place.and_then(|(line, message)| Some((line.trim().parse().ok()?, message)));
        let (line, message) = place.unwrap_or((0, &text));
        Trouble { limit: false, line, message: lowered(message.trim()) }
    }

    /// Runs a call into the script, watched.
    pub fn call<R>(&self, call: impl FnOnce() -> mlua::Result<R>) -> Result<R, Trouble> {
        let limit = Duration::from_millis(self.limits.call_ms_max);
        let (result, stopped) = self.watch.run(limit, call);
        match result {
            Ok(result) if !stopped => Ok(result),
            Ok(_) => Err(self.trouble(mlua::Error::runtime("stopped"), true)),
            Err(error) => Err(self.trouble(error, stopped)),
        }
    }

    /// What `error` says, in a user's words.
    pub fn trouble(&self, error: mlua::Error, stopped: bool) -> Trouble {
        let memory = is_memory(&error);
        let (line, message) = self.place(&error);
        if memory {
            // Without this the VM stays full.
            let _ = self.lua.gc_collect();
        }
        if stopped {
            let message =
                format!("stopped after {} ms of CPU time in one call", self.limits.call_ms_max);
            return Trouble { limit: true, line, message };
        }
        let bare = memory && (message.is_empty() || message == "not enough memory");
        let message = match bare {
            true => {
                format!("needs more than {} MiB of memory", self.limits.memory_bytes_max >> 20)
            }
            false => message,
        };
        Trouble { limit: memory, line, message }
    }

    /// The line an error names, and its text without place and traceback.
    fn place(&self, error: &mlua::Error) -> (u32, String) {
        let (cause, traceback) = root(error);
        let text = match cause {
            mlua::Error::RuntimeError(text) | mlua::Error::MemoryError(text) => text.clone(),
            mlua::Error::SyntaxError { message, .. } => message.clone(),
            other => other.to_string(),
        };
        let (text, trace) = text.split_once("\nstack traceback:").unwrap_or((&text, ""));
        let mark = format!("{}:", self.chunk);
        let line_of = |text: &str| {
            let digits = text.split_once(mark.as_str())?.1;
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            digits[..end].parse::<u32>().ok()
        };
        let line = line_of(text).or_else(|| line_of(trace)).or_else(|| line_of(traceback));
        let message = match text.strip_prefix(mark.as_str()).and_then(|t| t.split_once(": ")) {
            Some((line, message)) if line.parse::<u32>().is_ok() => message,
            _ => text,
        };
        // Errors of the library are the script's: the line is that of its call.
        let message = match message.strip_prefix("library:").and_then(|t| t.split_once(": ")) {
            Some((_, message)) => message,
            None => message,
        };
        // What is raised as an object shows as its place in memory.
        let raw = message.split_once(": 0x").is_some_and(|(ty, _)| !ty.contains(' '));
        let message = if raw { "an error that is no text" } else { message };
        let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
        (line.unwrap_or(0), message.trim().to_owned())
    }

    /// A trouble as the fault of a running module.
    pub fn fault(&self, trouble: Trouble) -> Fault {
        let Trouble { limit, line, message } = trouble;
        let line = if line > 0 { format!("{line}:") } else { String::new() };
        Fault { limit, message: format!("{}:{line} {message}", self.file) }
    }

    /// A trouble as the reason why a module does not start.
    pub fn error(&self, trouble: Trouble) -> ModuleError {
        let Trouble { line, message, .. } = trouble;
        ModuleError::Script { file: self.file.clone(), line, message }
    }

    /// Calls the VM's handles, between two calls into the script.
    pub fn with_handles<R>(&self, f: impl FnOnce(&Lua, &mut Handles) -> R) -> Option<R> {
        let mut handles = self.lua.app_data_mut::<Handles>()?;
        Some(f(&self.lua, &mut handles))
    }

    /// Forgets handles no one holds, if many are held. Not between filling a batch and its loop.
    pub fn tidy(&self) {
        let swept = self.with_handles(|lua, handles| handles.tidy(lua));
        if let Some(Err(error)) = swept {
            tracing::warn!("{}: addresses cannot be given back: {error}", self.file);
        }
    }

    /// About how many bytes it holds.
    pub fn bytes(&self) -> usize {
        let handles = self.with_handles(|_, handles| handles.bytes()).unwrap_or(0);
        self.lua.used_memory() + handles
    }
}

/// The longest message kept of an error.
const MESSAGE_CHARS_MAX: usize = 500;

/// Messages of the compiler begin with a capital; ours do not, unless a name comes first.
fn lowered(message: &str) -> String {
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

fn is_memory(error: &mlua::Error) -> bool {
    match root(error).0 {
        mlua::Error::MemoryError(_) => true,
        mlua::Error::RuntimeError(text) => {
            text.split('\n').next().is_some_and(|line| line.ends_with("not enough memory"))
        }
        _ => false,
    }
}

/// The innermost error, and where the outermost was raised.
fn root(error: &mlua::Error) -> (&mlua::Error, &str) {
    let mut found = (error, "");
    while let mlua::Error::CallbackError { traceback, cause } = found.0 {
        found = (cause, if found.1.is_empty() { traceback } else { found.1 });
    }
    found
}

/// Puts our functions into the library and takes out what does not belong there.
fn furnish(lua: &Lua, base: &Table) -> mlua::Result<Table> {
    let host = lua.create_table()?;
    host.set("flags", convert::flags(lua)?)?;
    host.set("layers", lua.create_sequence_from(LAYERS.iter().map(|(name, _)| *name))?)?;
    let prelude: Table = lua.load(include_str!("prelude.lua")).set_name("=library").call(host)?;
    let flag: mlua::Function = prelude.get("flag")?;
    let numbers = lua.create_table()?;
    numbers.set("__index", flag)?;
    numbers.set_readonly(true);
    lua.set_type_metatable::<mlua::Number>(Some(numbers));
    base.set("top", prelude.get::<mlua::Function>("top")?)?;
    for name in REMOVED {
        base.raw_remove(name)?;
    }
    for name in ["foreach", "foreachi", "getn"] {
        base.raw_get::<Table>("table")?.raw_remove(name)?;
    }
    for aggregate in AGGREGATES {
        base.set(aggregate.name, convert::aggregate(lua, aggregate.name)?)?;
    }
    base.set("addr", lua.create_function(|lua, text: String| object(lua, parse(&text)?))?)?;
    lua.set_app_data(super::talk::Talk::default());
    let log = lua.create_function(|lua, values: Variadic<mlua::Value>| {
        super::talk::say(lua, &values);
        Ok(())
    })?;
    base.set("log", &log)?;
    base.set("print", log)?;
    Ok(prelude)
}
