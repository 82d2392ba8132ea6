//! Tries: every answer is that of a scan through all prefixes.

use super::*;
use crate::addr::Prefix;
use proptest::prelude::*;

fn addr(text: &str) -> Addr {
    text.parse().expect("an address")
}

fn trie(prefixes: &[(&str, u8, u32)]) -> Trie {
    let mut builder = TrieBuilder::default();
    for (text, len, value) in prefixes {
        builder.add(addr(text), *len, *value).expect("few prefixes");
    }
    builder.build().expect("few steps")
}

#[track_caller]
fn check(prefixes: &[(&str, u8, u32)], want: &[(&str, Option<u32>)]) {
    let trie = trie(prefixes);
    for (text, want) in want {
        assert_eq!(trie.get(addr(text)), *want, "{text}");
    }
}

#[test]
fn an_empty_trie_knows_nothing_and_holds_nothing() {
    check(&[], &[("10.0.0.1", None), ("::1", None)]);
    assert_eq!((Trie::default().bytes(), trie(&[]).prefixes()), (0, 0));
}

#[test]
fn the_longest_prefix_counts_whatever_the_order() {
    let prefixes = [
        ("10.1.2.0", 24, 3),
        ("10.0.0.0", 8, 1),
        ("10.1.2.3", 32, 4),
        ("10.1.0.0", 16, 2),
        ("10.1.2.128", 25, 5),
    ];
    check(
        &prefixes,
        &[
            ("10.0.0.1", Some(1)),
            ("10.255.255.255", Some(1)),
            ("10.1.255.1", Some(2)),
            ("10.1.2.1", Some(3)),
            ("10.1.2.3", Some(4)),
            ("10.1.2.4", Some(3)),
            ("10.1.2.200", Some(5)),
            ("11.0.0.0", None),
            ("9.255.255.255", None),
            // A family of its own.
            ("::a01:203", None),
        ],
    );
}

#[test]
fn prefixes_of_every_length_are_found() {
    for len in 0..=32 {
        let prefix = Prefix::new(addr("203.0.113.77"), len);
        let trie = trie(&[("203.0.113.77", len, 7)]);
        assert_eq!(trie.get(addr("203.0.113.77")), Some(7), "/{len}");
        let outside = if len == 0 { None } else { Some(u32::MAX ^ 0xcb00_714d) };
        let outside = outside.map(|bits| Addr::from_bits(false, bits.into()));
        assert_eq!(outside.and_then(|addr| trie.get(addr)), None, "/{len}");
        assert!(prefix.contains(addr("203.0.113.77")));
    }
    for len in 0..=128 {
        let trie = trie(&[("2001:db8:1:2:3:4:5:6", len, 7)]);
        assert_eq!(trie.get(addr("2001:db8:1:2:3:4:5:6")), Some(7), "/{len}");
        let outside = addr("2001:db8:1:2:3:4:5:6").bits() ^ 1 << (128 - u32::from(len.max(1)));
        let want = if len == 0 { Some(7) } else { None };
        assert_eq!(trie.get(Addr::from_bits(true, outside)), want, "/{len}");
    }
}

#[test]
fn of_a_prefix_given_twice_the_last_value_holds() {
    check(&[("10.0.0.0", 8, 1), ("10.0.0.0", 8, 2)], &[("10.1.1.1", Some(2))]);
    assert_eq!(trie(&[("10.0.0.0", 8, 1), ("10.0.0.0", 8, 2)]).prefixes(), 1);
}

#[test]
fn bits_behind_the_length_do_not_count() {
    check(&[("10.9.9.9", 8, 1)], &[("10.1.1.1", Some(1)), ("10.9.9.9", Some(1))]);
}

#[test]
fn the_value_zero_cuts_a_hole() {
    let prefixes = [("10.0.0.0", 8, 1), ("10.1.0.0", 16, 0), ("10.1.1.0", 24, 2)];
    check(&prefixes, &[("10.0.0.1", Some(1)), ("10.1.0.1", None), ("10.1.1.1", Some(2))]);
}

#[test]
fn values_use_all_32_bits() {
    check(&[("0.0.0.0", 0, u32::MAX), ("::", 0, 1 << 31)], &[("1.2.3.4", Some(u32::MAX))]);
    check(&[("::", 0, 1 << 31)], &[("1::", Some(1 << 31)), ("1.2.3.4", None)]);
}

#[test]
fn prefixes_that_say_nothing_new_take_no_room() {
    let plain = trie(&[("10.0.0.0", 8, 1)]);
    let same = trie(&[("10.0.0.0", 8, 1), ("10.1.2.0", 24, 1), ("10.1.2.3", 32, 1)]);
    assert_eq!(plain.bytes(), same.bytes());
}

/// Prefixes close to one another, so that many lie in many.
fn prefixes() -> impl Strategy<Value = Vec<(Addr, u8, u32)>> {
    let bits = prop::collection::vec((0u8..128, 0u128..4), 0..4);
    let bits = bits.prop_map(|set| {
        set.into_iter().fold(0x2001_0db8_u128 << 96, |all, (at, bits)| all ^ bits << at)
    });
    let near = (any::<bool>(), bits).prop_map(|(v6, bits)| match v6 {
        true => Addr::from_bits(true, bits),
        false => Addr::from_bits(false, bits & 0xffff | 0x0a00_0000 | bits >> 110 & 0xff_0000),
    });
    let far = (any::<bool>(), any::<u128>()).prop_map(|(v6, bits)| Addr::from_bits(v6, bits));
    let one = (prop_oneof![4 => near, 1 => far], 0u8..=128, 0u32..5);
    prop::collection::vec(one, 0..60)
}

/// The value of the longest prefix, by looking at all.
fn scan(prefixes: &[(Addr, u8, u32)], addr: Addr) -> Option<u32> {
    let holds = |(at, len, _): &&(Addr, u8, u32)| Prefix::new(*at, *len).contains(addr);
    // Of equals the last.
    let (.., value) =
        prefixes.iter().filter(holds).max_by_key(|(_, len, _)| (*len).min(addr.width()))?;
    (*value != 0).then_some(*value)
}

proptest! {
    #[test]
    fn a_trie_answers_as_a_scan_does(
        prefixes in prefixes(),
        others in prop::collection::vec(any::<u128>(), 20),
    ) {
        let mut builder = TrieBuilder::default();
        for (addr, len, value) in &prefixes {
            builder.add(*addr, *len, *value).expect("few prefixes");
        }
        let trie = builder.build().expect("few steps");
        let edges = prefixes.iter().flat_map(|(addr, len, _)| {
            let first = Prefix::new(*addr, *len).addr();
            let behind = u32::from(addr.width() - len.min(&addr.width()));
            let last = first.bits() | u128::MAX.checked_shr(128 - behind).unwrap_or(0);
            [first.bits(), last, last.wrapping_add(1), first.bits().wrapping_sub(1)]
                .map(|bits| Addr::from_bits(addr.is_v6(), bits))
        });
        let both = |bits: &u128| [true, false].map(|v6| Addr::from_bits(v6, *bits));
        let others = others.iter().flat_map(both);
        check_all(&trie, &prefixes, &edges.chain(others).collect::<Vec<_>>());
    }
}

/// Alone and side by side, every other without an address, as packets without IP.
#[track_caller]
fn check_all(trie: &Trie, prefixes: &[(Addr, u8, u32)], addrs: &[Addr]) {
    for addrs in addrs.chunks(WALKS / 2) {
        let mut walks = [None; WALKS];
        for (walk, addr) in walks.iter_mut().step_by(2).zip(addrs) {
            *walk = Some(*addr);
        }
        for (addr, value) in walks.into_iter().zip(trie.get_all(&walks)) {
            let want = addr.and_then(|addr| scan(prefixes, addr));
            assert_eq!((value != 0).then_some(value), want, "{addr:?} side by side");
            assert_eq!(addr.and_then(|addr| trie.get(addr)), want, "{addr:?} alone");
        }
    }
}

/// Enough prefixes for first arrays of every size.
#[test]
fn tables_of_every_size_answer_as_a_scan_does() {
    let mut seed = 7u128;
    let mut next = || {
        seed = seed.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(11);
        seed ^ seed >> 67
    };
    for count in [10, 100, 1000, 5000, 20_000] {
        let mut builder = TrieBuilder::default();
        let mut prefixes = Vec::new();
        for nth in 0..2 * count {
            let addr = Addr::from_bits(nth % 2 == 0, next());
            let len = (next() % 40) as u8 + 4;
            prefixes.push((addr, len.min(addr.width()), next() as u32 % 1000));
        }
        for (addr, len, value) in &prefixes {
            builder.add(*addr, *len, *value).expect("few prefixes");
        }
        let near = prefixes.iter().step_by(prefixes.len() / 20 + 1);
        let near = near.map(|(addr, ..)| Addr::from_bits(addr.is_v6(), addr.bits() ^ 0xffff));
        let far = (0..40).map(|nth| Addr::from_bits(nth % 2 == 0, next()));
        let addrs: Vec<Addr> = near.chain(far).collect();
        check_all(&builder.build().expect("few steps"), &prefixes, &addrs);
    }
}

#[test]
fn addresses_that_differ_in_their_last_bits_are_refused_where_they_take_too_many_steps() {
    let mut builder = TrieBuilder::default();
    for net in 0..8u128 {
        for last in [0, 1] {
            builder.add(Addr::from_bits(true, net << 120 | last), 128, 7).expect("few prefixes");
        }
    }
    let refused = builder.clone().build_within(100).expect_err("eight long paths");
    assert_eq!(refused, TooMany::Steps);
    assert_eq!(builder.build_within(300).map(|trie| trie.prefixes()), Ok(16));
}
