//! Packets as scripts read them.
//!
//! `pkt.ip.dst` in the text of a callback becomes a variable of its own, which
//! the loop over a batch sets: reading it costs what a local does ([`Feed`]).
//! Where a packet goes where it cannot be followed (a helper function, an
//! interpolated text), the script holds a [`Packet`] instead, which asks.

use std::sync::{Arc, LazyLock};

use como_core::addr::{Addr, Mac};
use como_core::batch::{Batch, Present};
use como_core::community::CommunityId;
use como_core::field::{Code, Field, Kind, decode_int};
use como_core::selection::Selection;
use parking_lot::Mutex;
use rhai::{Dynamic, Engine, EvalAltResult, INT};

use super::value;
use crate::flow::{self, Flow};
use crate::host::FILTERS_MAX;
use crate::scan::{LAYERS, TS_NS};

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// What stands before a dot in names of fields, with the dot.
static PREFIXES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let names = Field::ALL.iter().map(|field| field.name());
    let before = |name: &'static str| name.match_indices('.').map(move |(dot, _)| &name[..=dot]);
    let mut prefixes: Vec<&str> = names.flat_map(before).collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
});

/// What a name read of a packet stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A field.
    Field(Field),
    /// The exact time.
    TsNs,
    /// The flow it belongs to.
    Flow,
    /// Whether it has a layer: `true`, or nothing.
    Layer(u32),
    /// Whether it matches the filter of this number.
    Filter(usize),
}

impl Read {
    /// What `path` stands for, as in `pkt.PATH`.
    pub fn named(path: &str) -> Option<Self> {
        if path == TS_NS {
            return Some(Self::TsNs);
        }
        if path == flow::NAME {
            return Some(Self::Flow);
        }
        let layer = || LAYERS.iter().find(|(name, _)| *name == path);
        let field = Field::named(path).map(Self::Field);
        field.or_else(|| layer().map(|(_, found)| Self::Layer(*found)))
    }

    /// The value of packet `at`, whatever columns there are.
    fn slow(self, batch: &Batch, at: usize) -> Dynamic {
        match self {
            Self::Field(Field::Ts) => {
                let packet = batch.all().get(at);
                packet.map_or(Dynamic::UNIT, |p| Dynamic::from_float(p.ts.as_secs_f64()))
            }
            Self::Field(field) => batch.value(at, field).map_or(Dynamic::UNIT, value::of_field),
            Self::TsNs => batch.all().get(at).map_or(Dynamic::UNIT, |p| Dynamic::from(p.ts)),
            Self::Flow => Flow::of(batch, at).map_or(Dynamic::UNIT, Dynamic::from),
            Self::Layer(found) => {
                if batch.layers(at).has(found) {
                    true.into()
                } else {
                    Dynamic::UNIT
                }
            }
            Self::Filter(_) => Dynamic::UNIT,
        }
    }
}

/// One read, with the column it is served from.
pub(super) enum Feed<'a> {
    /// Bytes on the wire.
    Len,
    /// Packets it stands for.
    Packets,
    /// Bytes it stands for.
    Bytes,
    Bool(&'a [u32], &'a Present),
    Number(&'a [u32], &'a Present),
    Int(&'a [u32], &'a Present),
    Mac(&'a [u64], &'a Present),
    Addr(&'a [Addr], &'a Present),
    Code(&'a [u32], &'a Present),
    CommunityId(&'a [CommunityId], &'a Present),
    Matches(&'a Selection),
    /// No column.
    Slow(Read),
}

impl<'a> Feed<'a> {
    /// The quickest way to `read` in this batch, of which each filter picks what `matches` says.
    pub fn new(read: Read, batch: &'a Batch, matches: &'a [Selection]) -> Self {
        let field = match read {
            Read::Field(field) => field,
            Read::Filter(number) => {
                return matches.get(number).map_or(Self::Slow(read), Self::Matches);
            }
            read => return Self::Slow(read),
        };
        let column = match field.kind() {
            _ if field == Field::Len => Some(Self::Len),
            _ if field == Field::Packets => Some(Self::Packets),
            _ if field == Field::Bytes => Some(Self::Bytes),
            Kind::Bool => batch.numbers(field).map(|(v, p)| Self::Bool(v, p)),
            Kind::Uint => batch.numbers(field).map(|(v, p)| Self::Number(v, p)),
            Kind::Int => batch.numbers(field).map(|(v, p)| Self::Int(v, p)),
            Kind::Mac => batch.bigs(field).map(|(v, p)| Self::Mac(v, p)),
            Kind::Addr => batch.addrs(field).map(|(v, p)| Self::Addr(v, p)),
            Kind::Code => batch.numbers(field).map(|(v, p)| Self::Code(v, p)),
            Kind::CommunityId => batch.community_ids().map(|(v, p)| Self::CommunityId(v, p)),
            Kind::Big | Kind::Bytes => None,
        };
        column.unwrap_or(Self::Slow(read))
    }

    /// The value of packet `at`; `()` where it has none.
    #[inline]
    pub fn at(&self, batch: &Batch, at: usize) -> Dynamic {
        let value = match self {
            Self::Len => return Dynamic::from_int(INT::from(batch.all()[at].wire_len)),
            Self::Packets => return value::number(batch.packets().at(at)),
            Self::Bytes => return value::number(batch.bytes().at(at)),
            Self::Bool(v, p) if p.has(at) => v.get(at).map(|x| Dynamic::from_bool(*x != 0)),
            Self::Number(v, p) if p.has(at) => v.get(at).map(|x| Dynamic::from_int((*x).into())),
            Self::Int(v, p) if p.has(at) => {
                v.get(at).map(|x| Dynamic::from_int(decode_int(*x).into()))
            }
            Self::Mac(v, p) if p.has(at) => v.get(at).map(|x| Dynamic::from(Mac(*x))),
            Self::Addr(v, p) if p.has(at) => v.get(at).map(|x| Dynamic::from(*x)),
            Self::Code(v, p) if p.has(at) => {
                v.get(at).map(|x| Code::from_kept(*x).to_string().into())
            }
            Self::CommunityId(v, p) if p.has(at) => v.get(at).map(|x| x.to_string().into()),
            Self::Matches(picked) => return picked.contains(at).into(),
            Self::Slow(read) => return read.slow(batch, at),
            _ => None,
        };
        value.unwrap_or(Dynamic::UNIT)
    }
}

/// What is known of the packet at hand, for a script that holds it.
#[derive(Debug, Default)]
struct Held {
    turn: u64,
    values: Vec<(&'static str, Dynamic)>,
    layers: u32,
    /// The filters it matches, a bit each.
    matches: u32,
    /// The fields that were asked for, of whatever packet, each once.
    asked: Vec<&'static str>,
    /// Which layer of it was read last, there or not, with a dot behind.
    layer: &'static str,
}

/// The packet at hand, as the loop sets it.
#[derive(Clone, Debug, Default)]
pub(super) struct Holder(Arc<Mutex<Held>>);

impl Holder {
    /// Turns to packet `at`: whoever kept the one before is told so. The fields a packet has are
    /// those in `fields`; what else a script asks for was not foreseen.
    pub fn turn(
        &self,
        batch: &Batch,
        at: usize,
        fields: &[Field],
        matches: &[Selection],
    ) -> Packet {
        let mut held = self.0.lock();
        held.turn += 1;
        held.layer = "";
        let bit = |(number, picked): (usize, &Selection)| u32::from(picked.contains(at)) << number;
        held.matches = matches.iter().take(FILTERS_MAX).enumerate().map(bit).sum();
        held.layers = batch.layers(at).found;
        held.values.clear();
        let read = |field: &Field| (field.name(), Read::Field(*field).slow(batch, at));
        held.values.extend(fields.iter().map(read));
        held.values.push((TS_NS, Read::TsNs.slow(batch, at)));
        // Where the Community ID is read, `flow` is what that is read of.
        if !fields.contains(&Field::FlowCommunityId) {
            held.values.push((flow::NAME, Read::Flow.slow(batch, at)));
        }
        Packet { holder: self.clone(), turn: held.turn, prefix: "" }
    }

    /// The fields that were asked for since it was made.
    pub fn asked(&self) -> Vec<Field> {
        self.0.lock().asked.iter().filter_map(|name| Field::named(name)).collect()
    }

    /// Which layer of the packet at hand was read last, there or not.
    pub fn layer(&self) -> &'static str {
        self.0.lock().layer.trim_end_matches('.')
    }

    /// No packet is at hand any more.
    pub fn close(&self) {
        let mut held = self.0.lock();
        held.turn += 1;
        held.values.clear();
    }
}

/// A packet in a script's hands, or one of its layers.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    holder: Holder,
    turn: u64,
    /// The layer it is, with a dot behind; empty for the packet itself.
    prefix: &'static str,
}

const KEPT: &str =
    "a packet is only valid in the call it is given to: keep the fields you need, not it";

impl Packet {
    /// Whether it matches the filter of this number.
    pub fn matches(&self, number: usize) -> Fallible<bool> {
        let held = self.holder.0.lock();
        if held.turn != self.turn {
            return Err(KEPT.into());
        }
        match self.prefix.is_empty() {
            true => Ok(number < FILTERS_MAX && held.matches >> number & 1 == 1),
            false => Err("a filter matches a packet, and this is a layer of one".into()),
        }
    }

    fn value(&self, name: &str) -> Fallible<Dynamic> {
        let mut held = self.holder.0.lock();
        if held.turn != self.turn {
            return Err(KEPT.into());
        }
        let is = |known: &str| known.strip_prefix(self.prefix) == Some(name);
        let found = held.values.iter().find(|(known, _)| is(known)).cloned();
        if let Some((known, value)) = found {
            if !held.asked.contains(&known) {
                held.asked.push(known);
            }
            return Ok(value);
        }
        if let Some(prefix) = self.layer(name) {
            held.layer = prefix;
            let known = |(layer, _): &&(&str, u32)| prefix.strip_suffix('.') == Some(layer);
            let absent = LAYERS.iter().find(known).is_some_and(|(_, bit)| held.layers & bit == 0);
            // A link without Ethernet may have a type and addresses all the same.
            let said = |(name, value): &(&str, Dynamic)| {
                prefix == "eth." && name.starts_with(prefix) && !value.is_unit()
            };
            let absent = absent && !held.values.iter().any(said);
            let layer = || Dynamic::from(Self { prefix, ..self.clone() });
            return Ok(if absent { Dynamic::UNIT } else { layer() });
        }
        let path = format!("{}{name}", self.prefix);
        match Field::named(&path) {
            Some(_) => {
                Err(format!("write `pkt.{path}` in update or check once, to have it here").into())
            }
            None => Err(format!("a packet has no field `{}`", path.escape_debug()).into()),
        }
    }

    /// The prefix of the layer, or of another part, called `name` here.
    fn layer(&self, name: &str) -> Option<&'static str> {
        let is = |prefix: &&&str| {
            prefix.strip_prefix(self.prefix).and_then(|rest| rest.strip_suffix('.')) == Some(name)
        };
        PREFIXES.iter().find(is).copied()
    }
}

/// Registers packets, and what is read of values that are absent.
pub(super) fn register(engine: &mut Engine) {
    engine
        .register_type_with_name::<Flow>("Flow")
        .register_get("src", |flow: &mut Flow| flow.src)
        .register_get("dst", |flow: &mut Flow| flow.dst)
        .register_get("proto", |flow: &mut Flow| INT::from(flow.proto))
        .register_get("sport", |flow: &mut Flow| INT::from(flow.sport))
        .register_get("dport", |flow: &mut Flow| INT::from(flow.dport))
        .register_fn("to_string", |flow: &mut Flow| flow.to_string())
        .register_fn("to_debug", |flow: &mut Flow| flow.to_string())
        .register_fn("==", |a: Flow, b: Flow| a == b)
        .register_fn("!=", |a: Flow, b: Flow| a != b);
    engine
        .register_type_with_name::<Packet>("Packet")
        .register_indexer_get(|packet: &mut Packet, name: &str| packet.value(name))
        // A layer a packet lacks has no fields: reading on is reading nothing.
        .register_indexer_get(|(): &mut (), _: &str| Dynamic::UNIT)
        .register_fn("to_string", |_: &mut Packet| "packet")
        .register_fn("to_debug", |_: &mut Packet| "packet");
    for field in Field::ALL.iter().filter(|f| f.kind() != Kind::Bytes) {
        // Only the last word: `pkt.ip` is looked up, then `src` in what that is.
        let word = field.name().rsplit('.').next().unwrap_or(field.name());
        engine.register_get(word, move |packet: &mut Packet| packet.value(word));
    }
    for (layer, _) in LAYERS {
        engine.register_get(layer, move |packet: &mut Packet| packet.value(layer));
    }
    for (bit, name) in ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"].iter().enumerate() {
        // `flags.syn`, where flags is the number in `pkt.tcp.flags`.
        engine.register_get(*name, move |flags: &mut INT| *flags >> bit & 1 == 1);
    }
}
