//! The table, of what reaches beyond the script.

use super::super::Call::Reach;
use super::super::{Entry, reach};

/// Files.
pub(super) const ENTRIES: &[Entry] = &[Entry {
    topic: "file",
    name: "read",
    params: &[("path", "text")],
    returns: "text?",
    doc: "The content of a file, 1 MiB at most; nil where there is none. A path that does not begin at the root begins at the first granted one. Links are not followed. Not while packets pass: in `init` or `export`. Needs the grant `file:/path`.",
    units: "",
    example: ("file.read(\"hosts.txt\")", "10.0.0.1 gateway"),
    since: "0.1",
    call: Reach(reach::read),
}];
