//! Lifting: packet callbacks simple enough to run as loops over columns.
//!
//! Most scripts that count by hand only add what a packet weighs to places of their state, where
//! some test holds. Such an `update`, and a `check` that only tests, need no virtual machine: the
//! text is understood here ([`parse`]), runs natively a batch at a time, and what was added up is
//! put into the script's state before anything else looks at it. Whatever is not surely the same
//! (a field that is nil where it would be added or compared, sampled packets counted by `len`, a
//! statement of any other form) is left to the script itself, batch by batch.

pub mod parse;
#[cfg(test)]
mod tests;

use como_core::batch::columns::Values;
use como_core::batch::{Batch, Column};
use como_core::field::{Demand, Field, FieldValue};
use como_core::module::{Declaration, Declared, Limits, Module};
use como_core::record::Value;
use como_core::selection::Selection;
use como_core::table::Aggregate;
use como_core::time::Span;

/// A test of a packet, as scripts mean it: nil and false do not hold, all else does.
#[derive(Clone, Debug, PartialEq)]
pub enum Cond {
    /// It has a layer.
    Layer(u32),
    /// It has a field, or where that says yes or no: it says yes.
    Holds(Field),
    /// The field compares with a number; one that is absent only with `==` and `~=`.
    Compare(Field, Sign, u32),
    /// The test does not hold.
    Not(Box<Cond>),
    /// Both hold; the second is looked at where the first does.
    And(Box<Cond>, Box<Cond>),
    /// Either holds; the second is looked at where the first does not.
    Or(Box<Cond>, Box<Cond>),
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Sign {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

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
    /// Nothing; but the row is made.
    Nothing,
}

/// Where in the state something is added.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The names from the state to the number, or to the table where there is a key.
    pub path: Vec<String>,
    /// What the table's values are tables of: the field added to (where it is not just made), and
    /// the fields of a new one.
    pub row: Option<Row>,
    /// How much.
    pub amount: Amount,
}

/// A table that is the value of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The field that is added to.
    pub name: String,
    /// A new row.
    pub fresh: Vec<(String, u32)>,
}

/// Additions that share a key: one look per packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What the table is indexed by, if it is one.
    pub key: Option<Field>,
    /// Where to add.
    pub targets: Vec<Target>,
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Adds to a group, by its place.
    Add(usize),
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
}

/// Something only the script itself can tell; it then runs over the whole batch.
#[derive(Debug)]
struct Unsure;

impl Cond {
    /// The packets of `scope` for which it holds; none where it cannot be told here.
    pub fn pick(&self, batch: &Batch, scope: &Selection) -> Option<Selection> {
        self.eval(batch, scope).ok()
    }

    fn eval(&self, batch: &Batch, scope: &Selection) -> Result<Selection, Unsure> {
        Ok(match self {
            Self::Layer(mark) => {
                let layers = batch.all_layers();
                if layers.len() != batch.len() {
                    return Err(Unsure);
                }
                within(scope, |at| layers[at].has(*mark))
            }
            Self::Holds(field) => match batch.column(*field) {
                Some(Column { values: Values::U32(values), present })
                    if field.kind() == como_core::field::Kind::Bool =>
                {
                    within(scope, |at| values[at] != 0 && present.has(at))
                }
                Some(Column { present, .. }) => within(scope, |at| present.has(at)),
                None => within(scope, |at| match batch.value(at, *field) {
                    Some(FieldValue::Bool(yes)) => yes,
                    value => value.is_some(),
                }),
            },
            Self::Compare(field, sign, number) => compare(batch, *field, *sign, *number, scope)?,
            Self::Not(inner) => without(scope, &inner.eval(batch, scope)?),
            Self::And(a, b) => b.eval(batch, &a.eval(batch, scope)?)?,
            Self::Or(a, b) => {
                let mut first = a.eval(batch, scope)?;
                first.or(&b.eval(batch, &without(scope, &first))?);
                first
            }
        })
    }
}

/// The packets of `scope` for which `keep` holds.
fn within(scope: &Selection, keep: impl FnMut(usize) -> bool) -> Selection {
    let mut kept = Selection::of(scope.len(), keep);
    kept.and(scope);
    kept
}

fn without(scope: &Selection, these: &Selection) -> Selection {
    let mut rest = these.clone();
    rest.invert();
    rest.and(scope);
    rest
}

fn compare(
    batch: &Batch,
    field: Field,
    sign: Sign,
    number: u32,
    scope: &Selection,
) -> Result<Selection, Unsure> {
    let value = |at: usize| match (field, batch.column(field)) {
        (Field::Len, _) => batch.all().get(at).map(|packet| packet.wire_len),
        (_, Some(Column { values: Values::U32(values), present })) => {
            values.get(at).copied().filter(|_| present.has(at))
        }
        _ => match batch.value(at, field) {
            Some(FieldValue::Uint(x)) => Some(x),
            _ => None,
        },
    };
    let orders = !matches!(sign, Sign::Equal | Sign::Unequal);
    let mut lacks = false;
    let picked = within(scope, |at| match (value(at), sign) {
        (None, Sign::Unequal) => true,
        (None, _) => {
            lacks |= orders && scope.contains(at);
            false
        }
        (Some(x), Sign::Equal) => x == number,
        (Some(x), Sign::Unequal) => x != number,
        (Some(x), Sign::Less) => x < number,
        (Some(x), Sign::AtMost) => x <= number,
        (Some(x), Sign::More) => x > number,
        (Some(x), Sign::AtLeast) => x >= number,
    });
    if lacks { Err(Unsure) } else { Ok(picked) }
}

/// A program at work: what it has added up since its state was last brought up to date.
pub struct Lifted {
    program: Program,
    sums: Vec<Sums>,
    pending: bool,
    /// Rows of a table at which it is emptied into the state.
    rows_max: usize,
}

/// What a group has added up.
enum Sums {
    One { packets: u64, bytes: u64 },
    Keyed(Box<Declared>),
}

/// Rows that are put into a script's state at once.
const ROWS_MAX: usize = 1 << 17;

impl Lifted {
    /// Begins with nothing added.
    pub fn new(program: Program, limits: &Limits) -> Option<Self> {
        let rows_max = limits.rows_max.min(ROWS_MAX);
        // One batch more may come before it is looked at.
        let limits = Limits { rows_max: 2 * ROWS_MAX, ..*limits };
        let sums = program.groups.iter().map(|group| match group.key {
            None => Some(Sums::One { packets: 0, bytes: 0 }),
            Some(field) => {
                let declaration = Declaration::default()
                    .key("key", field.name())
                    .ok()?
                    .value("packets", Aggregate::new("count", &[]).ok()?)
                    .value("bytes", Aggregate::new("sum", &[Value::from("bytes")]).ok()?);
                Declared::new(&declaration, &limits, Span::from_secs(1))
                    .ok()
                    .map(|declared| Sums::Keyed(Box::new(declared)))
            }
        });
        let sums = sums.collect::<Option<Vec<_>>>()?;
        Some(Self { program, sums, pending: false, rows_max })
    }

    /// What must be decoded for it beyond what the script reads.
    pub fn demand(&self) -> Demand {
        self.sums.iter().fold(Demand::NONE, |demand, sums| match sums {
            Sums::Keyed(declared) => demand.and(declared.demand()),
            Sums::One { .. } => demand,
        })
    }

    /// What it adds to.
    pub fn groups(&self) -> &[Group] {
        &self.program.groups
    }

    /// Takes in the picked packets; false if the script itself must, and nothing was done.
    pub fn update(&mut self, batch: &Batch, picked: &Selection) -> bool {
        let mut added: Vec<(usize, Selection)> = Vec::new();
        if run(&self.program.steps, batch, picked, &mut added).is_err() {
            return false;
        }
        let sure = added.iter().all(|(group, scope)| {
            self.program.groups.get(*group).is_some_and(|group| is_sure(group, batch, scope))
        });
        if !sure {
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
        true
    }

    /// Whether so much is added up that the state should be brought up to date now.
    pub fn is_full(&self) -> bool {
        self.sums.iter().any(|sums| match sums {
            Sums::Keyed(declared) => declared.table().rows() >= self.rows_max,
            Sums::One { .. } => false,
        })
    }

    /// Hands over what was added up, target by target: key, packets, bytes. Begins anew, also
    /// where `put` fails.
    pub fn settle<E>(
        &mut self,
        mut put: impl FnMut(&Target, Option<Value>, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        if !std::mem::take(&mut self.pending) {
            return Ok(());
        }
        let mut done = Ok(());
        for (group, sums) in self.program.groups.iter().zip(&mut self.sums) {
            match sums {
                Sums::One { packets, bytes } => {
                    let total = (std::mem::take(packets), std::mem::take(bytes));
                    for target in group.targets.iter().take_while(|_| total.0 > 0) {
                        done = done.and_then(|()| put(target, None, amount(target, total)));
                    }
                }
                Sums::Keyed(declared) => {
                    let table = declared.table();
                    for row in 0..table.rows() {
                        let number = |column| match table.value(row, column) {
                            Value::Uint(x) => x,
                            _ => 0,
                        };
                        let total = (number(1), number(2));
                        for target in &group.targets {
                            let key = Some(table.value(row, 0));
                            done = done.and_then(|()| put(target, key, amount(target, total)));
                        }
                        if done.is_err() {
                            break;
                        }
                    }
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

fn amount(target: &Target, (packets, bytes): (u64, u64)) -> u64 {
    match target.amount {
        Amount::Packets => packets,
        Amount::Bytes | Amount::Len => bytes,
        Amount::Times(n) => packets.saturating_mul(u64::from(n)),
        Amount::Nothing => 0,
    }
}

/// Whether the sums of this group are what the script would make of these packets.
fn is_sure(group: &Group, batch: &Batch, scope: &Selection) -> bool {
    let plain = |target: &Target| !matches!(target.amount, Amount::Len | Amount::Times(_));
    let weighed = batch.is_unweighted() || group.targets.iter().all(plain);
    let keyed = group.key.is_none_or(|field| match batch.column(field) {
        Some(Column { present: como_core::batch::columns::Present::All, .. }) => true,
        Some(Column { present: como_core::batch::columns::Present::Some(these), .. }) => {
            without(scope, these).is_empty()
        }
        None => scope.is_empty(),
    });
    weighed && keyed
}

/// Which packets of `scope` reach the end of the steps; notes which are added where.
fn run(
    steps: &[Step],
    batch: &Batch,
    scope: &Selection,
    added: &mut Vec<(usize, Selection)>,
) -> Result<Selection, Unsure> {
    let mut live = scope.clone();
    for step in steps {
        match step {
            Step::Add(group) => added.push((*group, live.clone())),
            Step::Return => live = Selection::none(live.len()),
            Step::If(cond, then, other) => {
                let holds = cond.eval(batch, &live)?;
                let rest = without(&live, &holds);
                live = run(then, batch, &holds, added)?;
                live.or(&run(other, batch, &rest, added)?);
            }
        }
    }
    Ok(live)
}
