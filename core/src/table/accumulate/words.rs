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
            let [weight, mean, squares] = [0, 1, 2].map(|i| float(words[i]));
            merge_var(words, [weight, mean, squares], [packets as f64, value as f64, 0.0]);
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
        Op::Var => {
            let read = |words: &[u64]| [0, 1, 2].map(|i| float(words[i]));
            let ours = read(words);
            merge_var(words, ours, read(other));
        }
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

/// Joins two samples known by weight, mean and squared deviations (Chan et al. 1979).
fn merge_var(words: &mut [u64], [wa, ma, sa]: [f64; 3], [wb, mb, sb]: [f64; 3]) {
    let weight = wa + wb;
    if weight == 0.0 {
        return;
    }
    let apart = mb - ma;
    let mean = ma + apart * (wb / weight);
    let squares = sa + sb + apart * apart * (wa * wb / weight);
    for (word, x) in words.iter_mut().zip([weight, mean, squares]) {
        *word = x.to_bits();
    }
}
