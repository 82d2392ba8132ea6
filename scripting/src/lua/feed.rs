//! The feed: what the driver reads of a batch's packets, as Luau buffers.
//!
//! One buffer a field, values of the picked packets one behind the other:
//! numbers as 64-bit floats, where NaN stands for absent, addresses as slots of
//! their handles, where 0 does.

use como_core::batch::columns::{Present, Values};
use como_core::batch::{Batch, Column};
use como_core::field::{Field, FieldValue, Id, Kind, decode_int};
use como_core::selection::{BATCH_PACKETS_MAX, Selection};
use como_core::time::SECOND;
use mlua::{Buffer, Lua};

use super::driver::Fed;
use super::handles::{Handles, Wide};
use crate::flow::Flow;
use crate::scan::{LAYERS, Reads};

/// The buffers of one script.
pub struct Feed {
    fields: Vec<(Fed, Buffer)>,
    layers: Vec<(u32, Buffer)>,
    /// Filters by their numbers, and which packets match them, a byte each.
    filters: Vec<(usize, Buffer)>,
    /// What `check` answers, a byte a packet.
    verdicts: Buffer,
    /// Places in the batch of the packets fed.
    places: Vec<usize>,
    stage: Vec<u8>,
}

impl Feed {
    /// Buffers for what a script reads, and which of `filters` packets match.
    pub fn new(lua: &Lua, reads: &Reads, filters: &[usize]) -> mlua::Result<Self> {
        let buffer = |bytes: usize| lua.create_buffer_with_capacity(bytes * BATCH_PACKETS_MAX);
        let field = |fed: Fed| Ok((fed, buffer(if fed.is_wide() { 4 } else { 8 })?));
        let layer = |name: &&'static str| {
            let mark = LAYERS.iter().find(|(layer, _)| layer == name).map_or(0, |(_, mark)| *mark);
            Ok((mark, buffer(1)?))
        };
        Ok(Self {
            fields: Fed::of(reads).into_iter().map(field).collect::<mlua::Result<_>>()?,
            layers: reads.layers.iter().map(layer).collect::<mlua::Result<_>>()?,
            filters: filters
                .iter()
                .map(|number| Ok((*number, buffer(1)?)))
                .collect::<mlua::Result<_>>()?,
            verdicts: buffer(1)?,
            places: Vec::with_capacity(BATCH_PACKETS_MAX),
            stage: Vec::with_capacity(8 * BATCH_PACKETS_MAX),
        })
    }

    /// The buffers in the order the driver takes them.
    pub fn buffers(&self) -> Vec<mlua::Value> {
        let fields = self.fields.iter().map(|(_, buffer)| buffer);
        let layers = self.layers.iter().map(|(_, buffer)| buffer);
        let filters = self.filters.iter().map(|(_, buffer)| buffer);
        let all = std::iter::once(&self.verdicts).chain(fields).chain(layers).chain(filters);
        all.map(|buffer| mlua::Value::Buffer(buffer.clone())).collect()
    }

    /// The places of the packets fed, in order.
    pub fn places(&self) -> &[usize] {
        &self.places
    }

    /// Takes every packet for one that `check` refuses, until it has spoken.
    pub fn forget_verdicts(&self) {
        self.verdicts.write_bytes(0, &[0; BATCH_PACKETS_MAX]);
    }

    /// Takes back from `picked` what `check` did not let pass.
    pub fn narrow(&self, picked: &mut Selection) {
        let verdicts = self.verdicts.to_vec();
        for (at, place) in self.places.iter().enumerate() {
            if verdicts.get(at) != Some(&1) {
                picked.remove(*place);
            }
        }
    }

    /// Fills the buffers with the picked packets, of which `matches` says for each filter which
    /// match it; tells whether some packet lacks some value.
    pub fn fill(
        &mut self,
        lua: &Lua,
        handles: &mut Handles,
        batch: &Batch,
        (picked, matches): (&Selection, &[Selection]),
    ) -> mlua::Result<bool> {
        self.places.clear();
        picked.for_each(|at| self.places.push(at));
        let wide = self.fields.iter().filter(|(fed, _)| fed.is_wide());
        handles.reserve(lua, wide.count() * self.places.len())?;
        handles.lend(true);
        let mut mixed = false;
        let (places, stage) = (&self.places, &mut self.stage);
        for (field, buffer) in &self.fields {
            stage.clear();
            mixed |= match *field {
                Fed::Flow => numbered(lua, handles, batch, Id::Flow, places, stage)?,
                Fed::Field(Field::IpSrc) => numbered(lua, handles, batch, Id::Src, places, stage)?,
                Fed::Field(Field::IpDst) => numbered(lua, handles, batch, Id::Dst, places, stage)?,
                Fed::Field(field) if Wide::has(field.kind()) => {
                    others(lua, handles, batch, field, places, stage)?
                }
                Fed::Field(field) => numbers(batch, field, places, stage),
            };
            buffer.write_bytes(0, stage);
        }
        for (mark, buffer) in &self.layers {
            stage.clear();
            stage.extend(places.iter().map(|at| u8::from(batch.layers(*at).has(*mark))));
            mixed |= stage.contains(&0);
            buffer.write_bytes(0, stage);
        }
        for (number, buffer) in &self.filters {
            let Some(matches) = matches.get(*number) else { continue };
            stage.clear();
            stage.extend(places.iter().map(|at| u8::from(matches.contains(*at))));
            buffer.write_bytes(0, stage);
        }
        Ok(mixed)
    }
}

/// A number as scripts see it: the time in seconds.
pub fn number(field: Field, value: u64) -> f64 {
    match field {
        Field::Ts => value as f64 / SECOND as f64,
        _ => value as f64,
    }
}

/// Writes a number for each of the places; tells whether some are absent.
fn write(stage: &mut Vec<u8>, places: &[usize], mut value: impl FnMut(usize) -> f64) -> bool {
    stage.resize(places.len() * 8, 0);
    let mut mixed = false;
    for (out, at) in stage.as_chunks_mut::<8>().0.iter_mut().zip(places) {
        let value = value(*at);
        mixed |= value.is_nan();
        *out = value.to_le_bytes();
    }
    mixed
}

fn numbers(batch: &Batch, field: Field, places: &[usize], stage: &mut Vec<u8>) -> bool {
    let packets = batch.all();
    let len = |at: usize| packets.get(at).map_or(0, |packet| packet.wire_len);
    match (field, batch.column(field)) {
        (Field::Len, _) => write(stage, places, |at| f64::from(len(at))),
        (Field::Bytes, _) if batch.is_unweighted() => write(stage, places, |at| f64::from(len(at))),
        (Field::Packets, _) if batch.is_unweighted() => write(stage, places, |_| 1.0),
        (Field::Ts, _) => {
            let ts = |at: usize| packets.get(at).map_or(0, |packet| packet.ts.0);
            write(stage, places, |at| number(field, ts(at)))
        }
        (_, Some(Column { values: Values::U32(values), present })) => match field.kind() {
            Kind::Int => column(values, present, places, stage, |x| f64::from(decode_int(x))),
            _ => column(values, present, places, stage, f64::from),
        },
        (_, Some(Column { values: Values::U64(values), present })) => {
            column(values, present, places, stage, |x| x as f64)
        }
        _ => write(stage, places, |at| match batch.value(at, field) {
            Some(FieldValue::Bool(x)) => f64::from(u8::from(x)),
            Some(FieldValue::Uint(x)) => f64::from(x),
            Some(FieldValue::Int(x)) => f64::from(x),
            Some(FieldValue::Big(x)) => number(field, x),
            _ => f64::NAN,
        }),
    }
}

fn column<T: Copy>(
    values: &[T],
    present: &Present,
    places: &[usize],
    stage: &mut Vec<u8>,
    float: impl Fn(T) -> f64,
) -> bool {
    let value = |at: usize| values.get(at).map_or(f64::NAN, |value| float(*value));
    match present {
        Present::All => write(stage, places, value),
        Present::Some(these) => {
            write(stage, places, |at| if these.contains(at) { value(at) } else { f64::NAN })
        }
    }
}

/// Values that the batch has dense ids for: a handle is looked up by value once for each id.
fn numbered(
    lua: &Lua,
    handles: &mut Handles,
    batch: &Batch,
    kind: Id,
    places: &[usize],
    stage: &mut Vec<u8>,
) -> mlua::Result<bool> {
    let (which, ids) = (kind as usize, batch.ids(kind));
    let mut mixed = false;
    handles.turn(which, batch.epoch());
    stage.resize(places.len() * 4, 0);
    for (out, at) in stage.as_chunks_mut::<4>().0.iter_mut().zip(places) {
        let id = ids.get(*at).copied().unwrap_or(Batch::NO_ID);
        let mut slot = handles.known(which, id);
        if slot == 0 {
            match valued(batch, kind, *at) {
                Some(wide) => slot = handles.slot_of_id(lua, which, id, wide)?,
                None => mixed = true,
            }
        }
        *out = slot.to_le_bytes();
    }
    Ok(mixed)
}

fn valued(batch: &Batch, id: Id, at: usize) -> Option<Wide> {
    let field = match id {
        Id::Flow => return Flow::of(batch, at).map(Wide::Flow),
        Id::Src => Field::IpSrc,
        Id::Dst => Field::IpDst,
    };
    match batch.addrs(field) {
        Some((values, present)) => {
            values.get(at).filter(|_| present.has(at)).map(|addr| Wide::Addr(*addr))
        }
        None => batch.value(at, field).and_then(Wide::of),
    }
}

fn others(
    lua: &Lua,
    handles: &mut Handles,
    batch: &Batch,
    field: Field,
    places: &[usize],
    stage: &mut Vec<u8>,
) -> mlua::Result<bool> {
    let mut mixed = false;
    // Hashed once for all who ask.
    let hashed = batch.community_ids().filter(|_| field == Field::FlowCommunityId);
    for at in places {
        let wide = match hashed {
            Some((ids, present)) if present.has(*at) => {
                ids.get(*at).copied().map(Wide::CommunityId)
            }
            Some(_) => None,
            None => batch.value(*at, field).and_then(Wide::of),
        };
        let slot = wide.map_or(Ok(0), |wide| handles.slot(lua, wide))?;
        mixed |= slot == 0;
        stage.extend_from_slice(&slot.to_le_bytes());
    }
    Ok(mixed)
}
