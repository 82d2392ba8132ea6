//! Modules that run afresh for a question, over what is stored.

use como_core::module::Args;
use como_core::query::Query;
use como_core::supervisor::Instance;

use crate::error::Result;

/// What to run for a question: `instance` with the question's own filter and arguments in place of
/// its own.
pub fn instance(mut instance: Instance, question: &Query) -> Result<Instance> {
    instance.name.clone_from(&question.module);
    if let Some(filter) = &question.filter {
        instance.filter.clone_from(filter);
    }
    let texts = question.args.iter().map(|(name, value)| format!("{name}={value}"));
    let given = Args::parse(texts).map_err(|error| crate::catalogue::wrong(&error))?;
    for (name, value) in given.iter() {
        instance.args.set(name, value.clone());
    }
    let manifest = instance.kind.manifest();
    manifest.resolve(&instance.args).map_err(|error| crate::catalogue::wrong(&error))?;
    // It is run to be looked at: what it would keep is there already.
    instance.packets = None;
    Ok(instance)
}
