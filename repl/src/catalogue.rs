//! Modules by what a user calls them: a shipped name, or the path of a script.

use std::path::Path;
use std::sync::Arc;

use como_core::module::{ArgError, Args, GRANTS, GrantError, Grants, Kind, ModuleError};
use como_core::supervisor::Instance;

use como_scripting::load_text;

use crate::cli::Measure;
use crate::error::{Failure, Result, nearest};
use crate::hints::{self, Wanted};

/// A module under the name its instance will have.
pub struct Pick {
    /// The instance's name.
    pub name: String,
    /// The module.
    pub kind: Arc<dyn Kind>,
}

/// Whether a text names a script by its path rather than a shipped module by its name.
pub fn is_path(text: &str) -> bool {
    text.contains('/') || [".lua", ".luau", ".rhai"].iter().any(|ending| text.ends_with(ending))
}

/// The name of an instance that was given none: the module's, or the stem of the script's file.
pub fn stem(text: &str) -> String {
    let stem = Path::new(text).file_stem().and_then(|s| s.to_str());
    stem.filter(|_| is_path(text)).unwrap_or(text).to_owned()
}

/// All modules that need no file, each as a user calls it, by name.
pub fn shipped() -> Result<Vec<Pick>> {
    let mut picks = native();
    for (name, file, text) in como_scripting::shipped::shipped() {
        let kind = load_text(file, text).map_err(|error| refused(&error))?;
        picks.push(Pick { name: name.to_owned(), kind });
    }
    picks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(picks)
}

fn native() -> Vec<Pick> {
    let pick = |kind: Arc<dyn Kind>| Pick { name: kind.manifest().name.clone(), kind };
    como_modules::kinds().into_iter().map(pick).collect()
}

/// The names of what is shipped; no script is loaded for them.
pub fn names() -> Vec<String> {
    let scripts = como_scripting::shipped::shipped().map(|(name, ..)| name.to_owned());
    scripts.chain(native().into_iter().map(|pick| pick.name)).collect()
}

/// The module that a text names. A script of the user's own goes before ours of that name.
pub fn find(text: &str) -> Result<Arc<dyn Kind>> {
    let path = Path::new(text);
    if is_path(text) && path.exists() {
        return load(path);
    }
    if let Some(kind) = named(text) {
        return kind;
    }
    if is_path(text) || path.is_file() {
        return load(path);
    }
    let names = names();
    let failure = Failure::usage(format!("there is no module `{text}`"));
    Err(match nearest(text, names.iter().map(String::as_str)) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("`como modules` lists what is shipped; a script is named by its path"),
    })
}

/// The shipped module of this name; whatever the name, no file is read.
pub fn named(name: &str) -> Option<Result<Arc<dyn Kind>>> {
    let mut scripts = como_scripting::shipped::shipped();
    if let Some((_, file, script)) = scripts.find(|(known, ..)| *known == name) {
        return Some(load_text(file, script).map_err(|error| refused(&error)));
    }
    native().into_iter().find(|pick| pick.name == name).map(|pick| Ok(pick.kind))
}

/// The module in a script.
pub fn load(path: &Path) -> Result<Arc<dyn Kind>> {
    como_scripting::load(path).map_err(|error| refused(&error))
}

/// The modules in `topaddr`, `a=topaddr,b=./mine.lua`: instances to run together.
pub fn picks(text: &str) -> Result<Vec<Pick>> {
    // A file may be called anything, commas and all.
    let parts: Vec<&str> = match Path::new(text).is_file() {
        true => vec![text],
        false => text.split(',').map(str::trim).collect(),
    };
    let mut picks: Vec<Pick> = Vec::new();
    for part in parts {
        let (name, module) = match part.split_once('=') {
            Some((name, module)) if !Path::new(part).is_file() => (name.to_owned(), module),
            _ => (stem(part), part),
        };
        if name.is_empty() || module.is_empty() {
            let failure = Failure::usage(format!("`{text}` names no module at `{part}`"));
            return Err(failure.hint("write MODULE or NAME=MODULE, several with commas"));
        }
        if picks.iter().any(|pick| pick.name == name) {
            let failure = Failure::usage(format!("two modules are called `{name}`"));
            return Err(failure.hint(format!("name one of them: `other={module}`")));
        }
        picks.push(Pick { name, kind: find(module)? });
    }
    Ok(picks)
}

/// The module in a script, under its own name.
pub fn script(path: &Path) -> Result<Pick> {
    let kind = load(path).map_err(|failure| match path.to_str().and_then(named) {
        Some(_) if !path.exists() => failure
            .hint("a module of that name is shipped, and needs no check: name a script's file"),
        _ => failure,
    })?;
    Ok(Pick { name: kind.manifest().name.clone(), kind })
}

/// What the command line asks to measure, ready to run; what is odd about its filter is said.
pub fn measured(args: &Measure) -> Result<Vec<Instance>> {
    let filter = args.filter.join(" ");
    let picks = match args.modules.to_str() {
        Some(text) => picks(text)?,
        // Nothing but the path of a script is no text.
        None => vec![script(Path::new(&args.modules))?],
    };
    let instances = instances(picks, &args.args, &filter)?;
    crate::filter::parse(&filter)?;
    allowed(instances, &args.allow)
}

/// The same instances, which may reach what is granted here.
pub fn allowed(mut instances: Vec<Instance>, grants: &[String]) -> Result<Vec<Instance>> {
    let grants = self::grants(grants)?;
    instances.iter_mut().for_each(|instance| instance.grants.clone_from(&grants));
    Ok(instances)
}

/// Grants as they are written.
pub fn grants(texts: &[String]) -> Result<Grants> {
    Grants::parse(texts.iter().map(String::as_str)).map_err(not_granted)
}

/// Why something cannot be granted; of what is no grant, what each gives.
pub fn not_granted(error: GrantError) -> Failure {
    match error {
        GrantError::Unknown { nearest: None, grant } => {
            let failure = Failure::usage(format!("there is no grant `{grant}`"));
            GRANTS.iter().fold(failure, |failure, (grant, gives)| {
                failure.hint(format!("`{grant}` gives {gives}"))
            })
        }
        error => match error.to_string().split_once("; ") {
            Some((what, hint)) => Failure::usage(what).hint(hint),
            None => Failure::usage(error.to_string()),
        },
    }
}

/// The picks with their arguments and a filter that they share, ready to run.
pub fn instances(picks: Vec<Pick>, args: &[String], filter: &str) -> Result<Vec<Instance>> {
    let all_args = assign(&picks, args)?;
    let instance = |(pick, args): (Pick, Args)| Instance {
        name: pick.name,
        filter: filter.to_owned(),
        args,
        ..Instance::of(pick.kind)
    };
    Ok(picks.into_iter().zip(all_args).map(instance).collect())
}

/// The arguments of each pick out of `key=value` and `name.key=value` texts.
///
/// One without a name goes to every module that has it, and there must be one.
fn assign(picks: &[Pick], texts: &[String]) -> Result<Vec<Args>> {
    let mut given: Vec<Vec<String>> = vec![Vec::new(); picks.len()];
    for text in texts {
        let key = text.split('=').next().unwrap_or_default().trim();
        if let Some((name, _)) = key.split_once('.') {
            let Some(at) = picks.iter().position(|pick| pick.name == name) else {
                let names: Vec<&str> = picks.iter().map(|pick| pick.name.as_str()).collect();
                let failure = Failure::usage(format!("argument `{text}`: no `{name}` runs here"));
                return Err(failure.hint(format!("running: {}", names.join(", "))));
            };
            given[at].push(text[name.len() + 1..].to_owned());
            continue;
        }
        let takers: Vec<usize> =
            (0..picks.len()).filter(|at| picks[*at].kind.manifest().takes(key)).collect();
        // When none takes it, the first one's refusal says what is wrong.
        for at in if takers.is_empty() { vec![0] } else { takers } {
            given[at].push(text.clone());
        }
    }
    let mut all = Vec::new();
    for (pick, texts) in picks.iter().zip(given) {
        let args = Args::parse(texts).map_err(|error| wrong(&error))?;
        pick.kind.manifest().resolve(&args).map_err(|error| wrong(&error))?;
        all.push(args);
    }
    Ok(all)
}

pub fn wrong(error: &ArgError) -> Failure {
    // The core's message ends with what to try; a hint stands on its own line here.
    match error.to_string().split_once("; ") {
        Some((what, hint)) => Failure::usage(what).hint(hint),
        None => Failure::usage(error.to_string()),
    }
}

/// Why a module could not be loaded or started, with the line of the script where it is known.
pub fn refused(error: &ModuleError) -> Failure {
    match error {
        ModuleError::Arg(error) => wrong(error),
        ModuleError::Script(mistake) => Failure::of(mistake),
        ModuleError::Several(errors) => {
            let all = errors.iter().map(refused).reduce(Failure::and);
            all.unwrap_or_else(|| Failure::new(error.to_string()))
        }
        ModuleError::File { file, .. } => {
            let hint = hints::of_file(Path::new(file), Wanted::Script);
            hint.into_iter().fold(Failure::new(error.to_string()), Failure::hint)
        }
        error => Failure::new(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
