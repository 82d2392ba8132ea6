//! Places in a script's state, and tables that are made on the way to them.

use std::collections::BTreeSet;

use como_core::field::Field;

use super::{Alias, Parser, TARGETS_MAX};
use crate::lift::{Amount, By, Fresh, Group, Hop, Key, Program, Step, Target};

impl Parser<'_> {
    /// A place in the state: `state.a.b`, `state.a[key]`, `row.field`, `row[key]`.
    pub(super) fn place(&mut self) -> Option<Vec<Hop>> {
        let name = self.word()?;
        let mut path = match self.alias(name) {
            None if self.state == Some(name) => Vec::new(),
            Some(Alias::Table(path)) => path.clone(),
            _ => return None,
        };
        let known = path.len();
        while self.take_dot() {
            let name = self.word()?;
            if !holds(&path, name) {
                return None;
            }
            path.push(Hop { by: By::Name(name.to_owned()), made: None });
        }
        if self.take("[") {
            if is_of_row(&path) {
                return None;
            }
            let key = self.key()?;
            path.push(Hop { by: By::Key(key), made: None });
            self.expect("]")?;
        }
        // What follows would be something else again; and a name for a table is a copy of what is
        // there, no place.
        (!self.goes_on() && path.len() > known).then_some(path)
    }

    /// `state.table:add(pkt)`: the names that lead to the table.
    pub(super) fn counted(&mut self) -> Option<Vec<String>> {
        let name = self.word()?;
        let path = match self.alias(name) {
            None if self.state == Some(name) => &[],
            Some(Alias::Table(path)) => &path[..],
            _ => return None,
        };
        let name = |hop: &Hop| match (&hop.by, &hop.made) {
            (By::Name(name), None) => Some(name.clone()),
            _ => None,
        };
        let mut names = path.iter().map(name).collect::<Option<Vec<_>>>()?;
        while self.take_dot() {
            names.push(self.word()?.to_owned());
        }
        for mark in [":", "add", "("] {
            self.expect(mark)?;
        }
        let packet = self.word()?;
        self.expect(")")?;
        (packet == self.packet).then_some(names)
    }

    /// `PLACE + amount`, or `(PLACE or 0) + amount` where it may be nil.
    pub(super) fn grown(&mut self, path: &[Hop]) -> Option<Amount> {
        let lacks = may_lack(path);
        if lacks {
            self.expect("(")?;
        }
        if self.place()? != *path {
            return None;
        }
        if lacks {
            self.expect("or")?;
            if self.number()? != 0 {
                return None;
            }
            self.expect(")")?;
        }
        self.expect("+")?;
        self.amount()
    }

    /// The rest of `if not row then row = { a = 0 } state[key] = row end`, for a row not made yet.
    pub(super) fn row_made(&mut self) -> Option<Vec<Hop>> {
        let before = (self.at, self.depth);
        let made = self.row_making();
        if made.is_none() {
            (self.at, self.depth) = before;
        }
        made
    }

    fn row_making(&mut self) -> Option<Vec<Hop>> {
        let asked = self.take("not");
        let name = self.word()?;
        let Alias::Row { mut path, depth } = self.alias(name)?.clone() else { return None };
        if depth != self.depth {
            return None;
        }
        if !asked {
            self.take_pair("=", "=").then_some(())?;
            self.expect("nil")?;
        }
        self.expect("then")?;
        if self.word()? != name {
            return None;
        }
        self.expect("=")?;
        let fresh = self.fresh()?;
        self.take(";");
        if self.place()? != path {
            return None;
        }
        self.expect("=")?;
        if self.word()? != name {
            return None;
        }
        self.take(";");
        self.expect("end")?;
        path.last_mut()?.made = Some(fresh);
        self.made.push(path.iter().map(|hop| hop.by.clone()).collect());
        let known = self.names.iter_mut().rev().find(|(known, _)| *known == name)?;
        known.1 = Alias::Table(path.clone());
        Some(path)
    }

    /// `{ a = 0, b = pkt.ip.src, c = pkt.ts }`.
    fn fresh(&mut self) -> Option<Vec<(String, Fresh)>> {
        self.expect("{")?;
        let mut fields = Vec::new();
        while !self.take("}") {
            let name = self.word()?.to_owned();
            self.expect("=")?;
            let before = self.at;
            let fresh = match self.chain() {
                Some(Alias::Field(Field::Ts)) => Fresh::Ts,
                _ => {
                    self.at = before;
                    match self.key()? {
                        Key::Number(x) => Fresh::Number(x),
                        key => Fresh::Key(key),
                    }
                }
            };
            fields.push((name, fresh));
            if !self.take(",") && !self.take(";") && !self.is(0, "}") {
                return None;
            }
        }
        Some(fields)
    }

    /// Adds at a target; together with the step before where both depend on the same fields.
    pub(super) fn add(&mut self, target: Target, steps: &mut Vec<Step>) -> Option<()> {
        self.targets += 1;
        if self.targets > TARGETS_MAX {
            return None;
        }
        let (mut fields, mut needs) = (BTreeSet::new(), BTreeSet::new());
        for hop in &target.path {
            let fresh = hop.made.iter().flatten().filter_map(|(_, fresh)| match fresh {
                Fresh::Key(key) => Some(key),
                _ => None,
            });
            let by = if let By::Key(key) = &hop.by { Some(key) } else { None };
            for key in fresh.chain(by) {
                key.fields(&mut fields);
                key.needs(&mut needs);
            }
        }
        // A table that is only made is made on the way to what follows.
        let is_on_way =
            |made: &Target| made.amount == Amount::Nothing && target.path.starts_with(&made.path);
        let last = |steps: &[Step]| steps.iter().rposition(|s| !matches!(s, Step::Need(_)));
        while let Some(at) = last(steps)
            && let Some(Step::Add(group)) = steps.get(at)
            && let Some(made) = self.program.groups.get(*group)
            && *group + 1 == self.program.groups.len()
            && made.targets.iter().all(is_on_way)
        {
            self.program.groups.pop();
            steps.remove(at);
        }
        if let Some(at) = last(steps)
            && let Some(Step::Add(group)) = steps.get(at)
            && let Some(group) = self.program.groups.get_mut(*group)
            && group.fields == fields
        {
            group.needs.extend(needs);
            group.targets.retain(|made| !is_on_way(made));
            group.targets.push(target);
            return Some(());
        }
        self.program.groups.push(Group { fields, needs, targets: vec![target] });
        steps.push(Step::Add(self.program.groups.len() - 1));
        Some(())
    }
}

/// Whether a table at the end of a path may be looked into by a name: what the script has made
/// holds what it was made with, and nothing below that.
fn holds(path: &[Hop], name: &str) -> bool {
    let Some(at) = path.iter().rposition(|hop| hop.made.is_some()) else { return true };
    let fresh = path[at].made.iter().flatten();
    at + 1 == path.len() && fresh.into_iter().any(|(known, _)| known == name)
}

/// Whether a place may hold nothing yet: one that is found by a key.
pub(super) fn may_lack(path: &[Hop]) -> bool {
    path.last().is_some_and(|hop| matches!(hop.by, By::Key(_)) && hop.made.is_none())
}

/// Whether a place is a field of a table that the script has made.
pub(super) fn is_of_row(path: &[Hop]) -> bool {
    let [.., row, field] = path else { return false };
    row.made.is_some() && matches!(field.by, By::Name(_))
}

/// Whether the order in which additions come does not matter, and no two ways to write a place
/// mean the same.
pub(super) fn is_clear(program: &Program, made: &[Vec<By>]) -> bool {
    let groups = program.groups.iter();
    let targets: Vec<(&Group, &Target)> =
        groups.flat_map(|group| group.targets.iter().map(move |target| (group, target))).collect();
    let twice = made.iter().enumerate().any(|(at, path)| made[..at].contains(path));
    let sure = |(group, target): &(&Group, &Target)| {
        is_number(target)
            && is_timely(group, target)
            && target.path.iter().enumerate().all(|(at, _)| is_told(target, at))
    };
    let agree = targets
        .iter()
        .enumerate()
        .all(|(at, (_, a))| targets[..at].iter().all(|(_, b)| agree(a, b)));
    !twice && targets.iter().all(sure) && agree
}

/// Whether two targets are apart, or the same, whatever the packets are; or do the same, so that it
/// does not matter which of them comes to a place first.
fn agree(a: &Target, b: &Target) -> bool {
    let sums = |target: &Target| target.amount != Amount::LastTs;
    let ends = |target: &Target, at: usize| at + 1 == target.path.len();
    for (at, (x, y)) in a.path.iter().zip(&b.path).enumerate() {
        match (&x.by, &y.by) {
            (p, q) if p == q => {
                let number = x.made.is_none() && ends(a, at) != ends(b, at);
                // One that is set by the last packet is nothing else's.
                let set = ends(a, at) && ends(b, at) && !(sums(a) && sums(b));
                if x.made != y.made || number || set {
                    return false;
                }
            }
            (By::Name(_), By::Name(_)) => return true,
            // A text may be the name of something else; an address or a number is none.
            (By::Key(key), By::Name(_)) | (By::Name(_), By::Key(key)) => return !key.is_text(),
            (By::Key(_), By::Key(_)) => {
                let (rest, other) = (&a.path[at..], &b.path[at..]);
                let numbers = |hop: &Hop| {
                    hop.made.iter().flatten().all(|(_, fresh)| matches!(fresh, Fresh::Number(_)))
                };
                let alike = rest.len() == other.len()
                    && rest.iter().zip(other).all(|(x, y)| x.made == y.made && numbers(x));
                return alike && sums(a) && sums(b);
            }
        }
    }
    true
}

/// The fields of the keys that lead to the table at the end of `path`, if they tell tables apart as
/// the fields do.
fn told_by(path: &[Hop]) -> Option<BTreeSet<Field>> {
    let mut fields = BTreeSet::new();
    for hop in path {
        match &hop.by {
            By::Key(key @ (Key::Field(_) | Key::Flow)) => key.fields(&mut fields),
            By::Key(_) => return None,
            By::Name(_) => {}
        }
    }
    Some(fields)
}

/// Whether the times that are kept are those of one row of the sums.
fn is_timely(group: &Group, target: &Target) -> bool {
    let begins = |hop: &Hop| hop.made.iter().flatten().any(|(_, fresh)| *fresh == Fresh::Ts);
    let one = |path: &[Hop]| told_by(path).is_some_and(|fields| fields == group.fields);
    let set = target.amount != Amount::LastTs
        || target.path.split_last().is_some_and(|(_, row)| one(row));
    let mut hops = target.path.iter().enumerate();
    set && hops.all(|(at, hop)| !begins(hop) || one(&target.path[..=at]))
}

/// Whether what a new table holds follows from where it is.
fn is_told(target: &Target, at: usize) -> bool {
    let mut held = BTreeSet::new();
    for (_, fresh) in target.path[at].made.iter().flatten() {
        if let Fresh::Key(key) = fresh {
            key.fields(&mut held);
        }
    }
    held.is_empty() || told_by(&target.path[..=at]).is_some_and(|fields| held.is_subset(&fields))
}

/// Whether what is added to, in a table that the script has made, is a number.
fn is_number(target: &Target) -> bool {
    let [.., Hop { made: Some(fresh), .. }, Hop { by: By::Name(name), .. }] = &target.path[..]
    else {
        return true;
    };
    fresh.iter().any(|(known, fresh)| {
        let number = matches!(fresh, Fresh::Number(_));
        known == name && (number || target.amount == Amount::LastTs && *fresh == Fresh::Ts)
    })
}
