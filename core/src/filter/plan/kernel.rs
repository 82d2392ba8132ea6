//! The loops: a test over a column, 64 packets a word.

use crate::batch::Present;
use crate::selection::Selection;

/// A test is asked packet by packet where fewer than one in this many is in doubt.
const SPARSE: usize = 16;

/// Which of a column's values pass, of the packets that have one.
pub fn column<T: Copy>(
    values: &[T],
    present: &Present,
    within: Option<&Selection>,
    test: impl Fn(T) -> bool,
) -> Selection {
    let mut picked = slice(values, within, test);
    if let Present::Some(these) = present {
        picked.and(these);
    }
    picked
}

/// Which values pass.
#[inline]
pub fn slice<T: Copy>(
    values: &[T],
    within: Option<&Selection>,
    test: impl Fn(T) -> bool,
) -> Selection {
    if let Some(within) = within
        && within.count() * SPARSE < values.len()
    {
        return sparse(values.len(), within, |at| values.get(at).is_some_and(|v| test(*v)));
    }
    let mut picked = Selection::none(values.len());
    let words = picked.used_mut().iter_mut().zip(values.chunks(64)).enumerate();
    for (at, (word, chunk)) in words {
        if within.is_some_and(|within| within.used().get(at).is_none_or(|word| *word == 0)) {
            continue;
        }
        // A byte for each answer, which the compiler computes many at a time, then a bit for each.
        let mut answers = [0u8; 64];
        for (answer, value) in answers.iter_mut().zip(chunk) {
            *answer = u8::from(test(*value));
        }
        *word = pack(&answers);
    }
    picked
}

/// The bits of 64 bytes that are 0 or 1, the first lowest.
#[inline]
fn pack(answers: &[u8; 64]) -> u64 {
    let mut word = 0;
    for (at, eight) in answers.as_chunks::<8>().0.iter().enumerate() {
        // Moves the lowest bit of byte i to bit i of the highest byte, without carries.
        let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        word |= bits << (8 * at);
    }
    word
}

/// Which packets pass a test that is asked packet by packet.
pub fn each(len: usize, within: Option<&Selection>, test: impl FnMut(usize) -> bool) -> Selection {
    match within {
        Some(within) => sparse(len, within, test),
        None => Selection::of(len, test),
    }
}

fn sparse(len: usize, within: &Selection, mut test: impl FnMut(usize) -> bool) -> Selection {
    let mut picked = Selection::none(len);
    within.for_each(|at| {
        if test(at) {
            picked.insert(at);
        }
    });
    picked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_and_sparse_loops_agree() {
        let values: Vec<u32> = (0..1000u32).map(|n| n.wrapping_mul(2_654_435_761) >> 7).collect();
        let odd = |v: u32| v % 3 == 1;
        let want = Selection::of(values.len(), |at| odd(values[at]));
        assert_eq!(slice(&values, None, odd), want);
        for every in [1, 3, 40, 2000] {
            let within = Selection::of(values.len(), |at| at % every == 0);
            let mut got = slice(&values, Some(&within), odd);
            got.and(&within);
            let mut want = want.clone();
            want.and(&within);
            assert_eq!(got, want, "every {every}");
        }
    }
}
