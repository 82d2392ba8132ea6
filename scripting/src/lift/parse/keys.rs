//! What tables are indexed by: fields, sums and products of them, and texts put together of them.

use como_core::field::{Field, Kind};

use super::{Alias, DEPTH_MAX, Parser};
use crate::lift::Key;
use crate::scan::tokens::{Shape, Token};
use crate::scan::uses;

/// The most operators in a key: so few that no number passes what a script counts with.
const OPERATORS_MAX: usize = 16;

impl Parser<'_> {
    /// A key as a whole.
    pub(super) fn key(&mut self) -> Option<Key> {
        self.joined().filter(is_bounded)
    }

    /// Texts and numbers joined by `..`, which binds less than any sum.
    fn joined(&mut self) -> Option<Key> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let mut key = self.sum()?;
        if self.take_pair(".", ".") {
            let rest = self.joined()?;
            if !key.joins() || !rest.joins() {
                return None;
            }
            key = Key::Joined(Box::new(key), Box::new(rest));
        }
        self.depth -= 1;
        Some(key)
    }

    fn sum(&mut self) -> Option<Key> {
        let mut key = self.product()?;
        while self.is(0, "+") && !self.is(1, "=") {
            self.at += 1;
            key = number(key, self.product()?, Key::Sum)?;
        }
        Some(key)
    }

    fn product(&mut self) -> Option<Key> {
        let mut key = self.operand()?;
        while self.is(0, "*") && !self.is(1, "=") {
            self.at += 1;
            key = number(key, self.operand()?, Key::Product)?;
        }
        Some(key)
    }

    fn operand(&mut self) -> Option<Key> {
        let token = self.token()?;
        match token.shape {
            Shape::Number => return self.number().map(Key::Number),
            Shape::Text => {
                self.at += 1;
                let plain = !token.text.contains('\\') && token.text.starts_with(['"', '\'']);
                return token.name().filter(|_| plain).map(|text| Key::Text(text.to_owned()));
            }
            _ => {}
        }
        if self.take("(") {
            let key = self.joined()?;
            return self.take(")").then_some(key);
        }
        if token.is("tostring") && self.is(1, "(") && self.shows {
            self.at += 2;
            let key = self.joined()?;
            let shown = matches!(key, Key::Field(_) | Key::Flow) || key.is_text();
            return (self.take(")") && shown).then(|| Key::Shown(Box::new(key)));
        }
        match self.chain()? {
            Alias::Field(field) if is_key(field) => Some(Key::Field(field)),
            Alias::Key(key) => Some(key),
            _ => None,
        }
    }
}

/// Whether a function of the library is called wherever its name stands: so it is nothing of the
/// script's own.
pub(super) fn is_only_called(tokens: &[Token<'_>], name: &str) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    uses(tokens, name).all(|at| {
        let made = at > 0 && (is(at - 1, "function") || is(at - 1, "local"));
        is(at + 1, "(") && !made
    })
}

fn number(a: Key, b: Key, make: impl FnOnce(Box<Key>, Box<Key>) -> Key) -> Option<Key> {
    let numbers = a.is_number() && b.is_number();
    numbers.then(|| make(Box::new(a), Box::new(b))).filter(is_bounded)
}

/// Whether few enough operators make it, those of names for parts of it counted.
fn is_bounded(key: &Key) -> bool {
    fn operators(key: &Key) -> usize {
        match key {
            Key::Sum(a, b) | Key::Product(a, b) | Key::Joined(a, b) => {
                1 + operators(a) + operators(b)
            }
            Key::Shown(inner) => operators(inner),
            _ => 0,
        }
    }
    operators(key) <= OPERATORS_MAX
}

/// Whether scripts see a field as something a table can be indexed by, and a core table too.
fn is_key(field: Field) -> bool {
    let counts = matches!(field, Field::Len | Field::Bytes | Field::Packets);
    matches!(field.kind(), Kind::Addr | Kind::Mac | Kind::Uint) && !counts
}
