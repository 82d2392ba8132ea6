//! The tests of a callback: fields and layers, compared, joined by `and`, `or` and `not`.

use como_core::field::{Field, Kind};

use super::{Alias, DEPTH_MAX, Parser};
use crate::lift::{Cond, Key, Sign};
use crate::scan::tokens::{Shape, Token};

impl Parser<'_> {
    pub(super) fn cond(&mut self) -> Option<Cond> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let mut cond = self.all()?;
        while self.take("or") {
            cond = Cond::Or(Box::new(cond), Box::new(self.all()?));
        }
        self.depth -= 1;
        Some(cond)
    }

    fn all(&mut self) -> Option<Cond> {
        let mut cond = self.test()?;
        while self.take("and") {
            cond = Cond::And(Box::new(cond), Box::new(self.test()?));
        }
        Some(cond)
    }

    fn test(&mut self) -> Option<Cond> {
        if self.take("not") {
            let inner = match self.is(0, "(") {
                true => self.test()?,
                false => self.chain()?.holds()?,
            };
            return self.ends_test().then(|| Cond::Not(Box::new(inner)));
        }
        if self.take("(") {
            let cond = self.cond()?;
            self.expect(")")?;
            return self.ends_test().then_some(cond);
        }
        let operand = self.chain()?;
        let cond = match self.sign() {
            None => operand.holds()?,
            Some(sign) => {
                let token = self.token()?;
                self.at += 1;
                operand.compared(sign, token)?
            }
        };
        self.ends_test().then_some(cond)
    }

    /// Whether no operator follows that binds closer than `and`.
    fn ends_test(&self) -> bool {
        self.token().is_some_and(|t| t.shape == Shape::Word || t.is(")") || t.is(";"))
    }

    fn sign(&mut self) -> Option<Sign> {
        let pairs = [
            ("=", "=", Sign::Equal),
            ("~", "=", Sign::Unequal),
            ("<", "=", Sign::AtMost),
            (">", "=", Sign::AtLeast),
        ];
        if let Some((.., sign)) = pairs.into_iter().find(|(a, b, _)| self.take_pair(a, b)) {
            return Some(sign);
        }
        if self.take("<") {
            return Some(Sign::Less);
        }
        self.take(">").then_some(Sign::More)
    }
}

impl Alias {
    pub(super) fn holds(&self) -> Option<Cond> {
        match self {
            Self::Layer(mark) => Some(Cond::Layer(*mark)),
            Self::Field(field) if field.kind() != Kind::Bytes => Some(Cond::Holds(*field)),
            Self::Key(Key::Flow) => Some(Cond::Holds(Field::IpSrc)),
            _ => None,
        }
    }

    /// The test whether it compares with what `token` is.
    pub(super) fn compared(&self, sign: Sign, token: &Token<'_>) -> Option<Cond> {
        if token.is("nil") {
            let there = self.present()?;
            return match sign {
                Sign::Equal => Some(Cond::Not(Box::new(there))),
                Sign::Unequal => Some(there),
                _ => None,
            };
        }
        let Self::Field(field) = self else { return None };
        let wanted = matches!(field.kind(), Kind::Uint);
        let number =
            (token.shape == Shape::Number && wanted).then(|| token.text.parse().ok())??;
        Some(Cond::Compare(*field, sign, number))
    }

    /// The test whether it is there at all; of flags, which may be there and not hold, not here.
    fn present(&self) -> Option<Cond> {
        match self {
            Self::Field(field) if field.kind() == Kind::Bool => None,
            other => other.holds(),
        }
    }
}
