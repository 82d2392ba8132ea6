//! Columns as bytes: type, which rows have no value, encoding, the values of the others.
//!
//! Numbers are varints or differences, whichever is shorter; addresses, texts
//! and bytes that repeat are written once and referred to. Compression comes
//! on top, over all columns of the block at once.

use std::hash::Hash;
use std::ops::Range;

use hashbrown::HashMap;

use super::BlockError;
use crate::addr::{Addr, Mac};
use crate::record::{Cells, Data, Type};
use crate::time::Ts;
use crate::wire::{Malformed, Reader, put_varint};

/// Beside the type: what each value was read from stands behind the values.
const STATEFUL: u8 = 0x80;

const ALL_PRESENT: u8 = 0;
const SOME_ABSENT: u8 = 1;

const PLAIN: u8 = 0;
const DELTA: u8 = 1;
const DICTIONARY: u8 = 2;

/// The byte that stands for a type.
fn tag(ty: Type) -> u8 {
    match ty {
        Type::Bool => 0,
        Type::Uint => 1,
        Type::Int => 2,
        Type::Float => 3,
        Type::Addr => 4,
        Type::Mac => 5,
        Type::Text => 6,
        Type::Bytes => 7,
        Type::Time => 8,
    }
}

fn varint_bytes(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Small numbers of either sign as small numbers of none.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Adds to `bytes` about what each row takes, at least one byte each.
pub(super) fn measure(cells: &Cells, bytes: &mut [usize]) {
    fn add<T>(values: &[T], bytes: &mut [usize], cost: impl Fn(&T) -> usize) {
        for (sum, value) in bytes.iter_mut().zip(values) {
            *sum = sum.saturating_add(cost(value));
        }
    }
    match &cells.data {
        Data::Bool(v) => add(v, bytes, |_| 1),
        Data::Uint(v) => add(v, bytes, |x| varint_bytes(*x)),
        Data::Int(v) => add(v, bytes, |x| varint_bytes(zigzag(*x))),
        Data::Float(v) => add(v, bytes, |_| 8),
        Data::Addr(v) => add(v, bytes, |a| if a.is_v6() { 17 } else { 5 }),
        Data::Mac(v) => add(v, bytes, |_| 6),
        Data::Text(v) => add(v, bytes, |x| x.len() + 4),
        Data::Bytes(v) => add(v, bytes, |x| x.len() + 4),
        Data::Time(v) => add(v, bytes, |x| varint_bytes(x.0)),
    }
    add(&cells.states, bytes, |state| state.len() + 2);
}

/// Appends the given rows of a column.
pub(super) fn encode(
    cells: &Cells,
    rows: Range<usize>,
    out: &mut Vec<u8>,
) -> Result<(), BlockError> {
    if rows.end > cells.data.len() {
        return Err(BlockError::Malformed("a column is shorter than the others"));
    }
    let stateful = cells.states.get(rows.clone()).filter(|states| !states.is_empty());
    out.push(tag(cells.data.ty()) | if stateful.is_some() { STATEFUL } else { 0 });
    let absent = cells.absent.get(rows.clone()).unwrap_or_default();
    if absent.contains(&true) {
        out.push(SOME_ABSENT);
        put_bits(out, absent.iter().copied());
    } else {
        out.push(ALL_PRESENT);
    }
    match &cells.data {
        Data::Bool(v) => {
            out.push(PLAIN);
            put_bits(out, kept(&v[rows], absent).copied());
        }
        Data::Uint(v) => put_numbers(out, kept(&v[rows], absent).copied(), |x| x),
        Data::Time(v) => put_numbers(out, kept(&v[rows], absent).map(|ts| ts.0), |x| x),
        Data::Int(v) => {
            put_numbers(out, kept(&v[rows], absent).map(|x| *x as u64), |x| zigzag(x as i64))
        }
        Data::Float(v) => {
            out.push(PLAIN);
            kept(&v[rows], absent).for_each(|x| out.extend(x.to_le_bytes()));
        }
        Data::Addr(v) => put_repeating(out, kept(&v[rows], absent), put_addr),
        Data::Mac(v) => {
            put_repeating(out, kept(&v[rows], absent), |out, mac| out.extend(mac.bytes()))
        }
        Data::Text(v) => put_repeating(out, kept(&v[rows], absent), put_bytes),
        Data::Bytes(v) => put_repeating(out, kept(&v[rows], absent), put_bytes),
    }
    stateful.into_iter().flatten().for_each(|state| put_bytes(out, state));
    Ok(())
}

/// The values of the rows that have one.
fn kept<'a, T>(values: &'a [T], absent: &'a [bool]) -> impl Iterator<Item = &'a T> + Clone {
    let has = move |at: &usize| absent.get(*at) != Some(&true);
    (0..values.len()).filter(has).map(move |at| &values[at])
}

fn put_bits(out: &mut Vec<u8>, bits: impl Iterator<Item = bool>) {
    let (mut byte, mut n) = (0u8, 0);
    for bit in bits {
        byte |= u8::from(bit) << n;
        n += 1;
        if n == 8 {
            out.push(byte);
            (byte, n) = (0, 0);
        }
    }
    if n > 0 {
        out.push(byte);
    }
}

/// Writes numbers as they are or as differences, whichever is shorter.
fn put_numbers(
    out: &mut Vec<u8>,
    values: impl Iterator<Item = u64> + Clone,
    plain: impl Fn(u64) -> u64,
) {
    let mut before = 0u64;
    let mut step = |x: u64| zigzag(x.wrapping_sub(std::mem::replace(&mut before, x)) as i64);
    let (mut as_plain, mut as_steps) = (0, 0);
    for x in values.clone() {
        as_plain += varint_bytes(plain(x));
        as_steps += varint_bytes(step(x));
    }
    if as_steps < as_plain {
        out.push(DELTA);
        let mut before = 0u64;
        for x in values {
            let step = x.wrapping_sub(std::mem::replace(&mut before, x)) as i64;
            put_varint(out, zigzag(step));
        }
    } else {
        out.push(PLAIN);
        values.for_each(|x| put_varint(out, plain(x)));
    }
}

/// Writes each distinct value once, where that pays.
fn put_repeating<'a, T: Hash + Eq + 'a>(
    out: &mut Vec<u8>,
    values: impl Iterator<Item = &'a T> + Clone,
    mut put: impl FnMut(&mut Vec<u8>, &T),
) {
    let n = values.clone().count();
    let mut places: HashMap<&T, u64, foldhash::fast::RandomState> = HashMap::default();
    let mut distinct = Vec::new();
    for value in values.clone() {
        places.entry(value).or_insert_with(|| {
            distinct.push(value);
            distinct.len() as u64 - 1
        });
        if distinct.len() * 2 > n {
            break;
        }
    }
    if distinct.len() * 2 > n {
        out.push(PLAIN);
        values.for_each(|value| put(out, value));
        return;
    }
    out.push(DICTIONARY);
    put_varint(out, distinct.len() as u64);
    distinct.iter().for_each(|value| put(out, value));
    for value in values {
        put_varint(out, places.get(value).copied().unwrap_or_default());
    }
}

fn put_addr(out: &mut Vec<u8>, addr: &Addr) {
    if addr.is_v6() {
        out.push(6);
        out.extend(addr.bits().to_be_bytes());
    } else {
        out.push(4);
        out.extend((addr.bits() as u32).to_be_bytes());
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &(impl AsRef<[u8]> + ?Sized)) {
    let bytes = bytes.as_ref();
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

/// Reads a column of `rows` rows. Texts and bytes spelled out, states too, are taken off
/// `text_bytes`.
pub(super) fn decode(
    reader: &mut Reader<'_>,
    rows: usize,
    text_bytes: &mut usize,
) -> Result<Cells, BlockError> {
    let tag_byte = reader.u8()?;
    let absent = match reader.u8()? {
        ALL_PRESENT => Vec::new(),
        SOME_ABSENT => take_bits(reader, rows)?,
        _ => return Err(BlockError::Malformed("absent values")),
    };
    let n = rows - absent.iter().filter(|absent| **absent).count();
    let encoding = reader.u8()?;
    let ty = Type::ALL.into_iter().find(|ty| tag(*ty) == tag_byte & !STATEFUL);
    let ty = ty.ok_or(BlockError::Malformed("column type"))?;
    let mut values = Values { reader, n, encoding, absent: &absent };
    let data = values.take(ty, text_bytes)?;
    let states = match tag_byte & STATEFUL {
        0 => Vec::new(),
        _ => take_repeating(reader, rows, PLAIN, take_bytes, Vec::len, text_bytes)?,
    };
    Ok(Cells { data, absent, states })
}

/// The values of a column that are to be read: those of the rows that have one.
struct Values<'a, 'bytes> {
    reader: &'a mut Reader<'bytes>,
    n: usize,
    encoding: u8,
    absent: &'a [bool],
}

impl Values<'_, '_> {
    fn take(&mut self, ty: Type, text_bytes: &mut usize) -> Result<Data, BlockError> {
        Ok(match ty {
            Type::Bool if self.encoding != PLAIN => return Err(BlockError::Malformed("encoding")),
            Type::Bool => Data::Bool(spread(take_bits(self.reader, self.n)?, self.absent)),
            Type::Uint => Data::Uint(self.numbers(|x| x, |x| x)?),
            Type::Int => Data::Int(self.numbers(|x| unzigzag(x) as u64, |x| x as i64)?),
            Type::Time => Data::Time(self.numbers(|x| x, Ts)?),
            Type::Float => {
                Data::Float(self.repeating(|r| r.array().map(f64::from_le_bytes), |_| 0, &mut 0)?)
            }
            Type::Addr => Data::Addr(self.repeating(take_addr, |_| 0, &mut 0)?),
            Type::Mac => Data::Mac(self.repeating(|r| r.array().map(Mac::new), |_| 0, &mut 0)?),
            Type::Text => Data::Text(self.repeating(take_text, String::len, text_bytes)?),
            Type::Bytes => Data::Bytes(self.repeating(take_bytes, Vec::len, text_bytes)?),
        })
    }

    /// Numbers, `plain` as they are written where they are not differences.
    fn numbers<T: Default>(
        &mut self,
        plain: impl Fn(u64) -> u64,
        value: impl Fn(u64) -> T,
    ) -> Result<Vec<T>, BlockError> {
        let numbers = take_numbers(self.reader, self.n, self.encoding, plain)?;
        Ok(spread(numbers.into_iter().map(value).collect(), self.absent))
    }

    /// Values each of which may be written once and referred to.
    fn repeating<T: Clone + Default>(
        &mut self,
        take: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
        cost: impl Fn(&T) -> usize,
        budget: &mut usize,
    ) -> Result<Vec<T>, BlockError> {
        let values = take_repeating(self.reader, self.n, self.encoding, take, cost, budget)?;
        Ok(spread(values, self.absent))
    }
}

/// Puts fillers where rows have no value.
fn spread<T: Default>(values: Vec<T>, absent: &[bool]) -> Vec<T> {
    if absent.is_empty() {
        return values;
    }
    let mut values = values.into_iter();
    let next = |absent: &bool| if *absent { None } else { values.next() };
    absent.iter().map(next).map(Option::unwrap_or_default).collect()
}

fn take_bits(reader: &mut Reader<'_>, n: usize) -> Result<Vec<bool>, BlockError> {
    let bytes = reader.bytes(n.div_ceil(8))?;
    Ok((0..n).map(|at| bytes[at / 8] >> (at % 8) & 1 == 1).collect())
}

fn take_numbers(
    reader: &mut Reader<'_>,
    n: usize,
    encoding: u8,
    plain: impl Fn(u64) -> u64,
) -> Result<Vec<u64>, BlockError> {
    let mut before = 0u64;
    let mut values = Vec::with_capacity(n);
    for _ in 0..n {
        let raw = reader.varint()?;
        before = match encoding {
            PLAIN => plain(raw),
            DELTA => before.wrapping_add(unzigzag(raw) as u64),
            _ => return Err(BlockError::Malformed("encoding")),
        };
        values.push(before);
    }
    Ok(values)
}

fn take_repeating<T: Clone>(
    reader: &mut Reader<'_>,
    n: usize,
    encoding: u8,
    take: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
    cost: impl Fn(&T) -> usize,
    budget: &mut usize,
) -> Result<Vec<T>, BlockError> {
    let mut spend = |value: &T| {
        *budget = budget.checked_sub(cost(value)).ok_or(BlockError::TooLarge)?;
        Ok::<(), BlockError>(())
    };
    let mut values = Vec::with_capacity(n);
    match encoding {
        PLAIN => {
            for _ in 0..n {
                let value = take(reader)?;
                spend(&value)?;
                values.push(value);
            }
        }
        DICTIONARY => {
            let n_distinct = reader.varint()?;
            if n_distinct > n as u64 {
                return Err(BlockError::Malformed("dictionary"));
            }
            let distinct = (0..n_distinct).map(|_| take(reader)).collect::<Result<Vec<_>, _>>()?;
            for _ in 0..n {
                let at = usize::try_from(reader.varint()?).unwrap_or(usize::MAX);
                let value = distinct.get(at).ok_or(BlockError::Malformed("dictionary"))?;
                spend(value)?;
                values.push(value.clone());
            }
        }
        _ => return Err(BlockError::Malformed("encoding")),
    }
    Ok(values)
}

fn take_addr(reader: &mut Reader<'_>) -> Result<Addr, Malformed> {
    match reader.u8()? {
        4 => reader.array().map(Addr::v4),
        6 => reader.array().map(Addr::v6),
        _ => Err(Malformed("address")),
    }
}

fn take_bytes(reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    let n = usize::try_from(reader.varint()?).map_err(|_| Malformed("length"))?;
    reader.bytes(n).map(<[u8]>::to_vec)
}

fn take_text(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let n = usize::try_from(reader.varint()?).map_err(|_| Malformed("length"))?;
    reader.text(n).map(str::to_owned)
}
