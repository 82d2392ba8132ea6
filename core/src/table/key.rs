//! Key columns: what a table's rows are told apart by, and how it is written.
//!
//! A key column is a field, `ip.dst`; an address may be cut to a network,
//! `ip.dst/24` or `ip.dst/24,64` (IPv4, IPv6). A packet that lacks the field
//! is not counted, unless the column says `or 0`: `sport or 0`.

use std::hash::{BuildHasher, Hasher};

use super::error::{DeclareError, field_named};
use crate::addr::{Addr, Mac};
use crate::batch::Batch;
use crate::batch::columns::Values;
use crate::community::CommunityId;
use crate::field::{Code, Field, Kind, decode_int, encode_int};
use crate::hash::{TableHash, for_sketches, write_addr};
use crate::record::{Type, Value};
use crate::time::Ts;

/// How many leading bits of an address count, by family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Of an IPv4 address, 0 to 32.
    pub v4: u8,
    /// Of an IPv6 address, 0 to 128.
    pub v6: u8,
}

impl Mask {
    /// The mask of one length for both families. Lengths to 32 are IPv4's, and IPv6 keeps twice as
    /// many bits (a routed /24 is a routed /48 there, a host is a host); longer ones are IPv6's.
    pub const fn of(len: u8) -> Self {
        match len {
            0..=31 => Self { v4: len, v6: 2 * len },
            32 => Self { v4: 32, v6: 128 },
            _ => Self { v4: 32, v6: if len > 128 { 128 } else { len } },
        }
    }

    /// Whether it cuts nothing.
    pub const fn is_whole(self) -> bool {
        self.v4 >= 32 && self.v6 >= 128
    }

    /// The network of `addr`.
    #[inline]
    pub const fn apply(self, addr: Addr) -> Addr {
        addr.masked(if addr.is_v6() { self.v6 } else { self.v4 })
    }
}

/// One column of a table's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Its name in records.
    pub name: String,
    /// The field it holds.
    pub field: Field,
    /// Where an address is cut.
    pub mask: Option<Mask>,
    /// Whether a packet without the field counts as 0, rather than not at all.
    pub or_zero: bool,
}

impl KeyColumn {
    /// A column called `name` for a field as it is.
    pub fn new(name: &str, field: Field) -> Self {
        Self { name: name.to_owned(), field, mask: None, or_zero: false }
    }

    /// Reads `FIELD`, `FIELD/BITS`, `FIELD/BITS,BITS`, each with ` or 0` behind it.
    pub fn parse(name: &str, text: &str) -> Result<Self, DeclareError> {
        let fail = |why: &str| DeclareError::Key {
            column: name.to_owned(),
            text: text.to_owned(),
            why: why.to_owned(),
        };
        let body = text.trim();
        let (body, or_zero) = match body.strip_suffix(" or 0") {
            Some(rest) => (rest.trim_end(), true),
            None => (body, false),
        };
        let (field, bits) = match body.split_once('/') {
            Some((field, bits)) => (field, Some(bits)),
            None => (body, None),
        };
        let field = field_named(name, field.trim())?;
        if field.kind() == Kind::Bytes {
            return Err(fail("bytes are no key; take a field with a value"));
        }
        if bits.is_some() && field.kind() != Kind::Addr {
            return Err(fail("only an IP address can be cut to a network"));
        }
        if or_zero && field.kind() == Kind::Addr {
            return Err(fail("an address has no 0"));
        }
        if or_zero && field.kind() == Kind::CommunityId {
            return Err(fail("a Community ID has no 0"));
        }
        if or_zero && field.kind() == Kind::Int {
            return Err(fail("0 is a value like any other of a field with a sign"));
        }
        let mask = bits.map(mask).transpose().map_err(|why| fail(&why))?;
        Ok(Self { name: name.to_owned(), field, mask: mask.filter(|m| !m.is_whole()), or_zero })
    }

    /// As it is declared.
    pub fn text(&self) -> String {
        let mask = self.mask.map_or(String::new(), |Mask { v4, v6 }| format!("/{v4},{v6}"));
        format!("{}{mask}{}", self.field.name(), if self.or_zero { " or 0" } else { "" })
    }

    /// The type of its values in records.
    pub fn ty(&self) -> Type {
        field_type(self.field)
    }

    /// The value packet `at` has here, if it has one.
    #[inline]
    pub fn read(&self, batch: &Batch, at: usize) -> Option<Cell> {
        let cell = cell(batch, self.field, at);
        match (cell, self.mask) {
            (Some(Cell::Addr(addr)), Some(mask)) => Some(Cell::Addr(mask.apply(addr))),
            (None, _) if self.or_zero => Some(Cell::Number(0)),
            (cell, _) => cell,
        }
    }
}

fn mask(bits: &str) -> Result<Mask, String> {
    let number = |text: &str, max: u8| match text.trim().parse::<u8>() {
        Ok(len) if len <= max => Ok(len),
        _ => Err(format!("`{}` is no number of bits from 0 to {max}", text.trim())),
    };
    match bits.split_once(',') {
        Some((v4, v6)) => Ok(Mask { v4: number(v4, 32)?, v6: number(v6, 128)? }),
        None => Ok(Mask::of(number(bits, 128)?)),
    }
}

/// One key value: what a packet has in a field, or a row in a key column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// A number, with a sign as it is kept; a code, a link-layer address, an instant, yes or no.
    Number(u64),
    /// An IP address.
    Addr(Addr),
    /// A Community ID.
    CommunityId(CommunityId),
}

impl Cell {
    /// As a record's value of type `ty`.
    pub fn value(self, ty: Type) -> Value {
        match (self, ty) {
            (Self::Addr(addr), _) => Value::Addr(addr),
            (Self::CommunityId(id), _) => Value::Text(id.to_string()),
            (Self::Number(x), Type::Text) => Value::Text(code(x).to_string()),
            (Self::Number(x), Type::Bool) => Value::Bool(x != 0),
            (Self::Number(x), Type::Mac) => Value::Mac(Mac(x)),
            (Self::Number(x), Type::Time) => Value::Time(Ts(x)),
            (Self::Number(x), Type::Int) => Value::Int(int(x)),
            (Self::Number(x), _) => Value::Uint(x),
        }
    }

    /// The cell a value would be in a column of type `ty`, if it fits.
    pub fn of(value: &Value, ty: Type) -> Option<Self> {
        match (value, ty) {
            (Value::Addr(addr), Type::Addr) => Some(Self::Addr(*addr)),
            (Value::Bool(x), Type::Bool) => Some(Self::Number(u64::from(*x))),
            (Value::Mac(x), Type::Mac) => Some(Self::Number(x.0)),
            (Value::Time(x), Type::Time) => Some(Self::Number(x.0)),
            (value, Type::Int) => {
                let small = value.as_int().and_then(|x| i32::try_from(x).ok());
                small.map(|x| Self::Number(encode_int(x).into()))
            }
            (Value::Text(text), Type::Text) => match text.parse() {
                Ok(id) => Some(Self::CommunityId(id)),
                Err(_) if text.is_empty() => Some(Self::Number(0)),
                Err(_) => text.parse::<Code>().ok().map(|code| Self::Number(code.kept().into())),
            },
            (value, Type::Uint) => value.as_uint().map(Self::Number),
            _ => None,
        }
    }

    /// Writes what it is to a hash.
    #[inline]
    pub fn write(self, hasher: &mut impl Hasher) {
        match self {
            Self::Number(x) => hasher.write_u64(x),
            Self::Addr(addr) => write_addr(hasher, addr),
            Self::CommunityId(id) => hasher.write(&id.bytes()),
        }
    }
}

/// A number with a sign, from what a column of such keeps.
pub(super) fn int(kept: u64) -> i64 {
    decode_int(kept as u32).into()
}

/// A code, from what a column of such keeps.
pub(super) fn code(kept: u64) -> Code {
    Code::from_kept(kept as u32)
}

/// The hash of a whole key.
pub(super) fn hash_key(hash: &TableHash, key: impl IntoIterator<Item = Cell>) -> u64 {
    let mut hasher = hash.build_hasher();
    for cell in key {
        cell.write(&mut hasher);
    }
    hasher.finish()
}

/// Whether a key is among the one in two to the power `bits` that are sampled: of the same keys
/// always the same, wherever sketches count alike.
pub(super) fn is_sampled(key: impl IntoIterator<Item = Cell>, bits: u32) -> bool {
    let hash = for_sketches(|hasher| key.into_iter().for_each(|cell| cell.write(hasher)));
    hash.trailing_zeros() >= bits
}

/// The type a field's values have in records.
pub fn field_type(field: Field) -> Type {
    match (field, field.kind()) {
        (Field::Ts, _) => Type::Time,
        (_, Kind::Bool) => Type::Bool,
        (_, Kind::Uint | Kind::Big) => Type::Uint,
        (_, Kind::Int) => Type::Int,
        (_, Kind::Addr) => Type::Addr,
        (_, Kind::Mac) => Type::Mac,
        (_, Kind::Code | Kind::CommunityId) => Type::Text,
        (_, Kind::Bytes) => Type::Bytes,
    }
}

/// What packet `at` has in `field`, if anything.
#[inline]
pub fn cell(batch: &Batch, field: Field, at: usize) -> Option<Cell> {
    if field.is_free() {
        return free(batch, field, at).map(Cell::Number);
    }
    let column = batch.column(field)?;
    if !column.present.has(at) {
        return None;
    }
    match &column.values {
        Values::U32(v) => v.get(at).map(|x| Cell::Number(u64::from(*x))),
        Values::U64(v) => v.get(at).map(|x| Cell::Number(*x)),
        Values::Addr(v) => v.get(at).map(|x| Cell::Addr(*x)),
        Values::CommunityId(v) => v.get(at).map(|x| Cell::CommunityId(*x)),
    }
}

/// The value of a field that needs no header.
fn free(batch: &Batch, field: Field, at: usize) -> Option<u64> {
    let packet = batch.all().get(at)?;
    Some(match field {
        Field::Len => u64::from(packet.wire_len),
        Field::CapLen => u64::from(packet.cap_len),
        Field::Ts => packet.ts.0,
        Field::Packets => batch.weight(at).packets,
        Field::Bytes => batch.weight(at).bytes,
        Field::Source => u64::from(packet.source),
        Field::Link => u64::from(packet.link.0),
        _ => return None,
    })
}

/// The values of one key column, one per row.
#[derive(Clone, Debug)]
pub(super) enum KeyCells {
    Number(Vec<u64>),
    Addr(Vec<Addr>),
    CommunityId(Vec<CommunityId>),
}

impl KeyCells {
    /// No values of a field.
    pub fn of(field: Field) -> Self {
        match field.kind() {
            Kind::Addr => Self::Addr(Vec::new()),
            Kind::CommunityId => Self::CommunityId(Vec::new()),
            _ => Self::Number(Vec::new()),
        }
    }

    pub fn get(&self, row: usize) -> Cell {
        match self {
            Self::Number(v) => Cell::Number(v[row]),
            Self::Addr(v) => Cell::Addr(v[row]),
            Self::CommunityId(v) => Cell::CommunityId(v[row]),
        }
    }

    /// Appends a value; one of the wrong kind becomes the column's filler.
    pub fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (Self::Number(v), Cell::Number(x)) => v.push(x),
            (Self::Addr(v), Cell::Addr(x)) => v.push(x),
            (Self::CommunityId(v), Cell::CommunityId(x)) => v.push(x),
            (Self::Number(v), _) => v.push(0),
            (Self::Addr(v), _) => v.push(Addr::default()),
            (Self::CommunityId(v), _) => v.push(CommunityId::default()),
        }
    }

    /// Appends what these packets of a batch have in `column`, a filler where they have nothing.
    pub fn fill(&mut self, column: &KeyColumn, batch: &Batch, packets: &[u32]) {
        let values = batch.column(column.field).map(|c| &c.values);
        match (self, values, column.mask) {
            (Self::Addr(v), Some(Values::Addr(from)), mask) => {
                let whole = Mask { v4: 32, v6: 128 };
                let mask = mask.unwrap_or(whole);
                let get = |at: &u32| from.get(*at as usize).copied().unwrap_or_default();
                v.extend(packets.iter().map(|at| mask.apply(get(at))));
            }
            (Self::Number(v), Some(Values::U32(from)), _) => {
                let get = |at: &u32| from.get(*at as usize).copied().unwrap_or(0);
                v.extend(packets.iter().map(|at| u64::from(get(at))));
            }
            (cells, ..) => {
                for at in packets {
                    let cell = column.read(batch, *at as usize).unwrap_or(Cell::Number(0));
                    cells.push(cell);
                }
            }
        }
    }

    pub fn push_filler(&mut self) {
        self.push(Cell::Number(0));
    }

    /// Keeps the rows for which `keep` holds, in order.
    pub fn retain(&mut self, keep: &[bool]) {
        let mut row = 0;
        let mut next = || {
            row += 1;
            keep.get(row - 1) == Some(&true)
        };
        match self {
            Self::Number(v) => v.retain(|_| next()),
            Self::Addr(v) => v.retain(|_| next()),
            Self::CommunityId(v) => v.retain(|_| next()),
        }
    }

    pub fn clear(&mut self) {
        match self {
            Self::Number(v) => v.clear(),
            Self::Addr(v) => v.clear(),
            Self::CommunityId(v) => v.clear(),
        }
    }

    /// The bytes of one value.
    pub fn cell_bytes(&self) -> usize {
        match self {
            Self::Number(_) => size_of::<u64>(),
            Self::Addr(_) => size_of::<Addr>(),
            Self::CommunityId(_) => size_of::<CommunityId>(),
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            Self::Number(v) => v.capacity() * size_of::<u64>(),
            Self::Addr(v) => v.capacity() * size_of::<Addr>(),
            Self::CommunityId(v) => v.capacity() * size_of::<CommunityId>(),
        }
    }
}
