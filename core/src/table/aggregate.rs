//! Aggregates: what a table computes for each of its rows, as users write it.
//!
//! `sum("len")`, `quantile("len", 0.99)`: a name and arguments, the same in
//! every language. What an aggregate works on is looked up when the whole
//! declaration is known, because in a long-term table it may be a column.

use super::error::DeclareError;
use crate::nearest::nearest;
use crate::record::Value;
use crate::time::Span;

/// What is computed. Sketches state their error where they are defined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// Packets, weighted.
    Count,
    /// The sum, each packet's value times the packets it stands for; bytes on the wire for `len`.
    Sum,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The weighted mean.
    Mean,
    /// The weighted population variance.
    Var,
    /// The value seen first.
    First,
    /// The value seen last.
    Last,
    /// About how many different values: exact to 128, then a standard error of 1.6 %.
    Distinct,
    /// About the value that this share of the packets does not exceed, to 1 % of the value.
    Quantile(f64),
    /// The most frequent values.
    TopK {
        /// How many.
        k: u32,
        /// Whether by bytes rather than packets.
        by_bytes: bool,
    },
    /// About how many different values, by linear counting with this many bits, as in CoMo.
    Bitmap {
        /// Always a power of two.
        bits: u32,
    },
    /// The mean with weights that halve in this time.
    Ewma(Span),
    /// Packets, or a field's sum, per second of the interval.
    Rate,
}

/// An aggregate as declared: what to compute, of what.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// What is computed.
    pub function: Function,
    /// The field (or `flow`, or in a long-term table a column); empty for packets themselves.
    pub of: String,
}

/// The name of an aggregate, and how it is written.
pub struct Usage {
    /// The name users write.
    pub name: &'static str,
    /// How it is written, with its arguments.
    pub usage: &'static str,
}

/// Every aggregate users can write.
pub const AGGREGATES: [Usage; 14] = [
    usage("count", "count()"),
    usage("sum", "sum(\"len\")"),
    usage("min", "min(\"len\")"),
    usage("max", "max(\"len\")"),
    usage("mean", "mean(\"len\")"),
    usage("var", "var(\"len\")"),
    usage("first", "first(\"ts\")"),
    usage("last", "last(\"ts\")"),
    usage("distinct", "distinct(\"ip.src\")"),
    usage("quantile", "quantile(\"len\", 0.99)"),
    usage("topk", "topk(\"dport\", 5)"),
    usage("bitmap", "bitmap(\"flow\", 100000)"),
    usage("ewma", "ewma(\"len\", \"60s\")"),
    usage("rate", "rate(\"len\")"),
];

const fn usage(name: &'static str, usage: &'static str) -> Usage {
    Usage { name, usage }
}

/// The most values `topk` may be asked for.
const TOPK_MAX: u64 = 1000;
/// The most different values `bitmap` may be sized for.
const BITMAP_KEYS_MAX: u64 = 100_000_000;
/// What `bitmap` is sized for unless told: 4 KiB a row.
const BITMAP_KEYS: u64 = 134_190;

impl Aggregate {
    /// The aggregate called `name` with the arguments a script gave.
    pub fn new(name: &str, args: &[Value]) -> Result<Self, DeclareError> {
        let Some(usage) = AGGREGATES.iter().find(|u| u.name == name) else {
            let nearest = nearest(name, AGGREGATES.iter().map(|u| u.name));
            return Err(DeclareError::UnknownAggregate { name: name.to_owned(), nearest });
        };
        let mut args = Arguments { usage, rest: args.iter() };
        let of = match usage.name {
            "count" => String::new(),
            "rate" => args.optional_text()?.unwrap_or_default(),
            _ => args.text()?,
        };
        let function = match usage.name {
            "count" => Function::Count,
            "sum" => Function::Sum,
            "min" => Function::Min,
            "max" => Function::Max,
            "mean" => Function::Mean,
            "var" => Function::Var,
            "first" => Function::First,
            "last" => Function::Last,
            "distinct" => Function::Distinct,
            "quantile" => Function::Quantile(args.share()?),
            "topk" => {
                let k = args.whole("how many", 10, TOPK_MAX)? as u32;
                Function::TopK { k, by_bytes: args.by_bytes()? }
            }
            "bitmap" => {
                let keys = args.whole("how many values to expect", BITMAP_KEYS, BITMAP_KEYS_MAX)?;
                Function::Bitmap { bits: bitmap_bits(keys) }
            }
            "ewma" => Function::Ewma(args.span()?),
            _ => Function::Rate,
        };
        args.end()?;
        Ok(Self { function, of })
    }

    /// As it is declared: [`Aggregate::parse`] gives it again.
    pub fn text(&self) -> String {
        let Self { function, of } = self;
        let name = self.name();
        match function {
            Function::Quantile(share) => format!("{name}(\"{of}\", {share})"),
            Function::TopK { k, by_bytes: false } => format!("{name}(\"{of}\", {k})"),
            Function::TopK { k, by_bytes: true } => format!("{name}(\"{of}\", {k}, \"bytes\")"),
            Function::Bitmap { bits } => format!("{name}(\"{of}\", {})", bitmap_keys(*bits)),
            Function::Ewma(half_life) => format!("{name}(\"{of}\", \"{half_life}\")"),
            _ if of.is_empty() => format!("{name}()"),
            _ => format!("{name}(\"{of}\")"),
        }
    }

    /// The aggregate that is declared so: a name, and in parentheses texts in quotes and numbers.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.trim().split_once('(')?;
        let inner = rest.strip_suffix(')')?.trim();
        let arg = |arg: &str| {
            let arg = arg.trim();
            let quoted = arg.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            quoted.map(Value::from).or_else(|| arg.parse().ok().map(Value::Float))
        };
        let args = inner.split(',').filter(|_| !inner.is_empty()).map(arg);
        Self::new(name, &args.collect::<Option<Vec<_>>>()?).ok()
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.function.name()
    }
}

impl Function {
    /// Whether what many packets come to together says as much as each of them.
    pub const fn adds_up(self) -> bool {
        matches!(self, Self::Count | Self::Sum | Self::Mean | Self::Rate)
    }

    /// The name users write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Var => "var",
            Self::First => "first",
            Self::Last => "last",
            Self::Distinct => "distinct",
            Self::Quantile(_) => "quantile",
            Self::TopK { .. } => "topk",
            Self::Bitmap { .. } => "bitmap",
            Self::Ewma(_) => "ewma",
            Self::Rate => "rate",
        }
    }
}

/// How many bits keep the standard error of linear counting within 1 % at `keys` values:
/// `sqrt(bits (e^t - t - 1)) / keys`, where `t = keys / bits`.
fn bitmap_bits(keys: u64) -> u32 {
    let n = keys.max(1) as f64;
    let error = |bits: u32| {
        let b = f64::from(bits);
        let t = n / b;
        (b * (t.exp() - t - 1.0)).sqrt() / n
    };
    let mut bits = 64u32;
    // 1.005 % still reads as 1 %: CoMo's table of sizes was made that way.
    while error(bits) > 0.01005 && bits < 1 << 27 {
        bits *= 2;
    }
    bits
}

/// The most values for which `bitmap` takes this many bits.
fn bitmap_keys(bits: u32) -> u64 {
    let (mut fits, mut over) = (1, BITMAP_KEYS_MAX + 1);
    while over - fits > 1 {
        let keys = fits + (over - fits) / 2;
        match bitmap_bits(keys) <= bits {
            true => fits = keys,
            false => over = keys,
        }
    }
    fits
}

/// Takes a script's arguments one by one.
struct Arguments<'a> {
    usage: &'static Usage,
    rest: std::slice::Iter<'a, Value>,
}

impl Arguments<'_> {
    fn fail<T>(&self, why: impl Into<String>) -> Result<T, DeclareError> {
        let Usage { name, usage, .. } = *self.usage;
        Err(DeclareError::Argument { aggregate: name, why: why.into(), usage })
    }

    fn text(&mut self) -> Result<String, DeclareError> {
        match self.optional_text()? {
            Some(text) => Ok(text),
            None => self.fail("it works on a field, and none is given"),
        }
    }

    fn optional_text(&mut self) -> Result<Option<String>, DeclareError> {
        match self.rest.next() {
            None => Ok(None),
            Some(Value::Text(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
            Some(_) => self.fail("the field is given by its name, in quotes"),
        }
    }

    fn share(&mut self) -> Result<f64, DeclareError> {
        match self.rest.next().and_then(Value::as_float) {
            Some(share) if (0.0..=1.0).contains(&share) => Ok(share),
            _ => self.fail("the share is a number from 0 to 1"),
        }
    }

    fn whole(&mut self, what: &str, default: u64, max: u64) -> Result<u64, DeclareError> {
        match self.rest.next().map(Value::as_uint) {
            None => Ok(default),
            Some(Some(number)) if (1..=max).contains(&number) => Ok(number),
            Some(_) => self.fail(format!("{what} is a whole number from 1 to {max}")),
        }
    }

    fn by_bytes(&mut self) -> Result<bool, DeclareError> {
        match self.rest.next() {
            None => Ok(false),
            Some(Value::Text(by)) if by == "packets" => Ok(false),
            Some(Value::Text(by)) if by == "bytes" || by == "len" => Ok(true),
            Some(_) => self.fail("it counts by \"packets\" or \"bytes\""),
        }
    }

    fn span(&mut self) -> Result<Span, DeclareError> {
        let span = match self.rest.next() {
            Some(Value::Text(text)) => Span::parse(text).ok(),
            Some(value) => value.as_float().filter(|s| *s > 0.0).map(|s| Span((s * 1e9) as u64)),
            None => None,
        };
        match span.filter(|s| s.0 > 0) {
            Some(span) => Ok(span),
            None => self.fail("the time in which weights halve is a time span like 60s"),
        }
    }

    fn end(&mut self) -> Result<(), DeclareError> {
        match self.rest.len() {
            0 => Ok(()),
            n => self.fail(format!("{n} more arguments than it takes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, args: &[Value], want: Result<Function, &str>) {
        let got = Aggregate::new(name, args).map(|a| a.function).map_err(|e| e.to_string());
        assert_eq!(got, want.map_err(str::to_owned));
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn every_usage_is_understood_as_it_stands_in_the_manual() {
        for usage in &AGGREGATES {
            let aggregate = Aggregate::parse(usage.usage).expect("the manual's own example");
            assert_eq!(aggregate.name(), usage.name);
        }
    }

    #[test]
    fn what_is_declared_is_written_so_that_it_can_be_read_again() {
        let more = ["topk(\"flow\", 3, \"bytes\")", "bitmap(\"flow\", 64)", "rate()"];
        for text in AGGREGATES.iter().map(|usage| usage.usage).chain(more) {
            let aggregate = Aggregate::parse(text).expect("an aggregate");
            assert_eq!(Aggregate::parse(&aggregate.text()), Some(aggregate), "{text}");
        }
        for text in ["", "ip.dst", "sum", "sum(", "sum(len)", "sum(\"len\") or 0", "x(\"len\")"] {
            assert_eq!(Aggregate::parse(text), None, "{text}");
        }
    }

    #[test]
    fn arguments_are_typed() {
        check("quantile", &[text("len"), Value::Float(0.5)], Ok(Function::Quantile(0.5)));
        check("ewma", &[text("len"), text("1m")], Ok(Function::Ewma(Span::from_secs(60))));
        check("ewma", &[text("len"), Value::Int(60)], Ok(Function::Ewma(Span::from_secs(60))));
        check(
            "topk",
            &[text("dport"), Value::Uint(3), text("bytes")],
            Ok(Function::TopK { k: 3, by_bytes: true }),
        );
        check("rate", &[], Ok(Function::Rate));
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        check("sun", &[text("len")], Err("there is no aggregate `sun`; did you mean `sum`?"));
        check("sum", &[], Err("`sum`: it works on a field, and none is given; write sum(\"len\")"));
        check(
            "quantile",
            &[text("len"), Value::Uint(99)],
            Err("`quantile`: the share is a number from 0 to 1; write quantile(\"len\", 0.99)"),
        );
        check("count", &[text("x")], Err("`count`: 1 more arguments than it takes; write count()"));
    }

    #[test]
    fn bitmaps_are_sized_as_in_the_original() {
        for (keys, bits) in [(10_869, 1 << 13), (134_190, 1 << 15), (1_894_900, 1 << 18)] {
            assert_eq!(bitmap_bits(keys), bits);
        }
    }
}
