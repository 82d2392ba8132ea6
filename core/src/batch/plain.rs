//! Plain packets: what modules read most stands where it mostly does, so that nothing is decided.
//!
//! A value is read there of every packet, and of those that are not plain read again as it should
//! be.

use super::columns::Block;
use super::extract::View;
use crate::addr::Addr;
use crate::packet::Headers;
use crate::selection::{Ones, Selection};

/// Adds one field's values: `plain` of the headers of plain packets, and `read` of others.
#[inline(always)]
pub(super) fn append<'a, T: Copy + Default + PartialEq>(
    block: Block<'a>,
    values: &mut Vec<T>,
    these: &mut Selection,
    plain: impl Fn(&Headers) -> T,
    read: impl Fn(View<'a>) -> Option<T>,
) {
    let (from, len) = (values.len(), block.packets.len());
    let headers = block.data.iter().take(len).map(|data| data.first_chunk());
    values.extend(headers.map(|headers| headers.map_or_else(T::default, &plain)));
    debug_assert!(
        Ones::up_to(block.plain, len).all(|at| read(block.view(at)) == Some(values[from + at])),
        "both ways say the same of a plain packet"
    );
    let mut there = block.plain;
    for at in Ones::up_to(!block.plain, len) {
        let value = read(block.view(at));
        there |= u64::from(value.is_some()) << at;
        values[from + at] = value.unwrap_or_default();
    }
    these.used_mut()[from / Block::PACKETS] = there;
}

#[inline(always)]
pub(super) fn ip_len(headers: &Headers) -> u32 {
    u16::from_be_bytes([headers[16], headers[17]]).into()
}

#[inline(always)]
pub(super) fn ip_proto(headers: &Headers) -> u32 {
    headers[23].into()
}

#[inline(always)]
pub(super) fn ip_src(headers: &Headers) -> Addr {
    Addr::v4([headers[26], headers[27], headers[28], headers[29]])
}

#[inline(always)]
pub(super) fn ip_dst(headers: &Headers) -> Addr {
    Addr::v4([headers[30], headers[31], headers[32], headers[33]])
}

#[inline(always)]
pub(super) fn sport(headers: &Headers) -> u32 {
    u16::from_be_bytes([headers[34], headers[35]]).into()
}

#[inline(always)]
pub(super) fn dport(headers: &Headers) -> u32 {
    u16::from_be_bytes([headers[36], headers[37]]).into()
}
