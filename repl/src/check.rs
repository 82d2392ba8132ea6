//! `como check`: a script loaded, looked through, and tried on traffic.

#[cfg(test)]
mod examples;
mod kept;
mod lint;
mod merging;

use como_core::module::gives;
use como_core::supervisor::{Instance, Options};
use como_scripting::scan::Language;

use crate::catalogue;
use crate::cli::Check;
use crate::error::{Failure, Message, Result, say};
use crate::session::Session;
use crate::{output, sources};
use merging::{Merging, Wrong};

/// What a script is tried on unless told otherwise: every kind of packet it may meet, and few.
const TRAFFIC: &str = "gen:seed=1,packets=20000,duration=10s";

/// Says what is wrong with a script, and shows the records it makes.
pub fn perform(args: &Check) -> Result {
    let path = args.script.display().to_string();
    let pick = catalogue::script(&args.script)?;
    // It was loaded a moment ago; if it has gone since, there is nothing to look through.
    let script = std::fs::read_to_string(&args.script).unwrap_or_default();
    warn_about(&path, &script);
    let doc = pick.kind.manifest().doc.clone();
    let instances = catalogue::instances(vec![pick], &args.args, "")?;
    let instances = catalogue::allowed(instances, &args.allow)?;
    instances.iter().for_each(warn_of_grants);
    let sources = match args.sources.is_empty() {
        true => sources::open([TRAFFIC.to_owned()])?,
        false => args.sources.open()?,
    };
    let (wrong, tried) = (Wrong::default(), instances[0].clone());
    let seen = wrong.clone();
    Session {
        sources,
        instances,
        options: Options { workers: 1, lookups: args.sources.tables.load()?, ..Options::default() },
        format: Some(output::chosen(args.format)?),
        quiet: true,
        costs: false,
        feeds_reader: false,
        seed: None,
    }
    // What fails wherever the script comes there, which on this traffic it need not.
    .tried(como_scripting::strangers(&path, &script), |sink| {
        Box::new(Merging::new(sink, tried, seen))
    })?;
    if let Some(why) = wrong.lock().take() {
        return Err(Failure::new(format!("`merge`, of two of these records: {why}")));
    }
    say(&match &doc[..] {
        "" => format!("{path}: works; a first comment line would say what it measures"),
        doc => format!("{path}: works. {doc}"),
    });
    Ok(())
}

/// Warns of what it asks for and is not granted here, as it may not be where it is to run.
fn warn_of_grants(instance: &Instance) {
    let asks_for = instance.kind.asks_for();
    for grant in asks_for.into_iter().filter(|grant| !instance.grants.any(grant)) {
        Message::new(format!("it asks for {}, which is not granted here", gives(grant)))
            .hint(format!("--allow {grant}; in como.toml allow = [\"{grant}\"]"))
            .show("warning");
    }
}

/// Warns about what works and is still wrong.
fn warn_about(path: &str, script: &str) {
    for (at, stands_for) in lint::unweighted(script) {
        Message::new("this counts a sampled packet once")
            .at(path, script, at)
            .hint(format!("add {stands_for}, which is what the packet stands for"))
            .show("warning");
    }
    if Language::of(path) != Some(Language::Lua) {
        return;
    }
    for at in kept::kept(script) {
        Message::new(format!("`{}` is kept outside the state", &script[at.clone()]))
            .at(path, script, at)
            .hint("it is lost when the module changes or moves: keep it in `state` or `long`")
            .show("warning");
    }
}
