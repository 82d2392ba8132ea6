//! What `replay` returned, as packets: the same rules whatever the language.

use como_core::addr::Addr;
use como_core::module::Replayed;
use como_core::packet::{Said, Weight};
use como_core::record::Value;
use como_core::time::Ts;

use crate::recorder::instant;

/// The most packets one record may be replayed as.
pub const PACKETS_MAX: usize = 1 << 16;

/// One packet, by the names that `value` knows; none where a value is none that a record may have.
/// What is left out of its
/// headers is absent. The error says which value is not what it must be.
pub fn packet(value: impl Fn(&str) -> Option<Value>, start: Ts) -> Result<Replayed, String> {
    let addr = |name| addr(name, value(name));
    let number = |name, max| number(name, value(name), max);
    let byte = |name| number(name, 255).map(|x| x.map(|x| x as u8));
    let word = |name| number(name, 65535).map(|x| x.map(|x| x as u16));
    let ts = match value("ts") {
        Some(Value::Null) => start,
        Some(Value::Time(ts)) => ts,
        value => {
            let seconds = value.and_then(|v| v.as_float());
            instant(seconds.ok_or_else(|| wrong("ts", "a time in seconds"))?)
        }
    };
    let said = Said {
        ether_type: word("ether_type")?,
        version: byte("version")?,
        src: addr("src")?,
        dst: addr("dst")?,
        proto: byte("proto")?,
        sport: word("sport")?,
        dport: word("dport")?,
        tos: byte("tos")?,
        flags: byte("flags")?,
        icmp_type: byte("icmp_type")?,
        icmp_code: byte("icmp_code")?,
        ip_len: false,
    };
    if let (Some(src), Some(dst)) = (said.src, said.dst)
        && src.is_v6() != dst.is_v6()
    {
        return Err("replay returned a packet from one family of IP to the other".to_owned());
    }
    if said.version.is_some_and(|version| version != 4 && version != 6) {
        return Err(wrong("version", "4 or 6"));
    }
    let weight = Weight {
        packets: number("packets", u64::MAX)?.unwrap_or(1),
        bytes: number("bytes", u64::MAX)?.unwrap_or(0),
    };
    Ok(Replayed { ts, said, weight })
}

fn wrong(name: &str, wanted: &str) -> String {
    format!("replay returned a packet whose `{name}` is not {wanted}")
}

fn addr(name: &str, value: Option<Value>) -> Result<Option<Addr>, String> {
    match value {
        Some(Value::Null) => Ok(None),
        Some(Value::Addr(addr)) => Ok(Some(addr)),
        Some(Value::Text(text)) => text.parse().map(Some).map_err(|_| wrong(name, "an address")),
        _ => Err(wrong(name, "an address")),
    }
}

fn number(name: &str, value: Option<Value>, max: u64) -> Result<Option<u64>, String> {
    if value == Some(Value::Null) {
        return Ok(None);
    }
    let number = value.and_then(|v| v.as_uint()).filter(|x| *x <= max).map(Some);
    number.ok_or_else(|| wrong(name, &format!("a whole number from 0 to {max}")))
}
