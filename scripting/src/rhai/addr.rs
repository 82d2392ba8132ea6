//! Addresses as scripts see them: compared with each other and with text, shown as text.

use std::str::FromStr;

use como_core::addr::{Addr, Mac};
use rhai::{Dynamic, Engine, EvalAltResult, Variant};

use super::value;
use crate::api::net;

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// Registers IP and link-layer addresses.
pub(super) fn register(engine: &mut Engine) {
    address::<Addr>(engine, "Address");
    address::<Mac>(engine, "Mac");
    engine.register_get("is_v6", |addr: &mut Addr| addr.is_v6());
    engine.register_fn("masked", |addr: &mut Addr, bits: Dynamic| -> Fallible<Addr> {
        Ok(net::masked(*addr, value::to_value(&bits)?)?)
    });
    engine.register_fn("within", |addr: &mut Addr, network: Dynamic| -> Fallible<bool> {
        Ok(net::within(*addr, value::to_value(&network)?)?)
    });
    engine.register_fn("addr", |text: &str| -> Fallible<Dynamic> {
        read::<Addr>(text)
            .map(Dynamic::from)
            .or_else(|error| text.parse::<Mac>().map(Dynamic::from).map_err(|_| error))
    });
}

fn address<T>(engine: &mut Engine, name: &str)
where
    T: Variant + Copy + Ord + FromStr + ToString,
{
    engine
        .register_type_with_name::<T>(name)
        .register_fn("to_string", |a: &mut T| a.to_string())
        .register_fn("to_debug", |a: &mut T| a.to_string())
        .register_fn("==", |a: T, b: T| a == b)
        .register_fn("!=", |a: T, b: T| a != b)
        .register_fn("<", |a: T, b: T| a < b)
        .register_fn("<=", |a: T, b: T| a <= b)
        .register_fn(">", |a: T, b: T| a > b)
        .register_fn(">=", |a: T, b: T| a >= b)
        .register_fn("==", |a: T, text: &str| -> Fallible<bool> { Ok(a == read::<T>(text)?) })
        .register_fn("!=", |a: T, text: &str| -> Fallible<bool> { Ok(a != read::<T>(text)?) })
        .register_fn("==", |text: &str, a: T| -> Fallible<bool> { Ok(a == read::<T>(text)?) })
        .register_fn("!=", |text: &str, a: T| -> Fallible<bool> { Ok(a != read::<T>(text)?) })
        .register_fn("+", |text: &str, a: T| format!("{text}{}", a.to_string()))
        .register_fn("+", |a: T, text: &str| format!("{}{text}", a.to_string()));
}

/// An address from its text. A slip in a literal must not quietly be unequal to everything.
fn read<T: FromStr>(text: &str) -> Fallible<T> {
    text.trim().parse().map_err(|_| {
        let text = text.escape_debug();
        format!("`{text}` is no address: write one like 10.0.0.1, 2001:db8::1 or 00:1b:21:0a:0b:0c")
            .into()
    })
}
