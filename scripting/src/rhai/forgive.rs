//! A script that does not start, looked through for all that is wrong with it.
//!
//! Its top level runs once more, and forgivingly: a name or a function that is nowhere, and an
//! aggregate that cannot be, is a [`Hole`], of which anything may be asked; a statement that fails
//! all the same is passed over. So what stands behind the first mistake is looked at, too.

use std::ops::Range;
use std::sync::Arc;

use como_core::module::{Args, ModuleError};
use como_core::table::AGGREGATES;
use parking_lot::Mutex;
use rhai::{Dynamic, Engine, EvalAltResult, ParseErrorType, Position};

use super::engine::{aggregate, engine};
use super::libraries::NOT_REQUIRED;
use super::script::{Source, describe};
use super::top::TopLevel;
use super::watch::Watch;
use super::{deep, fault, words};
use crate::declare;
use crate::host::{Means, Reach};
use crate::mistakes::{RESUMED_MAX, TOLD_MAX};
use crate::scan::tokens::tokens;
use crate::scan::{Language, resumed};

/// What stands in for a value that could not be had.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hole;

/// What a forgiving run has come across, each with its line.
#[derive(Clone, Debug, Default)]
pub(super) struct Forgiven(Arc<Mutex<Vec<EvalAltResult>>>);

impl Forgiven {
    /// Notes what is wrong; what stands in for it.
    pub fn note(&self, error: EvalAltResult) -> Dynamic {
        let mut noted = self.0.lock();
        if noted.len() < TOLD_MAX {
            noted.push(error);
        }
        Dynamic::from(Hole)
    }

    /// What was noted since it was last asked.
    pub fn take(&self) -> Vec<EvalAltResult> {
        std::mem::take(&mut *self.0.lock())
    }

    /// An aggregate, or what stands in for it.
    fn made(&self, name: &str, given: &[Dynamic]) -> Dynamic {
        match aggregate(name, given) {
            Ok(aggregate) => Dynamic::from(aggregate),
            Err(_) if given.iter().any(Dynamic::is::<Hole>) => Dynamic::from(Hole),
            Err(error) => self.note(*error),
        }
    }

    /// Makes an engine forgive.
    pub fn spread(&self, engine: &mut Engine) {
        engine
            .register_type_with_name::<Hole>("Hole")
            .register_indexer_get(|hole: &mut Hole, _: Dynamic| *hole)
            .register_fn("to_string", |_: &mut Hole| "");
        for usage in &AGGREGATES {
            let name = usage.name;
            let [none, one, two, three] = std::array::from_fn(|_| self.clone());
            engine
                .register_fn(name, move || none.made(name, &[]))
                .register_fn(name, move |a: Dynamic| one.made(name, &[a]))
                .register_fn(name, move |a: Dynamic, b: Dynamic| two.made(name, &[a, b]))
                .register_fn(name, move |a: Dynamic, b: Dynamic, c: Dynamic| {
                    three.made(name, &[a, b, c])
                });
        }
        let forgiven = self.clone();
        #[allow(deprecated, reason = "marked so because it may change, not because it will go")]
        engine.on_missing_function(move |name, given, _, context| {
            let holes = given.iter().any(|value| value.is::<Hole>());
            if holes {
                return Ok(Some(Dynamic::from(Hole)));
            }
            if words::is_known(name) {
                return Ok(None);
            }
            let types = given.iter().map(|value| context.engine().map_type_name(value.type_name()));
            let called = format!("{name} ({})", types.collect::<Vec<_>>().join(", "));
            let error = EvalAltResult::ErrorFunctionNotFound(called, Position::NONE);
            Ok(Some(forgiven.note(error)))
        });
    }
}

impl Source {
    /// All that is wrong with a script, of which `errors` are known.
    pub fn all_wrong(&self, mut errors: Vec<ModuleError>) -> ModuleError {
        let (found, end) = deep(|| self.forgiven());
        let (behind, sure) = end.map(|end| deep(|| self.behind(end))).unwrap_or_default();
        let slips = self.slips().into_iter();
        // What the first run failed of is told by what it comes from.
        errors.retain(|error| !found.iter().any(|f| f.line() == error.line()));
        errors.extend(found);
        errors.extend(behind);
        // Behind the place where it is no Rhai any more little is sure.
        let is_sure = |line: u32| sure.iter().any(|lines| lines.contains(&line));
        errors.extend(
            slips.filter(|slip| end.is_none_or(|end| slip.line() < end || is_sure(slip.line()))),
        );
        match ModuleError::of(errors) {
            Err(error) => error,
            Ok(()) => self.error(0, "it does not start".to_owned()),
        }
    }

    /// What a forgiving run finds, and the line behind which nothing is sure.
    fn forgiven(&self) -> (Vec<ModuleError>, Option<u32>) {
        let forgiven = Forgiven::default();
        let (means, given) = (Means::default(), Args::default());
        let opened = match self.open(&means, Some(&forgiven)) {
            Ok(opened) => opened,
            // It is known already, and where it is no Rhai it ends there.
            Err(error) => return (Vec::new(), Some(error.line())),
        };
        let mut top = TopLevel::new(self, &opened, &given).forgiving(&forgiven);
        let (globals, named) = top.run().unwrap_or_default();
        let (mut wrong, failed) = (top.wrong, top.failed);
        wrong.extend(self.changed(&opened.ast, &named));
        // What failed statements were to give is told with them.
        let failed = failed.into_iter().map(|name| (name, Dynamic::UNIT));
        let named: Vec<(String, Dynamic)> = named.into_iter().chain(failed).collect();
        wrong.extend(self.nowhere(&opened, &named));
        let functions: Vec<declare::Function> =
            opened.ast.iter_fn_def().map(|f| describe(f)).collect();
        wrong.extend(declare::mistakes(&self.script(), &globals, &functions));
        (wrong, None)
    }

    /// What else is no Rhai behind the line `end`, which is none: from the next function on, as
    /// often as that is so. And the lines in which all is sure to be what it seems.
    fn behind(&self, mut end: u32) -> (Vec<ModuleError>, Vec<Range<u32>>) {
        let (mut wrong, mut sure) = (Vec::new(), Vec::new());
        if resumed(&self.code, Language::Rhai, end).is_none() {
            return (wrong, sure);
        }
        let means = Means::default();
        let host = Arc::new(Reach::new(&self.file, &means));
        let engine = engine(&host, &means.limits, &Arc::new(Watch::new()));
        if engine.compile(&*self.code).is_ok() {
            // What is wrong is wrong in a library.
            return (wrong, sure);
        }
        while let Some((rest, from)) = resumed(&self.code, Language::Rhai, end) {
            let Err(error) = engine.compile(rest) else {
                sure.push(from..u32::MAX);
                break;
            };
            // Where brackets do not match, it may be those before that are to blame.
            let unclosed = match error.err_type() {
                ParseErrorType::UnexpectedEOF | ParseErrorType::WrongFnDefinition => true,
                ParseErrorType::MissingToken(token, _) => token == "}",
                _ => false,
            };
            let error = fault::unparsed(&error, &self.script());
            end = error.line();
            if unclosed || end < from || wrong.len() == RESUMED_MAX {
                break;
            }
            sure.push(from..end);
            wrong.push(error);
        }
        (wrong, sure)
    }

    /// The name that a statement beginning in that line gives to something.
    pub fn named_in(&self, line: u32) -> Option<String> {
        let tokens = tokens(&self.code, Language::Rhai);
        let first = tokens.iter().position(|t| t.line == line)?;
        let gives = tokens[first].is("let") || tokens[first].is("const");
        tokens.get(first + 1).filter(|_| gives).map(|name| name.text.to_owned())
    }
}

/// Whether an error only says that a name is not there which a failed statement was to give.
pub(super) fn follows(error: &EvalAltResult, failed: &[String]) -> bool {
    match error {
        EvalAltResult::ErrorVariableNotFound(name, _) => failed.contains(name),
        other => {
            let told = other.to_string();
            // What is required and is not there was told before.
            told.contains("Hole") || told.contains(NOT_REQUIRED)
        }
    }
}
