//! The top level of a script on its way through, statement by statement.

use como_core::module::{Args, Manifest, ModuleError};
use rhai::{AST, Dynamic, EvalAltResult, Map, Scope};

use super::ended::early;
use super::fault::placed;
use super::filters::Filter;
use super::forgive::{Forgiven, Hole, follows};
use super::script::{Opened, Source, args_map};
use super::value;
use crate::declare::{self, Global, Tree};
use crate::mistakes::TOLD_MAX;
use crate::scan::{Language, written_order};
use crate::watch::{Budget, Spent};

/// The top level of a script.
pub(super) struct TopLevel<'a> {
    source: &'a Source,
    opened: &'a Opened,
    given: &'a Args,
    /// The arguments as declared, and as the user set them, once the script has got there.
    pub args: Option<(Tree, Args)>,
    /// What goes on where something is wrong; an error ends it otherwise.
    forgiven: Option<&'a Forgiven>,
    /// What was wrong and is forgiven.
    pub wrong: Vec<ModuleError>,
    /// The names that statements were to give, and failed.
    pub failed: Vec<String>,
}

/// Names with their values.
pub(super) type Names = Vec<(String, Dynamic)>;

impl<'a> TopLevel<'a> {
    /// One that ends at the first error.
    pub fn new(source: &'a Source, opened: &'a Opened, given: &'a Args) -> Self {
        let (wrong, failed) = Default::default();
        Self { source, opened, given, args: None, forgiven: None, wrong, failed }
    }

    /// The same, which goes on.
    pub fn forgiving(self, forgiven: &'a Forgiven) -> Self {
        Self { forgiven: Some(forgiven), ..self }
    }

    /// Runs one statement after the other, so that `args` can be what the user made of them as
    /// soon as they are set. Returns what was declared, and everything that was named.
    pub fn run(&mut self) -> Result<(Vec<Global>, Names), ModuleError> {
        let Opened { watch, limits, .. } = self.opened;
        let mut scope = Scope::new();
        let mut budget = Budget::of_ms(limits.call_ms_max);
        let lines = watch.run(&mut budget, || self.statements(&mut scope))?;
        let mut globals: Vec<Global> = Vec::new();
        let mut held: Vec<_> = scope.iter_raw().collect();
        held.reverse();
        for ((name, constant, value), line) in held.into_iter().zip(&lines) {
            let enough = self.wrong.len() > TOLD_MAX;
            if constant || enough || value.is::<Filter>() || value.is::<Hole>() {
                continue;
            }
            let value = match &self.args {
                Some((tree, _)) if name == "args" => Some(tree.clone()),
                _ => {
                    let tree = self.tree(name, value, *line);
                    self.forgive(tree)?
                }
            };
            globals.retain(|g| g.name != name);
            globals.extend(value.map(|value| Global { name: name.to_owned(), line: *line, value }));
        }
        let own = scope.iter().map(|(name, _, value)| (name.to_owned(), value));
        let own = own.collect();
        Ok((globals, own))
    }

    /// Runs the statements, and returns in which line each name of the scope was set.
    fn statements(&mut self, scope: &mut Scope<'static>) -> Result<Vec<u32>, ModuleError> {
        let Opened { engine, ast, .. } = self.opened;
        let mut lines: Vec<u32> = Vec::new();
        for statement in ast.statements() {
            let line = statement.position().line().and_then(|l| u32::try_from(l).ok()).unwrap_or(0);
            if let Some(error) = early(statement, &self.source.script()) {
                self.forgive::<()>(Err(error))?;
            }
            let one = AST::new([statement.clone()], ast.shared_lib().clone());
            let ran = engine.run_ast_with_scope(scope, &one);
            self.settle(ran, line)?;
            if scope.len() > lines.len() {
                lines.resize(scope.len(), line);
                // The scope is gone through from its end.
                let newest = scope.iter_raw().next();
                if let Some(("args", false, declared)) = newest {
                    let merged = self.args(declared, line);
                    if let Some(merged) = self.forgive(merged)? {
                        scope.set_value("args", merged);
                    }
                }
            }
        }
        Ok(lines)
    }

    /// Takes in how the statement in a line went.
    fn settle(
        &mut self,
        ran: Result<(), Box<EvalAltResult>>,
        line: u32,
    ) -> Result<(), ModuleError> {
        let Some(forgiven) = self.forgiven else {
            return ran.map_err(|error| self.told(error));
        };
        let noted = forgiven.take().into_iter();
        for error in noted.take(TOLD_MAX.saturating_sub(self.wrong.len())) {
            self.wrong.push(self.told(placed(error.into(), line)));
        }
        if let Err(error) = ran {
            self.failed.extend(self.source.named_in(line));
            if !follows(&error, &self.failed) && self.wrong.len() <= TOLD_MAX {
                self.wrong.push(self.told(error));
            }
        }
        Ok(())
    }

    /// A result, or nothing where its error is forgiven.
    fn forgive<T>(&mut self, result: Result<T, ModuleError>) -> Result<Option<T>, ModuleError> {
        match result {
            Err(error) if self.forgiven.is_some() => {
                self.wrong.push(error);
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    fn told(&self, error: Box<EvalAltResult>) -> ModuleError {
        let Opened { host, files, limits, .. } = self.opened;
        let told = self.source.told(error, files, Spent::call(limits.call_ms_max));
        host.explained(told, &self.source.script()).into()
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
