//! How broad a script is: what the parser compares each with all others of.
//!
//! Entries of a map, cases of a `switch`, parameters and statements of a block take the parser, or
//! what makes the tree smaller after it, a time that grows with the square of their number; nobody
//! can end that once it has begun. A list of values takes no more than its length.

use crate::scan::Language;
use crate::scan::tokens::tokens;

/// The most entries, cases, parameters or statements between one pair of braces or parentheses.
pub(super) const PARTS_MAX: usize = 4096;

/// The line of what is too broad, if anything is.
pub(super) fn too_broad(text: &str) -> Option<u32> {
    struct Open {
        line: u32,
        list: bool,
        parts: usize,
    }
    let mut open = vec![Open { line: 1, list: false, parts: 0 }];
    for token in tokens(text, Language::Rhai) {
        let mut ended = token.is(",") || token.is(";");
        if ["{", "(", "["].iter().any(|mark| token.is(mark)) {
            open.push(Open { line: token.line, list: token.is("["), parts: 0 });
        } else if ["}", ")", "]"].iter().any(|mark| token.is(mark)) && open.len() > 1 {
            open.pop();
            // Behind a block no mark is needed.
            ended = token.is("}");
        }
        let Some(inner) = open.last_mut().filter(|inner| ended && !inner.list) else { continue };
        inner.parts += 1;
        if inner.parts > PARTS_MAX {
            return Some(inner.line);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compared_with_all_others_is_counted_and_lists_are_not() {
        let of = |n: usize, part: &str| part.repeat(n);
        assert_eq!(too_broad(&format!("let x = [\n{}];", of(60_000, "1,"))), None);
        for (before, part, after) in [
            ("fn f(x) {\nswitch x {", "1 => 2,", "} }"),
            ("\nconst M = #{", "a: 1,", "};"),
            ("\nfn f(", "a,", ") {}"),
            ("\nfn f(x) {", "x;", "}"),
            ("\nfn f(x) {", "{}", "}"),
        ] {
            let text = |n| format!("{before}{}{after}", of(n, part));
            assert_eq!(too_broad(&text(PARTS_MAX - 1)), None, "{part}");
            assert_eq!(too_broad(&text(PARTS_MAX + 1)), Some(2), "{part}");
        }
        assert_eq!(too_broad(&of(PARTS_MAX + 1, ";")), Some(1));
        assert_eq!(too_broad("}}}"), None);
    }
}
