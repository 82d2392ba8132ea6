//! The engine a script runs in: what it finds there, and what it may use.
//!
//! Rhai bounds each value and each call by itself; the total of a script's state
//! is weighed between calls (`module.rs`), and the time of a call is watched.
//! No closures that capture: shared values could form cycles that are never freed.

use std::sync::{Arc, LazyLock};

use como_core::module::Limits;
use como_core::record::Value;
use como_core::table::{AGGREGATES, Aggregate};
use como_core::time::Ts;
use rhai::packages::{Package, StandardPackage};
use rhai::{
    Array, Dynamic, Engine, EvalAltResult, FLOAT, FnPtr, INT, ImmutableString, LexError,
    NativeCallContext, OptimizationLevel, Shared, Token,
};

use super::watch::Watch;
use super::{addr, asides, bytes, filters, keyed, packet, tables, text, value, words};
use crate::api::{Call, Entry, entries};
use crate::host::Reach;

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// How deep functions may call each other.
pub(super) const CALLS_MAX: usize = 48;
/// How deep expressions may nest, at the top level and in functions.
pub(super) const EXPRESSIONS_MAX: usize = 48;
pub(super) const VARIABLES_MAX: usize = 1000;
const FUNCTIONS_MAX: usize = 1000;
/// The longest text and the most values in one list or map, all that lies inside counted.
pub(super) const TEXT_BYTES_MAX: usize = 1 << 20;
pub(super) const VALUES_MAX: usize = 1 << 16;

/// Words that Rhai reserves and we need as names of callbacks, and what is put behind them.
const RESERVED: [&str; 2] = ["export", "print"];
pub(super) const RESERVED_MARK: char = '_';

/// Words that Rhai reserves and that mean something here: an aggregate, what makes a library's
/// objects, what asks a filter, and a field, `wlan.protected`.
const FREED: [&str; 4] = ["var", "new", "match", "protected"];

/// Functions that no script may call. `curry` nests values, `sleep` holds a worker, `eval` makes
/// code that was never checked, and `exit` is no way out of a callback.
const REFUSED: [&str; 4] = ["curry", "eval", "exit", "sleep"];

/// The library, made once for all engines.
static LIBRARY: LazyLock<StandardPackage> = LazyLock::new(StandardPackage::new);

/// An engine for a script, whose calls `watch` ends, and whose library reaches `host`.
pub(super) fn engine(host: &Arc<Reach>, limits: &Limits, watch: &Arc<Watch>) -> Engine {
    let mut engine = Engine::new_raw();
    LIBRARY.register_into_engine(&mut engine);
    engine
        .set_optimization_level(OptimizationLevel::None)
        .set_fast_operators(true)
        .set_max_call_levels(CALLS_MAX)
        .set_max_expr_depths(EXPRESSIONS_MAX, EXPRESSIONS_MAX)
        .set_max_variables(VARIABLES_MAX)
        .set_max_functions(FUNCTIONS_MAX)
        .set_max_string_size(TEXT_BYTES_MAX)
        .set_max_array_size(VALUES_MAX)
        .set_max_map_size(VALUES_MAX);
    // Rhai keeps these words for itself and lets no function be called so; here they are callbacks.
    #[allow(deprecated, reason = "marked so because it may change, not because it will go")]
    engine.on_parse_token(|token, _, _| match token {
        Token::Reserved(word) if RESERVED.contains(&word.as_str()) => {
            Token::Identifier(Box::new(format!("{word}{RESERVED_MARK}").into()))
        }
        Token::Reserved(word) if FREED.contains(&word.as_str()) => Token::Identifier(word),
        Token::Identifier(word) | Token::Reserved(word) if REFUSED.contains(&word.as_str()) => {
            Token::LexError(Box::new(LexError::Runtime(format!("there is no `{word}` here"))))
        }
        token => token,
    });
    let clock = watch.clone();
    engine.on_progress(move |_| clock.is_late().then_some(Dynamic::UNIT));
    let debug = host.clone();
    engine.on_debug(move |text, _, at| debug.talk.say(|| format!("{at}: {text}")));
    for name in ["print_", "log"] {
        let host = host.clone();
        engine.register_fn(name, move |context: NativeCallContext, value: Dynamic| {
            let text = context.call_native_fn::<ImmutableString>("to_string", (value,))?;
            host.talk.say(|| text.to_string());
            Fallible::Ok(())
        });
    }
    furnish(&mut engine, limits);
    library(&mut engine, host);
    filters::register(&mut engine, host);
    asides::register(&mut engine, host);
    tables::register_made(&mut engine, host);
    engine
}

fn furnish(engine: &mut Engine, limits: &Limits) {
    aggregates(engine);
    addr::register(engine);
    bytes::register(engine);
    packet::register(engine);
    text::register(engine);
    tables::register(engine);
    keyed::register(engine, limits.memory_bytes_max / 2);
    engine
        .register_type_with_name::<Ts>("Time")
        .register_fn("to_string", |t: &mut Ts| t.0.to_string())
        .register_fn("-", |a: Ts, b: Ts| (i128::from(a.0) - i128::from(b.0)) as f64)
        .register_fn("==", |a: Ts, b: Ts| a == b)
        .register_fn("!=", |a: Ts, b: Ts| a != b)
        .register_fn("<", |a: Ts, b: Ts| a < b)
        .register_fn("<=", |a: Ts, b: Ts| a <= b)
        .register_fn(">", |a: Ts, b: Ts| a > b)
        .register_fn(">=", |a: Ts, b: Ts| a >= b)
        // A pointer to a function may still be made of any name.
        .register_fn("sleep", |_: INT| Fallible::<()>::Err("there is no `sleep`".into()))
        .register_fn("sleep", |_: FLOAT| Fallible::<()>::Err("there is no `sleep`".into()))
        // The library's own may panic where an order is none.
        .register_fn("sort", sort_by)
        .register_fn("sort_by", sort_by)
        .register_fn("sort", sort);
}

/// A function for each aggregate, with as many arguments as one may be written with.
fn aggregates(engine: &mut Engine) {
    engine.register_type_with_name::<Aggregate>("Aggregate");
    for usage in &AGGREGATES {
        let name = usage.name;
        engine
            .register_fn(name, move || aggregate(name, &[]))
            .register_fn(name, move |a: Dynamic| aggregate(name, &[a]))
            .register_fn(name, move |a: Dynamic, b: Dynamic| aggregate(name, &[a, b]))
            .register_fn(name, move |a: Dynamic, b: Dynamic, c: Dynamic| {
                aggregate(name, &[a, b, c])
            });
    }
}

/// The library of both languages. What a script writes as `net.contains(...)` comes here as
/// `net_contains(...)`: see [`crate::api::rhai_text`].
fn library(engine: &mut Engine, host: &Arc<Reach>) {
    for entry in entries().filter(|entry| !matches!(entry.call, Call::Own)) {
        let name = format!("{}_{}", entry.topic, entry.name);
        let [none, one, two, three] = std::array::from_fn(|_| host.clone());
        engine
            .register_fn(&name, move || call(entry, &none, []))
            .register_fn(&name, move |a: Dynamic| call(entry, &one, [a]))
            .register_fn(&name, move |a: Dynamic, b: Dynamic| call(entry, &two, [a, b]))
            .register_fn(&name, move |a: Dynamic, b: Dynamic, c: Dynamic| {
                call(entry, &three, [a, b, c])
            });
    }
}

fn call<const N: usize>(entry: &Entry, host: &Reach, args: [Dynamic; N]) -> Fallible<Dynamic> {
    let args: Result<Vec<Value>, String> = args.into_iter().map(value::into_value).collect();
    let args = args.map_err(|other| format!("{} does not take {other}", entry.path()))?;
    Ok(value::of_value(entry.run(host, &args)?))
}

/// The aggregate called `name`, of what it is given.
pub(super) fn aggregate(name: &str, args: &[Dynamic]) -> Fallible<Aggregate> {
    let is_number = |value: &Dynamic| value.is_int() || value.is_float();
    if let [a, b] = args
        && (is_number(a) && b.is_unit() || a.is_unit() && is_number(b))
    {
        // `max(n, pkt.len)` is a function of Rhai, and no aggregate.
        let [a, b] = [a, b].map(words::named);
        return Err(format!("`{name}` does not take {a} and {b}").into());
    }
    let args: Result<Vec<Value>, String> = args.iter().map(value::to_value).collect();
    let args = args.map_err(|other| format!("`{name}` does not take {other}"))?;
    Aggregate::new(name, &args).map_err(|error| error.to_string().into())
}

/// Sorts numbers, texts, addresses in their order; a mix of them, in the order of their kinds.
fn sort(list: &mut Array) -> Fallible<()> {
    let rank = |v: &Dynamic| -> (u8, f64, String) {
        match value::to_value(v) {
            Ok(Value::Bool(x)) => (0, f64::from(u8::from(x)), String::new()),
            Ok(Value::Text(x)) => (3, 0.0, x),
            Ok(Value::Addr(x)) => (2, 0.0, format!("{}{:032x}", u8::from(x.is_v6()), x.bits())),
            Ok(Value::Mac(x)) => (2, x.0 as f64, String::new()),
            Ok(x) => (1, x.as_float().unwrap_or(0.0), String::new()),
            Err(_) => (4, 0.0, String::new()),
        }
    };
    let mut ranked: Vec<_> = list.drain(..).map(|v| (rank(&v), v)).collect();
    ranked.sort_by(|((a, b, c), _), ((x, y, z), _)| {
        a.cmp(x).then_with(|| b.total_cmp(y)).then_with(|| c.cmp(z))
    });
    list.extend(ranked.into_iter().map(|(_, v)| v));
    Ok(())
}

/// Sorts by a script's function, which tells whether the first comes first, as yes or no or as a
/// number below 0. Whatever it answers, the sort ends and nothing is lost.
fn sort_by(context: NativeCallContext, list: &mut Array, less: FnPtr) -> Fallible<()> {
    let before = |a: &Dynamic, b: &Dynamic| -> Fallible<bool> {
        let answer = less.call_raw(&context, None, [a.clone(), b.clone()])?;
        let number = answer.as_int().map(|n| n < 0);
        number.or_else(|_| answer.as_bool()).map_err(|_| {
            let other = words::named(&answer);
            format!("the function sorted by returned {other}, not true, false or a number").into()
        })
    };
    let mut from: Vec<Dynamic> = std::mem::take(list);
    let mut width = 1;
    while width < from.len() {
        let mut merged = Vec::with_capacity(from.len());
        for run in from.chunks(2 * width) {
            let (mut a, mut b) = run.split_at(width.min(run.len()));
            while let ([x, rest_a @ ..], [y, rest_b @ ..]) = (a, b) {
                // Equal ones keep their order.
                if before(y, x)? {
                    merged.push(y.clone());
                    b = rest_b;
                } else {
                    merged.push(x.clone());
                    a = rest_a;
                }
            }
            merged.extend_from_slice(a);
            merged.extend_from_slice(b);
        }
        from = merged;
        width *= 2;
    }
    *list = from;
    Ok(())
}

/// The module of a script's functions, as engines share it.
pub(super) type Functions = Shared<rhai::Module>;

const _: () = assert!(size_of::<INT>() == 8, "counters need 64 bits");
