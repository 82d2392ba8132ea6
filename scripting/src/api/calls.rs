//! Arguments of the library's functions, read as what they should be; and what is nil of results.

use como_core::addr::{Addr, Prefix};
use como_core::record::Value;
use como_core::time::{SECOND, Span};

/// A number.
pub fn number(given: &[Value], at: usize) -> Result<f64, String> {
    let number = match given.get(at) {
        Some(Value::Uint(x)) => *x as f64,
        Some(Value::Int(x)) => *x as f64,
        Some(Value::Float(x)) => *x,
        Some(Value::Time(x)) => x.as_secs_f64(),
        other => return Err(wanted(at, "a number", other)),
    };
    if number.is_finite() { Ok(number) } else { Err(wanted(at, "a finite number", given.get(at))) }
}

/// A whole number from `low` to `high`.
pub fn whole(given: &[Value], at: usize, low: i64, high: i64) -> Result<i64, String> {
    let x = number(given, at)?;
    let fits = x.fract() == 0.0 && x >= low as f64 && x <= high as f64;
    if fits {
        Ok(x as i64)
    } else {
        Err(wanted(at, &format!("a whole number from {low} to {high}"), given.get(at)))
    }
}

/// How many entries `top` is asked for: 10 unless told, all where the number is beyond them.
pub fn how_many(given: &Value) -> Result<usize, String> {
    let number = match given {
        Value::Null => 10.0,
        Value::Uint(x) => *x as f64,
        Value::Int(x) => *x as f64,
        Value::Float(x) if !x.is_nan() => *x,
        _ => return Err("top: how many is a number; for instance 10".to_owned()),
    };
    // What is below 0 becomes 0.
    Ok(number as usize)
}

/// A text.
pub fn text(given: &[Value], at: usize) -> Result<&str, String> {
    match given.get(at) {
        Some(Value::Text(text)) => Ok(text),
        other => Err(wanted(at, "a text", other)),
    }
}

/// A text, or bytes as of a payload.
pub fn bytes(given: &[Value], at: usize) -> Result<&[u8], String> {
    match given.get(at) {
        Some(Value::Text(text)) => Ok(text.as_bytes()),
        Some(Value::Bytes(bytes)) => Ok(bytes),
        other => Err(wanted(at, "a text or bytes", other)),
    }
}

/// Bytes of argument `at`, as long as they are no more than `max`.
pub fn at_most(bytes: &[u8], at: usize, max: usize) -> Result<&[u8], String> {
    match bytes.len() > max {
        true => Err(format!("argument {} is longer than {max} bytes", at + 1)),
        false => Ok(bytes),
    }
}

/// An IP address, or the text of one.
pub fn addr(given: &[Value], at: usize) -> Result<Addr, String> {
    let read = match given.get(at) {
        Some(Value::Addr(addr)) => Some(*addr),
        Some(Value::Text(text)) => text.trim().parse().ok(),
        _ => None,
    };
    read.ok_or_else(|| wanted(at, "an address", given.get(at)))
}

/// A network: `10.0.0.0/8`; an address alone is the network of itself.
pub fn network(given: &[Value], at: usize) -> Result<Prefix, String> {
    let wrong = || wanted(at, "a network like 10.0.0.0/8", given.get(at));
    if let Some(Value::Addr(addr)) = given.get(at) {
        return Ok(Prefix::new(*addr, addr.width()));
    }
    let text = text(given, at).map_err(|_| wrong())?;
    let (addr, bits) = text.split_once('/').map_or((text, None), |(addr, bits)| (addr, Some(bits)));
    let addr: Addr = addr.trim().parse().map_err(|_| wrong())?;
    let bits = bits.map_or(Ok(addr.width()), |bits| bits.trim().parse().map_err(|_| wrong()))?;
    if bits > addr.width() { Err(wrong()) } else { Ok(Prefix::new(addr, bits)) }
}

/// A length of time in seconds: a number, or a text like `5m`.
pub fn span(given: &[Value], at: usize) -> Result<f64, String> {
    let seconds = match given.get(at) {
        Some(Value::Text(text)) => Span::parse(text).ok().map(|span| span.0 as f64 / SECOND as f64),
        _ => number(given, at).ok(),
    };
    let positive = seconds.filter(|seconds| *seconds > 0.0);
    positive.ok_or_else(|| wanted(at, "a length of time like \"5m\"", given.get(at)))
}

/// What to say of an argument that is something else.
pub fn wanted(at: usize, what: &str, given: Option<&Value>) -> String {
    let given = match given {
        None | Some(Value::Null) => "nil".to_owned(),
        Some(Value::Text(text)) => {
            format!("\"{}\"", text.chars().take(40).collect::<String>().escape_debug())
        }
        Some(Value::Bytes(_)) => "bytes".to_owned(),
        Some(other) => other.to_string(),
    };
    format!("argument {} is {what}, not {given}", at + 1)
}

/// A value where there is one, nil where there is none.
pub fn or_nil<T>(found: Option<T>, make: impl FnOnce(T) -> Value) -> Result<Value, String> {
    Ok(found.map_or(Value::Null, make))
}
