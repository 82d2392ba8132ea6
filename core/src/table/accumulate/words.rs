//! Word columns: how a value, or another row's words, change the words of a row.

use super::{Given, Op};
use crate::packet::Weight;

/// The weight of a packet for a value that does not grow with its bytes.
pub fn weight_of(value: u64, packets: u64) -> Weight {
    Weight { packets, bytes: value.saturating_mul(packets) }
}

fn float(word: u64) -> f64 {
    f64::from_bits(word)
}

/// Adds one value to the words of a column.
#[inline]
pub fn take(op: Op, words: &mut [u64], value: u64, given: Given) {
    let packets = given.weight.packets;
    match op {
        Op::Packets => words[0] = words[0].saturating_add(packets),
        Op::Bytes => words[0] = words[0].saturating_add(given.weight.bytes),
        Op::Sum => words[0] = words[0].saturating_add(value.saturating_mul(packets)),
        Op::Min => words[0] = words[0].min(value),
        Op::Max => words[0] = words[0].max(value.saturating_add(1)),
        Op::Mean => {
            words[0] = words[0].saturating_add(given.weight.bytes);
            words[1] = words[1].saturating_add(packets);
        }
        Op::Var => {
            let (value, packets) = (u128::from(value), u128::from(packets));
            add_var(words, [packets, value * packets, (value * value).saturating_mul(packets)]);
        }
        Op::First => merge_words(op, words, &[given.ts.0, value]),
        Op::Last => merge_words(op, words, &[given.ts.0.saturating_add(1), value]),
        Op::Ewma(_) => {
            let n = packets as f64;
            merge_words(op, words, &[(value as f64 * n).to_bits(), n.to_bits(), given.ts.0]);
        }
        _ => {}
    }
}

/// Adds the words of another row's column of the same kind.
pub fn merge_words(op: Op, words: &mut [u64], other: &[u64]) {
    match op {
        Op::Packets | Op::Bytes | Op::Sum => words[0] = words[0].saturating_add(other[0]),
        Op::Min => words[0] = words[0].min(other[0]),
        Op::Max => words[0] = words[0].max(other[0]),
        Op::Mean => {
            words[0] = words[0].saturating_add(other[0]);
            words[1] = words[1].saturating_add(other[1]);
        }
        Op::Var => add_var(words, read_var(other)),
        Op::First if other[0] < words[0] => words[..2].copy_from_slice(&other[..2]),
        // Of two values of one instant the later in the stream is the last.
        Op::Last if other[0] >= words[0] => words[..2].copy_from_slice(&other[..2]),
        Op::Ewma(half_life) => {
            let now = words[2].max(other[2]);
            let keep = |since: u64| (-((now - since) as f64) / half_life.0 as f64).exp2();
            let (ours, theirs) = (keep(words[2]), keep(other[2]));
            for i in [0, 1] {
                let sum = float(words[i]) * ours + float(other[i]) * theirs;
                words[i] = sum.to_bits();
            }
            words[2] = now;
        }
        _ => {}
    }
}

/// The weight, sum and sum of squares in the words of a variance.
fn read_var(words: &[u64]) -> [u128; 3] {
    let squares = u128::from(words[3]) << 64 | u128::from(words[2]);
    [words[0].into(), words[1].into(), squares]
}

#[inline]
fn add_var(words: &mut [u64], [weight, sum, squares]: [u128; 3]) {
    let fit = |x: u128| u64::try_from(x).unwrap_or(u64::MAX);
    words[0] = words[0].saturating_add(fit(weight));
    words[1] = words[1].saturating_add(fit(sum));
    let all = read_var(words)[2].saturating_add(squares);
    (words[2], words[3]) = (all as u64, (all >> 64) as u64);
}

/// The variance that such words stand for, if anything was added. Exact until the last division,
/// unless the numbers are beyond 128 bits.
pub fn var(words: &[u64]) -> Option<f64> {
    let [weight, sum, squares] = read_var(words);
    let spread = weight.checked_mul(squares).zip(sum.checked_mul(sum));
    let (n, mean) = (weight as f64, sum as f64 / weight as f64);
    match spread {
        _ if weight == 0 => None,
        Some((a, b)) => Some(a.saturating_sub(b) as f64 / (n * n)),
        None => Some((squares as f64 / n - mean * mean).max(0.0)),
    }
}
