//! Reads of a packet by another name: `local p = pkt`, or as a parameter of a helper.
//!
//! `pkt.ip.src` is nil where there is no IP layer, while in Lua `p.ip.src` would index nil.
//! So whatever reads like a field behind a layer asks, where the layer is nil, whether that is a
//! packet: `(p.ip or __como_absent(p)).src`. Of anything else the answer is nil, as ever. In
//! libraries of the script's own likewise, where packets are only ever parameters.

use std::collections::HashSet;

use crate::scan::tokens::{Shape, Token};
use crate::scan::{LAYERS, Reads, is_behind_dot, is_value, subject};

/// What gives the place of a layer that is nil.
pub const ABSENT: &str = "__como_absent";

/// What gives a packet whose layers are never nil, for one that a call gave: `f(x).ip.src`.
pub const WHOLE: &str = "__como_whole";

/// What is put where into a text whose packets go by other names.
pub fn edits(source: &str, tokens: &[Token<'_>], reads: &Reads) -> Vec<(usize, String)> {
    let known: HashSet<usize> = reads.spots.iter().map(|spot| spot.at.start).collect();
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let word = |at: usize| tokens.get(at).filter(|t| t.shape == Shape::Word);
    let mut edits = Vec::new();
    for (at, layer) in tokens.iter().enumerate() {
        if !is_layer(layer) || !is_behind_dot(tokens, at) || !is(at + 1, ".") {
            continue;
        }
        let Some((inner, first)) = word(at + 2).zip(subject(tokens, at - 1)) else { continue };
        let begin = tokens[first].at;
        if !is_value(tokens, first) || known.contains(&begin) {
            continue;
        }
        let last = &tokens[at - 2];
        let end = last.at + last.text.len();
        let what = source.get(begin..end).unwrap_or_default();
        if !is_plain(&tokens[first..at - 1]) || what.contains('\n') {
            edits.extend([(begin, format!("{WHOLE}(")), (end, ")".to_owned())]);
            continue;
        }
        let deep = inner.is("flags") && is(at + 3, ".") && word(at + 4).is_some();
        let ends = [Some(layer), deep.then_some(inner)];
        let ends = ends.into_iter().flatten().map(|end| end.at + end.text.len());
        edits.push((begin, if deep { "((" } else { "(" }.to_owned()));
        edits.extend(ends.map(|end| (end, format!(" or {ABSENT}({what}))"))));
    }
    edits
}

fn is_layer(token: &Token<'_>) -> bool {
    LAYERS.iter().any(|(name, _)| token.is(name))
}

/// Whether an expression may as well be evaluated twice: names, and places by them.
fn is_plain(tokens: &[Token<'_>]) -> bool {
    let marks = [".", "[", "]"];
    tokens.iter().all(|t| {
        let name = t.shape == Shape::Word && !is_layer(t);
        name || matches!(t.shape, Shape::Number | Shape::Text) || marks.iter().any(|m| t.is(m))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::tokens::code;
    use crate::scan::{Language, reads};

    #[track_caller]
    fn check(body: &str, want: &str) {
        let text = |body: &str| format!("function update(pkt)\nlocal p = pkt\n{body}\nend");
        let source = text(body);
        let (mut edited, reads) = (source.clone(), reads(&source, Language::Lua));
        let mut edits = edits(&source, &code(&source, Language::Lua), &reads);
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.0));
        for (at, new) in edits {
            edited.insert_str(at, &new);
        }
        assert_eq!(edited, text(want));
    }

    #[test]
    fn what_reads_like_a_field_behind_a_layer_asks_for_it() {
        check("f(p.ip.src, p.len, p.ip)", "f((p.ip or __como_absent(p)).src, p.len, p.ip)");
        check(
            "x = p.tcp.flags.syn or p.tcp.flags",
            "x = ((p.tcp or __como_absent(p)).flags or __como_absent(p)).syn or \
             (p.tcp or __como_absent(p)).flags",
        );
        check("x = a .. l[1].ip.src", "x = a .. (l[1].ip or __como_absent(l[1])).src");
        check("f(t.p.ip.src)", "f((t.p.ip or __como_absent(t.p)).src)");
        check("x = f(1).tcp.flags.syn", "x = __como_whole(f(1)).tcp.flags.syn");
        check(
            "x = t[p.ip.src].ip.src",
            "x = __como_whole(t[(p.ip or __como_absent(p)).src]).ip.src",
        );
        check("x = l:first().ip.src", "x = __como_whole(l:first()).ip.src");
        check("x = `{p.ip.src}`", "x = `{(p.ip or __como_absent(p)).src}`");
    }

    #[test]
    fn what_is_set_or_surely_the_packet_or_something_else_stays() {
        for body in
            ["p.ip.src = 1", "x = pkt.ip.src", "x = p.name.src .. ip.src", "f(x).ip.src = 1"]
        {
            check(body, body);
        }
    }
}
