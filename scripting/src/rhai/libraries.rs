//! `require` in Rhai: the libraries of a script, each run once in its engine.
//!
//! A library's last expression is a map of functions without names; what `require` gives is a
//! copy of that map. Its named functions lie in the engine beside those of all others, so no two
//! may be the same, and none may be a callback's.

use std::collections::BTreeMap;
use std::sync::Arc;

use como_core::module::{Limits, ModuleError};
use parking_lot::Mutex;
use rhai::{AST, Dynamic, Engine, EvalAltResult, OptimizationLevel, Scope};

use super::engine::RESERVED_MARK;
use super::fault::{self, Files};
use super::script::Source;
use super::watch::Watch;
use crate::api::rhai_text;
use crate::declare::{Callback, Script};
use crate::library::Library;
use crate::scan::Language;
use crate::watch::{Budget, Spent};

/// What `require` finds, by name.
type Loaded = Arc<Mutex<BTreeMap<String, Dynamic>>>;

/// What is said of what was not found in the text.
pub(super) const NOT_REQUIRED: &str = "`require` takes the name of a library in quotes";

/// Runs the libraries one after the other, and puts `require` into the engine. Says which file
/// each of their functions is from, and gives what they were read as.
pub(super) fn load(
    engine: &mut Engine,
    source: &Source,
    limits: &Limits,
    watch: &Watch,
) -> Result<(Files, Vec<AST>), ModuleError> {
    let loaded = Loaded::default();
    let found = loaded.clone();
    engine.register_fn("require", move |name: &str| -> Result<Dynamic, Box<EvalAltResult>> {
        found.lock().get(name).cloned().ok_or_else(|| {
            let name = name.escape_debug();
            let message = format!("{NOT_REQUIRED}, where `{name}` stands");
            message.into()
        })
    });
    let (mut files, mut asts) = (Files::default(), Vec::new());
    for Library { name, file, text } in source.libraries.iter() {
        let script = Script { file, name, language: Language::Rhai, text };
        let ast = engine.compile(rhai_text(text));
        let ast = ast.map_err(|error| fault::unparsed(&error, &script))?;
        note_functions(&mut files, &ast, &script)?;
        let mut budget = Budget::of_ms(limits.call_ms_max);
        let value = watch.run(&mut budget, || engine.eval_ast::<Dynamic>(&ast));
        let value = value
            .map_err(|e| source.told_in(&script, e, &files, Spent::call(limits.call_ms_max)))?;
        if !value.is_map() {
            return Err(script.mistake(0, "a library ends in a map, `#{ ... }`").into());
        }
        asts.push(ast.clone());
        let ast = engine.optimize_ast(&Scope::new(), ast, OptimizationLevel::Simple);
        engine.register_global_module(ast.shared_lib().clone());
        loaded.lock().insert(name.clone(), value);
    }
    Ok((files, asts))
}

fn note_functions(files: &mut Files, ast: &AST, script: &Script<'_>) -> Result<(), ModuleError> {
    for function in ast.iter_fn_def() {
        let name = function.name.as_str();
        let plain = name.strip_suffix(RESERVED_MARK).unwrap_or(name);
        let line = function.body.start_position().line();
        let line = line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
        let wrong = |message: String| ModuleError::from(script.mistake(line, message));
        if Callback::ALL.iter().any(|callback| callback.name() == plain) {
            return Err(wrong(format!("`{plain}` is a callback of modules: rename it")));
        }
        // Functions without a name are called by what is in them.
        let other = files.insert(name.to_owned(), script.file.to_owned());
        if let Some(other) =
            other.filter(|other| other != script.file && !name.starts_with("anon$"))
        {
            return Err(wrong(format!("`{other}` has a function `{name}` too: rename one")));
        }
    }
    Ok(())
}
