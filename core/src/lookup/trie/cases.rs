//! What the prefixes behind some bits say of the next few: sorted out while a trie is made.

use super::{Bits, Route};

/// What routes say of each of several cases, and which need a closer look.
pub(super) struct Cases<'a, B> {
    pub values: Vec<u32>,
    pub groups: Vec<Group<'a, B>>,
}

/// The routes within one case.
pub(super) struct Group<'a, B> {
    pub case: usize,
    pub routes: &'a [Route<B>],
}

impl<'a, B: Bits> Cases<'a, B> {
    /// Sorts out routes by the bits up to `depth`, which make `count` cases.
    pub fn of(
        routes: &'a [Route<B>],
        count: usize,
        around: u32,
        depth: u32,
        case_of: impl Fn(B) -> usize,
    ) -> Self {
        let mut values = vec![around; count];
        let mut groups = Vec::new();
        let mut at = 0;
        while let Some(route) = routes.get(at) {
            let case = case_of(route.bits);
            let len = u32::from(route.len);
            if len <= depth {
                // Those inside it come later and write over it.
                let end = case.saturating_add(1 << (depth - len)).min(count);
                values[case..end].fill(route.value);
                at += 1;
                continue;
            }
            let inside =
                |route: &Route<B>| u32::from(route.len) > depth && case_of(route.bits) == case;
            let many = routes[at..].iter().take_while(|route| inside(route)).count();
            let routes = &routes[at..at + many];
            groups.push(Group { case, routes });
            at += many;
        }
        Self { values, groups }
    }
}
