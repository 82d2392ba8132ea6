//! What a script indexes its tables by, as far as it follows from the packet's fields alone.

use std::collections::BTreeSet;

use como_core::field::{Field, Kind};
use como_core::table::layout::FLOW;

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
            Self::Flow => into.extend([Field::IpSrc, Field::IpDst, Field::IpProto]),
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

    /// It as an expression in Lua, where `field` names the variable that holds a field, or the
    /// flow.
    pub fn code(&self, field: &dyn Fn(Option<Field>) -> String) -> String {
        match self {
            Self::Field(known) => field(Some(*known)),
            Self::Flow => field(None),
            Self::Number(x) => x.to_string(),
            Self::Text(text) => quoted(text),
            Self::Sum(a, b) => format!("({} + {})", a.code(field), b.code(field)),
            Self::Product(a, b) => format!("({} * {})", a.code(field), b.code(field)),
            Self::Shown(inner) => format!("tostring({})", inner.code(field)),
            Self::Joined(a, b) => format!("({} .. {})", a.code(field), b.code(field)),
        }
    }

    /// Whether it is made of the flow as one value.
    pub fn has_flow(&self) -> bool {
        match self {
            Self::Flow => true,
            Self::Shown(inner) => inner.has_flow(),
            Self::Sum(a, b) | Self::Product(a, b) | Self::Joined(a, b) => {
                a.has_flow() || b.has_flow()
            }
            _ => false,
        }
    }
}

/// A text as Lua writes it, whatever is in it.
fn quoted(text: &str) -> String {
    let byte = |byte: &u8| match byte {
        b if b.is_ascii_alphanumeric() || *b == b' ' => char::from(*b).to_string(),
        b => format!("\\{b:03}"),
    };
    format!("\"{}\"", text.as_bytes().iter().map(byte).collect::<String>())
}
