//! The order of rows: by their keys, which is the same whatever packet came first.

use std::cmp::Ordering;

use super::Table;
use super::key::KeyCells;
use super::layout::bits;

/// How many bits of a key rows are sorted by before its values are looked at.
const LEADING: u32 = 96;
/// The largest number of as many bits.
const ALL: u128 = (1 << LEADING) - 1;

impl Table {
    /// All rows in the order of their keys; the row of keys that found no room comes last.
    pub fn sorted(&self) -> Vec<u32> {
        // Most pairs differ in the leading bits, which are sorted much quicker than whole keys.
        let mut rows = self.leading();
        for (row, leading) in rows.iter_mut().enumerate() {
            *leading = *leading << 32 | row as u128;
        }
        rows.sort_unstable();
        let mut order: Vec<u32> = rows.iter().map(|row| *row as u32).collect();
        let mut from = 0;
        for equals in rows.chunk_by(|a, b| a >> 32 == b >> 32) {
            let equals = from..from + equals.len();
            from = equals.end;
            order[equals].sort_unstable_by(|a, b| self.compare(*a, *b));
        }
        order
    }

    /// Of each row a number of [`LEADING`] bits that is in none larger than in one whose key comes
    /// later: as many of the key's bits as there is room for.
    fn leading(&self) -> Vec<u128> {
        let mut leading = vec![0; self.rows()];
        let mut left = LEADING;
        let mut columns = Vec::with_capacity(self.rows.keys.len());
        for (cells, key) in self.rows.keys.iter().zip(&self.rows.layout.key) {
            if left == 0 {
                break;
            }
            let width = match cells {
                KeyCells::Number(_) => bits(key.field),
                KeyCells::Addr(_) => 33,
                KeyCells::CommunityId(_) => LEADING,
            };
            columns.push((cells, width, left));
            left = left.saturating_sub(width);
        }
        // The last column first: one that takes all the room there is puts those behind it out.
        for (cells, width, left) in columns.into_iter().rev() {
            cells.lead(&mut leading, width, left);
        }
        if let Some(last) = self.rows.other.and_then(|row| leading.get_mut(row)) {
            *last = ALL;
        }
        leading
    }

    /// The order of two rows' keys.
    pub(super) fn compare(&self, a: u32, b: u32) -> Ordering {
        let key = |row: u32| {
            let other = self.is_other(row as usize);
            (other, self.rows.keys.iter().map(move |cells| cells.get(row as usize)))
        };
        let ((other_a, a), (other_b, b)) = (key(a), key(b));
        other_a.cmp(&other_b).then_with(|| a.cmp(b))
    }
}

impl KeyCells {
    /// Puts the values into the lowest `left` bits of `leading`, each into the first `width` of
    /// them. One that takes more bits than that takes all.
    fn lead(&self, leading: &mut [u128], width: u32, left: u32) {
        let whole = |value: u128, of: u32| value >> (of - left);
        let mut put = |row: usize, value: u128, fits: bool| {
            let Some(leading) = leading.get_mut(row) else { return };
            match left.checked_sub(width) {
                _ if !fits => *leading = whole(value, LEADING),
                Some(behind) => *leading |= value << behind,
                None => *leading = value >> (width - left),
            }
        };
        match self {
            // A number that is larger than its field has any: with all larger ones.
            Self::Number(v) => {
                for (row, x) in v.iter().enumerate() {
                    let fits = x.checked_shr(width).unwrap_or(0) == 0;
                    put(row, if fits { u128::from(*x) } else { ALL }, fits);
                }
            }
            Self::Addr(v) => {
                for (row, addr) in v.iter().enumerate() {
                    let wide = 1 << (LEADING - 1) | addr.bits() >> (129 - LEADING);
                    let fits = !addr.is_v6();
                    put(row, if fits { addr.bits() } else { wide }, fits);
                }
            }
            Self::CommunityId(v) => {
                for (row, id) in v.iter().enumerate() {
                    let first = id.bytes().first_chunk().map_or(0, |b| u64::from_be_bytes(*b));
                    put(row, u128::from(first) << (LEADING - 64), false);
                }
            }
        }
    }
}
