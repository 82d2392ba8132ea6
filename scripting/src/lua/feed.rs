//! The feed: what the driver reads of a batch's packets, as Luau buffers.
//!
//! One buffer a field, values of the picked packets one behind the other:
//! numbers as 64-bit floats, where NaN stands for absent, addresses as slots of
//! their handles, where 0 does.

use como_core::batch::columns::{Present, Values};
use como_core::batch::{Batch, Column};
use como_core::field::{Field, FieldValue, Id, Kind};
use como_core::selection::{BATCH_PACKETS_MAX, Selection};
use como_core::time::SECOND;
use mlua::{Buffer, Lua};

use super::driver::is_fed;
use super::handles::{Handles, Wide};
use crate::scan::{LAYERS, Reads};

/// The buffers of one script.
pub struct Feed {
    fields: Vec<(Field, Buffer)>,
    layers: Vec<(u32, Buffer)>,
    /// What `check` answers, a byte a packet.
    verdicts: Buffer,
    /// Places in the batch of the packets fed.
    places: Vec<usize>,
    stage: Vec<u8>,
}

impl Feed {
    /// Buffers for what a script reads.
    pub fn new(lua: &Lua, reads: &Reads) -> mlua::Result<Self> {
        let buffer = |bytes: usize| lua.create_buffer_with_capacity(bytes * BATCH_PACKETS_MAX);
        let field = |field: &Field| {
            let wide = matches!(field.kind(), Kind::Addr | Kind::Mac);
            Ok((*field, buffer(if wide { 4 } else { 8 })?))
        };
        let layer = |name: &&'static str| {
            let mark = LAYERS.iter().find(|(layer, _)| layer == name).map_or(0, |(_, mark)| *mark);
            Ok((mark, buffer(1)?))
        };
        Ok(Self {
            fields: reads
                .fields
                .iter()
                .filter(|f| is_fed(**f))
                .map(field)
                .collect::<mlua::Result<_>>()?,
            layers: reads.layers.iter().map(layer).collect::<mlua::Result<_>>()?,
            verdicts: buffer(1)?,
            places: Vec::with_capacity(BATCH_PACKETS_MAX),
            stage: Vec::with_capacity(8 * BATCH_PACKETS_MAX),
        })
    }

    /// The buffers in the order the driver takes them.
    pub fn buffers(&self) -> Vec<mlua::Value> {
        let fields = self.fields.iter().map(|(_, buffer)| buffer);
        let layers = self.layers.iter().map(|(_, buffer)| buffer);
        let all = std::iter::once(&self.verdicts).chain(fields).chain(layers);
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

    /// Fills the buffers with the picked packets; tells whether some packet lacks some value.
    pub fn fill(
        &mut self,
        lua: &Lua,
        handles: &mut Handles,
        batch: &Batch,
        picked: &Selection,
    ) -> mlua::Result<bool> {
        self.places.clear();
        picked.for_each(|at| self.places.push(at));
        let wide = self.fields.iter().filter(|(f, _)| matches!(f.kind(), Kind::Addr | Kind::Mac));
        handles.reserve(lua, wide.count() * self.places.len())?;
        let mut mixed = false;
        let (places, stage) = (&self.places, &mut self.stage);
        for (field, buffer) in &self.fields {
            stage.clear();
            mixed |= match field.kind() {
                Kind::Addr => addresses(lua, handles, batch, *field, places, stage)?,
                Kind::Mac => link_addresses(lua, handles, batch, *field, places, stage)?,
                _ => numbers(batch, *field, places, stage),
            };
            buffer.write_bytes(0, stage);
        }
        for (mark, buffer) in &self.layers {
            stage.clear();
            stage.extend(places.iter().map(|at| u8::from(batch.layers(*at).has(*mark))));
            mixed |= stage.contains(&0);
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

fn push(stage: &mut Vec<u8>, number: f64) {
    stage.extend_from_slice(&number.to_le_bytes());
}

fn numbers(batch: &Batch, field: Field, places: &[usize], stage: &mut Vec<u8>) -> bool {
    match (field, batch.column(field)) {
        (Field::Len, _) => {
            let packets = batch.all();
            places.iter().for_each(|at| push(stage, f64::from(packets[*at].wire_len)));
            false
        }
        (_, Some(Column { values: Values::U32(values), present })) => {
            column(field, values, present, places, stage)
        }
        (_, Some(Column { values: Values::U64(values), present })) => {
            column(field, values, present, places, stage)
        }
        _ => {
            let mut mixed = false;
            for at in places {
                let value = match batch.value(*at, field) {
                    Some(FieldValue::Bool(x)) => f64::from(u8::from(x)),
                    Some(FieldValue::Uint(x)) => f64::from(x),
                    Some(FieldValue::Big(x)) => number(field, x),
                    _ => f64::NAN,
                };
                mixed |= value.is_nan();
                push(stage, value);
            }
            mixed
        }
    }
}

fn column<T: Copy + Into<u64>>(
    field: Field,
    values: &[T],
    present: &Present,
    places: &[usize],
    stage: &mut Vec<u8>,
) -> bool {
    let mut mixed = false;
    for at in places {
        match values.get(*at).filter(|_| present.has(*at)) {
            Some(value) => push(stage, number(field, (*value).into())),
            None => {
                mixed = true;
                push(stage, f64::NAN);
            }
        }
    }
    mixed
}

fn addresses(
    lua: &Lua,
    handles: &mut Handles,
    batch: &Batch,
    field: Field,
    places: &[usize],
    stage: &mut Vec<u8>,
) -> mlua::Result<bool> {
    let (which, id) = if field == Field::IpSrc { (0, Id::Src) } else { (1, Id::Dst) };
    let (ids, epoch) = (batch.ids(id), batch.epoch());
    let mut mixed = false;
    let column = batch.addrs(field);
    for at in places {
        let addr = match column {
            Some((values, present)) => values.get(*at).copied().filter(|_| present.has(*at)),
            None => match batch.value(*at, field) {
                Some(FieldValue::Addr(addr)) => Some(addr),
                _ => None,
            },
        };
        let slot = match addr {
            Some(addr) => {
                let id = ids.get(*at).copied().unwrap_or(Batch::NO_ID);
                handles.slot_of_id(lua, (which, epoch), id, addr)?
            }
            None => 0,
        };
        mixed |= slot == 0;
        stage.extend_from_slice(&slot.to_le_bytes());
    }
    Ok(mixed)
}

fn link_addresses(
    lua: &Lua,
    handles: &mut Handles,
    batch: &Batch,
    field: Field,
    places: &[usize],
    stage: &mut Vec<u8>,
) -> mlua::Result<bool> {
    let mut mixed = false;
    for at in places {
        let slot = match batch.value(*at, field) {
            Some(FieldValue::Mac(mac)) => handles.slot(lua, Wide::Mac(mac))?,
            _ => 0,
        };
        mixed |= slot == 0;
        stage.extend_from_slice(&slot.to_le_bytes());
    }
    Ok(mixed)
}
