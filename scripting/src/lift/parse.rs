//! Understanding a Lua callback that can be lifted, or nothing: any token that is not foreseen
//! leaves the callback to the virtual machine.

mod conds;

use como_core::field::{Field, Kind};

use super::{Amount, Cond, Group, Program, Row, Step, Target};
use crate::scan::tokens::{Shape, Token, tokens};
use crate::scan::{LAYERS, Language, uses};

/// How deep blocks and conditions may nest.
const DEPTH_MAX: u32 = 16;

/// The program of `update`, if it only adds up.
pub fn update(source: &str) -> Option<Program> {
    let tokens = tokens(source, Language::Lua);
    let mut parser = Parser::of(source, &tokens, "update")?;
    parser.state?;
    let steps = parser.block()?;
    (parser.take("end") && !parser.program.groups.is_empty())
        .then_some(Program { steps, ..parser.program })
}

/// The test in `check`, if it is nothing else.
pub fn check(source: &str) -> Option<Cond> {
    let tokens = tokens(source, Language::Lua);
    let mut parser = Parser::of(source, &tokens, "check")?;
    if !parser.take("return") {
        return None;
    }
    let cond = parser.cond()?;
    parser.take(";");
    parser.take("end").then_some(cond)
}

/// What a local name stands for.
#[derive(Clone, Debug)]
enum Alias {
    Field(Field),
    Layer(u32),
    /// A table in the state.
    Path(Vec<String>),
    /// The value of a table in the state at a key, and its fields once it is sure to be there.
    Row {
        path: Vec<String>,
        key: Field,
        fresh: Option<Vec<(String, u32)>>,
        /// How deep the block lies that declares it: only there it is made for every packet.
        depth: u32,
    },
}

struct Parser<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    packet: &'a str,
    state: Option<&'a str>,
    names: Vec<(&'a str, Alias)>,
    program: Program,
    depth: u32,
}

/// Where an addition goes.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    path: Vec<String>,
    key: Option<Field>,
    row: Option<Row>,
}

impl<'a> Parser<'a> {
    /// Behind the parameters of `function NAME(...)`, where that is at the top level and the only
    /// use of the name.
    fn of(source: &str, tokens: &'a [Token<'a>], name: &str) -> Option<Self> {
        let mut found = uses(tokens, name);
        let at = found.next().filter(|at| *at > 0)?;
        let function = tokens.get(at - 1).filter(|t| t.is("function"))?;
        let begins = function.at == 0 || source.as_bytes().get(function.at - 1) == Some(&b'\n');
        if found.next().is_some() || !begins {
            return None;
        }
        let program = Program::default();
        let names = Vec::new();
        let mut parser =
            Self { tokens, at: at + 1, packet: "", state: None, names, program, depth: 0 };
        parser.expect("(")?;
        parser.packet = parser.word()?;
        if parser.take(",") {
            parser.state = Some(parser.word()?).filter(|state| *state != parser.packet);
        }
        parser.expect(")")?;
        Some(parser)
    }

    fn token(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.at)
    }

    fn is(&self, ahead: usize, text: &str) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|t| t.is(text))
    }

    fn take(&mut self, text: &str) -> bool {
        let there = self.is(0, text);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        self.take(text).then_some(())
    }

    /// Two marks with nothing between.
    fn take_pair(&mut self, first: &str, second: &str) -> bool {
        let pair = self.is(0, first)
            && self.is(1, second)
            && self.tokens[self.at].at + 1 == self.tokens[self.at + 1].at;
        self.at += if pair { 2 } else { 0 };
        pair
    }

    /// A name that is no keyword.
    fn word(&mut self) -> Option<&'a str> {
        const KEYWORDS: [&str; 21] = [
            "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in",
            "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
        ];
        let token = self.token().filter(|t| t.shape == Shape::Word)?;
        if KEYWORDS.contains(&token.text) {
            return None;
        }
        self.at += 1;
        Some(token.text)
    }

    fn number(&mut self) -> Option<u32> {
        let token = self.token().filter(|t| t.shape == Shape::Number)?;
        self.at += 1;
        token.text.parse().ok()
    }

    fn alias(&self, name: &str) -> Option<&Alias> {
        self.names.iter().rev().find(|(known, _)| *known == name).map(|(_, alias)| alias)
    }

    fn block(&mut self) -> Option<Vec<Step>> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let known = self.names.len();
        let mut steps = Vec::new();
        while !["end", "else", "elseif"].iter().any(|word| self.is(0, word)) {
            self.statement(&mut steps)?;
            self.take(";");
        }
        self.names.truncate(known);
        self.depth -= 1;
        Some(steps)
    }

    fn statement(&mut self, steps: &mut Vec<Step>) -> Option<()> {
        if self.take("local") {
            return self.local();
        }
        if self.take("if") {
            let step = match self.row_made() {
                Some(place) => self.add(place, Amount::Nothing, steps.last()),
                None => Some(self.choice()?),
            };
            steps.extend(step);
            return Some(());
        }
        if self.take("return") {
            steps.push(Step::Return);
            // It ends its block.
            return self.is(0, "end").then_some(());
        }
        let place = self.place()?;
        if place.path.is_empty() && place.key.is_none() {
            return None;
        }
        // A value that may be nil is not added to.
        let may_lack = place.key.is_some() && place.row.is_none();
        let amount = if !may_lack && self.take_pair("+", "=") {
            self.amount()?
        } else {
            self.expect("=")?;
            self.grown(&place)?
        };
        let step = self.add(place, amount, steps.last());
        steps.extend(step);
        // Whatever goes on with the expression is not understood.
        let next = self.token()?;
        let ends = next.shape == Shape::Word && !next.is("and") && !next.is("or") || next.is(";");
        ends.then_some(())
    }

    /// `NAME = pkt.field`, `NAME = state.table`, `NAME = state.table[key]`.
    fn local(&mut self) -> Option<()> {
        let name = self.word()?;
        self.expect("=")?;
        if self.packet == name || self.state == Some(name) {
            return None;
        }
        let alias = match self.chain() {
            Some(alias) => alias,
            None => match self.place()? {
                Place { path, key: Some(key), row: None } => {
                    Alias::Row { path, key, fresh: None, depth: self.depth }
                }
                Place { path, key: None, row: None } => Alias::Path(path),
                _ => return None,
            },
        };
        let next = self.token()?;
        if next.shape != Shape::Word || next.is("and") || next.is("or") {
            return None;
        }
        self.names.push((name, alias));
        Some(())
    }

    /// The rest of `if COND then ... end`, behind `if` or `elseif`.
    fn choice(&mut self) -> Option<Step> {
        let cond = self.cond()?;
        self.expect("then")?;
        let then = self.block()?;
        let mut other = Vec::new();
        if self.take("elseif") {
            self.depth += 1;
            other.push(self.choice()?);
            self.depth -= 1;
            return Some(Step::If(cond, then, other));
        }
        if self.take("else") {
            other = self.block()?;
        }
        self.expect("end")?;
        Some(Step::If(cond, then, other))
    }

    /// The rest of `if not row then row = { a = 0 } state[key] = row end`, for a row not made yet.
    fn row_made(&mut self) -> Option<Place> {
        let before = self.at;
        let made = self.row_making();
        if made.is_none() {
            self.at = before;
        }
        made
    }

    fn row_making(&mut self) -> Option<Place> {
        let asked = self.take("not");
        let name = self.word()?;
        let Alias::Row { path, key, fresh: None, depth } = self.alias(name)?.clone() else {
            return None;
        };
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
        let target = Place { path: path.clone(), key: Some(key), row: None };
        if self.place()? != target {
            return None;
        }
        self.expect("=")?;
        if self.word()? != name {
            return None;
        }
        self.take(";");
        self.expect("end")?;
        let known = self.names.iter_mut().rev().find(|(known, _)| *known == name)?;
        known.1 = Alias::Row { path: path.clone(), key, fresh: Some(fresh.clone()), depth };
        let row = Some(Row { name: String::new(), fresh });
        Some(Place { path, key: Some(key), row })
    }

    /// `{ a = 0, b = 0 }`.
    fn fresh(&mut self) -> Option<Vec<(String, u32)>> {
        self.expect("{")?;
        let mut fields = Vec::new();
        while !self.take("}") {
            let name = self.word()?.to_owned();
            self.expect("=")?;
            fields.push((name, self.number()?));
            if !self.take(",") && !self.is(0, "}") {
                return None;
            }
        }
        Some(fields)
    }

    /// A place in the state: `state.a.b`, `state.a[key]`, `row.field`.
    fn place(&mut self) -> Option<Place> {
        let name = self.word()?;
        // A name for a table may be indexed; by itself it is a copy of what is there.
        let mut copied = false;
        let mut place = if self.state == Some(name) && self.alias(name).is_none() {
            Place { path: Vec::new(), key: None, row: None }
        } else {
            match self.alias(name)?.clone() {
                Alias::Path(path) => {
                    copied = true;
                    Place { path, key: None, row: None }
                }
                Alias::Row { path, key, fresh: Some(fresh), .. } => {
                    self.expect(".")?;
                    let name = self.word()?.to_owned();
                    if !fresh.iter().any(|(known, _)| *known == name) {
                        return None;
                    }
                    return Some(Place { path, key: Some(key), row: Some(Row { name, fresh }) });
                }
                _ => return None,
            }
        };
        while self.take(".") {
            place.path.push(self.word()?.to_owned());
            copied = false;
        }
        if self.take("[") {
            copied = false;
            place.key = Some(self.key()?);
            self.expect("]")?;
        }
        // What follows would be something else again.
        let goes_on = [".", "[", "(", ":"].iter().any(|mark| self.is(0, mark));
        (!goes_on && !copied).then_some(place)
    }

    fn key(&mut self) -> Option<Field> {
        match self.chain()? {
            Alias::Field(field) if is_key(field) => Some(field),
            _ => None,
        }
    }

    /// A field or layer of the packet, or a name for one.
    fn chain(&mut self) -> Option<Alias> {
        let before = self.at;
        let found = self.chain_here();
        if found.is_none() {
            self.at = before;
        }
        found
    }

    fn chain_here(&mut self) -> Option<Alias> {
        let name = self.word()?;
        if name != self.packet {
            let alias = self.alias(name)?.clone();
            let ends = ![".", "[", "(", ":"].iter().any(|mark| self.is(0, mark));
            return matches!(alias, Alias::Field(_) | Alias::Layer(_))
                .then_some(alias)
                .filter(|_| ends);
        }
        let mut words: Vec<&str> = Vec::new();
        while self.take(".") {
            words.push(self.word()?);
        }
        if ["[", "(", ":"].iter().any(|mark| self.is(0, mark)) {
            return None;
        }
        let path = words.join(".");
        let layer = || LAYERS.iter().find(|(layer, _)| *layer == path);
        match Field::named(&path) {
            Some(field) => Some(Alias::Field(field)),
            None => layer().map(|(_, mark)| Alias::Layer(*mark)),
        }
    }

    fn amount(&mut self) -> Option<Amount> {
        if let Some(number) = self.number() {
            return Some(Amount::Times(number));
        }
        match self.chain()? {
            Alias::Field(Field::Packets) => Some(Amount::Packets),
            Alias::Field(Field::Bytes) => Some(Amount::Bytes),
            Alias::Field(Field::Len) => Some(Amount::Len),
            _ => None,
        }
    }

    /// `PLACE + amount`, or `(PLACE or 0) + amount` where there is a key.
    fn grown(&mut self, place: &Place) -> Option<Amount> {
        let keyed = place.key.is_some() && place.row.is_none();
        if keyed {
            self.expect("(")?;
        }
        if self.place()? != *place {
            return None;
        }
        if keyed {
            self.expect("or")?;
            if self.number()? != 0 {
                return None;
            }
            self.expect(")")?;
        }
        self.expect("+")?;
        self.amount()
    }

    /// The step that adds `amount` at `place`; none where the step before does it along.
    fn add(&mut self, place: Place, amount: Amount, last: Option<&Step>) -> Option<Step> {
        let Place { path, key, row } = place;
        let target = Target { path, row, amount };
        if let Some(Step::Add(group)) = last
            && let Some(group) = self.program.groups.get_mut(*group)
            && group.key == key
        {
            group.targets.push(target);
            return None;
        }
        self.program.groups.push(Group { key, targets: vec![target] });
        Some(Step::Add(self.program.groups.len() - 1))
    }
}

/// Whether scripts see a field as something a table can be indexed by, and a core table too.
fn is_key(field: Field) -> bool {
    let counts = matches!(field, Field::Len | Field::Bytes | Field::Packets);
    matches!(field.kind(), Kind::Addr | Kind::Mac | Kind::Uint) && !counts
}
