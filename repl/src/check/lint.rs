//! What a script says that works and is still wrong: counting without weights.
//!
//! A packet of a sampled stream stands for many. `n = n + 1` counts it once, and `n = n + pkt.len`
//! its bytes once; `pkt.packets` and `pkt.bytes` count it right, and are the same where nothing is
//! sampled.

use std::ops::Range;

/// Where `update` or `check` adds one, or the packet's length, instead of what it stands for; and
/// what that is.
pub fn unweighted(script: &str) -> Vec<(Range<usize>, &'static str)> {
    let mut found = Vec::new();
    let mut inside = false;
    let mut start = 0;
    for line in script.split_inclusive('\n') {
        let code = without_comment(line);
        let bare = code.trim();
        // Top-level functions begin and end at the margin, in either language.
        if !code.starts_with([' ', '\t']) && !bare.is_empty() {
            inside = begins(bare) || (inside && !["end", "}"].contains(&bare));
        }
        if inside && let Some(stands_for) = unweighted_in(bare) {
            let indent = code.len() - code.trim_start().len();
            found.push((start + indent..start + indent + bare.len(), stands_for));
        }
        start += line.len();
    }
    found
}

fn begins(code: &str) -> bool {
    let code = code.strip_prefix("local ").unwrap_or(code);
    let name = code.strip_prefix("function ").or_else(|| code.strip_prefix("fn "));
    name.is_some_and(|name| name.trim_start().starts_with("update"))
}

fn without_comment(line: &str) -> &str {
    let end = ["--", "//"].iter().filter_map(|mark| line.find(mark)).min();
    line[..end.unwrap_or(line.len())].trim_end()
}

/// What is to be added in place of what `code` adds, where that is one packet or its length.
fn unweighted_in(code: &str) -> Option<&'static str> {
    let code: String = code.trim_end_matches(';').split_whitespace().collect();
    let added = |what: &str| adds(&code, what);
    match () {
        () if added("1") => Some("pkt.packets"),
        () if added("pkt.len") => Some("pkt.bytes"),
        () => None,
    }
}

/// `n += what`, `n = n + what`, `t[k] = (t[k] or 0) + what`, without blanks.
fn adds(code: &str, what: &str) -> bool {
    if let Some((_, added)) = code.split_once("+=") {
        return added == what;
    }
    let Some((target, value)) = code.split_once('=') else { return false };
    let behind = value.strip_suffix(what).and_then(|rest| rest.strip_suffix('+'));
    let before = || value.strip_prefix(what).and_then(|rest| rest.strip_prefix('+'));
    let Some(counted) = behind.or_else(before) else { return false };
    let bare = counted.trim_start_matches('(').trim_end_matches(')');
    let target = target.strip_prefix("local").unwrap_or(target);
    bare == target || bare.strip_prefix(target).is_some_and(|rest| rest.starts_with("or0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, want: &[&str]) {
        let found: Vec<&str> = unweighted(script).into_iter().map(|(at, _)| &script[at]).collect();
        assert_eq!(found, want);
    }

    #[test]
    fn adding_one_in_update_is_found() {
        check(
            "function update(pkt, state)\n  state.n = state.n + 1 -- one\n  n += 1\nend\n",
            &["state.n = state.n + 1", "n += 1"],
        );
        check("fn update(pkt, state) {\n    state.n += 1;\n}\n", &["state.n += 1;"]);
        check(
            "local function update(p, s)\n\tt[p.src] = (t[p.src] or 0) + 1\nend",
            &["t[p.src] = (t[p.src] or 0) + 1"],
        );
    }

    #[test]
    fn adding_the_length_is_found() {
        check(
            "function update(pkt, state)\n  b[d] = (b[d] or 0) + pkt.len\n  n += pkt.len\nend\n",
            &["b[d] = (b[d] or 0) + pkt.len", "n += pkt.len"],
        );
        check("function update(pkt, state)\n  n = n + pkt.length\n  n += pkt.bytes\nend\n", &[]);
    }

    #[test]
    fn other_sums_and_places_are_left_alone() {
        check("function update(pkt, s)\n  s.n = s.n + pkt.packets\n  s.i = s.j + 1\nend\n", &[]);
        check("function export(t)\n  n = n + 1\nend\n", &[]);
        check("function update(p)\nend\n\nfunction export(t)\n  n = n + 1\nend\n", &[]);
        check("fn update(p) {\n    // n += 1\n    x += 10;\n}\n", &[]);
    }
}
