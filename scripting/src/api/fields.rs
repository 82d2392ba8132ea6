//! What scripts find in a packet: the core's table of fields, as a script reads them.

use como_core::field::{Field, Kind};

/// The first version that has them.
pub const SINCE: &str = "0.1";

/// What a field holds in a script: a number of Lua would not hold all nanoseconds.
pub const fn doc(field: Field) -> &'static str {
    match field {
        Field::Ts => "when it was seen, since 1970",
        field => field.doc(),
    }
}

/// In what its numbers are; empty where that goes without saying.
pub const fn units(field: Field) -> &'static str {
    match field {
        Field::Ts => "seconds",
        Field::Packets => "packets",
        Field::Len
        | Field::CapLen
        | Field::Bytes
        | Field::IpLen
        | Field::IpHlen
        | Field::IpOffset
        | Field::TcpHlen
        | Field::UdpLen
        | Field::PayloadLen
        | Field::InnerIpLen => "bytes",
        Field::IpTtl => "hops",
        Field::RadioSignal | Field::RadioNoise => "dBm",
        Field::RadioFreq => "MHz",
        Field::RadioRate => "kbit/s",
        _ => "",
    }
}

/// Its type.
pub const fn kind(field: Field) -> &'static str {
    match field.kind() {
        Kind::Bool => "bool",
        Kind::Uint | Kind::Int | Kind::Big => "number",
        Kind::Addr => "address",
        Kind::Mac => "mac",
        Kind::Code | Kind::CommunityId => "text",
        Kind::Bytes => "bytes",
    }
}

/// What fields stand in, and is no field itself: `tcp`, `ip.flags`.
pub fn layers() -> Vec<&'static str> {
    let outer = |field: &Field| {
        let dots = field.name().match_indices('.');
        dots.map(|(dot, _)| &field.name()[..dot]).collect::<Vec<_>>()
    };
    let mut layers: Vec<&str> = Field::ALL.iter().flat_map(outer).collect();
    layers.sort_unstable();
    layers.dedup();
    layers.retain(|layer| Field::named(layer).is_none() && *layer != "flow");
    layers
}

/// What is said of a field or a layer, if there is one called so.
pub fn help(name: &str) -> Option<String> {
    if let Some(field) = Field::named(name) {
        let units = match units(field) {
            "" => String::new(),
            units => format!(", in {units}"),
        };
        let (kind, doc) = (kind(field), doc(field));
        return Some(format!("pkt.{name} -> {kind}?\n{doc}{units}\nSince {SINCE}."));
    }
    let layer = layers().into_iter().find(|layer| *layer == name)?;
    let inside =
        |field: &&Field| field.name().strip_prefix(layer).is_some_and(|rest| rest.starts_with('.'));
    let fields: Vec<_> = Field::ALL.iter().filter(inside).map(|field| field.name()).collect();
    Some(format!(
        "pkt.{layer}\nIs nil where the packet has none of it. It has {}.\nSince {SINCE}.",
        fields.join(", ")
    ))
}
