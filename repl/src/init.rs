//! `como init`: a commented como.toml and an empty modules folder, where there are none yet.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::cli::Init;
use crate::error::{Failure, Result, say, with_causes};

/// The file as it is written, every key described.
pub const TEMPLATE: &str = include_str!("init/como.toml");

/// Writes what is missing and says what it did.
pub fn perform(args: &Init) -> Result {
    let config = args.dir.join("como.toml");
    let modules = args.dir.join("modules");
    fs::create_dir_all(&modules).map_err(|e| cannot("make", &modules, &e))?;
    // `create_new` refuses in one step, so that a file made meanwhile is safe too.
    match OpenOptions::new().write(true).create_new(true).open(&config) {
        Ok(mut file) => {
            file.write_all(TEMPLATE.as_bytes()).map_err(|e| cannot("write", &config, &e))?;
            say(&format!("wrote {} and {}/", config.display(), modules.display()));
            say(&format!("next: edit it, then `como serve -c {}`", config.display()));
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let what = format!("`{}` exists and is left as it is", config.display());
            Err(Failure::new(what).hint("`como init DIR` writes elsewhere"))
        }
        Err(error) => Err(cannot("write", &config, &error)),
    }
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {what} `{}`: {}", path.display(), with_causes(error)))
}
