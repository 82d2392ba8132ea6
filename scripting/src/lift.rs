//! Lifting: packet callbacks simple enough to run as loops over columns.
//!
//! Most scripts that count by hand only add what a packet weighs to places of their state, where
//! some test holds. Such an `update`, and a `check` that only tests, need no virtual machine: the
//! text is understood here ([`parse`]), runs natively a batch at a time, and what was added up is
//! put into the script's state before anything else looks at it. Whatever is not surely the same
//! (a field that is nil where it would be added or compared, sampled packets counted by `len`, a
//! statement of any other form) is left to the script itself, batch by batch.

mod cond;
mod key;
pub mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use como_core::batch::columns::Present;
use como_core::batch::{Batch, Column};
use como_core::field::{Demand, Field};
use como_core::module::{Declaration, Declared, Limits, Module};
use como_core::record::Value;
use como_core::selection::Selection;
use como_core::table::{Aggregate, KeyColumn, Table};
use como_core::time::{Span, Ts};

pub use cond::{Cond, Sign};
use cond::{Unsure, without};
pub use key::Key;

use crate::host::tables::Shared;

/// What a statement adds for each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// `pkt.packets`.
    Packets,
    /// `pkt.bytes`.
    Bytes,
    /// `pkt.len`: the same as bytes where packets stand for themselves.
    Len,
    /// A number: so many packets times it, where packets stand for themselves.
    Times(u32),
    /// Nothing; but the tables on the way are made.
    Nothing,
    /// The packet's time takes the place of what was there.
    LastTs,
}

/// What a field of a new table is.
#[derive(Clone, Debug, PartialEq)]
pub enum Fresh {
    /// A number.
    Number(u32),
    /// Made of the fields of the packet that the table is made for.
    Key(Key),
    /// The time of that packet.
    Ts,
}

/// What a table is indexed by.
#[derive(Clone, Debug, PartialEq)]
pub enum By {
    /// A name.
    Name(String),
    /// A value of the packet.
    Key(Key),
}

/// A step from a table to what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// By what.
    pub by: By,
    /// The table that is made where there is nothing yet.
    pub made: Option<Vec<(String, Fresh)>>,
}

/// Where in the state something is added.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// From the state to the number. One that is found by a key counts as 0 until it is there.
    pub path: Vec<Hop>,
    /// How much.
    pub amount: Amount,
}

/// Additions that depend on the same fields: one look per packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The fields that tell where to add.
    pub fields: BTreeSet<Field>,
    /// Those without which the script would fail.
    pub needs: BTreeSet<Field>,
    /// Where to add.
    pub targets: Vec<Target>,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Adds to a group, by its place.
    Add(usize),
    /// Counts packets in a core table, by its place among [`Program::tables`].
    Count(usize),
    /// Fails for packets that lack one of these.
    Need(BTreeSet<Field>),
    /// One of two blocks.
    If(Cond, Vec<Step>, Vec<Step>),
    /// Leaves the callback.
    Return,
}

/// An `update` as understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Its statements.
    pub steps: Vec<Step>,
    /// What they add to.
    pub groups: Vec<Group>,
    /// The core tables that they count packets in, by the names that lead to them.
    pub tables: Vec<Vec<String>>,
}

/// A program at work: what it has added up since its state was last brought up to date.
pub struct Lifted {
    program: Program,
    sums: Vec<Sums>,
    pending: bool,
    /// Rows of a table at which it is emptied into the state.
    rows_max: usize,
    /// Bytes at which it is.
    bytes_max: usize,
    /// The time of the last packet, where that is kept in the state.
    ordered: Option<Ts>,
}

/// What a group has added up.
enum Sums {
    One { packets: u64, bytes: u64 },
    Keyed(Box<Declared>),
}

/// Rows that are put into a script's state at once.
const ROWS_MAX: usize = 1 << 16;

/// What a group has added up, to be put into the state.
pub enum Sum<'a> {
    /// Packets and bytes, where there is no key.
    One(u64, u64),
    /// A table of the group's fields, then packets, bytes, and times where [`Group::keeps_time`].
    Keyed(&'a Table),
}

impl Lifted {
    /// Begins with nothing added.
    pub fn new(program: Program, limits: &Limits) -> Option<Self> {
        let rows_max = limits.rows_max.min(ROWS_MAX);
        // One batch more may come before it is looked at.
        let memory_bytes_max = limits.memory_bytes_max / (2 * program.groups.len().max(1));
        let limits = Limits { rows_max: 2 * ROWS_MAX, memory_bytes_max, ..*limits };
        if program.groups.iter().any(|group| group.fields.is_empty() && group.keeps_time()) {
            return None;
        }
        let sums = program.groups.iter().map(|group| match group.fields.is_empty() {
            true => Some(Sums::One { packets: 0, bytes: 0 }),
            false => keyed(group, &limits).map(|declared| Sums::Keyed(Box::new(declared))),
        });
        let sums = sums.collect::<Option<Vec<_>>>()?;
        let ordered = program.groups.iter().any(Group::keeps_time).then_some(Ts(0));
        let bytes_max = memory_bytes_max / 2;
        Some(Self { program, sums, pending: false, rows_max, bytes_max, ordered })
    }

    /// What must be decoded for it beyond what the script reads.
    pub fn demand(&self) -> Demand {
        self.sums.iter().fold(Demand::NONE, |demand, sums| match sums {
            Sums::Keyed(declared) => demand.and(declared.demand()),
            Sums::One { .. } => demand,
        })
    }

    /// Whether it counts packets themselves, whatever each stands for.
    pub fn counts_singly(&self) -> bool {
        let targets = self.program.groups.iter().flat_map(|group| &group.targets);
        targets.into_iter().any(|target| matches!(target.amount, Amount::Times(_)))
    }

    /// What it adds to.
    pub fn groups(&self) -> &[Group] {
        &self.program.groups
    }

    /// The core tables that it counts packets in, by the names that lead to them.
    pub fn tables(&self) -> &[Vec<String>] {
        &self.program.tables
    }

    /// Takes in the picked packets; false if the script itself must, and nothing was done.
    pub fn update(&mut self, batch: &Batch, picked: &Selection, tables: &[Shared]) -> bool {
        let mut done = Done::default();
        if run(&self.program.steps, batch, picked, &mut done).is_err() {
            return false;
        }
        let Done { added, counted } = done;
        let sure = added.iter().all(|(group, scope)| {
            self.program.groups.get(*group).is_some_and(|group| is_sure(group, batch, scope))
        });
        if !sure || !self.is_in_order(batch) {
            return false;
        }
        for (group, scope) in &added {
            match self.sums.get_mut(*group) {
                Some(Sums::One { packets, bytes }) => {
                    *packets = packets.saturating_add(batch.packets().sum(scope));
                    *bytes = bytes.saturating_add(batch.bytes().sum(scope));
                }
                Some(Sums::Keyed(declared)) => declared.update(batch, scope),
                None => {}
            }
        }
        self.pending |= !added.is_empty();
        for (table, scope) in &counted {
            if let Some(table) = tables.get(*table) {
                table.lock().count(batch, scope);
            }
        }
        true
    }

    /// Whether the packet that is last in the stream is the latest, where that matters.
    fn is_in_order(&mut self, batch: &Batch) -> bool {
        let Some(last) = &mut self.ordered else { return true };
        let packets = batch.all();
        let Some((first, end)) = packets.first().zip(packets.last()) else { return true };
        let sorted = *last <= first.ts && packets.is_sorted_by_key(|packet| packet.ts);
        *last = end.ts;
        sorted
    }

    /// Whether so much is added up that the state should be brought up to date now.
    pub fn is_full(&self) -> bool {
        self.sums.iter().any(|sums| match sums {
            Sums::Keyed(declared) => {
                declared.table().rows() >= self.rows_max || declared.state_bytes() >= self.bytes_max
            }
            Sums::One { .. } => false,
        })
    }

    /// Hands over what was added up, group by group, and begins anew, also where that fails.
    pub fn settle<E>(
        &mut self,
        mut put: impl FnMut(usize, Sum<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !std::mem::take(&mut self.pending) {
            return Ok(());
        }
        let mut done = Ok(());
        for (at, sums) in self.sums.iter_mut().enumerate() {
            match sums {
                Sums::One { packets, bytes } => {
                    let (packets, bytes) = (std::mem::take(packets), std::mem::take(bytes));
                    if packets > 0 {
                        done = done.and_then(|()| put(at, Sum::One(packets, bytes)));
                    }
                }
                Sums::Keyed(declared) => {
                    done = done.and_then(|()| put(at, Sum::Keyed(declared.table())));
                    declared.begin();
                }
            }
        }
        done
    }

    /// About how many bytes it holds.
    pub fn state_bytes(&self) -> usize {
        let bytes = |sums: &Sums| match sums {
            Sums::Keyed(declared) => declared.state_bytes(),
            Sums::One { .. } => 0,
        };
        self.sums.iter().map(bytes).sum()
    }
}

/// The table that a group is added up in: its fields, packets, bytes, and times where they matter.
fn keyed(group: &Group, limits: &Limits) -> Option<Declared> {
    let aggregate = |name, of: &[Value]| Aggregate::new(name, of).ok();
    let mut declaration = Declaration {
        key: group.fields.iter().map(|field| KeyColumn::new(field.name(), *field)).collect(),
        ..Declaration::default()
    };
    declaration = declaration
        .value("packets", aggregate("count", &[])?)
        .value("bytes", aggregate("sum", &[Value::from("bytes")])?);
    if group.keeps_time() {
        let ts = [Value::from("ts")];
        let (first, last) = (aggregate("first", &ts)?, aggregate("last", &ts)?);
        declaration = declaration.value("first", first).value("last", last);
    }
    Declared::new(&declaration, limits, Span::from_secs(1)).ok()
}

impl Group {
    /// Which of its sums are read: packets, bytes, first and last time.
    pub fn sums(&self) -> [bool; 4] {
        let any = |these: fn(&Amount) -> bool| self.targets.iter().any(|t| these(&t.amount));
        let packets = any(|amount| matches!(amount, Amount::Packets | Amount::Times(_)));
        let bytes = any(|amount| matches!(amount, Amount::Bytes | Amount::Len));
        [packets, bytes, self.keeps_time(), self.keeps_time()]
    }

    /// Whether it tells when packets came.
    pub fn keeps_time(&self) -> bool {
        let begins = |hop: &Hop| hop.made.iter().flatten().any(|(_, fresh)| *fresh == Fresh::Ts);
        self.targets.iter().any(|t| t.amount == Amount::LastTs || t.path.iter().any(begins))
    }
}

/// Whether the sums of this group are what the script would make of these packets.
fn is_sure(group: &Group, batch: &Batch, scope: &Selection) -> bool {
    let plain = |target: &Target| !matches!(target.amount, Amount::Len | Amount::Times(_));
    let weighed = batch.is_unweighted() || group.targets.iter().all(plain);
    weighed && group.needs.iter().all(|field| has_all(*field, batch, scope))
}

/// Whether all these packets have a field.
fn has_all(field: Field, batch: &Batch, scope: &Selection) -> bool {
    match batch.column(field) {
        Some(Column { present: Present::All, .. }) => true,
        Some(Column { present: Present::Some(these), .. }) => without(scope, these).is_empty(),
        None => scope.is_empty(),
    }
}

/// What the steps did to which packets.
#[derive(Default)]
struct Done {
    /// Added to which group.
    added: Vec<(usize, Selection)>,
    /// Counted in which table; once, however often.
    counted: Vec<(usize, Selection)>,
}

/// Which packets of `scope` reach the end of the steps; notes what is done to which.
fn run(
    steps: &[Step],
    batch: &Batch,
    scope: &Selection,
    done: &mut Done,
) -> Result<Selection, Unsure> {
    let mut live = scope.clone();
    for step in steps {
        match step {
            Step::Add(group) => done.added.push((*group, live.clone())),
            Step::Count(table) => match done.counted.iter_mut().find(|(known, _)| known == table) {
                Some((_, counted)) => counted.or(&live),
                None => done.counted.push((*table, live.clone())),
            },
            Step::Need(fields) => {
                if !fields.iter().all(|field| has_all(*field, batch, &live)) {
                    return Err(Unsure);
                }
            }
            Step::Return => live = Selection::none(live.len()),
            Step::If(cond, then, other) => {
                let holds = cond.eval(batch, &live)?;
                let rest = without(&live, &holds);
                live = run(then, batch, &holds, done)?;
                live.or(&run(other, batch, &rest, done)?);
            }
        }
    }
    Ok(live)
}
