//! Manifests: what a module says of itself before it runs.

use crate::module::args::{ArgError, Args};
use crate::module::formerly::{Instead, instead};
use crate::nearest::nearest;
use crate::record::Value;
use crate::time::Span;

/// The interval of a module that does not say.
pub const INTERVAL_DEFAULT: Span = Span::from_secs(1);

/// The shortest.
const INTERVAL_MIN: Span = Span(1_000_000);

/// Name, description and arguments of a module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    /// Its name: a shipped module's, or the stem of a script's file.
    pub name: String,
    /// What it measures, in one line: the first comment line of a script.
    pub doc: String,
    /// `lua`, `rhai` or `rust`.
    pub language: &'static str,
    /// Packets it is for; empty means all.
    pub filter: String,
    /// What a user may set. `interval` is always among them.
    pub args: Vec<ArgSpec>,
    /// Outputs that it writes to beside its records.
    pub outputs: Vec<String>,
    /// How much of the past it runs over before it joins what comes, where it is deployed.
    pub backfill: Option<Span>,
    /// Whether what it keeps is packets: it is the [`trace`](crate::module::trace) service.
    pub keeps_packets: bool,
}

/// One argument.
#[derive(Clone, Debug, PartialEq)]
pub struct ArgSpec {
    /// Its name; `-` and `_` are the same to a user.
    pub name: String,
    /// What it is unless set; its type is the argument's type.
    pub default: Value,
    /// One line for the manual; may be empty.
    pub doc: String,
}

impl ArgSpec {
    /// An argument without description.
    pub fn new(name: &str, default: impl Into<Value>) -> Self {
        Self { name: name.to_owned(), default: default.into(), doc: String::new() }
    }
}

impl Manifest {
    /// Adds `interval` with the general default, if the module does not declare one itself.
    pub fn with_interval(mut self) -> Self {
        if !self.args.iter().any(|a| a.name == "interval") {
            self.args.push(ArgSpec::new("interval", INTERVAL_DEFAULT.to_string()));
        }
        self
    }

    /// The defaults with what the user gave, each value typed as its default is.
    pub fn resolve(&self, given: &Args) -> Result<Args, ArgError> {
        self.resolve_over(&Args::default(), given)
    }

    /// The same, where what is `given` takes the place of what is `set` already, however either
    /// spells a name.
    pub fn resolve_over(&self, set: &Args, given: &Args) -> Result<Args, ArgError> {
        let mut args = Args::default();
        for spec in &self.args {
            args.set(&spec.name, spec.default.clone());
        }
        for values in [set, given] {
            // What a module calls an argument goes before what CoMo called it.
            let (own, others): (Vec<_>, Vec<_>) =
                values.iter().partition(|(name, _)| self.own(name).is_some());
            for (name, value) in others.into_iter().chain(own) {
                let spec = self.arg(name)?;
                args.set(&spec.name, self.typed(spec, value)?);
            }
        }
        self.is_long_enough(&args)?;
        Ok(args)
    }

    /// Silence is a record for each interval that passes: shorter ones would be more records than
    /// there are packets, whoever chose them.
    fn is_long_enough(&self, args: &Args) -> Result<(), ArgError> {
        let short = args.span("interval").filter(|interval| *interval < INTERVAL_MIN);
        short.map_or(Ok(()), |interval| {
            Err(ArgError::IllTyped {
                module: self.name.clone(),
                name: "interval".to_owned(),
                given: interval.to_string(),
                wanted: "an interval of 1ms or more",
            })
        })
    }

    /// Whether there is an argument of this name, or one that CoMo called so.
    pub fn takes(&self, name: &str) -> bool {
        self.arg(name).is_ok()
    }

    fn arg(&self, name: &str) -> Result<&ArgSpec, ArgError> {
        let (now, instead) = match instead(name) {
            Some(Instead::Named(now)) => (now, None),
            Some(Instead::Nothing(why)) => (name, Some(why)),
            None => (name, None),
        };
        if let Some(spec) = self.own(name).or_else(|| self.own(now)) {
            return Ok(spec);
        }
        let known: Vec<String> = self.args.iter().map(|a| a.name.clone()).collect();
        let nearest = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        let (module, name) = (self.name.clone(), name.to_owned());
        Err(ArgError::Unknown { module, name, instead, nearest, known })
    }

    /// The argument that the module itself calls so.
    fn own(&self, name: &str) -> Option<&ArgSpec> {
        let same = |a: &str| a.replace('-', "_") == name.replace('-', "_");
        self.args.iter().find(|a| same(&a.name))
    }

    fn typed(&self, spec: &ArgSpec, value: &Value) -> Result<Value, ArgError> {
        let fail = |wanted| ArgError::IllTyped {
            module: self.name.clone(),
            name: spec.name.clone(),
            given: value.to_string(),
            wanted,
        };
        let is_span = |text: &str| Span::parse(text).is_ok();
        match (&spec.default, value) {
            (Value::Bool(_), Value::Bool(_)) => Ok(value.clone()),
            (Value::Bool(_), Value::Text(text)) => match text.as_str() {
                "true" | "yes" | "1" | "" => Ok(Value::Bool(true)),
                "false" | "no" | "0" => Ok(Value::Bool(false)),
                _ => Err(fail("true or false")),
            },
            (Value::Uint(_) | Value::Int(_), Value::Text(text)) => {
                let number = text.parse::<i64>().map_err(|_| fail("a whole number"))?;
                self.typed(spec, &Value::Int(number))
            }
            (Value::Uint(_), value) => {
                value.as_uint().map(Value::Uint).ok_or_else(|| fail("a whole number from 0 on"))
            }
            (Value::Int(_), value) => {
                value.as_int().map(Value::Int).ok_or_else(|| fail("a whole number"))
            }
            (Value::Float(_), Value::Text(text)) => {
                text.parse().map(Value::Float).map_err(|_| fail("a number"))
            }
            (Value::Float(_), value) => {
                value.as_float().map(Value::Float).ok_or_else(|| fail("a number"))
            }
            (Value::Text(default), Value::Text(text)) if is_span(default) => {
                let wanted = "a time span like 5s or 1h";
                match Span::parse(text) {
                    Ok(span) if span.0 > 0 => Ok(Value::Text(span.to_string())),
                    _ => Err(fail(wanted)),
                }
            }
            (Value::Text(default), value) if is_span(default) => match value.as_uint() {
                Some(secs) if secs > 0 => Ok(Value::Text(Span::from_secs(secs).to_string())),
                _ => Err(fail("a time span like 5s or 1h")),
            },
            (Value::Text(_), Value::Text(_)) => Ok(value.clone()),
            (Value::Text(_), _) => Ok(Value::Text(value.to_string())),
            _ => Err(fail("of the argument's type")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let args = vec![
            ArgSpec::new("n", 20u64),
            ArgSpec::new("interval", "5s"),
            ArgSpec::new("use-src", false),
            ArgSpec::new("label", "x"),
        ];
        Manifest { name: "topaddr".into(), args, ..Manifest::default() }
    }

    #[track_caller]
    fn check(given: &str, want: Result<(&str, Value), &str>) {
        let args = Args::parse([given]).expect("name=value");
        match (manifest().resolve(&args), want) {
            (Ok(args), Ok((name, value))) => assert_eq!(args.get(name), Some(&value)),
            (Err(error), Err(message)) => assert_eq!(error.to_string(), message),
            (got, want) => panic!("{got:?}, wanted {want:?}"),
        }
    }

    #[test]
    fn texts_become_what_the_default_is() {
        check("n=5", Ok(("n", Value::Uint(5))));
        check("interval=300", Ok(("interval", Value::Text("5m".into()))));
        check("use_src=true", Ok(("use-src", Value::Bool(true))));
        check("label=7", Ok(("label", Value::Text("7".into()))));
        check("label=7", Ok(("n", Value::Uint(20))));
    }

    #[test]
    fn an_ill_typed_value_is_named() {
        check("n=many", Err("argument `n` of module `topaddr`: `many` is not a whole number"));
        check(
            "n=-1",
            Err("argument `n` of module `topaddr`: `-1` is not a whole number from 0 on"),
        );
        check(
            "interval=0s",
            Err("argument `interval` of module `topaddr`: `0s` is not a time span like 5s or 1h"),
        );
        let short =
            "argument `interval` of module `topaddr`: `10us` is not an interval of 1ms or more";
        check("interval=10us", Err(short));
        check("interval=1ms", Ok(("interval", Value::Text("1ms".into()))));
    }

    #[test]
    fn what_como_called_an_argument_is_taken_or_told_what_takes_its_place() {
        check("topn=5", Ok(("n", Value::Uint(5))));
        check("granularity=60", Ok(("interval", Value::Text("1m".into()))));
        let aligned = "module `topaddr` has no argument `align-to`; leave it out: intervals always \
                       begin at multiples of their length";
        check("align-to=5", Err(aligned));
        let without = Manifest { args: Vec::new(), ..manifest() };
        assert!(manifest().takes("topn") && !without.takes("topn"));
        let own = Args::parse(["n=7", "topn=5"]).expect("name=value");
        assert_eq!(manifest().resolve(&own).expect("arguments").uint("n"), 7);
    }

    #[test]
    fn an_unknown_argument_names_the_nearest() {
        check(
            "intervall=5s",
            Err("module `topaddr` has no argument `intervall`; did you mean `interval`?"),
        );
        check(
            "colour=red",
            Err("module `topaddr` has no argument `colour`; it takes n, interval, use-src, label"),
        );
    }
}
