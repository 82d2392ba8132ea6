//! Words of other languages in a line that is no Lua or no Rhai: what they are called here.

use como_core::module::Mistake;

use crate::declare::Script;
use crate::scan::Language;
use crate::scan::tokens::{Token, tokens};

/// What is written in other languages, and in Lua.
const IN_LUA: [(&str, &str); 15] = [
    ("&&", "and"),
    ("||", "or"),
    ("!=", "~="),
    ("++", "+= 1"),
    ("let", "local"),
    ("const", "local"),
    ("var", "local"),
    ("fn", "function"),
    ("def", "function"),
    ("null", "nil"),
    ("None", "nil"),
    ("elif", "elseif"),
    ("switch", "if"),
    ("catch", "pcall"),
    ("{", "then, or do"),
];

/// The same, and in Rhai.
const IN_RHAI: [(&str, &str); 14] = [
    ("~=", "!="),
    ("++", "+= 1"),
    ("::", "."),
    ("and", "&&"),
    ("or", "||"),
    ("not", "!"),
    ("local", "let"),
    ("var", "let"),
    ("function", "fn"),
    ("nil", "()"),
    ("null", "()"),
    ("then", "{"),
    ("elseif", "else if"),
    ("end", "}"),
];

/// Adds to a mistake of syntax what the line seems to be written in, unless there is a hint
/// already.
pub fn hinted(mistake: Mistake, script: &Script<'_>) -> Mistake {
    let (words, name) = match script.language {
        Language::Lua => (IN_LUA.as_slice(), "Lua"),
        Language::Rhai => (IN_RHAI.as_slice(), "Rhai"),
    };
    let tokens = tokens(script.text, script.language);
    let line: Vec<_> = tokens.iter().filter(|token| token.line == mistake.line).collect();
    let stands = |word: &str| {
        let mut marks = word.chars();
        let pair = word.len() == 2 && !word.starts_with(|c: char| c.is_alphabetic());
        let opens = ["if", "while", "for", "else", "elseif", "fn"];
        if word == "{" && !line.first().is_some_and(|t| opens.iter().any(|word| t.is(word))) {
            return false;
        }
        match (pair, marks.next(), marks.next()) {
            (true, Some(a), Some(b)) => line.windows(2).any(|two| {
                let joined = two[0].at + two[0].text.len() == two[1].at;
                joined && two[0].text.starts_with(a) && two[1].text.starts_with(b)
            }),
            _ => line.iter().any(|token| token.is(word)),
        }
    };
    let found: Vec<String> = words
        .iter()
        .filter(|(word, _)| stands(word))
        .map(|(word, here)| format!("`{word}` is `{here}` in {name}"))
        .collect();
    let elsewhere = other_language(&line, script.language).map(str::to_owned);
    let hint = mistake.hint.clone().or(elsewhere).or((!found.is_empty()).then(|| found.join(", ")));
    Mistake { hint, ..mistake }
}

/// What to do with a line that begins as a comment of the other language does.
fn other_language(line: &[&Token<'_>], language: Language) -> Option<&'static str> {
    let (mark, hint) = match language {
        Language::Lua => ("/", "this looks like Rhai, whose files end in `.rhai`"),
        Language::Rhai => ("-", "this looks like Lua, whose files end in `.lua`"),
    };
    match line {
        [a, b, ..] if a.text == mark && b.text == mark && a.at + mark.len() == b.at => Some(hint),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(language: Language, text: &str, want: Option<&str>) {
        let script = Script { file: "a", name: "a", language, text };
        let hint = hinted(Mistake::new("a", 1, "no"), &script).hint;
        assert_eq!(hint.as_deref(), want, "{text}");
    }

    #[test]
    fn words_of_other_languages_have_others_here() {
        let and = "`&&` is `and` in Lua, `{` is `then, or do` in Lua";
        check(Language::Lua, "if a && b {", Some(and));
        check(Language::Lua, "let x = 1", Some("`let` is `local` in Lua"));
        check(Language::Lua, "local x = y z", None);
        let lua = "`~=` is `!=` in Rhai, `and` is `&&` in Rhai, `then` is `{` in Rhai";
        check(Language::Rhai, "if a ~= 60 and b then", Some(lua));
        check(Language::Rhai, "s.n++;", Some("`++` is `+= 1` in Rhai"));
        check(Language::Rhai, "let q = dns::qname(p);", Some("`::` is `.` in Rhai"));
        check(Language::Rhai, "let x = 1 y", None);
        let lua = "this looks like Lua, whose files end in `.lua`";
        check(Language::Rhai, "-- Flows and not packets", Some(lua));
        let rhai = "this looks like Rhai, whose files end in `.rhai`";
        check(Language::Lua, "// Flows or packets", Some(rhai));
    }
}
