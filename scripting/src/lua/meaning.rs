//! What Luau's messages mean in the line they are about: which name is nil, and what was meant.
//!
//! The machine knows what it was given, the text what it was called. Where the two agree on one
//! place, that place is named; where they do not, the machine's words stand as they are.

use std::collections::HashSet;
use std::ops::Range;

use como_core::module::Mistake;

use super::known::Known;
use crate::absent;
use crate::declare::{Callback, Script};
use crate::mistakes::TOLD_MAX;
use crate::scan::tokens::{Shape, Token, code, tokens};
use crate::scan::{
    LAYERS, LIST_TOKENS_MAX, Language, closed, functions, given, is_asked_for, is_dotted, strays,
    subject,
};

/// What went wrong in a line of a script, in words. `calls` are those that led there, as far as
/// the machine tells.
pub fn told(script: &Script<'_>, line: u32, message: &str, calls: &str, known: &Known) -> Mistake {
    let text = tokens(script.text, Language::Lua);
    let in_line: Vec<usize> = (0..text.len()).filter(|at| text[*at].line == line).collect();
    let found = in_line.first().zip(in_line.last()).and_then(|(first, last)| {
        let range = *first..*last + 1;
        missing(script, &text, range.clone(), message, known)
            .or_else(|| nil(script, &text, range, message))
    });
    let is_plain = found.is_none();
    let mut mistake = found.unwrap_or_else(|| script.mistake(line, message));
    let counts = ["arithmetic", "compare", "concatenate", "got function"];
    let counts = counts.iter().any(|what| message.contains(what));
    let nil = is_plain && names_nil(message);
    let byte = || in_line.iter().find_map(|at| byte(script, &text, *at));
    if let Some(hint) = (nil && counts).then(byte).flatten() {
        mistake.hint = Some(hint);
    } else if nil {
        script.about_nothing(&mut mistake, "nil", |field| format!("if {field} then"));
    }
    if is_plain && counts && message.contains("function") {
        let found = |of: fn(&[Token<'_>], usize) -> _| in_line.iter().find_map(|at| of(&text, *at));
        mistake.hint = found(length).or_else(|| found(kept_length)).or(mistake.hint);
    }
    if is_plain && mistake.hint.is_none() && message.contains(") on nil and ") {
        mistake.hint = unset(script, &text, &in_line);
    }
    if message.contains("attempt to modify a readonly table") {
        mistake.hint = Some(FIXED.to_owned());
    }
    if message.contains("protected metatable") {
        mistake.hint = Some(OURS.to_owned());
    }
    match calls.is_empty() {
        true => mistake.message += &inlined(&text, line),
        false => mistake.message += calls,
    }
    mistake
}

/// The names a text calls or looks into that are nowhere.
pub fn strangers(script: &Script<'_>, known: &Known) -> Vec<Mistake> {
    let text = code(script.text, Language::Lua);
    let mut found: Vec<Mistake> = strays(&text, Language::Lua, |name| is_known(&text, known, name))
        .into_iter()
        .take(TOLD_MAX)
        .map(|at| stranger(script, &text, at, known))
        .collect();
    let own: HashSet<&str> = given(&text).into_iter().collect();
    let topics = (0..text.len()).filter(|at| !own.contains(text[*at].text));
    found.extend(topics.filter_map(|at| member(script, &text, at, known)).take(TOLD_MAX));
    found
}

/// Those of them that would surely fail wherever they are come to: nothing asks first whether they
/// are there, or tries.
pub fn nowhere(script: &Script<'_>, known: &Known) -> Vec<Mistake> {
    let text = code(script.text, Language::Lua);
    if ["pcall", "xpcall"].iter().any(|tries| text.iter().any(|token| token.is(tries))) {
        return Vec::new();
    }
    let asked = |at: &usize| is_asked_for(&text, Language::Lua, text[*at].text);
    let found = strays(&text, Language::Lua, |name| is_known(&text, known, name)).into_iter();
    let found = found.filter(|at| !asked(at)).take(TOLD_MAX);
    found.map(|at| stranger(script, &text, at, known)).collect()
}

/// Whether there is something of this name; `types` is for functions of types alone.
fn is_known(text: &[Token<'_>], known: &Known, name: &str) -> bool {
    let of_types = || text.windows(2).any(|pair| pair[0].is("type") && pair[1].is("function"));
    known.has(name) || name == "types" && of_types()
}

/// What to say of the name at `at`, which is nowhere.
fn stranger(script: &Script<'_>, text: &[Token<'_>], at: usize, known: &Known) -> Mistake {
    let token = &text[at];
    let called = text.get(at + 1).is_some_and(|t| t.is("("));
    let functions = functions(text);
    let own = functions.iter().map(|function| function.name);
    let others = known.names();
    let names = own.chain(others.iter().map(String::as_str));
    let (what, hint) = absent::unknown(if called { "function " } else { "" }, token.text, names);
    script.mistake_at(token.at..token.at + token.text.len(), what, hint)
}

/// What to say where `at` begins `text.prat(`: a topic that has nothing of that name.
fn member(script: &Script<'_>, text: &[Token<'_>], at: usize, known: &Known) -> Option<Mistake> {
    let (topic, name) = (&text[at], text.get(at + 2)?);
    let dot = text.get(at + 1).is_some_and(|t| t.is("."));
    let called = text.get(at + 3).is_some_and(|t| t.is("("));
    if !dot || !called || is_dotted(text, at) || name.shape != Shape::Word {
        return None;
    }
    let members = known.members(topic.text)?;
    if members.iter().any(|member| member == name.text) {
        return None;
    }
    let near = como_core::nearest::nearest(name.text, members.iter().map(String::as_str));
    let hint = near.map(|near| format!("did you mean `{}.{near}`?", topic.text));
    let at = topic.at..name.at + name.text.len();
    Some(script.mistake_at(at, format!("`{}` has no `{}`", topic.text, name.text), hint))
}

/// What an error means that comes of a name that is nowhere.
fn missing(
    script: &Script<'_>,
    text: &[Token<'_>],
    line: Range<usize>,
    message: &str,
    known: &Known,
) -> Option<Mistake> {
    if let Some((name, of)) = missing_method(message) {
        let methods = known.methods(of);
        let near = como_core::nearest::nearest(&name, methods.iter().map(String::as_str));
        // What it has itself, a table of the script's own may lack.
        let near = near.filter(|near| *near != name);
        let at = line.clone().find(|at| text[*at].is(&name))?;
        let at = text[at].at..text[at].at + name.len();
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        return Some(script.mistake_at(at, format!("{} has no method `{name}`", object(of)), hint));
    }
    let nil =
        message == "attempt to call a nil value" || message.starts_with("attempt to index nil");
    if !nil {
        return None;
    }
    let mut found = strays(text, Language::Lua, |name| known.has(name)).into_iter();
    match found.find(|at| line.contains(at)) {
        Some(at) => Some(stranger(script, text, at, known)),
        None => {
            // What the script calls so itself is something else.
            let own = given(text);
            let mut topics = line.filter(|at| !own.contains(&text[*at].text));
            topics.find_map(|at| member(script, text, at, known))
        }
    }
}

/// The method that is missing, and of what, as Luau says it.
fn missing_method(message: &str) -> Option<(String, &str)> {
    let rest = message.strip_prefix("attempt to call missing method '")?;
    let (name, of) = rest.split_once("' of ")?;
    Some((name.to_owned(), of))
}

/// What Luau calls an object, in a user's words.
fn object(of: &str) -> String {
    match of {
        "View" => "a core table".to_owned(),
        "Rows" => "a list of rows".to_owned(),
        "addr" => "an address".to_owned(),
        "string" => "a text".to_owned(),
        other => format!("a {other}"),
    }
}

/// Which of the line's names is nil, where the text leaves one choice.
fn nil(
    script: &Script<'_>,
    text: &[Token<'_>],
    line: Range<usize>,
    message: &str,
) -> Option<Mistake> {
    let name = message.strip_prefix("attempt to index nil with '")?.strip_suffix('\'')?;
    let asked = |at: &usize| {
        let dot = text[*at].is(".") || text[*at].is(":") || text[*at].is("[");
        dot && text.get(at + 1).and_then(Token::name) == Some(name)
    };
    let mut dots = line.filter(asked);
    let (dot, other) = (dots.next()?, dots.next());
    if other.is_some() {
        return None;
    }
    let first = subject(text, dot)?;
    let at = text[first].at..text[dot].at;
    let shown = script.text.get(at.clone())?;
    let what = format!("`{shown}` is nil, and has no `{name}`");
    let hint = is_layer(text, shown).then(|| {
        format!("`{shown}` is nil where a packet has no such layer: ask `if {shown} then` first")
    });
    Some(script.mistake_at(at, what, hint))
}

/// Whether a name is given a layer of something: `local ip = pkt.ip`.
fn is_layer(text: &[Token<'_>], name: &str) -> bool {
    let is = |at: usize, word: &str| text.get(at).is_some_and(|t| t.is(word));
    let layer = |at: usize| LAYERS.iter().any(|(layer, _)| is(at, layer));
    (0..text.len()).any(|at| is(at, name) && is(at + 1, "=") && is(at + 3, ".") && layer(at + 4))
}

/// What to try where a table cannot be changed.
const FIXED: &str = "names of the top level, `args` and libraries are fixed once the script has \
                     started: keep what changes in `state`, or in `long`";

/// What to try where an object of ours is frozen, copied or given another metatable.
const OURS: &str = "a packet, a layer of it and a filter are read and no more: put the fields you \
                    need into a table of your own";

fn names_nil(message: &str) -> bool {
    message.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "nil")
}

/// What to try where the only thing that a line counts with is what it sets: `t[key] += 1`.
fn unset(script: &Script<'_>, text: &[Token<'_>], line: &[usize]) -> Option<String> {
    let is = |at: usize, mark: &str| text.get(at).is_some_and(|t| t.is(mark));
    let signs = ["+", "-", "*", "/", "%", "^"];
    let mut found = line.iter().filter(|at| signs.iter().any(|sign| is(**at, sign)));
    let (sign, other) = (*found.next()?, found.next());
    if other.is_some() || !is(sign + 1, "=") {
        return None;
    }
    let (first, last) = (&text[subject(text, sign)?], text.get(sign.checked_sub(1)?)?);
    let shown = script.text.get(first.at..last.at + last.text.len())?;
    Some(format!("`{shown}` is nil before it is first set: write `({shown} or 0)`"))
}

/// What to try where `at` is the `len` of `p.len` or `p["len"]`, which is a function where that is
/// a text.
fn length(text: &[Token<'_>], at: usize) -> Option<String> {
    let is = |at: usize, mark: &str| text.get(at).is_some_and(|t| t.is(mark));
    let sign = at.checked_sub(1).filter(|_| text[at].name() == Some("len"))?;
    let quoted = text[at].shape == Shape::Text && is(sign, "[") && is(at + 1, "]");
    let next = at + 1 + usize::from(quoted);
    if is(next, "(") || !quoted && !is_dotted(text, at) {
        return None;
    }
    let first = subject(text, sign)?;
    let shown = |tokens: &[Token<'_>]| tokens.iter().map(|token| token.text).collect::<String>();
    let (name, what) = (shown(&text[first..sign]), shown(&text[first..next]));
    Some(format!("`{what}` is a function where `{name}` is a text: write `#{name}`"))
}

/// The same where `at` is a name that was given such a `p.len`.
fn kept_length(text: &[Token<'_>], at: usize) -> Option<String> {
    let is = |at: usize, word: &str| text.get(at).is_some_and(|t| t.is(word));
    let name = text.get(at).filter(|t| t.shape == Shape::Word)?;
    let same = |other: usize| is(other, name.text) && is_dotted(text, other) == is_dotted(text, at);
    let given = |other: &usize| same(*other) && is(other + 1, "=") && is(other + 4, "len");
    (0..text.len()).filter(given).find_map(|at| length(text, at + 4))
}

/// What to try where `at` opens the `[k]` of a payload, which has no bytes by their numbers: of
/// `pkt.payload[k]`, or of a name that was given one.
fn byte(script: &Script<'_>, text: &[Token<'_>], at: usize) -> Option<String> {
    let is = |at: usize, word: &str| text.get(at).is_some_and(|t| t.is(word));
    let name = at.checked_sub(1).filter(|_| is(at, "["))?;
    let payload = |at: usize| is(at, "payload") && is_dotted(text, at);
    let given = |other: usize| {
        is(other, text[name].text)
            && is(other + 1, "=")
            && payload(other + 4)
            && !is(other + 5, ":")
    };
    let plain = !is_dotted(text, name) && (0..text.len()).any(given);
    if !plain && !payload(name) {
        return None;
    }
    let (first, close) = (subject(text, at)?, closed(text, at, LIST_TOKENS_MAX)? - 1);
    let what = script.text.get(text[first].at..text[at].at)?;
    let key = script.text.get(text[at].at + 1..text[close].at)?;
    Some(format!("a byte of a payload, from 1, is `{what}:byte({key})`"))
}

/// The function that a line lies in, and who calls it, where the machine has made it part of its
/// caller and tells of no call.
fn inlined(text: &[Token<'_>], line: u32) -> String {
    let functions = functions(text);
    let Some(function) = functions.iter().find(|f| f.lines.contains(&line)) else {
        return String::new();
    };
    if function.depth == 0 && Callback::ALL.iter().any(|c| c.name() == function.name) {
        return String::new();
    }
    match crate::scan::calls(text, function)[..] {
        [line] => format!("; in `{}`, called in line {line}", function.name),
        _ => format!("; in `{}`", function.name),
    }
}
