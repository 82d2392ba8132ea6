//! What a script indexes its tables by, as far as it follows from the packet's fields alone.

use std::collections::BTreeSet;
use std::fmt::Write;

use como_core::field::{Field, Kind};
use como_core::record::Value;
use como_core::table::layout::FLOW;

use crate::flow::Flow;

/// A value made of fields.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// A field as it is.
    Field(Field),
    /// `pkt.flow`.
    Flow,
    /// A number.
    Number(u32),
    /// A text.
    Text(String),
    /// The sum of two numbers.
    Sum(Box<Key>, Box<Key>),
    /// Their product.
    Product(Box<Key>, Box<Key>),
    /// `tostring(...)`.
    Shown(Box<Key>),
    /// Two texts, or numbers, as one text.
    Joined(Box<Key>, Box<Key>),
}

/// What a key is for one row of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// A value of a record.
    Value(Value),
    /// A number.
    Number(f64),
    /// A flow.
    Flow(Flow),
    /// Nothing that it could be: the table has no room for more keys.
    None,
}

impl Key {
    /// The fields it is made of.
    pub fn fields(&self, into: &mut BTreeSet<Field>) {
        match self {
            Self::Field(field) => drop(into.insert(*field)),
            Self::Flow => into.extend(FLOW),
            Self::Number(_) | Self::Text(_) => {}
            Self::Shown(inner) => inner.fields(into),
            Self::Sum(a, b) | Self::Product(a, b) | Self::Joined(a, b) => {
                a.fields(into);
                b.fields(into);
            }
        }
    }

    /// The fields without which it cannot be made. A flow needs no ports.
    pub fn needs(&self, into: &mut BTreeSet<Field>) {
        match self {
            Self::Flow => into.extend([Field::IpSrc, Field::IpDst]),
            Self::Shown(inner) => inner.needs(into),
            Self::Sum(a, b) | Self::Product(a, b) | Self::Joined(a, b) => {
                a.needs(into);
                b.needs(into);
            }
            key => key.fields(into),
        }
    }

    /// Whether arithmetic takes it.
    pub fn is_number(&self) -> bool {
        match self {
            Self::Field(field) => field.kind() == Kind::Uint,
            Self::Number(_) | Self::Sum(..) | Self::Product(..) => true,
            _ => false,
        }
    }

    /// Whether it is a text.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Shown(_) | Self::Joined(..))
    }

    /// Whether `..` takes it, with a text that is certain: numbers only where they are whole.
    pub fn joins(&self) -> bool {
        match self {
            Self::Field(field) => field.kind() == Kind::Uint,
            Self::Number(_) => true,
            key => key.is_text(),
        }
    }

    /// What it is where the fields have these values.
    pub fn made(&self, value: &dyn Fn(Field) -> Value) -> Made {
        match self {
            Self::Field(field) => Made::Value(value(*field)),
            Self::Flow => flow(value).map_or(Made::None, Made::Flow),
            Self::Number(_) | Self::Sum(..) | Self::Product(..) => Made::Number(self.number(value)),
            Self::Text(_) | Self::Shown(_) | Self::Joined(..) => {
                let mut text = String::new();
                self.show(value, &mut text);
                Made::Value(Value::Text(text))
            }
        }
    }

    fn number(&self, value: &dyn Fn(Field) -> Value) -> f64 {
        match self {
            Self::Number(x) => f64::from(*x),
            Self::Sum(a, b) => a.number(value) + b.number(value),
            Self::Product(a, b) => a.number(value) * b.number(value),
            Self::Field(field) => match value(*field) {
                Value::Uint(x) => x as f64,
                _ => f64::NAN,
            },
            _ => f64::NAN,
        }
    }

    fn show(&self, value: &dyn Fn(Field) -> Value, into: &mut String) {
        let _ = match self {
            Self::Text(text) => into.write_str(text),
            Self::Number(x) => write!(into, "{x}"),
            Self::Flow => flow(value).map_or(Ok(()), |flow| write!(into, "{flow}")),
            Self::Shown(inner) => return inner.show(value, into),
            Self::Joined(a, b) => {
                a.show(value, into);
                return b.show(value, into);
            }
            Self::Field(field) => match value(*field) {
                Value::Uint(x) => write!(into, "{x}"),
                Value::Addr(x) => write!(into, "{x}"),
                Value::Mac(x) => write!(into, "{x}"),
                _ => Ok(()),
            },
            // Sums may be too large to be written out as they are in scripts: never parsed so.
            Self::Sum(..) | Self::Product(..) => Ok(()),
        };
    }
}

fn flow(value: &dyn Fn(Field) -> Value) -> Option<Flow> {
    let addr = |field| match value(field) {
        Value::Addr(addr) => Some(addr),
        _ => None,
    };
    let number = |field| match value(field) {
        Value::Uint(x) => u16::try_from(x).ok(),
        _ => None,
    };
    Some(Flow {
        src: addr(Field::IpSrc)?,
        dst: addr(Field::IpDst)?,
        proto: number(Field::IpProto)? as u8,
        sport: number(Field::Sport)?,
        dport: number(Field::Dport)?,
    })
}
