//! A script's source, and its top level run.

use std::sync::Arc;
use std::time::Duration;

use como_core::module::{Args, Limits, Manifest, Mistake, ModuleError};
use rhai::{AST, Dynamic, Engine, EvalAltResult, Map, OptimizationLevel, Scope};

use super::body::{self, Body, Packets};
use super::breadth::{PARTS_MAX, too_broad};
use super::engine::{Functions, RESERVED_MARK, engine};
use super::fault::Files;
use super::filters::Filter;
use super::watch::Watch;
use super::{deep, fault, libraries, value};
use crate::SOURCE_BYTES_MAX;
use crate::declare::{self, Callback, Declared, Function, Global, Script, Tree};
use crate::host::{Means, Reach};
use crate::library::Library;
use crate::scan::{Language, no_field, written_order};

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

impl Source {
    /// Runs the top level, with the arguments as the user gave them.
    pub fn run(&self, given: &Args, means: &Means) -> Result<Ran, ModuleError> {
        deep(|| self.run_here(given, means))
    }

    fn run_here(&self, given: &Args, means: &Means) -> Result<Ran, ModuleError> {
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
        let files = libraries::load(&mut engine, self, &limits, &watch)?;
        let ast =
            engine.compile(&*self.code).map_err(|error| fault::unparsed(&error, &self.script()))?;
        let call_ms_max = limits.call_ms_max;
        let mut top = TopLevel {
            source: self,
            engine: &engine,
            host: &host,
            files: &files,
            ast: &ast,
            given,
            call_ms_max,
            args: None,
        };
        watch.begin(Duration::from_millis(call_ms_max));
        let (globals, own) = top.run()?;
        let args = top.args;
        let functions: Vec<Function> = ast.iter_fn_def().map(|f| describe(f)).collect();
        let declared = declare::declare(&self.script(), &globals, &functions);
        let declared = ModuleError::with(declared, self.slips())?;
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

    /// Names of a packet that no field has, where it is certain that a packet is meant.
    fn slips(&self) -> Vec<ModuleError> {
        let reads = crate::scan::reads(&self.code, Language::Rhai);
        let unknown = reads.unknown.iter().map(|(name, line)| self.error(*line, no_field(name)));
        unknown.collect()
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
    pub fn told(&self, error: Box<EvalAltResult>, files: &Files, call_ms_max: u64) -> Mistake {
        self.told_in(&self.script(), error, files, call_ms_max)
    }

    /// The same where `at_work` is what ran: the script, or one of its libraries.
    pub fn told_in(
        &self,
        at_work: &Script<'_>,
        error: Box<EvalAltResult>,
        files: &Files,
        call_ms_max: u64,
    ) -> Mistake {
        let told = fault::told(error, (at_work.file, files), call_ms_max);
        let library = self.libraries.iter().find(|library| library.file == told.file);
        let script = library.map_or(self.script(), |Library { name, file, text }| Script {
            file,
            name,
            language: Language::Rhai,
            text,
        });
        script.mistake(told.line, told.message)
    }

    /// An error in a line of the script.
    pub fn error(&self, line: u32, message: String) -> ModuleError {
        self.script().mistake(line, message).into()
    }
}

impl Ran {
    /// The body of a callback, if the script has it, and what that reads of its packet.
    pub fn body(&self, callback: Callback) -> Result<Option<(Body, Packets)>, ModuleError> {
        let text = &self.source.code;
        deep(|| body::compile(&self.engine, (&self.functions, &self.filters), text, callback))
            .map_err(|error| fault::unparsed(&error, &self.source.script()))
    }

    /// Runs a call into the script, watched, with a stack that no script exhausts.
    pub fn call<T>(
        &self,
        call: impl FnOnce(&Engine) -> Result<T, Box<EvalAltResult>>,
    ) -> Result<T, Box<EvalAltResult>> {
        self.watch.begin(Duration::from_millis(self.limits.call_ms_max));
        deep(|| call(&self.engine))
    }

    /// The arguments as the script sees them.
    pub fn args_map(&self) -> Dynamic {
        Dynamic::from_map(args_map(&self.args))
    }

    /// The script, as messages name it.
    pub fn file(&self) -> &str {
        &self.source.file
    }

    /// What went wrong in a call, in words.
    pub fn told(&self, error: Box<EvalAltResult>) -> Mistake {
        self.source.told(error, &self.files, self.limits.call_ms_max)
    }

    /// The same where it means that the script cannot start.
    pub fn refusal(&self, error: Box<EvalAltResult>) -> ModuleError {
        self.host.explained(self.told(error), &self.source.script()).into()
    }
}

fn args_map(args: &Args) -> Map {
    let entry = |(name, value): (&str, &como_core::record::Value)| {
        (name.into(), value::of_value(value.clone()))
    };
    args.iter().map(entry).collect()
}

fn describe(function: &rhai::ScriptFuncDef) -> Function {
    let line = function.body.start_position().line();
    let name = function.name.as_str();
    Function {
        name: name.strip_suffix(RESERVED_MARK).unwrap_or(name).to_owned(),
        line: line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0),
        params: function.params.len(),
    }
}

/// The top level of a script on its way through.
struct TopLevel<'a> {
    source: &'a Source,
    engine: &'a Engine,
    host: &'a Reach,
    files: &'a Files,
    ast: &'a AST,
    given: &'a Args,
    call_ms_max: u64,
    /// The arguments as declared, and as the user set them, once the script has got there.
    args: Option<(Tree, Args)>,
}

/// Names with their values.
type Names = Vec<(String, Dynamic)>;

impl TopLevel<'_> {
    /// Runs one statement after the other, so that `args` can be what the user made of them as
    /// soon as they are set. Returns what was declared, and everything that was named.
    fn run(&mut self) -> Result<(Vec<Global>, Names), ModuleError> {
        let mut scope = Scope::new();
        let mut lines: Vec<u32> = Vec::new();
        for statement in self.ast.statements() {
            let line = statement.position().line().and_then(|l| u32::try_from(l).ok()).unwrap_or(0);
            let one = AST::new([statement.clone()], self.ast.shared_lib().clone());
            self.engine.run_ast_with_scope(&mut scope, &one).map_err(|error| {
                let told = self.source.told(error, self.files, self.call_ms_max);
                ModuleError::from(self.host.explained(told, &self.source.script()))
            })?;
            if scope.len() > lines.len() {
                lines.resize(scope.len(), line);
                // The scope is gone through from its end.
                let newest = scope.iter_raw().next();
                if let Some(("args", false, declared)) = newest {
                    let merged = self.args(declared, line)?;
                    scope.set_value("args", merged);
                }
            }
        }
        let mut globals: Vec<Global> = Vec::new();
        let mut held: Vec<_> = scope.iter_raw().collect();
        held.reverse();
        for ((name, constant, value), line) in held.into_iter().zip(&lines) {
            if constant || value.is::<Filter>() {
                continue;
            }
            let value = match &self.args {
                Some((tree, _)) if name == "args" => tree.clone(),
                _ => self.tree(name, value, *line)?,
            };
            globals.retain(|g| g.name != name);
            globals.push(Global { name: name.to_owned(), line: *line, value });
        }
        let own = scope.iter().map(|(name, _, value)| (name.to_owned(), value));
        let own = own.collect();
        Ok((globals, own))
    }

    /// Notes the declared arguments, and returns what the script is to see of them.
    fn args(&mut self, declared: &Dynamic, line: u32) -> Result<Map, ModuleError> {
        let tree = self.tree("args", declared, line)?;
        let global = Global { name: "args".to_owned(), line, value: tree };
        let specs = declare::arg_specs(&self.source.script(), &global)?;
        let name = self.source.name.to_string();
        let manifest = Manifest { name, args: specs, ..Manifest::default() };
        let args = manifest.with_interval().resolve(self.given)?;
        let map = args_map(&args);
        self.args = Some((global.value, args));
        Ok(map)
    }

    fn tree(&self, name: &str, value: &Dynamic, line: u32) -> Result<Tree, ModuleError> {
        let order = |path: &str| written_order(&self.source.text, Language::Rhai, path);
        value::to_tree(value, name, &order).map_err(|message| self.source.error(line, message))
    }
}
