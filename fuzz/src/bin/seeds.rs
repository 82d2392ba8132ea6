//! `seeds FOLDER [TRACES]`: writes what fuzzing starts from, a folder for each target, and prints
//! the targets' names.
//!
//! Inputs made of real captures, where there are any, are as little a part of the
//! project as the captures themselves: FOLDER lies in `target/`.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use como_fuzz::{TARGETS, seeds};

fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = args.next().context("name a folder for the seeds")?;
    let traces = args.next();
    for target in TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let real = traces.as_deref().map(|traces| seeds::real(target.name, traces));
        let all = (target.seeds)().into_iter().chain(real.unwrap_or_default());
        for (at, bytes) in all.enumerate() {
            write(&folder.join(format!("seed-{at:05}")), &bytes)?;
        }
        println!("{}", target.name);
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| path.display().to_string())
}
