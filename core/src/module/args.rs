//! Arguments: what a user may set on a module, typed by the manifest's defaults.

use std::collections::BTreeMap;

use crate::record::Value;
use crate::time::Span;

/// Argument values by name. Texts given by a user are typed against the manifest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args {
    values: BTreeMap<String, Value>,
}

/// Why an argument was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgError {
    /// The module has no such argument.
    #[error("module `{module}` has no argument `{name}`{}", hint(*.instead, .nearest, .known))]
    Unknown {
        /// The module.
        module: String,
        /// As the user wrote it.
        name: String,
        /// What takes its place, where CoMo's modules had it.
        instead: Option<&'static str>,
        /// The closest known name, if one is close.
        nearest: Option<String>,
        /// All known names.
        known: Vec<String>,
    },
    /// The value has the wrong type.
    #[error("argument `{name}` of module `{module}`: `{given}` is not {wanted}")]
    IllTyped {
        /// The module.
        module: String,
        /// The argument.
        name: String,
        /// As the user wrote it.
        given: String,
        /// What was wanted, with its article: `a number`, `a time span like 5s`.
        wanted: &'static str,
    },
    /// It is not written `name=value`.
    #[error("argument `{text}`: write name=value")]
    Unreadable {
        /// As the user wrote it.
        text: String,
    },
}

fn hint(instead: Option<&'static str>, nearest: &Option<String>, known: &[String]) -> String {
    match (instead, nearest) {
        (Some(what), _) => format!("; {what}"),
        (None, Some(name)) => format!("; did you mean `{name}`?"),
        (None, None) if known.is_empty() => "; it takes none".to_owned(),
        (None, None) => format!("; it takes {}", known.join(", ")),
    }
}

impl Args {
    /// Arguments from `name=value` texts; the values stay texts until a manifest types them.
    pub fn parse<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Result<Self, ArgError> {
        let mut args = Self::default();
        for text in texts {
            let text = text.as_ref();
            match text.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => {
                    args.set(name.trim(), Value::Text(value.trim().to_owned()));
                }
                _ => return Err(ArgError::Unreadable { text: text.to_owned() }),
            }
        }
        Ok(args)
    }

    /// Sets one argument.
    pub fn set(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// The value of one argument.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// All arguments by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// A number argument; 0 if there is none of that name, which a manifest's default rules out.
    pub fn uint(&self, name: &str) -> u64 {
        self.get(name).and_then(Value::as_uint).unwrap_or(0)
    }

    /// A text argument; empty if there is none.
    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }

    /// A yes-or-no argument; no if there is none.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    /// The time span in a text argument.
    pub fn span(&self, name: &str) -> Option<Span> {
        match self.get(name)? {
            Value::Text(text) => Span::parse(text).ok(),
            other => other.as_uint().map(Span::from_secs),
        }
    }
}
