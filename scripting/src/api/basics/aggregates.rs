//! What a table computes of its packets; how each is computed stands in the core.

use super::{Basic, Form};

type Params = &'static [(&'static str, &'static str)];

const FIELD: Params = &[("field", "text")];

pub(super) const BASICS: &[Basic] = &[
    aggregate("count", &[], ["count()", "6"], "Packets, weighted.", "packets"),
    aggregate(
        "sum",
        FIELD,
        ["sum(\"len\")", "630"],
        "The sum of a field; of `len`, bytes on the wire.",
        OF_THE_FIELD,
    ),
    aggregate("min", FIELD, ["min(\"len\")", "60"], "The smallest value of a field.", OF_THE_FIELD),
    aggregate("max", FIELD, ["max(\"len\")", "200"], "The largest value of a field.", OF_THE_FIELD),
    aggregate("mean", FIELD, ["mean(\"len\")", "105"], "The mean of a field.", OF_THE_FIELD),
    aggregate(
        "var",
        FIELD,
        ["var(\"len\")", "2858.3333333333335"],
        "The variance of a field.",
        "what the field is in, squared",
    ),
    aggregate(
        "first",
        FIELD,
        ["first(\"ip.src\")", "10.0.0.1"],
        "The first value of a field.",
        OF_THE_FIELD,
    ),
    aggregate(
        "last",
        FIELD,
        ["last(\"ip.src\")", "10.0.0.3"],
        "The last value of a field.",
        OF_THE_FIELD,
    ),
    aggregate(
        "distinct",
        FIELD,
        ["distinct(\"ip.src\")", "4"],
        "About how many values of a field, or `flow`s: exact to 128, then with a standard error of \
         1.6 %.",
        "",
    ),
    aggregate(
        "quantile",
        &[("field", "text"), ("share", "number")],
        ["quantile(\"len\", 0.99)", "149.92227715673363"],
        "About the value that a share does not exceed: within 1 % of it, and never outside the \
         smallest and largest.",
        OF_THE_FIELD,
    ),
    aggregate(
        "topk",
        &[("field", "text"), ("k", "number?"), ("by", "text?")],
        ["topk(\"dport\", 5)", "53=3 443=1 2000=1"],
        "The most frequent values of a field, or `flow`s, by packets or \"bytes\", ten unless \
         told: what has more than one in 8 k of all (one in 64 for k below 8) is there, and no \
         count is too low, nor too high by more than that share.",
        "packets, or bytes",
    ),
    aggregate(
        "bitmap",
        &[("field", "text"), ("keys", "number?")],
        ["bitmap(\"flow\", 100000)", "5"],
        "About how many values, by linear counting: with a standard error of 1 % up to as many as \
         it is made for (134,190 unless told), and soon too few beyond.",
        "",
    ),
    aggregate(
        "ewma",
        &[("field", "text"), ("half_life", "time")],
        ["ewma(\"len\", \"60s\")", "105"],
        "The mean of a field, weights halving in a time.",
        OF_THE_FIELD,
    ),
    aggregate(
        "rate",
        &[("field", "text?")],
        ["rate(\"len\")", "630"],
        "Packets, or the sum of a field, per second.",
        "packets, or what the field is in, a second",
    ),
];

const OF_THE_FIELD: &str = "what the field is in";

const fn aggregate(
    name: &'static str,
    params: Params,
    [usage, gives]: [&'static str; 2],
    doc: &'static str,
    units: &'static str,
) -> Basic {
    let (form, returns, since) = (Form::Call(params), "aggregate", "0.1");
    Basic {
        of: "aggregate",
        name,
        form,
        returns,
        doc,
        units,
        lua: usage,
        rhai: usage,
        gives,
        since,
    }
}
