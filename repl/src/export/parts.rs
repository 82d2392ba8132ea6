//! The files of one day: found by name, known by what they say, put in place whole or not at all.

use std::fs::{File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use como_core::storage::Window;
use como_core::time::Ts;

use super::days::Part;
use crate::columnar::parquet::Parquet;
use crate::error::{Failure, Result};

/// Under which names a file says from when until when it has all records, in nanoseconds.
const FROM: &str = "como.from";
const TO: &str = "como.to";

/// Under which name the newest file says what block came next in its stream.
const NEXT: &str = "como.next_seq";

/// The folder of a day.
pub fn folder(to: &Path, module: &str, day: Ts) -> PathBuf {
    let date = day.to_string();
    let date = date.split('T').next().unwrap_or_default();
    to.join(format!("module={}", escaped(module))).join(format!("date={date}"))
}

/// A name as readers of such folders expect it: all but plain letters and digits in hexadecimal.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    let bytes = name.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    bytes.collect()
}

/// What a file says of the time it has the records of.
pub fn say(file: &mut Parquet, part: &Part) {
    file.say(FROM, part.window.from.0.to_string());
    file.say(TO, part.window.to.0.to_string());
    if let Some(next_seq) = part.next_seq {
        file.say(NEXT, next_seq.to_string());
    }
}

fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("part-{number}.parquet"))
}

/// The files that are there.
pub fn found(folder: &Path) -> Result<Vec<Part>> {
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong("read", folder, &error)),
    };
    let mut parts = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| wrong("read", folder, &error))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let number = name.and_then(|name| {
            name.strip_prefix("part-")?.strip_suffix(".parquet")?.parse::<u32>().ok()
        });
        if let Some(number) = number {
            parts.push(part(number, &path)?);
        }
    }
    parts.sort_by_key(|part| part.number);
    Ok(parts)
}

/// What a file says of itself.
fn part(number: u32, path: &Path) -> Result<Part> {
    let file = File::open(path).map_err(|error| wrong("read", path, &error))?;
    let said = Parquet::said(&file).map_err(|error| wrong("read", path, &error))?;
    let number_of = |key: &str| {
        let (_, value) = said.iter().find(|(known, _)| known == key)?;
        value.parse::<u64>().ok()
    };
    let (Some(from), Some(to)) = (number_of(FROM), number_of(TO)) else {
        let failure = Failure::new(format!("`{}` is not one of ours", path.display()));
        return Err(failure.hint("export into a folder of its own"));
    };
    let window = Window { from: Ts(from), to: Ts(to) };
    Ok(Part { number, window, next_seq: number_of(NEXT) })
}

/// Puts a file in its place, whole or not at all: it grows under a hidden name, which no reader of
/// the folder looks at, until it is on disk.
pub fn put(
    folder: &Path,
    number: u32,
    write: impl FnOnce(&mut dyn Write) -> Result,
) -> Result<u64> {
    std::fs::create_dir_all(folder).map_err(|error| wrong("make", folder, &error))?;
    let new = folder.join(format!(".part-{number}.parquet.new"));
    let fail = |error: &io::Error| wrong("write", &new, error);
    let file = File::options().create(true).write(true).truncate(false).open(&new);
    let file = file.map_err(|error| fail(&error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let failure = Failure::new(format!("`{}` is being written by another", new.display()));
            return Err(failure.hint("one export at a time into one folder"));
        }
        Err(TryLockError::Error(error)) => return Err(fail(&error)),
    }
    let written = (|| {
        // What an export that was killed left.
        file.set_len(0).map_err(|error| fail(&error))?;
        let mut out = BufWriter::new(&file);
        write(&mut out)?;
        out.flush().map_err(|error| fail(&error))?;
        drop(out);
        file.sync_all().map_err(|error| fail(&error))?;
        std::fs::rename(&new, path(folder, number)).map_err(|error| fail(&error))?;
        let bytes = file.metadata().map_err(|error| fail(&error))?.len();
        let folder = File::open(folder).and_then(|folder| folder.sync_all());
        folder.map_err(|error| fail(&error))?;
        Ok(bytes)
    })();
    if written.is_err() {
        // It may be gone already.
        let _ = std::fs::remove_file(&new);
    }
    written
}

fn wrong(what: &str, path: &Path, error: &io::Error) -> Failure {
    let why = crate::error::with_causes(error);
    Failure::new(format!("cannot {what} `{}`: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_readers_expect_it() {
        let path = folder(Path::new("lake"), "top destinations/5.1=é", Ts::new(1_795_219_200, 0));
        let want = "lake/module=top%20destinations%2F5%2E1%3D%C3%A9/date=2026-11-21";
        assert_eq!(path, Path::new(want));
    }

    #[test]
    fn a_file_that_fails_leaves_the_old_one() {
        let dir = tempfile::tempdir().expect("a folder");
        let put = |text: &'static str, fails: bool| {
            put(dir.path(), 0, move |out| {
                out.write_all(text.as_bytes())?;
                if fails { Err(Failure::new("no")) } else { Ok(()) }
            })
        };
        assert!(put("old", false).is_ok());
        assert!(put("new", true).is_err());
        let left: Vec<_> = dir.path().read_dir().expect("a folder").flatten().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(std::fs::read(path(dir.path(), 0)).expect("a file"), b"old");
        // What is no Parquet is not taken for one that was exported.
        assert!(found(dir.path()).is_err());
        assert!(found(&dir.path().join("none")).is_ok_and(|parts| parts.is_empty()));
    }
}
