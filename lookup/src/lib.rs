//! Tables that say whose an address is, read from the files they come in.
//!
//! A table is read whole, once, into a trie of `como-core`, whatever its
//! format: a dump of routes ([MRT](https://www.rfc-editor.org/rfc/rfc6396)), a
//! file in MaxMind's format, or text. The format is told by the content, not
//! by the name. A file that is wrong is refused with the place, and gives no
//! table.

mod mmdb;
mod mrt;
mod text;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use bzip2::bufread::MultiBzDecoder;
use como_core::field::Code;
use como_core::lookup::{Subject, Trie, TrieBuilder};
use flate2::bufread::MultiGzDecoder;

/// Why a file gives no table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// It cannot be opened or read.
    #[error("cannot read table `{file}`")]
    Io {
        /// The file.
        file: String,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// Its content is no table.
    #[error("table `{file}`: {why}")]
    Format {
        /// The file.
        file: String,
        /// What is wrong, where, and what would be right.
        why: String,
    },
}

/// What stopped a reader: the input itself, or what it holds.
#[derive(Debug)]
enum Broken {
    Io(io::Error),
    Format(String),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<como_core::lookup::TooMany> for Broken {
    fn from(error: como_core::lookup::TooMany) -> Self {
        Self::Format(error.to_string())
    }
}

/// The table about `subject` in a file: MRT, MaxMind's format or text, also in gzip or bzip2.
pub fn load(subject: Subject, path: &Path) -> Result<Trie, LookupError> {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => read(subject, &name, file),
        Err(source) => Err(LookupError::Io { file: name, source }),
    }
}

/// The table about `subject` in `bytes`, which messages call `name`; otherwise as [`load`].
pub fn read(subject: Subject, name: &str, bytes: impl Read) -> Result<Trie, LookupError> {
    let file = name.to_owned();
    let table = unpacked(subject, bytes).and_then(|found| match found.is_empty() {
        true => Err(Broken::Format(format!("holds no {}", subject.name()))),
        false => Ok(found.build()?),
    });
    match table {
        Ok(table) => Ok(table),
        Err(Broken::Io(source)) => Err(LookupError::Io { file, source }),
        Err(Broken::Format(why)) => Err(LookupError::Format { file, why }),
    }
}

fn unpacked(subject: Subject, bytes: impl Read) -> Result<TrieBuilder, Broken> {
    let mut bytes = BufReader::with_capacity(1 << 18, bytes);
    match bytes.fill_buf()? {
        [0x1f, 0x8b, ..] => plain(subject, &mut buffered(MultiGzDecoder::new(bytes))),
        [b'B', b'Z', b'h', ..] => plain(subject, &mut buffered(MultiBzDecoder::new(bytes))),
        _ => plain(subject, &mut bytes),
    }
}

/// A country's two letters (ISO 3166-1) as tables keep them.
fn country(text: &str) -> Option<u32> {
    let is_country = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_country { text.parse::<Code>().ok().map(Code::kept) } else { None }
}

fn buffered(input: impl Read) -> impl BufRead {
    BufReader::with_capacity(1 << 18, input)
}

/// Reads what is not compressed, by how it begins: a text's first bytes are text, a dump's are a
/// time and a type, and MaxMind's files begin with neither.
fn plain(subject: Subject, input: &mut dyn BufRead) -> Result<TrieBuilder, Broken> {
    let head = input.fill_buf()?;
    if mrt::begins(head) {
        return mrt::read(subject, input);
    }
    let line = head.iter().take(64).take_while(|byte| **byte != b'\n');
    if !head.is_empty() && line.clone().all(|byte| matches!(byte, b'\t' | b'\r' | b' '..=b'~')) {
        return text::read(subject, input);
    }
    mmdb::read(subject, input)
}

#[cfg(test)]
mod tests;
