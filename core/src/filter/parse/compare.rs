//! Comparisons, arithmetic and named fields.

use std::ops::Range;

use crate::addr::{Addr, Mac, MacError};
use crate::field::{Field, Kind, encode_int};
use crate::filter::FilterError;
use crate::filter::expr::Expr;
use crate::filter::lex::Token;
use crate::filter::names::{self, lookup};
use crate::filter::set::{AddrSet, Ranges};
use crate::filter::term::{AddrKey, Arith, Base, Key, Operator, Relation};

use super::{OPERATORS_MAX, Parser, Piece, Result};

impl Parser<'_> {
    /// A condition, a comparison of two numbers, or a number alone.
    pub(super) fn comparison(&mut self) -> Result<Piece> {
        let operators_before = self.operators;
        let guards_before = self.guards.len();
        let piece = match self.arith(0)? {
            Piece::Number { value, named, at } => self.compared(value, named, at, guards_before)?,
            is => is,
        };
        if let Piece::Is(_) = piece {
            self.operators = operators_before;
        }
        Ok(piece)
    }

    /// What follows a number: a relation, a set, or nothing.
    fn compared(
        &mut self,
        left: Arith,
        named: Option<Key>,
        at: Range<usize>,
        guards_before: usize,
    ) -> Result<Piece> {
        let key = match &left {
            Arith::Key(key) => Some((*key, key.bits())),
            Arith::Binary(Operator::And, a, b) => match (&**a, &**b) {
                (Arith::Key(key), Arith::Const(mask)) | (Arith::Const(mask), Arith::Key(key)) => {
                    Some((*key, u64::from(*mask) & key.bits()))
                }
                _ => None,
            },
            _ => None,
        };
        if let Some((key, mask)) = key
            && self.takes("in")?
        {
            let set = self.number_set(key)?;
            return Ok(Piece::Is(self.guarded(Expr::masked(key, mask, set), guards_before)));
        }
        let Some(op) = self.relation()? else {
            return Ok(Piece::Number { value: left, named, at });
        };
        if let Some(key) = named
            && let Some(value) = self.value_name(key)?
        {
            return Ok(Piece::Is(Expr::number(key, op.set(value, key.limit()))));
        }
        let right = match self.arith(0)? {
            Piece::Number { value, named: other, at: right_at } => {
                for (key, value, at) in [(named, &value, &right_at), (other, &left, &at)] {
                    if let (Some(key), Arith::Const(c)) = (key, value) {
                        self.within(key, u64::from(*c), at)?;
                    }
                }
                value
            }
            Piece::Is(_) => {
                return Err(FilterError::Mismatch {
                    why: "a condition cannot be compared with a number".to_owned(),
                    at: at.start..self.end,
                    hint: Some("compare a field or header bytes, as in `ip.ttl < 5`".to_owned()),
                });
            }
        };
        Ok(Piece::Is(self.guarded(Expr::compare(left, op, right), guards_before)))
    }

    /// A comparison under the conditions that its header bytes bring along.
    fn guarded(&mut self, compared: Expr, guards_before: usize) -> Expr {
        let guards = self.guards.split_off(guards_before);
        Expr::all_of(guards.into_iter().chain([compared]))
    }

    /// The relation that follows, taken.
    pub(super) fn relation(&mut self) -> Result<Option<Relation>> {
        let (token, _) = self.lexer.peek()?;
        let Token::Op(op) = token else { return Ok(None) };
        let relation = Relation::of(op);
        if relation.is_some() {
            self.take()?;
        }
        Ok(relation)
    }

    /// Operands joined by arithmetic operators that bind at least as tightly as `floor`.
    pub(super) fn arith(&mut self, floor: u8) -> Result<Piece> {
        let first = self.unary()?;
        let Piece::Number { value: mut left, mut named, mut at } = first else { return Ok(first) };
        loop {
            let (token, op_at) = self.lexer.peek()?;
            let Token::Op(text) = token else { break };
            let Some((op, binds)) = Operator::of(text).filter(|(_, binds)| *binds > floor) else {
                break;
            };
            self.take()?;
            self.operators += 1;
            if self.operators > OPERATORS_MAX {
                let what = "too many arithmetic operators in one comparison";
                return Err(FilterError::TooMuch { what, max: OPERATORS_MAX, at: op_at });
            }
            let (right, right_at) = self.number(binds)?;
            if matches!(op, Operator::Div | Operator::Rem) && right == Arith::Const(0) {
                let why = "division by zero".to_owned();
                return Err(FilterError::Value { why, at: right_at, hint: None });
            }
            left = Arith::binary(op, left, right);
            named = None;
            at.end = self.end;
        }
        Ok(Piece::Number { value: left, named, at })
    }

    /// What must be a number, with operators that bind tighter than `floor`.
    pub(super) fn number(&mut self, floor: u8) -> Result<(Arith, Range<usize>)> {
        let start = self.lexer.peek()?.1.start;
        match self.arith(floor)? {
            Piece::Number { value, at, .. } => Ok((value, at)),
            Piece::Is(_) => Err(FilterError::Mismatch {
                why: "expected a number, found a condition".to_owned(),
                at: start..self.end,
                hint: None,
            }),
        }
    }

    /// A number, a word, a group, or any of these with a minus sign.
    fn unary(&mut self) -> Result<Piece> {
        let (text, at) = self.lexer.peek_value();
        if text.parse::<Addr>().is_ok() || text.parse::<Mac>().is_ok() {
            return Err(bare(text, at));
        }
        let (token, at) = self.lexer.peek()?;
        match token {
            Token::Number(value) => {
                self.take()?;
                self.count(&at)?;
                let Ok(value) = u32::try_from(value) else {
                    let why = format!("{value} does not fit the 32 bits numbers have here");
                    return Err(FilterError::Value { why, at, hint: None });
                };
                Ok(Piece::Number { value: Arith::Const(value), named: None, at })
            }
            Token::Garbled => {
                let why = format!("`{}` is no number", self.lexer.slice(at.clone()));
                Err(FilterError::Value { why, at, hint: None })
            }
            Token::Word => self.word(),
            Token::Op("(") => self.group(),
            Token::Op("-") => {
                self.take()?;
                self.depth += 1;
                if self.depth > super::DEPTH_MAX {
                    return Err(super::too_deep(at));
                }
                // Binds tighter than every operator.
                let (value, end) = self.number(u8::MAX)?;
                self.depth -= 1;
                let at = at.start..end.end;
                Ok(Piece::Number { value: Arith::negate(value), named: None, at })
            }
            _ => Err(self.expected("a condition", None)),
        }
    }

    /// `[offset]` or `[offset:size]` behind a header's name.
    pub(super) fn load(&mut self, base: Base) -> Result<(Arith, usize)> {
        let (_, open) = self.take()?;
        self.depth += 1;
        if self.depth > super::DEPTH_MAX {
            return Err(super::too_deep(open));
        }
        let (offset, _) = self.number(0)?;
        let mut size = 1;
        if self.takes(":")? {
            let (token, at) = self.take()?;
            size = match token {
                Token::Number(n @ (1 | 2 | 4)) => n as u8,
                _ => {
                    let why = "a size is 1, 2 or 4 bytes".to_owned();
                    return Err(FilterError::Value { why, at, hint: None });
                }
            };
        }
        self.must("]")?;
        self.depth -= 1;
        Ok((Arith::Load { base, offset: Box::new(offset), size }, self.end))
    }

    /// A named field and what is asked of it.
    pub(super) fn named(&mut self, name: &str, at: &Range<usize>) -> Result<Option<Piece>> {
        let name = name.strip_prefix("pkt.").unwrap_or(name);
        if let Some(value) = lookup(&names::CONSTANTS, name) {
            let at = at.clone();
            return Ok(Some(Piece::Number { value: Arith::Const(value), named: None, at }));
        }
        if let Some(base) = Base::ALL.into_iter().find(|b| b.text() == name)
            && self.follows("[")?
        {
            let (value, end) = self.load(base)?;
            return Ok(Some(Piece::Number { value, named: None, at: at.start..end }));
        }
        if let Some(keys) = lookup(&names::ADDRESSES, name) {
            return self.address_field(name, keys).map(|e| Some(Piece::Is(e)));
        }
        if let Some(keys) = lookup(&names::EITHER, name) {
            let keys = keys.map(Key::Field);
            return self.wide_field(name, &keys).map(|e| Some(Piece::Is(e)));
        }
        let field = Field::named(name).or_else(|| lookup(&names::ALIASES, name));
        let key = match (field, inner_tag(name)) {
            (Some(field), _) if field.kind() == Kind::Bytes => {
                return self.bytes_field(field).map(|e| Some(Piece::Is(e)));
            }
            (Some(field), _) if field.kind() == Kind::CommunityId => {
                return self.community_id(field).map(|e| Some(Piece::Is(e)));
            }
            (Some(field), _) => Key::Field(field),
            (_, Some(key)) => key,
            _ => return Ok(None),
        };
        match key {
            Key::Field(field) if matches!(field.kind(), Kind::Mac | Kind::Big | Kind::Code) => {
                self.wide_field(name, &[key]).map(|e| Some(Piece::Is(e)))
            }
            _ => {
                let (value, at) = (Arith::Key(key), at.clone());
                Ok(Some(Piece::Number { value, named: Some(key), at }))
            }
        }
    }

    /// A comparison of numbers that are too wide for arithmetic, or of either of two numbers.
    fn wide_field(&mut self, name: &str, keys: &[Key]) -> Result<Expr> {
        let Some(&key) = keys.first() else { return Ok(Expr::NONE) };
        if self.takes("in")? {
            let set = self.number_set(key)?;
            return Ok(Expr::any_of(keys.iter().map(|key| Expr::number(*key, set.clone()))));
        }
        let is_address = |key: &Key| matches!(key, Key::Field(field) if field.kind() == Kind::Mac);
        if is_address(&key) && !self.follows_equality()? {
            return Err(self.only_equal(name, "00:1b:21:0a:0b:0c", "{..}"));
        }
        let Some(op) = self.relation()? else {
            return Err(self.expected(&format!("a comparison or `in` behind `{name}`"), None));
        };
        let (low, high) = self.number_value(key)?;
        if low != high {
            let hint = Some(format!("write `{name} in ..`"));
            return Err(self.expected("one value, not a range", hint));
        }
        let each = keys.iter().map(|key| Expr::number(*key, op.set(low, key.limit())));
        // "Not 80" of either port means that neither is.
        Ok(if op == Relation::Ne { Expr::all_of(each) } else { Expr::any_of(each) })
    }

    /// A comparison of addresses.
    fn address_field(&mut self, name: &str, keys: &[AddrKey]) -> Result<Expr> {
        let each = |set: &AddrSet| {
            let set = set.clone();
            keys.iter().map(move |key| Expr::address(*key, set.clone()))
        };
        if self.takes("in")? {
            let set = self.address_set()?;
            return Ok(Expr::any_of(each(&set)));
        }
        if !self.follows_equality()? {
            return Err(self.only_equal(name, "10.0.0.1", "10.0.0.0/8"));
        }
        if self.relation()? == Some(Relation::Ne) {
            let set = self.address_range()?.complement();
            return Ok(Expr::all_of(each(&set)));
        }
        let set = self.address_range()?;
        Ok(Expr::any_of(each(&set)))
    }

    /// Whether `==` or `!=` follows: addresses are in no order that a filter could mean.
    fn follows_equality(&self) -> Result<bool> {
        let (Token::Op(op), _) = self.lexer.peek()? else { return Ok(false) };
        Ok(matches!(Relation::of(op), Some(Relation::Eq | Relation::Ne)))
    }

    /// The error that an address is asked for more than whether it is one, or in a set.
    fn only_equal(&self, name: &str, one: &str, set: &str) -> FilterError {
        let hint = format!("write `{name} == {one}` or `{name} in {set}`");
        self.expected(&format!("`==`, `!=` or `in` behind `{name}`"), Some(hint))
    }

    /// `{a, b..c}`, or one value or range.
    fn number_set(&mut self, key: Key) -> Result<Ranges> {
        let mut ranges = Vec::new();
        if !self.takes("{")? {
            let (low, high) = self.number_value(key)?;
            return Ok(Ranges::of(u128::from(low), u128::from(high)));
        }
        loop {
            let (low, high) = self.number_value(key)?;
            ranges.push((u128::from(low), u128::from(high)));
            self.count(&(self.end..self.end))?;
            if !self.takes(",")? {
                self.must("}")?;
                return Ok(Ranges::from_ranges(ranges));
            }
        }
    }

    /// One value of a field, or a range `a..b`.
    fn number_value(&mut self, key: Key) -> Result<(u64, u64)> {
        let (low, at) = self.one_value(key)?;
        if !self.takes("..")? {
            return Ok((low, low));
        }
        let (high, end) = self.one_value(key)?;
        if low > high {
            return Err(FilterError::Value {
                why: "the range ends before it begins".to_owned(),
                at: at.start..end.end,
                hint: None,
            });
        }
        Ok((low, high))
    }

    fn one_value(&mut self, key: Key) -> Result<(u64, Range<usize>)> {
        if let Key::Field(field) = key
            && field.kind() == Kind::Mac
        {
            let (text, at) = self.value_text("a link-layer address")?;
            let mac: Mac = text.parse().map_err(|e: MacError| FilterError::Value {
                why: e.to_string(),
                at: at.clone(),
                hint: None,
            })?;
            return Ok((mac.0, at));
        }
        if let Some(value) = self.value_name(key)? {
            return Ok((value, self.end..self.end));
        }
        if key.is_signed() {
            return self.signed_value(key);
        }
        match self.lexer.peek()? {
            (Token::Word | Token::Text(_), _) if key.is_code() => self.code(),
            (Token::Number(value), at) => {
                self.take()?;
                self.within(key, value, &at)?;
                Ok((value, at))
            }
            _ => Err(self.expected("a number", None)),
        }
    }

    /// A number that may have a minus sign, as sets hold it.
    fn signed_value(&mut self, key: Key) -> Result<(u64, Range<usize>)> {
        let start = self.lexer.peek()?.1.start;
        let minus = self.takes("-")?;
        let (Token::Number(size), at) = self.lexer.peek()? else {
            return Err(self.expected("a number", None));
        };
        self.take()?;
        let at = start..at.end;
        let value = i64::try_from(size).ok().map(|size| if minus { -size } else { size });
        match value.and_then(|value| i32::try_from(value).ok()) {
            Some(value) => Ok((encode_int(value).into(), at)),
            None => {
                let why = format!("`{}` is never so far from 0", key.name());
                Err(FilterError::Value { why, at, hint: None })
            }
        }
    }

    /// A name that stands for a value of this field, taken: `ip.proto == tcp`.
    fn value_name(&mut self, key: Key) -> Result<Option<u64>> {
        let Key::Field(field) = key else { return Ok(None) };
        let (Token::Word, at) = self.lexer.peek()? else { return Ok(None) };
        let name = self.lexer.slice(at);
        let value = match field {
            Field::IpProto => lookup(&names::PROTOCOLS, name).map(u64::from),
            Field::WlanType => lookup(&names::WLAN_TYPES, name).map(u64::from),
            Field::WlanSecurity => lookup(&names::WLAN_SECURITIES, name).map(u64::from),
            Field::EthType => lookup(&names::ETHER_PROTOCOLS, name)
                .or_else(|| lookup(&names::ETHER_TYPES, name))
                .map(u64::from),
            Field::Sport
            | Field::Dport
            | Field::TcpSport
            | Field::TcpDport
            | Field::UdpSport
            | Field::UdpDport => {
                names::SERVICES.iter().find(|(n, ..)| *n == name).map(|(_, port, _)| (*port).into())
            }
            _ => None,
        };
        if value.is_some() {
            self.take()?;
        }
        Ok(value)
    }

    /// Refuses a value that the field can never have.
    fn within(&self, key: Key, value: u64, at: &Range<usize>) -> Result<()> {
        if value <= key.limit() {
            return Ok(());
        }
        // A number here has no sign: one below 0 became a great one.
        let text = self.lexer.slice(at.clone());
        let why = match text.contains('-') && value > i32::MAX as u64 {
            true => format!("`{text}` is less than `{}` can be: 0", key.name()),
            false => format!("{value} is more than `{}` can be: {}", key.name(), key.limit()),
        };
        Err(FilterError::Value { why, at: at.clone(), hint: None })
    }
}

/// The error that an address stands where no word says whose it is.
fn bare(text: &str, at: Range<usize>) -> FilterError {
    let ether = if text.parse::<Mac>().is_ok() { "ether " } else { "" };
    FilterError::Mismatch {
        why: format!("`{text}` alone says nothing about a packet"),
        at,
        hint: Some(format!(
            "write `{ether}host {text}`, `{ether}src {text}` or `{ether}dst {text}`"
        )),
    }
}

/// `vlan2.id` and `mpls2.label`: the second tag or label from outside, and further ones.
fn inner_tag(name: &str) -> Option<Key> {
    let nth = |digits: &str| digits.parse::<u8>().ok().filter(|n| (2..=8).contains(n));
    if let Some(rest) = name.strip_prefix("vlan") {
        return nth(rest.strip_suffix(".id")?).map(Key::Vlan);
    }
    nth(name.strip_prefix("mpls")?.strip_suffix(".label")?).map(Key::Mpls)
}
