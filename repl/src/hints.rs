//! What to try where a file or a source cannot be read.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use como_core::source::SourceError;

use crate::error::nearest;

/// So many names of a folder are compared with one that is not there.
const NAMES_MAX: usize = 10_000;

/// What a file is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Packets, or what a source makes packets of.
    Capture,
    /// A module.
    Script,
}

/// What to try where a source was not opened, or not read on.
pub fn of_source(error: &SourceError) -> Option<String> {
    let hint = match error {
        SourceError::Spec { text, .. } if text.contains(['*', '?', '[']) => {
            "a name with `*`, `?` or `[` stands for the files it matches"
        }
        SourceError::Spec { .. } => "`como sniffers` lists the kinds of sources and their options",
        SourceError::Io { what: "open" | "read", name, .. } => {
            return of_file(Path::new(name), Wanted::Capture);
        }
        // What comes before a flaw further on is read.
        SourceError::Format { name, offset: 0, .. } => match is_empty(Path::new(name)) {
            true => "wait for its packets with `-s pcap:FILE,follow=true`, or capture anew",
            false => {
                "files of other kinds go behind `-s`, as in `-s flowtools:FILE`: `como sniffers` \
                 lists the kinds"
            }
        },
        SourceError::Link { .. } => {
            "Ethernet, raw IP, Linux cooked, PPP, loopback and 802.11 are decoded, among others; \
             where packets are of one of these in truth, `editcap -T ether FILE NEW` says so"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// What to try where a file could not be read; nothing where only its bytes are to blame.
pub fn of_file(path: &Path, wanted: Wanted) -> Option<String> {
    match (unreadable(path)?, wanted) {
        (ErrorKind::NotFound | ErrorKind::NotADirectory, _) => Some(missing(path, wanted)),
        (ErrorKind::IsADirectory, Wanted::Capture) => {
            let files = path.join("*.pcap");
            Some(format!("it is a folder: name its files, as in '{}'", files.display()))
        }
        (ErrorKind::IsADirectory, Wanted::Script) => {
            let script = path.join("NAME.lua");
            Some(format!("it is a folder: name a script in it, as in `{}`", script.display()))
        }
        (ErrorKind::PermissionDenied, _) => {
            let shown = path.display();
            Some(format!("`ls -ld {shown}` shows who may read it, and `chmod` lets others"))
        }
        _ => None,
    }
}

/// Why a file cannot be read. A pipe is not tried: that would wait for whoever writes to it.
fn unreadable(path: &Path) -> Option<ErrorKind> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Some(ErrorKind::IsADirectory),
        Ok(meta) if meta.is_file() => File::open(path).err().map(|error| error.kind()),
        Ok(_) => None,
        Err(error) => Some(error.kind()),
    }
}

/// What to try where there is no such file: the name in its folder that is closest.
fn missing(path: &Path, wanted: Wanted) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let shown = folder.display();
    let Ok(entries) = fs::read_dir(folder) else {
        return format!("begin with its folder: `{shown}` cannot be read either");
    };
    let names =
        entries.take(NAMES_MAX).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let names: Vec<String> = names.collect();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match (nearest(name, names.iter().map(String::as_str)), wanted) {
        (Some(near), _) => format!("did you mean `{}`?", path.with_file_name(near).display()),
        (None, Wanted::Capture) => {
            let made = path.display();
            format!("`ls {shown}` shows what is there; `como gen -w {made}` makes a capture")
        }
        (None, Wanted::Script) => {
            format!("`ls {shown}` shows what is there, `como modules` what is shipped")
        }
    }
}

/// Whether there is a file and nothing in it.
fn is_empty(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, wanted: Wanted, want: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("monday.pcap"), "").expect("a file");
        fs::create_dir(folder.path().join("week")).expect("a folder in it");
        let hint = of_file(&folder.path().join(name), wanted).expect("a hint");
        assert_eq!(hint.replace(&folder.path().display().to_string(), "DIR"), want);
    }

    #[test]
    fn a_file_that_is_not_there_has_the_nearest_name_that_is() {
        check("munday.pcap", Wanted::Capture, "did you mean `DIR/monday.pcap`?");
        let made = "`ls DIR` shows what is there; `como gen -w DIR/x.pcap` makes a capture";
        check("x.pcap", Wanted::Capture, made);
        let shipped = "`ls DIR` shows what is there, `como modules` what is shipped";
        check("x.lua", Wanted::Script, shipped);
        let either = "begin with its folder: `DIR/none` cannot be read either";
        check("none/x.pcap", Wanted::Capture, either);
    }

    #[test]
    fn a_folder_is_named_by_what_is_in_it() {
        let files = "it is a folder: name its files, as in 'DIR/week/*.pcap'";
        check("week", Wanted::Capture, files);
        let script = "it is a folder: name a script in it, as in `DIR/week/NAME.lua`";
        check("week", Wanted::Script, script);
    }

    #[test]
    fn what_can_be_read_needs_no_hint() {
        assert_eq!(of_file(Path::new("/dev/null"), Wanted::Capture), None);
    }
}
