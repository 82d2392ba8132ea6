//! One value of a record, as rows and scripts see it.

use std::fmt;

use crate::addr::{Addr, Mac};
use crate::time::Ts;

/// A value of any type, or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number that is never negative.
    Uint(u64),
    /// A number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// An IP address.
    Addr(Addr),
    /// A link-layer address.
    Mac(Mac),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// An instant.
    Time(Ts),
}

impl Value {
    /// The value as a number that is never negative, if it is exactly one.
    pub fn as_uint(&self) -> Option<u64> {
        match *self {
            Self::Uint(x) => Some(x),
            Self::Int(x) => u64::try_from(x).ok(),
            Self::Float(x) if x >= 0.0 && x < u64::MAX as f64 && x.fract() == 0.0 => Some(x as u64),
            _ => None,
        }
    }

    /// The value as a whole number, if it is exactly one.
    pub fn as_int(&self) -> Option<i64> {
        match *self {
            Self::Int(x) => Some(x),
            Self::Uint(x) => i64::try_from(x).ok(),
            Self::Float(x) if x.abs() < i64::MAX as f64 && x.fract() == 0.0 => Some(x as i64),
            _ => None,
        }
    }

    /// The value as a float, if it is a number.
    pub fn as_float(&self) -> Option<f64> {
        match *self {
            Self::Float(x) => Some(x),
            Self::Uint(x) => Some(x as f64),
            Self::Int(x) => Some(x as f64),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    /// As a user would write it in an argument. Records are written by [`crate::render`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(x) => x.fmt(f),
            Self::Uint(x) => x.fmt(f),
            Self::Int(x) => x.fmt(f),
            Self::Float(x) => x.fmt(f),
            Self::Addr(x) => x.fmt(f),
            Self::Mac(x) => x.fmt(f),
            Self::Text(x) => x.fmt(f),
            Self::Bytes(x) => write!(f, "{} bytes", x.len()),
            Self::Time(x) => x.fmt(f),
        }
    }
}

macro_rules! from {
    ($($source:ty => $variant:ident),*) => {
        $(impl From<$source> for Value {
            fn from(x: $source) -> Self { Self::$variant(x.into()) }
        })*
    };
}

from!(bool => Bool, u8 => Uint, u16 => Uint, u32 => Uint, u64 => Uint, i32 => Int, i64 => Int,
    f64 => Float, Addr => Addr, Mac => Mac, &str => Text, String => Text, Vec<u8> => Bytes,
    Ts => Time);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(x: Option<T>) -> Self {
        x.map_or(Self::Null, Into::into)
    }
}
