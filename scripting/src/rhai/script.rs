//! A script's source, and its top level run.

use std::sync::Arc;

use como_core::module::{Args, Limits, Mistake, ModuleError};
use rhai::{AST, Dynamic, Engine, EvalAltResult, Map, OptimizationLevel, Position, Scope};

use super::body::{self, Body, Packets};
use super::breadth::{PARTS_MAX, too_broad};
use super::engine::{Functions, RESERVED_MARK, engine};
use super::fault::Files;
use super::filters::Filter;
use super::forgive::Forgiven;
use super::top::TopLevel;
use super::watch::Watch;
use super::{caught, constants, deep, fault, layered, libraries, value, words};
use crate::SOURCE_BYTES_MAX;
use crate::declare::{self, Callback, Declared, Function, Script};
use crate::host::{Means, Reach};
use crate::library::{Library, is_shipped};
use crate::mistakes::TOLD_MAX;
use crate::scan::tokens::tokens;
use crate::scan::{Language, no_field};
use crate::watch::{Budget, Spent};

/// A script as it was written.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The file, as messages name it.
    pub file: Arc<str>,
    /// The module's name.
    pub name: Arc<str>,
    /// The text.
    pub text: Arc<str>,
    /// The text as Rhai is to read it, of the same length.
    pub code: Arc<str>,
    /// What it requires, in the order in which to load it.
    pub libraries: Arc<[Library]>,
}

/// A script whose top level has run.
pub(super) struct Ran {
    /// Where its callbacks run.
    pub engine: Engine,
    /// What ends a call that takes too long.
    pub watch: Arc<Watch>,
    /// What the library's functions reach.
    pub host: Arc<Reach>,
    /// What it says of itself.
    pub declared: Declared,
    /// Its arguments as the user set them.
    pub args: Args,
    functions: Functions,
    /// The filters among the top-level names.
    filters: Vec<(String, usize)>,
    source: Source,
    /// The files of the libraries' functions.
    files: Files,
    limits: Limits,
}

/// A script that was read, with where it is to run.
pub(super) struct Opened {
    /// Where it is to run.
    pub engine: Engine,
    /// What ends a call that takes too long.
    pub watch: Arc<Watch>,
    /// What the library's functions reach.
    pub host: Arc<Reach>,
    /// The files of the libraries' functions.
    pub files: Files,
    /// The script.
    pub ast: AST,
    /// Its libraries.
    pub libraries: Vec<AST>,
    /// What it may use.
    pub limits: Limits,
}

impl Source {
    /// Runs the top level, with the arguments as the user gave them.
    pub fn run(&self, given: &Args, means: &Means) -> Result<Ran, ModuleError> {
        deep(|| self.run_here(given, means))
    }

    fn run_here(&self, given: &Args, means: &Means) -> Result<Ran, ModuleError> {
        let limits = means.limits;
        let opened = self.open(means, None)?;
        let mut top = TopLevel::new(self, &opened, given);
        let (globals, own) = top.run()?;
        let args = top.args;
        let mut slips = self.slips();
        slips.extend(self.changed(&opened.ast, &own));
        slips.extend(self.nowhere(&opened, &own));
        let Opened { engine, watch, host, files, ast, .. } = opened;
        let mut engine = engine;
        let functions: Vec<Function> = ast.iter_fn_def().map(|f| describe(f)).collect();
        let declared = declare::declare(&self.script(), &globals, &functions);
        let declared = ModuleError::with(declared, slips)?;
        let args = match args {
            Some((_, args)) => args,
            None => declared.manifest.resolve(given)?,
        };
        let ast = engine.optimize_ast(&Scope::new(), ast, OptimizationLevel::Simple);
        // What the top level set is to be read in functions too.
        let mut names = rhai::Module::new();
        let mut filters = Vec::new();
        for (name, value) in own {
            let number = value.read_lock::<Filter>().map(|filter| filter.number);
            filters.extend(number.map(|number| (name.clone(), number)));
            names.set_var(name, value);
        }
        names.set_var("args", Dynamic::from_map(args_map(&args)));
        engine.register_global_module(names.into());
        let functions = ast.shared_lib().clone();
        Ok(Ran {
            engine,
            watch,
            host,
            declared,
            args,
            functions,
            filters,
            source: self.clone(),
            files,
            limits,
        })
    }

    /// Reads the text and what it requires; nothing of it runs yet. What it comes across is
    /// `forgiven` where that is given.
    pub fn open(&self, means: &Means, forgiven: Option<&Forgiven>) -> Result<Opened, ModuleError> {
        let limits = means.limits;
        if self.text.len() > SOURCE_BYTES_MAX {
            let message = format!("it is longer than {SOURCE_BYTES_MAX} bytes");
            return Err(self.error(0, message));
        }
        if let Some(line) = too_broad(&self.text) {
            let message = format!(
                "more than {PARTS_MAX} entries, cases, parameters or statements in one place, \
                 which take too long to read: keep so much data in a list"
            );
            return Err(self.error(line, message));
        }
        let watch = Arc::new(Watch::new());
        let host = Arc::new(Reach::new(&self.file, means));
        host.tables.lock().set_source(&self.code);
        let mut engine = engine(&host, &limits, &watch);
        caught::furnish(&mut engine, own_functions(&self.script()));
        let (files, libraries) = libraries::load(&mut engine, self, &limits, &watch)?;
        if let Some(forgiven) = forgiven {
            forgiven.spread(&mut engine);
        }
        let ast =
            engine.compile(&*self.code).map_err(|error| fault::unparsed(&error, &self.script()))?;
        Ok(Opened { engine, watch, host, files, ast, libraries, limits })
    }

    /// Names of a packet that no field has, and what is written into one, where it is certain that
    /// a packet is meant.
    pub fn slips(&self) -> Vec<ModuleError> {
        let reads = crate::scan::reads(&self.code, Language::Rhai);
        let unknown = reads
            .unknown
            .iter()
            .take(TOLD_MAX)
            .map(|(name, line)| self.error(*line, no_field(name)));
        unknown.chain(self.script().writes(&reads)).collect()
    }

    /// What functions try to change that stays what it is.
    pub fn changed(&self, ast: &AST, held: &[(String, Dynamic)]) -> Vec<ModuleError> {
        let error = |(name, at): (String, Position)| {
            let line = at.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
            let message = format!("`{name}` cannot be changed here; {}", words::CHANGING);
            self.script().mistake_near(line, at.position(), message).into()
        };
        constants::changed(ast, held).into_iter().take(TOLD_MAX).map(error).collect()
    }

    /// Its text, and those of its libraries.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let libraries = self.libraries.iter().map(|library| library.text.as_str());
        std::iter::once(&*self.text).chain(libraries)
    }

    /// The script itself.
    pub fn script(&self) -> Script<'_> {
        Script { file: &self.file, name: &self.name, language: Language::Rhai, text: &self.text }
    }

    /// What went wrong, in words.
    pub fn told(&self, error: Box<EvalAltResult>, files: &Files, spent: Spent) -> Mistake {
        self.told_in(&self.script(), error, files, spent)
    }

    /// The same where `at_work` is what ran: the script, or one of its libraries.
    pub fn told_in(
        &self,
        at_work: &Script<'_>,
        error: Box<EvalAltResult>,
        files: &Files,
        spent: Spent,
    ) -> Mistake {
        let own = own_functions(at_work);
        let told = fault::told(error, (at_work.file, files), spent, &own);
        let library = self.libraries.iter().find(|library| library.file == told.file);
        let script = library.map_or(*at_work, |Library { name, file, text }| Script {
            file,
            name,
            language: Language::Rhai,
            text,
        });
        let mut mistake = script.mistake_near(told.line, told.column, told.message);
        if mistake.message.contains("`()`") {
            script.about_nothing(&mut mistake, "`()`", |field| format!("if {field} != () {{"));
        }
        mistake.message += &told.calls;
        mistake
    }

    /// An error in a line of the script.
    pub fn error(&self, line: u32, message: String) -> ModuleError {
        self.script().mistake(line, message).into()
    }
}

impl Ran {
    /// The body of a callback, if the script has it, and what that reads of its packet.
    pub fn body(&self, callback: Callback) -> Result<Option<(Body, Packets)>, ModuleError> {
        let own = self.source.libraries.iter().filter(|library| !is_shipped(&library.file));
        let own: Vec<&str> = own.map(|library| library.text.as_str()).collect();
        let (filters, texts) = ((&self.functions, &*self.filters), (&*self.source.code, &*own));
        deep(|| body::compile(&self.engine, filters, texts, callback))
            .map_err(|error| fault::unparsed(&error, &self.source.script()))
    }

    /// Runs a call into the script, watched, with a stack that no script exhausts.
    pub fn call<T>(
        &self,
        call: impl FnOnce(&Engine) -> Result<T, Box<EvalAltResult>>,
    ) -> Result<T, Box<EvalAltResult>> {
        self.call_within(&mut self.budget(), call)
    }

    /// The CPU time that a call may take.
    pub fn budget(&self) -> Budget {
        Budget::of_ms(self.limits.call_ms_max)
    }

    /// Begins a turn, which others may wait for.
    pub fn turn(&self, shared: bool) {
        self.watch.turn(shared, self.limits.call_ms_max);
    }

    /// Runs one of several calls that have their time together.
    pub fn call_within<T>(
        &self,
        budget: &mut Budget,
        call: impl FnOnce(&Engine) -> Result<T, Box<EvalAltResult>>,
    ) -> Result<T, Box<EvalAltResult>> {
        if budget.is_spent() || self.watch.is_spent() {
            return Err(EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE).into());
        }
        self.watch.run(budget, || deep(|| call(&self.engine)))
    }

    /// The arguments as the script sees them.
    pub fn args_map(&self) -> Dynamic {
        Dynamic::from_map(args_map(&self.args))
    }

    /// The script, as messages name it.
    pub fn file(&self) -> &str {
        &self.source.file
    }

    /// An error of a packet, told as one of writing into it where that is what the layer was read
    /// for, the last one of it.
    pub fn written(&self, error: Box<EvalAltResult>, layer: &str) -> Box<EvalAltResult> {
        match layer.is_empty() {
            true => error,
            false => Box::new(layered::told(*error, layer, (&self.source.code, &self.files))),
        }
    }

    /// What went wrong in a call, in words.
    pub fn told(&self, error: Box<EvalAltResult>) -> Mistake {
        self.source.told(error, &self.files, self.watch.spent(self.limits.call_ms_max))
    }

    /// The same where it means that the script cannot start.
    pub fn refusal(&self, error: Box<EvalAltResult>) -> ModuleError {
        self.host.explained(self.told(error), &self.source.script()).into()
    }
}

pub(super) fn args_map(args: &Args) -> Map {
    let entry = |(name, value): (&str, &como_core::record::Value)| {
        (name.into(), value::of_value(value.clone()))
    };
    args.iter().map(entry).collect()
}

pub(super) fn describe(function: &rhai::ScriptFuncDef) -> Function {
    let line = function.body.start_position().line();
    let name = function.name.as_str();
    Function {
        name: name.strip_suffix(RESERVED_MARK).unwrap_or(name).to_owned(),
        line: line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0),
        params: function.params.len(),
    }
}

/// The names of the functions in a text.
fn own_functions(script: &Script<'_>) -> Vec<String> {
    let tokens = tokens(script.text, script.language);
    let named = tokens.windows(2).filter(|pair| pair[0].is("fn"));
    named.map(|pair| pair[1].text.to_owned()).collect()
}
