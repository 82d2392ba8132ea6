//! Understanding a Lua callback that can be lifted, or nothing: any token that is not foreseen
//! leaves the callback to the virtual machine.

mod conds;
mod keys;
mod places;

use como_core::field::Field;

use super::{Amount, By, Cond, Hop, Key, Program, Step, Target};
use crate::flow;
use crate::scan::tokens::{KEYWORDS, Shape, Token, tokens};
use crate::scan::{LAYERS, Language, is_at_top, uses};

/// The most additions, core tables and local names: what is larger is left to the virtual machine.
const TARGETS_MAX: usize = 32;
const TABLES_MAX: usize = 16;
const NAMES_MAX: usize = 64;
/// How deep blocks and conditions may nest.
const DEPTH_MAX: u32 = 16;

/// The program of `update`, if it only adds up.
pub fn update(source: &str) -> Option<Program> {
    let tokens = tokens(source, Language::Lua);
    let mut parser = Parser::of(source, &tokens, "update")?;
    parser.state?;
    let steps = parser.block()?;
    let program = Program { steps, ..parser.program };
    let does = !program.groups.is_empty() || !program.tables.is_empty();
    (parser.tokens.get(parser.at)?.is("end") && does).then_some(())?;
    places::is_clear(&program, &parser.made).then_some(program)
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
    /// A value made of fields that is none of them.
    Key(Key),
    /// A table that is there.
    Table(Vec<Hop>),
    /// What a table holds at a key, nil where it holds nothing yet.
    Row {
        path: Vec<Hop>,
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
    /// Where the script makes tables.
    made: Vec<Vec<By>>,
    depth: u32,
    /// Additions so far.
    targets: usize,
    /// Whether `tostring` is the library's.
    shows: bool,
}

impl<'a> Parser<'a> {
    /// Behind the parameters of `function NAME(...)`, where that is at the top level and the only
    /// use of the name.
    fn of(source: &str, tokens: &'a [Token<'a>], name: &str) -> Option<Self> {
        let mut found = uses(tokens, name);
        let at = found.next().filter(|at| *at > 0)?;
        let function = tokens.get(at - 1).filter(|t| t.is("function"))?;
        let begins = function.at == 0 || source.as_bytes().get(function.at - 1) == Some(&b'\n');
        if found.next().is_some() || !begins || !is_at_top(tokens, at - 1) {
            return None;
        }
        let mut parser = Self {
            tokens,
            at: at + 1,
            packet: "",
            state: None,
            names: Vec::new(),
            program: Program::default(),
            made: Vec::new(),
            depth: 0,
            targets: 0,
            shows: keys::is_only_called(tokens, "tostring"),
        };
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

    /// The dot before a name, which is none of two that join texts.
    fn take_dot(&mut self) -> bool {
        let joins = self.is(1, ".") && self.tokens[self.at].at + 1 == self.tokens[self.at + 1].at;
        !joins && self.take(".")
    }

    /// Whether what is named goes on: with a field, an index, a call.
    fn goes_on(&self) -> bool {
        let joins = self.is(0, ".") && self.is(1, ".");
        !joins && [".", "[", "(", ":"].iter().any(|mark| self.is(0, mark))
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
            return self.local(steps);
        }
        if self.take("if") {
            match self.row_made() {
                Some(path) => self.add(Target { path, amount: Amount::Nothing }, steps)?,
                None => {
                    let step = self.choice()?;
                    steps.push(step);
                }
            }
            return Some(());
        }
        if self.take("return") {
            steps.push(Step::Return);
            // It ends its block.
            return self.is(0, "end").then_some(());
        }
        if let Some(path) = self.whole(Self::counted) {
            let known = self.program.tables.iter().position(|known| *known == path);
            if self.program.tables.len() == TABLES_MAX && known.is_none() {
                return None;
            }
            let at = known.unwrap_or_else(|| {
                self.program.tables.push(path);
                self.program.tables.len() - 1
            });
            steps.push(Step::Count(at));
            return Some(());
        }
        let path = self.place()?;
        // A value that may be nil is not added to.
        let amount = if !places::may_lack(&path) && self.take_pair("+", "=") {
            self.amount()?
        } else {
            self.expect("=")?;
            match self.time() {
                Some(()) if places::is_of_row(&path) => Amount::LastTs,
                Some(()) => return None,
                None => self.grown(&path)?,
            }
        };
        self.add(Target { path, amount }, steps)?;
        self.ends().then_some(())
    }

    /// Whether an expression ends here: whatever goes on with it is not understood.
    fn ends(&self) -> bool {
        let ends = |next: &Token<'_>| {
            next.shape == Shape::Word && !next.is("and") && !next.is("or") || next.is(";")
        };
        self.token().is_some_and(ends)
    }

    /// What `parse` makes of an expression that it takes to the end; else nothing is taken.
    fn whole<T>(&mut self, parse: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = (self.at, self.depth);
        let found = parse(self).filter(|_| self.ends());
        if found.is_none() {
            (self.at, self.depth) = before;
        }
        found
    }

    /// `NAME = pkt.field`, `NAME = pkt.a * 256 + pkt.b`, `NAME = state.table`,
    /// `NAME = state.table[key]`.
    fn local(&mut self, steps: &mut Vec<Step>) -> Option<()> {
        let name = self.word()?;
        self.expect("=")?;
        if self.packet == name || self.state == Some(name) || name == "tostring" {
            return None;
        }
        let alias = if let Some(alias) = self.whole(Self::chain) {
            alias
        } else if let Some(key) = self.whole(Self::key) {
            let mut needs = std::collections::BTreeSet::new();
            key.needs(&mut needs);
            steps.push(Step::Need(needs));
            Alias::Key(key)
        } else {
            let path = self.whole(Self::place)?;
            match places::may_lack(&path) {
                true => Alias::Row { path, depth: self.depth },
                false => Alias::Table(path),
            }
        };
        self.names.push((name, alias));
        (self.names.len() <= NAMES_MAX).then_some(())
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
            let ends = !self.goes_on();
            return matches!(alias, Alias::Field(_) | Alias::Layer(_) | Alias::Key(_))
                .then_some(alias)
                .filter(|_| ends);
        }
        let mut words: Vec<&str> = Vec::new();
        while self.take_dot() {
            words.push(self.word()?);
        }
        if self.goes_on() {
            return None;
        }
        let path = words.join(".");
        if path == flow::NAME {
            return Some(Alias::Key(Key::Flow));
        }
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

    /// `pkt.ts`, as a whole.
    fn time(&mut self) -> Option<()> {
        self.whole(|parser| match parser.chain()? {
            Alias::Field(Field::Ts) => Some(()),
            _ => None,
        })
    }
}
