//! `como run`: modules over files or live traffic, records as they close.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use como_core::record::Value;
use como_core::storage::packets::Place;
use como_core::supervisor::{Instance, Options};

use crate::catalogue;
use crate::cli::Run;
use crate::error::{Failure, Result};
use crate::output;
use crate::session::Session;

/// Runs the modules until the sources end.
pub fn perform(args: &Run) -> Result {
    let mut instances = catalogue::measured(&args.measure)?;
    // Packets on standard output leave no room for records there.
    let records = !args.write.as_deref().is_some_and(is_stdout);
    if let Some(file) = &args.write {
        write_to(file, &mut instances)?;
    }
    keep_apart(&args.measure.sources.on_disk(), &instances)?;
    let default = Options::default();
    let workers = args.workers.unwrap_or(default.workers).min(instances.len()).max(1);
    Session {
        sources: args.measure.sources.open()?,
        instances,
        options: Options {
            workers,
            lookups: args.measure.sources.tables.load()?,
            window: args.window.unwrap_or(default.window),
            ..default
        },
        format: records.then(|| output::chosen(args.format)).transpose()?,
        quiet: args.quiet,
        costs: args.costs,
        feeds_reader: !records,
        seed: args.seed.clone(),
    }
    .run()
}

/// Whether packets go to standard output, as `-w -` asks.
fn is_stdout(file: &Path) -> bool {
    file == Path::new("-")
}

/// Gives the file to the one module that keeps packets.
fn write_to(file: &Path, instances: &mut [Instance]) -> Result {
    let all = instances.len();
    let keeps = |instance: &&mut Instance| instance.kind.manifest().takes("snaplen");
    let mut keeping: Vec<&mut Instance> = instances.iter_mut().filter(keeps).collect();
    match &mut keeping[..] {
        [_] if is_stdout(file) && all > 1 => {
            let what = "standard output takes packets or the records of other modules, not both";
            let failure = Failure::usage(what);
            Err(failure.hint("como run trace -w - | como run MODULE -r -"))
        }
        [one] => {
            let file = if is_stdout(file) { Path::new("/dev/stdout") } else { file };
            one.packets = Some(Place::File(file.to_owned()));
            Ok(())
        }
        [] => {
            let failure = Failure::usage("no module here writes packets, as `-w` asks");
            Err(failure.hint("como run trace -w FILE"))
        }
        _ => {
            let failure = Failure::usage("several modules here would write packets to one file");
            Err(failure.hint("give each its own: -a NAME.file=FILE"))
        }
    }
}

/// Refuses to write over a file that is read: it would be gone before its packets were.
fn keep_apart(read: &[PathBuf], instances: &[Instance]) -> Result {
    for instance in instances {
        let written = match (&instance.packets, instance.args.get("file")) {
            (Some(Place::File(file)), _) => file.clone(),
            (_, Some(Value::Text(file))) => PathBuf::from(file),
            _ => continue,
        };
        if let Some(read) = read.iter().find(|read| is_one_file(read, &written)) {
            let name = written.display();
            let failure = Failure::new(match *read == written {
                true => format!("`{name}` is read, and would be written over"),
                false => format!("`{name}` is `{}`, which is read", read.display()),
            });
            return Err(failure.hint("write to another file"));
        }
    }
    Ok(())
}

/// Whether two paths lead to one regular file.
fn is_one_file(one: &Path, other: &Path) -> bool {
    let known = |path: &Path| {
        let about = path.metadata().ok().filter(|about| about.is_file());
        about.map(|about| (about.dev(), about.ino()))
    };
    known(one).is_some_and(|one| known(other) == Some(one))
}
