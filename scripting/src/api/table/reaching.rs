//! The table, of what reaches beyond the script and its records.

use super::super::Call::{Own, Reach};
use super::super::{Entry, reach};

/// Files, alerts, outputs.
pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        topic: "file",
        name: "read",
        params: &[("path", "text")],
        returns: "text?",
        doc: "The content of a file, 1 MiB at most; nil where there is none. A path that does not \
            begin at the root begins at the first granted one. Links are not followed. Not while \
            packets pass: in `init` or `export`. Needs the grant `file:/path`.",
        units: "",
        example: ("file.read(\"hosts.txt\")", "10.0.0.1 gateway"),
        since: "0.1",
        call: Reach(reach::read),
    },
    Entry {
        topic: "alert",
        name: "",
        params: &[("severity", "text"), ("text", "text"), ("fields", "record?")],
        returns: "bool",
        doc: "Raises an alert: `info`, `warning` or `critical`, a text of at most 400 characters, \
            and up to 16 fields. It goes to the log, to `/status` and to the records of `alerts`, \
            with its time (that of the batch at hand, or the end of the interval) and the module's \
            name. Of one table alone, `severity` and `text` are taken out and the rest are the \
            fields. False where the minute's share is used up: 60 in a minute of packet time.",
        units: "",
        example: ("alert(\"warning\", \"many resets\")", "true"),
        since: "0.1",
        call: Own,
    },
    Entry {
        topic: "output",
        name: "",
        params: &[("name", "text"), ("record", "record")],
        returns: "bool",
        doc: "Writes a record to an output that the module declares, `outputs = { slow = { addr = \
            \"addr\", ms = \"uint\" } }`; it is kept and asked for as `INSTANCE.slow`. Its time is \
            that of the batch at hand, or the end of the interval. False where there is no room: \
            10,000 records in an interval, and the bytes that its records may have. Below, `SLOW` \
            is `{ ms = 700 }`, in Rhai `#{ ms: 700 }`.",
        units: "",
        example: ("output(\"slow\", SLOW)", "true"),
        since: "0.1",
        call: Own,
    },
];
