//! `como run`: modules over files or live traffic, records as they close.

use std::path::Path;

use como_core::storage::packets::Place;
use como_core::supervisor::{Instance, Options};

use crate::catalogue;
use crate::cli::Run;
use crate::error::{Failure, Result};
use crate::output;
use crate::session::Session;

/// Runs the modules until the sources end.
pub fn perform(args: &Run) -> Result {
    let filter = args.filter.join(" ");
    let picks = catalogue::picks(&args.modules)?;
    let mut instances = catalogue::instances(picks, &args.args, &filter)?;
    crate::filter::parse(&filter)?;
    if let Some(file) = &args.write {
        write_to(file, &mut instances)?;
    }
    let default = Options::default();
    let workers = args.workers.unwrap_or(default.workers).min(instances.len()).max(1);
    Session {
        sources: args.sources.open()?,
        instances,
        options: Options { workers, ..default },
        format: output::chosen(args.format),
        quiet: args.quiet,
    }
    .run()
}

/// Gives the file to the one module that keeps packets.
fn write_to(file: &Path, instances: &mut [Instance]) -> Result {
    let keeps = |instance: &&mut Instance| catalogue::takes(instance.kind.as_ref(), "snaplen");
    let mut keeping: Vec<&mut Instance> = instances.iter_mut().filter(keeps).collect();
    match &mut keeping[..] {
        [one] => one.packets = Some(Place::File(file.to_owned())),
        [] => {
            let failure = Failure::usage("no module here writes packets, as `-w` asks");
            return Err(failure.hint("como run trace -w FILE"));
        }
        _ => {
            let failure = Failure::usage("several modules here would write packets to one file");
            return Err(failure.hint("give each its own: -a NAME.file=FILE"));
        }
    }
    Ok(())
}
