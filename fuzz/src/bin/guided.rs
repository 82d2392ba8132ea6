//! One target guided by coverage: `COMO_FUZZ=netflow guided FOLDER...`, as `fuzz/run.sh` calls it.
//!
//! Arguments are libFuzzer's, so what is ours stands in the environment: which target runs, or
//! with `COMO_SEEDS` the folder to write all targets' seeds to, made of the captures in
//! `COMO_TRACES` too. Such are as little a part of the project as the captures: the folder lies
//! in `target/`.

#![no_main]
#![allow(clippy::print_stdout, reason = "the targets' names are what it is asked for")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{env, fs, io, process};

use como_fuzz::{TARGETS, Target, named, seeds};

static TARGET: OnceLock<&'static Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        if let Some(folder) = env::var_os("COMO_SEEDS") {
            let traces = env::var_os("COMO_TRACES").map(PathBuf::from);
            if let Err(error) = write_seeds(Path::new(&folder), traces.as_deref()) {
                panic!("cannot write seeds to {}: {error}", folder.display());
            }
            process::exit(0);
        }
        let name = env::var("COMO_FUZZ").unwrap_or_default();
        let names = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
        let target = named(&name);
        let target = target.unwrap_or_else(|| panic!("COMO_FUZZ={name} is none of {}", names()));
        TARGET.get_or_init(|| target);
    },
    |bytes: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.run)(bytes);
        }
    }
);

/// Writes the seeds of each target to a folder of its own, and prints the targets' names.
fn write_seeds(folder: &Path, traces: Option<&Path>) -> io::Result<()> {
    for target in TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        let real = traces.map(|traces| seeds::real(target.name, traces)).unwrap_or_default();
        for (at, bytes) in (target.seeds)().iter().chain(&real).enumerate() {
            fs::write(folder.join(format!("seed-{at:05}")), bytes)?;
        }
        println!("{}", target.name);
    }
    Ok(())
}
