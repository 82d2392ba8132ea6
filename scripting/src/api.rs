//! The library that scripts of both languages find: one table of what there is.
//!
//! Each [`Entry`] has a name, a signature, a line of documentation, an example that runs as a test
//! in both languages, and the function itself, which works on the values of records. What each
//! language has in its own way, from callbacks to the methods of tables, is a [`basics::Basic`]
//! with the same. The bindings of both hosts, the manual (`docs/module-api.md`), the stubs for
//! editors and the prompt's help are all made from it, so that none of them can say something else
//! than another.

pub mod basics;
pub(crate) mod bytes;
mod calls;
pub mod definitions;
pub(crate) mod dns;
mod fields;
mod http;
pub mod manual;
pub(crate) mod net;
mod pattern;
mod reach;
pub mod stubs;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod tls;

use como_core::lookup::Subject;
use como_core::record::Value;

use crate::host::Reach;
use crate::scan::tokens::{Token, tokens};
use crate::scan::{Language, is_behind_dot};
pub use calls::{how_many, wanted};
pub use table::entries;

/// One function of the library.
pub struct Entry {
    /// What it belongs to: `net` in `net.contains`.
    pub topic: &'static str,
    /// Its name within; empty where the topic itself is called, as in `filter(...)`.
    pub name: &'static str,
    /// Parameters, each with its type; the type of one that may be left out ends in `?`.
    pub params: &'static [(&'static str, &'static str)],
    /// The type of what it returns; where that may be nil it ends in `?`.
    pub returns: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// In what its numbers are; empty where that goes without saying.
    pub units: &'static str,
    /// A call, the same in both languages, and what it gives.
    pub example: (&'static str, &'static str),
    /// The first version that has it.
    pub since: &'static str,
    /// The function.
    pub call: Call,
}

/// How a function of the library works.
#[derive(Clone, Copy)]
pub enum Call {
    /// On its arguments alone.
    Pure(fn(&[Value]) -> Result<Value, String>),
    /// On bytes, which the first parameter of that type is, and its other arguments alone.
    Bytes(fn(&[u8], &[Value]) -> Result<Value, String>),
    /// Also on what the script reaches.
    Reach(fn(&Reach, &[Value]) -> Result<Value, String>),
    /// In a way that each language has for itself.
    Own,
}

/// What the functions are about, in the order of the manual.
pub const TOPICS: [(&str, &str); 12] = [
    ("filter", "packets told apart by filters"),
    ("net", "addresses and networks"),
    ("time", "instants and lengths of time, in seconds"),
    ("hash", "numbers that stand for values"),
    ("text", "texts and bytes"),
    ("regex", "patterns, in linear time"),
    ("dns", "messages of DNS, and names and addresses"),
    ("http", "first lines and headers of HTTP/1, and pages"),
    ("tls", "the first message of a TLS client"),
    ("file", "files that the operator grants"),
    ("alert", "what is to be known at once"),
    ("output", "records beside those of the interval"),
];

/// The longest text or byte string that a function of the library makes.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

impl Entry {
    /// Its name as scripts write it.
    pub fn path(&self) -> String {
        match self.name {
            "" => self.topic.to_owned(),
            name => format!("{}.{name}", self.topic),
        }
    }

    /// How it is called, with types.
    pub fn signature(&self) -> String {
        let params: Vec<String> = self.params.iter().map(|(n, ty)| format!("{n}: {ty}")).collect();
        format!("{}({}) -> {}", self.path(), params.join(", "), self.returns)
    }

    /// How many arguments it takes at least.
    pub fn required(&self) -> usize {
        self.params.iter().filter(|(_, ty)| !ty.ends_with('?')).count()
    }

    /// Which argument it takes the bytes of, from 0, where it works on bytes.
    pub fn bytes_at(&self) -> Option<usize> {
        let at = || self.params.iter().position(|(_, ty)| *ty == "bytes");
        matches!(self.call, Call::Bytes(_)).then(at).flatten()
    }

    /// Calls it. A mistake says which function, what is wrong and what would be right.
    pub fn run(&self, host: &Reach, given: &[Value]) -> Result<Value, String> {
        self.checked(given, |given| match self.call {
            Call::Pure(call) => call(given),
            Call::Bytes(call) => {
                let at = self.bytes_at().unwrap_or_default();
                calls::bytes(given, at).and_then(|bytes| call(bytes, given))
            }
            Call::Reach(call) => call(host, given),
            Call::Own => Ok(Value::Null),
        })
    }

    /// Calls it of bytes that lie elsewhere: [`Entry::ELSEWHERE`] stands for them among what it is
    /// given.
    pub fn run_of(&self, bytes: &[u8], given: &[Value]) -> Result<Value, String> {
        self.checked(given, |given| match self.call {
            Call::Bytes(call) => call(bytes, given),
            _ => Ok(Value::Null),
        })
    }

    /// What stands for bytes that lie elsewhere.
    pub const ELSEWHERE: Value = Value::Bytes(Vec::new());

    /// Calls it with as many arguments as it takes.
    fn checked(
        &self,
        given: &[Value],
        call: impl FnOnce(&[Value]) -> Result<Value, String>,
    ) -> Result<Value, String> {
        // A nil at the end is as good as nothing.
        let len = given.iter().rposition(|value| *value != Value::Null).map_or(0, |at| at + 1);
        let given = given.get(..len).unwrap_or(given);
        let wrong = if given.len() < self.required() {
            format!("takes {} arguments, and was given {}", self.required(), given.len())
        } else if given.len() > self.params.len() {
            format!("takes at most {} arguments, and was given {}", self.params.len(), given.len())
        } else {
            match call(given) {
                Ok(value) => return Ok(value),
                Err(wrong) => wrong,
            }
        };
        let path = self.path();
        // What is right but not to be had now needs no example.
        let instance = match wrong.starts_with("is not ") || wrong.starts_with("the top level ") {
            true => String::new(),
            false => format!("; for instance {}", self.example.0),
        };
        Err(format!("{path}: {wrong}{instance}"))
    }
}

/// The function called `path`, as `net.contains`.
pub fn find(path: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.path() == path)
}

/// What of addresses the scripts in `texts` may look up by themselves.
pub fn looks_up<'a>(texts: impl Iterator<Item = &'a str>, language: Language) -> Vec<Subject> {
    let subjects = Subject::ALL.map(|subject| ("net", subject.name(), subject));
    used(texts, language, &subjects)
}

/// The grants that the scripts in `texts` may ask for.
pub fn asks_for<'a>(texts: impl Iterator<Item = &'a str>, language: Language) -> Vec<&'static str> {
    used(texts, language, &reach::GRANTED)
}

/// What belongs to those of some functions, each with its topic and name, that the scripts in
/// `texts` use.
fn used<'a, T: Copy + Ord>(
    texts: impl Iterator<Item = &'a str>,
    language: Language,
    functions: &[(&str, &str, T)],
) -> Vec<T> {
    let mut found = Vec::new();
    for text in texts {
        let tokens = tokens(text, language);
        let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
        let uses = |(topic, name, _): &&(&str, &str, T)| {
            // In Rhai its one word by now.
            let word = format!("{topic}_{name}");
            let dotted = |at: usize| is(at, topic) && is(at + 1, ".") && is(at + 2, name);
            (0..tokens.len()).any(|at| (is(at, &word) || dotted(at)) && !is_behind_dot(&tokens, at))
        };
        found.extend(functions.iter().filter(uses).map(|(.., what)| *what));
    }
    found.sort();
    found.dedup();
    found
}

/// The text of a Rhai script in which calls of the library are what Rhai takes for a function's
/// name: `net_contains(`, of the same length as `net.contains(`.
///
/// Where a script has a variable called like a topic, what stands behind it is the variable's.
pub fn rhai_text(source: &str) -> String {
    let tokens = tokens(source, Language::Rhai);
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let topics = TOPICS.iter().map(|(topic, _)| *topic);
    let hidden: Vec<&str> = topics.filter(|topic| is_variable(&tokens, topic)).collect();
    let mut text = source.to_owned();
    for at in 0..tokens.len() {
        let dotted = is_behind_dot(&tokens, at);
        let call = tokens.get(at + 2).filter(|_| !dotted && is(at + 1, ".") && is(at + 3, "("));
        let Some(name) = call else { continue };
        if hidden.contains(&tokens[at].text) {
            continue;
        }
        let is_entry = |e: &&Entry| e.topic == tokens[at].text && e.name == name.text;
        let close = tokens[at + 1].at + 1 == name.at
            && tokens[at].at + tokens[at].text.len() == tokens[at + 1].at;
        if close && entries().any(|entry| is_entry(&entry)) {
            let dot = tokens[at + 1].at;
            text.replace_range(dot..=dot, "_");
        }
    }
    text
}

/// Whether a name stands where only a value can, not a topic: `let time = 5`, `|time| time + 1`.
fn is_variable(tokens: &[Token<'_>], name: &str) -> bool {
    let is_value = |at: usize| {
        let next = tokens.get(at + 1);
        let other = next.is_some_and(|next| [".", ":", "("].iter().any(|mark| next.is(mark)));
        !other && !is_behind_dot(tokens, at)
    };
    (0..tokens.len()).any(|at| tokens[at].is(name) && is_value(at))
}
