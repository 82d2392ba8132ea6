//! Tests of a packet, evaluated over a batch.

use como_core::batch::columns::Values;
use como_core::batch::{Batch, Column};
use como_core::field::{Field, FieldValue, Kind};
use como_core::selection::Selection;

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

/// Something only the script itself can tell; it then runs over the whole batch.
#[derive(Debug)]
pub(super) struct Unsure;

impl Cond {
    /// The packets of `scope` for which it holds; none where it cannot be told here.
    pub fn pick(&self, batch: &Batch, scope: &Selection) -> Option<Selection> {
        self.eval(batch, scope).ok()
    }

    /// As [`Cond::pick`].
    pub(super) fn eval(&self, batch: &Batch, scope: &Selection) -> Result<Selection, Unsure> {
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
                    if field.kind() == Kind::Bool =>
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

/// The packets of `scope` that are not among these.
pub fn without(scope: &Selection, these: &Selection) -> Selection {
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
