//! What CoMo's modules called arguments, and what takes their place in ours.
//!
//! One table for all modules, whatever they are written in: a name that a module declares itself
//! means what the module says.

/// What takes the place of an argument of CoMo's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// The argument of this name, where a module has it.
    Named(&'static str),
    /// No argument, and why: what to try.
    Nothing(&'static str),
}

/// CoMo's names, with `_` for `-`.
const NAMES: [(&str, Instead); 6] = [
    ("topn", Instead::Named("n")),
    ("granularity", Instead::Named("interval")),
    (
        "align_to",
        Instead::Nothing("leave it out: intervals always begin at multiples of their length"),
    ),
    ("use_bytes", Instead::Nothing("leave it out: packets and bytes are both counted")),
    ("compact", Instead::Nothing("leave it out: records are stored in columns, which is smaller")),
    (
        "class",
        Instead::Nothing(
            "module `apps` takes all classes as one text: classes=\"web=80,443 icmp=p1\"",
        ),
    ),
];

/// What takes the place of the argument that CoMo called so.
pub fn instead(name: &str) -> Option<Instead> {
    let name = name.replace('-', "_");
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, instead)| *instead)
}
