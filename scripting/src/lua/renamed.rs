//! Reads of a packet by another name: `local p = pkt`, or as a parameter of a helper.
//!
//! `pkt.ip.src` is nil where there is no IP layer, while in Lua `p.ip.src` would index nil.
//! So whatever reads like a field behind a layer asks, where the layer is nil, whether that is a
//! packet: `(p.ip or __como_absent(p)).src`. Of anything else the answer is nil, as ever.

use std::collections::HashSet;

use crate::scan::tokens::{Shape, Token};
use crate::scan::{LAYERS, Reads, is_dotted};

/// What the function is called in the script's chunk.
pub const ABSENT: &str = "__como_absent";

/// What stands before a value. Elsewhere a statement may begin, and a bracket there would belong
/// to the one before.
const BEFORE: [&str; 28] = [
    "=", "(", ",", "{", "[", "+", "-", "*", "/", "%", "^", "<", ">", "#", ".", "and", "or", "not",
    "return", "if", "elseif", "while", "until", "in", "then", "else", "do", "repeat",
];

/// What is put where into a text whose packets go by other names.
pub fn edits(tokens: &[Token<'_>], reads: &Reads) -> Vec<(usize, String)> {
    let known: HashSet<usize> = reads.spots.iter().map(|spot| spot.at.start).collect();
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let word = |at: usize| tokens.get(at).filter(|t| t.shape == Shape::Word);
    let mut edits = Vec::new();
    for (at, head) in tokens.iter().enumerate() {
        let is_value = at > 0 && BEFORE.iter().any(|before| is(at - 1, before));
        if head.shape != Shape::Word
            || !is_value
            || !is(at + 1, ".")
            || !is(at + 3, ".")
            || is_dotted(tokens, at)
            || known.contains(&head.at)
        {
            continue;
        }
        let Some((layer, inner)) = word(at + 2).zip(word(at + 4)) else { continue };
        if !LAYERS.iter().any(|(name, _)| layer.is(name)) {
            continue;
        }
        let deep = inner.is("flags") && is(at + 5, ".") && word(at + 6).is_some();
        let ends = [Some(layer), deep.then_some(inner)];
        let ends = ends.into_iter().flatten().map(|end| end.at + end.text.len());
        edits.push((head.at, if deep { "((" } else { "(" }.to_owned()));
        edits.extend(ends.map(|end| (end, format!(" or {ABSENT}({}))", head.text))));
    }
    edits
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
        let mut edits = edits(&code(&source, Language::Lua), &reads);
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
        check("x = `{p.ip.src}`", "x = `{(p.ip or __como_absent(p)).src}`");
    }

    #[test]
    fn what_is_set_or_surely_the_packet_or_something_else_stays() {
        for body in ["p.ip.src = 1", "x = pkt.ip.src", "x = t.p.ip.src .. p.name.src"] {
            check(body, body);
        }
    }
}
