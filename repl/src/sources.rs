//! Sources by what a user typed: `-r FILE`, `-i IFACE`, `-s SOURCE`.

use std::path::{Path, PathBuf};

use como_core::source::{Source, SourceError};

use crate::cli::Sources;
use crate::error::{Failure, Result};
use crate::hints;
use crate::shelf::Shelf;

impl Sources {
    /// Whether none was named.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.interfaces.is_empty() && self.specs.is_empty()
    }

    /// Opens all of them; to name none is a mistake.
    pub fn open(&self) -> Result<Vec<Box<dyn Source>>> {
        if self.is_empty() {
            let failure = Failure::usage("there is no source: nothing to read packets from");
            let hint = "give -r FILE, -i INTERFACE or -s SOURCE; `-r -` is standard input";
            return Err(failure.hint(hint));
        }
        self.files.iter().filter_map(|file| file.to_str()).try_for_each(is_no_kind)?;
        let mut sources = open(self.texts())?;
        for file in self.unwritable() {
            sources.push(como_sniffers::open_file(file).map_err(wrong)?);
        }
        Ok(sources)
    }

    /// All of them as `-s` takes them, but for files of which that cannot be written.
    pub fn texts(&self) -> Vec<String> {
        let files = self.files.iter().filter_map(|file| as_text(file));
        let live = self.interfaces.iter().map(|iface| format!("live:{iface}"));
        files.chain(live).chain(self.specs.iter().cloned()).collect()
    }

    /// The files whose names are no text, and so can only be given as files.
    pub fn unwritable(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path).filter(|file| file.to_str().is_none())
    }

    /// The files that are read and there, folders among them.
    pub fn on_disk(&self) -> Vec<PathBuf> {
        let written = self.texts();
        let written = written.iter().flat_map(|text| como_sniffers::files(text));
        written.chain(self.unwritable().map(Path::to_owned)).collect()
    }
}

/// A file as `-s` takes it, where its name is text.
fn as_text(file: &Path) -> Option<String> {
    file.to_str().map(|file| format!("pcap:{file}"))
}

/// Opens the captures that are named as a file, whatever bytes the name is made of.
pub fn open_file(file: &Path) -> Result<Vec<Box<dyn Source>>> {
    match as_text(file) {
        Some(text) => open([text]),
        None => Ok(vec![como_sniffers::open_file(file).map_err(wrong)?]),
    }
}

/// Whether what stands behind `-r` is no source of a kind, which belongs behind `-s`.
fn is_no_kind(file: &str) -> Result {
    let kind = file.split_once(':').map(|(kind, _)| kind);
    let is_kind = como_sniffers::list().iter().any(|known| Some(known.name) == kind);
    if !is_kind || Path::new(file).exists() {
        return Ok(());
    }
    Err(Failure::new(format!("there is no file `{file}`"))
        .hint(format!("did you mean `-s {file}`?")))
}

/// Opens sources by their texts; stores of the past are opened for them.
pub fn open(texts: impl IntoIterator<Item = String>) -> Result<Vec<Box<dyn Source>>> {
    open_with(texts, &Shelf::here()).map_err(wrong)
}

/// Opens sources by their texts; stores of the past are those on the shelf.
pub fn open_with(
    texts: impl IntoIterator<Item = String>,
    shelf: &Shelf,
) -> std::result::Result<Vec<Box<dyn Source>>, SourceError> {
    let texts: Vec<String> = texts.into_iter().collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    como_sniffers::open_all(&texts, shelf)
}

/// Why a source was not opened, and what to try.
pub fn wrong(error: SourceError) -> Failure {
    let hint = hints::of_source(&error);
    let failure = match error {
        SourceError::Spec { .. } => Failure::usage(error.to_string()),
        error => error.into(),
    };
    hint.into_iter().fold(failure, Failure::hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, want: &str) {
        let failure = open([source.to_owned()]).err().expect("no source");
        assert_eq!(failure.to_string(), want);
    }

    #[test]
    fn a_kind_behind_the_option_for_files_is_pointed_out() {
        let wrong = is_no_kind("erf:x").expect_err("no file").to_string();
        assert_eq!(wrong, "error: there is no file `erf:x`\nhint: did you mean `-s erf:x`?\n");
        assert!(is_no_kind("x:y.pcap").is_ok());
    }

    #[test]
    fn a_hint_fits_what_was_asked_for() {
        check(
            "/no/such/*.pcap",
            "error: source `/no/such/*.pcap`: no file matches\nhint: a name with `*`, `?` or `[` \
             stands for the files it matches\n",
        );
        check(
            "gne:rate=1",
            "error: source `gne:rate=1`: there is no kind of source called `gne`: did you mean \
             `gen`?\nhint: `como sniffers` lists the kinds of sources and their options\n",
        );
    }
}
