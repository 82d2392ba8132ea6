//! A line with `query` at the prompt: what is asked, of what time, and where.

use std::path::PathBuf;

use crate::error::{Failure, Result};

/// What `query` asks, and where.
#[derive(Debug, Default, PartialEq)]
pub struct Asked {
    pub module: String,
    pub time: Option<String>,
    pub url: Option<String>,
    pub store: Option<PathBuf>,
}

impl Asked {
    /// `MODULE A:B --store DIR`, in any order behind the module.
    pub fn parse(text: &str) -> Result<Self> {
        let mut words = text.split_whitespace();
        let module = words.next().unwrap_or_default().to_owned();
        let mut asked = Self { module, ..Self::default() };
        while let Some(word) = words.next() {
            let (option, value) = match word.split_once('=') {
                Some((option, value)) => (option, Some(value)),
                None => (word, None),
            };
            let mut value = || {
                let missing = || Failure::usage(format!("`{option}` needs a value"));
                value.or_else(|| words.next()).map(str::to_owned).ok_or_else(missing)
            };
            match option {
                "--store" => asked.store = Some(value()?.into()),
                "--url" => asked.url = Some(value()?),
                _ if word.starts_with("--") => {
                    let failure = Failure::usage(format!("`query` here takes no `{option}`"));
                    return Err(failure.hint(
                        "--store DIR or --url URL; `como query` outside of the prompt takes more",
                    ));
                }
                // A date and a time of day may have a space between them.
                _ => asked.time = Some(asked.time.map_or(word.into(), |time| time + " " + word)),
            }
        }
        if asked.store.is_some() && asked.url.is_some() {
            return Err(Failure::usage("give one of --store and --url"));
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, [time, url, store]: [Option<&str>; 3]) {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let asked = Asked::parse(text).expect("a question");
        let want = Asked {
            module: "t".into(),
            time: own(time),
            url: own(url),
            store: store.map(Into::into),
        };
        assert_eq!(asked, want, "{text}");
    }

    #[test]
    fn a_question_has_a_time_and_a_place_in_any_order() {
        check("t", [None; 3]);
        check("t -5m:0", [Some("-5m:0"), None, None]);
        check("t 2026-01-01 12:00:00Z:", [Some("2026-01-01 12:00:00Z:"), None, None]);
        check("t --store s/store -5m:0", [Some("-5m:0"), None, Some("s/store")]);
        check("t -5m:0 --url=http://h:1", [Some("-5m:0"), Some("http://h:1"), None]);
    }

    #[test]
    fn what_the_prompt_does_not_take_is_refused() {
        let refused = |text: &str| Asked::parse(text).expect_err(text).to_string();
        assert!(refused("t --stor s").contains("takes no `--stor`"));
        assert!(refused("t --store").contains("`--store` needs a value"));
        assert!(refused("t --store a --url b").contains("one of --store and --url"));
    }
}
