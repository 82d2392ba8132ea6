//! The bodies of callbacks, run in place.
//!
//! A call of a Rhai function costs more than most callbacks do, and gives the
//! function copies. So the body of a callback is compiled once more as a block,
//! whose variables the host sets before it and reads after it: what a callback
//! changes of its parameters stays changed. In a callback that gets a packet,
//! `pkt.ip.dst` becomes the variable `pkt_ip_dst` ([`super::packet`]).

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use como_core::field::{Demand, Field, Id};
use rhai::{
    AST, ASTNode, Caches, Dynamic, Engine, EvalAltResult, EvalContext, Expr, Expression,
    OptimizationLevel, ParseError, ParseErrorType, Position, Scope, Stmt, StmtBlock,
};

use super::engine::Functions;
use super::fault::placed;
use super::packet::Read;
use crate::declare::Callback;
use crate::scan::tokens::{Shape, Token, tokens};
use crate::scan::{self, Language, Reads, is_dotted, reads, written};

/// A callback's body, ready to run.
pub(super) struct Body {
    expr: Expr,
    scope: Scope<'static>,
    caches: Caches,
    /// The script's functions, and those written inside the body.
    libraries: Vec<Functions>,
    params: Vec<String>,
    line: u32,
    /// By how much its first line is shifted to the right, in columns.
    shifted: usize,
}

/// What a callback reads of its packet.
#[derive(Debug, Default)]
pub(super) struct Packets {
    /// The variables to set, and what each stands for.
    pub reads: Vec<(String, Read)>,
    /// The fields it may ask a packet for that it holds; `None` where it holds none.
    pub held: Option<Vec<Field>>,
    /// The fields whose names the text shows.
    pub shown: Vec<Field>,
    /// Whether it is added to tables that the script makes.
    pub adds: bool,
    /// Whether the script may look into tables while packets pass.
    pub looks: bool,
}

impl Packets {
    /// The columns to prepare.
    pub fn demand(&self) -> Demand {
        let read = |demand: Demand, read: &Read| match read {
            Read::Field(field) => demand.field(*field),
            Read::Layer(_) => demand.layers(),
            Read::TsNs | Read::Filter(_) => demand,
            Read::Flow => demand.id(Id::Flow),
        };
        let demand = self.reads.iter().map(|(_, r)| r).fold(Demand::NONE, read);
        let held = |demand: Demand, field: &Field| demand.field_if_any(*field);
        match &self.held {
            Some(fields) => fields.iter().fold(demand.layers(), held),
            None => demand,
        }
    }
}

/// The body of the script's `callback`, if it has one, and what that reads of its packet, which may
/// reach the `others`, its libraries.
pub(super) fn compile(
    engine: &Engine,
    (functions, filters): (&Functions, &[(String, usize)]),
    (text, others): (&str, &[&str]),
    callback: Callback,
) -> Result<Option<(Body, Packets)>, ParseError> {
    let tokens = tokens(text, Language::Rhai);
    let Some(place) = Place::find(&tokens, callback.name()) else { return Ok(None) };
    let takes_packet = callback.params().first() == Some(&"pkt");
    let (body, packets) = match place.params.first().filter(|_| takes_packet) {
        Some(packet) => rewritten((text, others), (&tokens, filters), &place, packet),
        None => (place.text(text).to_owned(), Packets::default()),
    };
    // The parser numbers variables from the last: those set at each packet come last.
    let names = place.params.iter().map(|p| (*p).to_owned());
    let names: Vec<String> =
        names.chain(packets.reads.iter().map(|(name, _)| name.clone())).collect();
    let before: String = names.iter().map(|name| format!("let {name}=();")).collect();
    // Lines stay what they are in the script.
    let lines = "\n".repeat(place.line.saturating_sub(1) as usize);
    // And columns; in the first one those names stand before them.
    let begun = text.get(..place.bytes.start).unwrap_or_default();
    let columns = " ".repeat(begun.rsplit('\n').next().map_or(0, |line| line.chars().count()));
    let shifted = if lines.is_empty() { before.chars().count() } else { 0 };
    let ast = engine.compile(format!("{before}{lines}{columns}{body}"))?;
    let Some(Stmt::Block(block)) = ast.statements().last() else { return Ok(None) };
    // What is in the block, not the block itself: that might be optimised away.
    let inner = AST::new(block.iter().cloned(), ast.shared_lib().clone());
    let inner = engine.optimize_ast(&Scope::new(), inner, OptimizationLevel::Simple);
    changes_constant(&inner)?;
    let statements = inner.statements().iter().cloned();
    let block = StmtBlock::new(statements, block.position(), block.end_position());
    let mut scope = Scope::new();
    for name in &names {
        scope.push_dynamic(name.as_str(), Dynamic::UNIT);
    }
    let body = Body {
        expr: Expr::Stmt(Box::new(block)),
        scope,
        caches: Caches::new(),
        libraries: vec![functions.clone(), inner.shared_lib().clone()],
        params: place.params.iter().map(|p| (*p).to_owned()).collect(),
        line: place.line,
        shifted,
    };
    Ok(Some((body, packets)))
}

/// Refuses to set what has turned out to be a constant, as `args.n = 2` does: Rhai would take the
/// constant's value for the place to put the new one, and panic.
fn changes_constant(body: &AST) -> Result<(), ParseError> {
    let mut found = None;
    body.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Assignment(set))) = path.last() {
            let place = &set.1.lhs;
            let fixed = place.is_constant();
            found = found.or(fixed.then(|| place.position()));
        }
        found.is_none()
    });
    match found {
        Some(at) => Err(ParseError(ParseErrorType::AssignmentToConstant(String::new()).into(), at)),
        None => Ok(()),
    }
}

impl Body {
    /// Puts a value into parameter number `at`, if the script takes that many.
    pub fn set(&mut self, at: usize, value: Dynamic) {
        if let Some(held) = self.param(at) {
            *held = value;
        }
    }

    /// Takes parameter number `at` back, as the callback left it; nothing if it takes fewer.
    pub fn take(&mut self, at: usize) -> Dynamic {
        self.param(at).map(std::mem::take).unwrap_or_default()
    }

    fn param(&mut self, at: usize) -> Option<&mut Dynamic> {
        self.scope.get_mut(self.params.get(at)?)
    }

    /// What the callback calls parameter number `at`.
    pub fn param_name(&self, at: usize) -> Option<&str> {
        self.params.get(at).map(String::as_str)
    }

    /// Whether the callback takes parameter number `at`.
    pub fn takes(&self, at: usize) -> bool {
        at < self.params.len()
    }

    /// The line it begins in.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Runs once.
    pub fn run(&mut self, engine: &Engine) -> Result<Dynamic, Box<EvalAltResult>> {
        self.turns(engine).next(|_| ())
    }

    /// Begins to run any number of times within one call.
    pub fn turns<'a>(&'a mut self, engine: &'a Engine) -> Turns<'a> {
        let mut global = engine.new_global_runtime_state();
        global.lib.extend(self.libraries.iter().cloned());
        Turns {
            engine,
            global,
            caches: &mut self.caches,
            scope: &mut self.scope,
            body: Expression::from(&self.expr),
            line: self.line,
            shifted: self.shifted,
        }
    }
}

/// Turns of one body, within one call.
pub(super) struct Turns<'a> {
    engine: &'a Engine,
    global: rhai::GlobalRuntimeState,
    caches: &'a mut Caches,
    scope: &'a mut Scope<'static>,
    body: Expression<'a>,
    line: u32,
    shifted: usize,
}

impl Turns<'_> {
    /// Runs once, with the variables as `set` leaves them. What fails without a place fails in
    /// the line where the body begins.
    #[inline]
    pub fn next(
        &mut self,
        set: impl FnOnce(&mut Scope<'static>),
    ) -> Result<Dynamic, Box<EvalAltResult>> {
        set(self.scope);
        let global = &mut self.global;
        let mut context = EvalContext::new(self.engine, global, self.caches, self.scope, None);
        match context.eval_expression_tree(&self.body) {
            Err(error) => match *error {
                EvalAltResult::Return(value, _) => Ok(value),
                error => Err(placed(self.shifted_back(error), self.line)),
            },
            value => value,
        }
    }

    /// The error where the script has it, if it is in the line that was shifted.
    fn shifted_back(&self, mut error: EvalAltResult) -> Box<EvalAltResult> {
        let (line, column) = (error.position().line(), error.position().position());
        let own = column.and_then(|column| column.checked_sub(self.shifted));
        if let Some(column) = own.filter(|column| line == Some(1) && *column > 0)
            && let Ok(column) = u16::try_from(column)
        {
            error.set_position(Position::new(1, column));
        }
        Box::new(error)
    }
}

/// Where a function stands in a script.
struct Place<'a> {
    params: Vec<&'a str>,
    /// The tokens of its body, braces included.
    tokens: Range<usize>,
    /// The same in bytes.
    bytes: Range<usize>,
    line: u32,
}

impl<'a> Place<'a> {
    /// The last function called `name` at the top level: a later one takes the place of an earlier.
    fn find(tokens: &[Token<'a>], name: &str) -> Option<Self> {
        let mut depth = 0u32;
        let mut found = None;
        for (at, token) in tokens.iter().enumerate() {
            match token.text {
                "{" if token.shape == Shape::Mark => depth += 1,
                "}" if token.shape == Shape::Mark => depth = depth.saturating_sub(1),
                "fn" if depth == 0 && tokens.get(at + 1).is_some_and(|t| t.is(name)) => {
                    found = Self::read(tokens, at + 2).or(found);
                }
                _ => {}
            }
        }
        found
    }

    /// Reads `(a, b) { ... }` from token `at` on.
    fn read(tokens: &[Token<'a>], at: usize) -> Option<Self> {
        let open = at + tokens.get(at..)?.iter().position(|t| t.is("{"))?;
        let words = tokens.get(at..open)?.iter().filter(|t| t.shape == Shape::Word);
        let mut depth = 0u32;
        let close = open
            + tokens.get(open..)?.iter().position(|t| {
                depth = match (t.shape, t.text) {
                    (Shape::Mark, "{") => depth + 1,
                    (Shape::Mark, "}") => depth.saturating_sub(1),
                    _ => depth,
                };
                depth == 0
            })?;
        Some(Self {
            params: words.map(|t| t.text).collect(),
            tokens: open..close + 1,
            bytes: tokens.get(open)?.at..tokens.get(close)?.at + 1,
            line: tokens.get(open)?.line,
        })
    }

    fn text<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.bytes.clone()).unwrap_or("{}")
    }
}

/// The body with reads of the packet made variables: `pkt.ip.dst` turns into `pkt_ip_dst`, as long
/// as it was, and `WEB.match(pkt)` into a name of that length too.
fn rewritten(
    (text, others): (&str, &[&str]),
    (tokens, filters): (&[Token<'_>], &[(String, usize)]),
    place: &Place<'_>,
    packet: &str,
) -> (String, Packets) {
    let foreseen = reads(text, Language::Rhai);
    let mut rewritten = Rewritten {
        body: place.text(text).to_owned().into_bytes(),
        start: place.bytes.start,
        found: BTreeMap::new(),
        complete: foreseen.complete,
        words: tokens.iter().map(|token| token.text).collect(),
    };
    // Where the packet's name means something else in places, what is read is looked up by it.
    match foreseen.shadowed {
        true => rewritten.complete = false,
        false => rewritten.fields(tokens, place, packet),
    }
    rewritten.filters(text, filters, place, &foreseen);
    let Rewritten { body, found, complete, .. } = rewritten;
    // Where a packet goes is not known then, only which words the script has.
    let has = |word| text.contains(word) || others.iter().any(|other| other.contains(word));
    let payload = Field::Payload.name();
    let bytes = others.iter().any(|other| other.contains(payload)) || holds(tokens, payload);
    let named = |f: &Field| f.name().split('.').all(has) && (*f != Field::Payload || bytes);
    let held: Option<Vec<Field>> =
        (!complete).then(|| Field::ALL.iter().copied().filter(named).collect());
    let body = String::from_utf8(body).unwrap_or_else(|_| place.text(text).to_owned());
    // One that the script holds may be added in whatever way.
    let (adds, looks) = (foreseen.adds() || held.is_some() && has("add("), looks(tokens));
    (
        body,
        Packets { reads: found.into_iter().collect(), held, shown: foreseen.fields, adds, looks },
    )
}

/// Whether a script may read the payload itself, and not only `payload.len`.
fn holds(tokens: &[Token<'_>], payload: &str) -> bool {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let len = |at| is(at + 1, ".") && is(at + 2, "len") && !is(at + 3, "(");
    (0..tokens.len()).any(|at| tokens[at].text.contains(payload) && !(is(at, payload) && len(at)))
}

/// A body whose reads become variables.
struct Rewritten<'a> {
    body: Vec<u8>,
    /// Where it begins in the text.
    start: usize,
    /// The variables, and what each stands for.
    found: BTreeMap<String, Read>,
    /// Whether every read has become one.
    complete: bool,
    /// The words that the text has: no variable may be called like one.
    words: HashSet<&'a str>,
}

impl Rewritten<'_> {
    /// Puts a name, which has to be as long, in the place of a read.
    fn put(&mut self, at: Range<usize>, name: String, read: Read) {
        let bytes = self.body.get_mut(at.start - self.start..at.end - self.start);
        match bytes.filter(|bytes| bytes.len() == name.len()) {
            Some(bytes) if !self.words.contains(name.as_str()) => {
                bytes.copy_from_slice(name.as_bytes());
                self.found.insert(name, read);
            }
            // The script has a variable of that name, or wrote blanks in between.
            _ => self.complete = false,
        }
    }

    fn fields(&mut self, tokens: &[Token<'_>], place: &Place<'_>, packet: &str) {
        let followed = self.complete;
        for at in place.tokens.clone() {
            let starts = tokens[at].is(packet) && !is_dotted(tokens, at);
            let Some((read, steps)) = starts.then(|| path(tokens, at)).flatten() else { continue };
            if matches!(read, Read::Layer(_)) && !followed {
                // A layer in a script's hands is more than a yes.
                continue;
            }
            if written(tokens, at).is_some() {
                // The packet itself refuses that.
                self.complete = false;
                continue;
            }
            let last = &tokens[at + 2 * steps];
            let words = tokens[at..=at + 2 * steps].iter();
            let name = words.map(|t| if t.is(".") { "_" } else { t.text }).collect();
            self.put(tokens[at].at..last.at + last.text.len(), name, read);
        }
    }

    fn filters(
        &mut self,
        text: &str,
        filters: &[(String, usize)],
        place: &Place<'_>,
        foreseen: &Reads,
    ) {
        for spot in foreseen.spots.iter().filter(|s| place.bytes.contains(&s.at.start)) {
            let scan::Read::Filter(at) = spot.read else { continue };
            let named = |(name, _): &&(String, usize)| Some(name) == foreseen.filters.get(at);
            let one_line = !text[spot.at.clone()].contains('\n');
            match filters.iter().find(named).filter(|_| one_line) {
                Some((_, number)) => {
                    let name = format!("{:_<1$}", format!("f{number}"), spot.at.len());
                    self.put(spot.at.clone(), name, Read::Filter(*number));
                }
                None => self.complete = false,
            }
        }
    }
}

/// Whether tables may be looked into anywhere but in callbacks that get no packets.
fn looks(tokens: &[Token<'_>]) -> bool {
    const WORDS: [&str; 7] = ["find", "top", "all", "len", "clear", "for", "list"];
    let apart = Callback::ALL.into_iter().filter(|c| c.params().first() != Some(&"pkt"));
    let apart: Vec<_> =
        apart.filter_map(|c| Place::find(tokens, c.name()).map(|place| place.tokens)).collect();
    let is_word = |token: &Token<'_>| WORDS.iter().any(|word| token.is(word));
    let mut found = tokens.iter().enumerate().filter(|(_, token)| is_word(token));
    found.any(|(at, _)| !apart.iter().any(|tokens| tokens.contains(&at)))
}

/// What is read of the packet named at token `at`, and how many words of the path that takes.
fn path(tokens: &[Token<'_>], at: usize) -> Option<(Read, usize)> {
    let mut words = 0;
    let mut path = String::new();
    let mut longest = None;
    while words < 3 {
        let next = at + 1 + 2 * words;
        let (dot, word) = (tokens.get(next)?, tokens.get(next + 1));
        let Some(word) = word.filter(|w| dot.is(".") && w.shape == Shape::Word) else { break };
        if words > 0 {
            path.push('.');
        }
        path.push_str(word.text);
        words += 1;
        // What is called is a method of what stands before: `pkt.payload.len()`.
        let called = tokens.get(next + 2).is_some_and(|t| t.is("("));
        if let Some(read) = Read::named(&path).filter(|_| !called) {
            longest = Some((read, words));
        }
    }
    longest
}
