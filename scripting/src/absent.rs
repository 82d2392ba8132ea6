//! What scripts of these languages find elsewhere and not here, and what there is instead.

/// Names that are not here, each with what to use in their place.
const ABSENT: [(&str, &str); 29] = [
    (
        "os",
        "a script starts nothing; a packet's time is `pkt.ts`, and `time.now()` the wall clock, \
            where the operator grants `clock`",
    ),
    ("io", FILES),
    ("open_file", FILES),
    ("loadfile", FILES),
    ("dofile", CODE),
    ("load", CODE),
    ("loadstring", CODE),
    ("eval", CODE),
    ("import", CODE),
    ("package", CODE),
    ("module", CODE),
    ("debug", "`log(...)` writes to the monitor's log"),
    ("console", "`log(...)` writes to the monitor's log"),
    ("_G", STATE),
    ("_ENV", STATE),
    ("getfenv", STATE),
    ("setfenv", STATE),
    ("shared", STATE),
    ("global", STATE),
    ("newproxy", "`setmetatable({}, ...)` makes objects"),
    ("collectgarbage", MEMORY),
    ("gcinfo", MEMORY),
    (
        "timestamp",
        "a packet's time is `pkt.ts`, and `time.now()` the wall clock, where the operator \
                   grants `clock`",
    ),
    (
        "sleep",
        "nothing waits here: what is to be done later is done in `export`, when the interval \
               has closed",
    ),
    ("exit", "`return` leaves a function; who has failed says so by `error(\"...\")`, or `throw`"),
    ("curry", "a function without a name gets all it needs as parameters"),
    ("socket", PAGES),
    ("ffi", "what needs speed is declared: `key` and `value` are counted natively"),
    ("jit", "what needs speed is declared: `key` and `value` are counted natively"),
];

const FILES: &str = "`file.read(path)` reads files, where the operator grants `file:/path`";
const CODE: &str = "all code stands in the script, or in `lib/NAME` beside it, for `require`";
const STATE: &str = "what changes is kept in `state`, or in `long`";
const MEMORY: &str = "memory is freed by itself; how much there is, the operator says";
const PAGES: &str = "`http.fetch(url)` and `dns.addr_of(name)` ask, where the operator grants that";

/// What there is instead of a name that is not here.
pub fn instead(name: &str) -> Option<&'static str> {
    ABSENT.iter().find(|(absent, _)| *absent == name).map(|(_, instead)| *instead)
}

/// What to say of a name that is nowhere; `known` are those that might have been meant.
pub fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> (String, Option<String>) {
    if let Some(instead) = instead(name) {
        return (format!("there is no `{name}` here"), Some(instead.to_owned()));
    }
    let near = como_core::nearest::nearest(name, known);
    let hint = near.map(|near| format!("did you mean `{near}`?"));
    (format!("there is no {what}`{name}`"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_has_something_instead_or_a_near_one() {
        let (what, hint) = unknown("function ", "cout", ["count", "sum"]);
        assert_eq!(
            (&*what, hint.as_deref()),
            ("there is no function `cout`", Some("did you mean `count`?"))
        );
        let (what, hint) = unknown("function ", "io", ["count"]);
        assert_eq!((&*what, hint.as_deref()), ("there is no `io` here", Some(FILES)));
        assert_eq!(unknown("", "elephant", ["count"]).1, None);
    }
}
