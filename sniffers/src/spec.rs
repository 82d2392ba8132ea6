//! Naming a source in text: `kind:name,option=value,...`, the same for every kind.
//!
//! A text without a kind is a file. An unknown kind or option is an error that
//! says which one comes nearest, never a file that does not exist.

use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use como_core::nearest::nearest;
use como_core::source::{Pace, Source, SourceError};
use como_core::time::Span;

use crate::file::Taken;
use crate::ondemand::Past;

/// One kind of source, as `como sniffers` shows it and as its options are checked.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What stands before the colon.
    pub name: &'static str,
    /// How a source of the kind is written.
    pub usage: &'static str,
    /// What it is, in a sentence or two.
    pub doc: &'static str,
    /// What its packets have, and how good that is; what one source of it offers,
    /// `como explain` says.
    pub offers: &'static str,
    /// The options it takes, beside those that [every source](crate::ANY) does.
    pub options: &'static [OptionDoc],
    /// How sources of it come about.
    pub(crate) opens: Opens,
}

/// How sources of a kind come about, by what stands behind its name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opens {
    /// Of capture files, many of which become one source.
    Files(Taken),
    /// Each by itself.
    Each(fn(&str, &Around<'_>) -> Opened),
    /// The same, and also of bytes that come from where no path leads to.
    OfBytes(fn(&str, &Around<'_>) -> Opened, Reads),
}

/// Makes a source of bytes, by what stands behind the kind.
pub(crate) type Reads = fn(&str, Bytes) -> Result<Box<dyn Source>, SourceError>;

/// One source, or several.
pub(crate) type Opened = Result<Vec<Box<dyn Source>>, SourceError>;

/// What a source is read from that is held elsewhere.
pub(crate) type Bytes = Box<dyn Read + Send>;

/// What a source finds around it.
pub(crate) struct Around<'a> {
    /// Where records to replay are found.
    pub past: &'a dyn Past,
    /// How packets come of what is no file.
    pub pipes: Pace,
}

/// A source alone.
pub(crate) fn one(source: Result<impl Source + 'static, SourceError>) -> Opened {
    Ok(vec![Box::new(source?)])
}

/// One option of a kind.
#[derive(Clone, Copy, Debug)]
pub struct OptionDoc {
    /// What stands before the equals sign.
    pub name: &'static str,
    /// What holds where it is not given, as it would be written.
    pub default: &'static str,
    /// What it does, its unit included.
    pub doc: &'static str,
}

/// A text that names a source, taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Spec<'a> {
    /// The kind.
    pub kind: &'a Kind,
    /// What stands behind the colon.
    pub rest: &'a str,
}

impl<'a> Spec<'a> {
    /// Takes `text` apart; `kinds` are those there are, the one for files first.
    pub fn parse(text: &'a str, kinds: &'a [Kind]) -> Result<Self, SourceError> {
        let named = |name: &str| kinds.iter().find(|kind| kind.name == name);
        let file = Self { kind: kinds.first().unwrap_or(&crate::file::KIND), rest: text };
        if Path::new(text).exists() {
            return Ok(file);
        }
        if let Some(kind) = named(text) {
            return Ok(Self { kind, rest: "" });
        }
        let Some((head, rest)) = text.split_once(':') else { return Ok(file) };
        if let Some(kind) = named(head) {
            return Ok(Self { kind, rest });
        }
        if head.is_empty() || !head.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
            return Ok(file);
        }
        let names = kinds.iter().map(|kind| kind.name);
        Err(SourceError::Spec {
            text: text.to_owned(),
            why: format!("there is no kind of source called `{head}`{}", hint(head, names)),
        })
    }
}

/// The options of one source, each known to its kind and given at most once.
#[derive(Debug)]
pub struct Options<'a> {
    kind: &'a Kind,
    text: &'a str,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Options<'a> {
    /// Reads `name=value,name=value`.
    pub fn parse(kind: &'a Kind, text: &'a str) -> Result<Self, SourceError> {
        let mut options = Self { kind, text, pairs: Vec::new() };
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| {
                options.wrong(format!("`{part}` is no option: write `name=value`"))
            })?;
            let (name, value) = (name.trim(), value.trim());
            if !kind.options.iter().any(|known| known.name == name) {
                let hint = hint(name, kind.options.iter().map(|known| known.name));
                return Err(options.wrong(format!("there is no option `{name}`{hint}")));
            }
            if options.given(name).is_some() {
                return Err(options.wrong(format!("`{name}` is given twice")));
            }
            options.pairs.push((name, value));
        }
        Ok(options)
    }

    /// Takes `NAME,name=value,...` apart.
    pub fn behind(kind: &'a Kind, text: &'a str) -> Result<(&'a str, Self), SourceError> {
        let name = name(text);
        Ok((name, Self::told_of(kind, text, &text[name.len()..])?))
    }

    /// Takes `DEVICE,name=value,...` apart: no device has a comma in its name.
    pub fn of_device(kind: &'a Kind, text: &'a str) -> Result<(&'a str, Self), SourceError> {
        let (device, options) = text.split_once(',').unwrap_or((text, ""));
        Ok((device, Self::told_of(kind, text, options)?))
    }

    /// Reads options of the source that is written as `text`, which errors repeat as it is.
    fn told_of(kind: &'a Kind, text: &'a str, options: &'a str) -> Result<Self, SourceError> {
        let options = Self::parse(kind, options).map_err(|error| match error {
            SourceError::Spec { why, .. } => {
                SourceError::Spec { text: format!("{}:{text}", kind.name), why }
            }
            error => error,
        })?;
        Ok(Self { text, ..options })
    }

    /// Whether none is given.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// What an option was set to, if it was.
    pub fn given(&self, name: &str) -> Option<&'a str> {
        self.pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// A number between `least` and `most`, both included.
    pub fn number<T>(&self, name: &str, default: T, least: T, most: T) -> Result<T, SourceError>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.given(name) else { return Ok(default) };
        match text.parse::<T>() {
            Ok(value) if least <= value && value <= most => Ok(value),
            _ => {
                Err(self.wrong(format!("`{name}={text}` must be a number from {least} to {most}")))
            }
        }
    }

    /// A span of time, as `300s`.
    pub fn span(&self, name: &str, default: Span) -> Result<Span, SourceError> {
        let Some(text) = self.given(name) else { return Ok(default) };
        Span::parse(text).map_err(|e| self.wrong(format!("`{name}`: {e}")))
    }

    /// Yes or no.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, SourceError> {
        match self.given(name) {
            None => Ok(default),
            Some("1" | "true" | "yes" | "on") => Ok(true),
            Some("0" | "false" | "no" | "off") => Ok(false),
            Some(text) => Err(self.wrong(format!("`{name}={text}` must be true or false"))),
        }
    }

    /// One of a few words and what it stands for; the first is the default.
    pub fn one_of<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<T, SourceError> {
        let text = self.given(name).or(words.first().map(|(word, _)| *word)).unwrap_or_default();
        let known = || words.iter().map(|(word, _)| *word);
        words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
            let hint = match nearest(text, known()) {
                Some(nearest) => format!(": did you mean `{nearest}`?"),
                None => String::new(),
            };
            let all = known().collect::<Vec<_>>().join(", ");
            self.wrong(format!("`{name}={text}` is none of {all}{hint}"))
        })
    }

    /// The error that says what is wrong with the options.
    pub fn wrong(&self, why: String) -> SourceError {
        SourceError::Spec { text: format!("{}:{}", self.kind.name, self.text), why }
    }
}

/// The name in `NAME,name=value,...`. It may have commas, also such that look like options: what
/// exists as a file is a name as a whole.
pub fn name(text: &str) -> &str {
    let mut name = text;
    while !Path::new(name).exists()
        && let Some((before, last)) = name.rsplit_once(',')
        && last.split_once('=').is_some_and(|(name, _)| is_word(name.trim()))
    {
        name = before;
    }
    name
}

/// Whether this could be the name of an option.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

/// What to try instead of `name`: the nearest of `known`, or all of them.
fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(name, known.iter().copied()) {
        Some(nearest) => format!(": did you mean `{nearest}`?"),
        None => format!(": known are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENS: Opens = Opens::Files(Taken::AsTold);

    const KINDS: [Kind; 2] = [
        Kind { name: "pcap", usage: "", doc: "", offers: "", options: &[], opens: OPENS },
        Kind {
            opens: OPENS,
            name: "gen",
            usage: "",
            doc: "",
            offers: "",
            options: &[
                OptionDoc { name: "seed", default: "1", doc: "" },
                OptionDoc { name: "packets", default: "9", doc: "" },
            ],
        },
    ];

    #[track_caller]
    fn check(text: &str, kind: &str, rest: &str) {
        let spec = Spec::parse(text, &KINDS).expect("a source");
        assert_eq!((spec.kind.name, spec.rest), (kind, rest), "{text}");
    }

    #[test]
    fn a_kind_stands_before_the_colon_and_all_else_is_a_file() {
        check("gen:seed=1", "gen", "seed=1");
        check("gen", "gen", "");
        check("pcap:a:b.pcap", "pcap", "a:b.pcap");
        check("-", "pcap", "-");
        check("/tmp/2026-01-01T10:00.pcap", "pcap", "/tmp/2026-01-01T10:00.pcap");
        check("trace-*.pcap", "pcap", "trace-*.pcap");
    }

    #[test]
    fn an_unknown_kind_names_the_nearest() {
        let e = |text| Spec::parse(text, &KINDS).expect_err("an error").to_string();
        let want = "source `gem:x`: there is no kind of source called `gem`: did you mean `gen`?";
        assert_eq!(e("gem:x"), want);
        assert!(e("erf:x").ends_with(": known are pcap, gen"), "{}", e("erf:x"));
    }

    #[test]
    fn options_follow_a_name_that_may_have_commas() {
        let behind = |text| Options::behind(&KINDS[1], text);
        let (name, options) = behind("a,B=c.pcap,packets=3, seed=2").expect("options");
        assert_eq!((name, options.given("packets")), ("a,B=c.pcap", Some("3")));
        let (name, options) = behind("a,b.pcap").expect("none");
        assert_eq!((name, options.is_empty()), ("a,b.pcap", true));
        let wrong = behind("a.pcap,sed=3").expect_err("an error").to_string();
        assert_eq!(
            wrong,
            "source `gen:a.pcap,sed=3`: there is no option `sed`: did you mean `seed`?"
        );
    }

    #[test]
    fn what_is_wrong_with_the_options_of_a_device_is_said_of_all_that_was_written() {
        let of_device = |text| Options::of_device(&KINDS[1], text);
        let (device, options) = of_device("eth0,seed=7").expect("options");
        assert_eq!((device, options.given("seed")), ("eth0", Some("7")));
        let wrong = of_device("eth0,sed=3").expect_err("an error").to_string();
        assert_eq!(
            wrong,
            "source `gen:eth0,sed=3`: there is no option `sed`: did you mean `seed`?"
        );
        let (_, options) = of_device("eth0,seed=x").expect("options");
        let wrong = options.number("seed", 1, 0, 9).expect_err("an error").to_string();
        assert_eq!(wrong, "source `gen:eth0,seed=x`: `seed=x` must be a number from 0 to 9");
    }

    #[test]
    fn options_are_checked_by_name_and_value() {
        let parse = |text| Options::parse(&KINDS[1], text);
        let options = parse("seed=7, packets=5").expect("options");
        assert_eq!(options.number("seed", 1, 0, 9).expect("a number"), 7);
        assert!(options.number("packets", 1, 0, 4).is_err());
        let e = |text| parse(text).expect_err("an error").to_string();
        let want = "source `gen:sed=1`: there is no option `sed`: did you mean `seed`?";
        assert_eq!(e("sed=1"), want);
        assert_eq!(e("seed"), "source `gen:seed`: `seed` is no option: write `name=value`");
        assert!(e("seed=1,seed=2").ends_with("`seed` is given twice"));
    }
}
