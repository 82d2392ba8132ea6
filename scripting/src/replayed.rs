//! What `replay` returned, as packets: the same rules whatever the language.

use como_core::addr::Addr;
use como_core::module::Replayed;
use como_core::packet::Weight;
use como_core::record::Value;
use como_core::time::Ts;

use crate::recorder::instant;

/// The most packets one record may be replayed as.
pub const PACKETS_MAX: usize = 1 << 16;

/// One packet, by the names that `value` knows; none where a value is none that a record may have.
/// What is left out has a plain default. The error says which value is not what it must be.
pub fn packet(value: impl Fn(&str) -> Option<Value>, start: Ts) -> Result<Replayed, String> {
    let wrong = |name: &str, wanted: &str| {
        format!("replay returned a packet whose `{name}` is not {wanted}")
    };
    let addr = |name: &str| -> Result<Option<Addr>, String> {
        match value(name) {
            Some(Value::Null) => Ok(None),
            Some(Value::Addr(addr)) => Ok(Some(addr)),
            Some(Value::Text(text)) => {
                text.parse().map(Some).map_err(|_| wrong(name, "an address"))
            }
            _ => Err(wrong(name, "an address")),
        }
    };
    let number = |name: &str, default: u64, max: u64| match value(name) {
        Some(Value::Null) => Ok(default),
        value => {
            let number = value.and_then(|v| v.as_uint()).filter(|x| *x <= max);
            number.ok_or_else(|| wrong(name, &format!("a whole number from 0 to {max}")))
        }
    };
    let ts = match value("ts") {
        Some(Value::Null) => start,
        Some(Value::Time(ts)) => ts,
        value => {
            let seconds = value.and_then(|v| v.as_float());
            instant(seconds.ok_or_else(|| wrong("ts", "a time in seconds"))?)
        }
    };
    Ok(Replayed {
        ts,
        src: addr("src")?,
        dst: addr("dst")?,
        proto: number("proto", 0, 255)? as u8,
        sport: number("sport", 0, 65535)? as u16,
        dport: number("dport", 0, 65535)? as u16,
        weight: Weight {
            packets: number("packets", 1, u64::MAX)?,
            bytes: number("bytes", 0, u64::MAX)?,
        },
    })
}
