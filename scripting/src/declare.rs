//! What a script declares by its top-level names, whatever its language.
//!
//! A host runs the top level of a script and hands over every name it set as a
//! [`Tree`]; [`declare`] says what they mean, or which is wrong, in which line,
//! and what would be right. Both hosts go through here, so that a module reads
//! the same in Lua and in Rhai and fails with the same words.
//!
//! What both hosts promise:
//! - The top level runs once with the default arguments, for the manifest, and
//!   once per instance, where `args` already reads as the user set it.
//! - Names a host cannot turn into a [`Tree`] (functions) are given apart, as
//!   [`Function`]s. A name of the script's own is `local` in Lua, `const` in Rhai.
//! - Callbacks take the parameters of [`Callback::params`], or the first few.
//! - `init(args, last)` is called when an interval begins. What it returns is `state` until
//!   the interval is exported; `last` is the state of the interval before (nil at first), for
//!   what a module must remember. Without `init` the state is an empty table or map.
//! - `export(table, long, args)` gets the core table, or `state` where none is declared, and
//!   may change what it gets. It returns a row set, a list of maps, one map, or nothing.
//!   Where no `long` is declared, `long` is an empty table or map of the script's own that
//!   lives as long as the instance.
//! - A core table has `top(column, n)` and `all()`, row sets; a row set is walked by `for`, has a
//!   length, and returned as it is keeps the columns' types. A row has its columns as fields.
//! - What `export` returns otherwise becomes records through [`crate::recorder`], for both.

mod parts;
mod said;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use como_core::module::declared::Declaration;
use como_core::module::{ArgSpec, Manifest, ModuleError, trace};
use como_core::nearest::nearest;
use como_core::record::Schema;
use como_core::table::{Aggregate, DeclareError, Full, ValueColumn};

use crate::mistakes::TOLD_MAX;
use crate::scan::Language;

/// A value as scripts of either language write it.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// `nil`, `()`.
    Nil,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(String),
    /// Values in order.
    List(Vec<Tree>),
    /// Values by name, in the order they are written in.
    Map(Vec<(String, Tree)>),
    /// `sum("len")` and the like: a host has a function for each of
    /// [`como_core::table::AGGREGATES`], which calls [`Aggregate::new`].
    Aggregate(Aggregate),
    /// What could not be had, for which something else is to blame.
    Unknown,
}

impl Tree {
    /// The value without what could not be had in it; nothing where no more is left.
    fn known(&self) -> Self {
        match self {
            Self::Unknown => Self::Nil,
            Self::List(list) if list.contains(&Self::Unknown) => Self::Nil,
            Self::Map(entries) => {
                let entry = |(name, value): &(String, Self)| (name.clone(), value.known());
                let known = entries.iter().map(entry).filter(|(_, value)| *value != Self::Nil);
                let known: Vec<_> = known.collect();
                if known.is_empty() && !entries.is_empty() { Self::Nil } else { Self::Map(known) }
            }
            other => other.clone(),
        }
    }
}

/// A name the top level of a script set.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// The name.
    pub name: String,
    /// The line it was set in, from 1; 0 where unknown.
    pub line: u32,
    /// What it was set to.
    pub value: Tree,
}

/// A function the top level of a script defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The name.
    pub name: String,
    /// The line it begins in, from 1; 0 where unknown.
    pub line: u32,
    /// How many parameters it takes.
    pub params: usize,
}

/// The script itself, for messages and for its first comment.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    /// The file, as messages name it.
    pub file: &'a str,
    /// The module's name: the stem of the file.
    pub name: &'a str,
    /// What it is written in.
    pub language: Language,
    /// The source.
    pub text: &'a str,
}

/// The functions a script may define for the system to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Callback {
    Init,
    Check,
    Update,
    Export,
    Action,
    Store,
    Load,
    Print,
    Replay,
    Merge,
}

impl Callback {
    /// All of them, in the order a packet meets them.
    pub const ALL: [Self; 10] = [
        Self::Init,
        Self::Check,
        Self::Update,
        Self::Export,
        Self::Action,
        Self::Store,
        Self::Load,
        Self::Print,
        Self::Replay,
        Self::Merge,
    ];

    /// Its name in scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Check => "check",
            Self::Update => "update",
            Self::Export => "export",
            Self::Action => "action",
            Self::Store => "store",
            Self::Load => "load",
            Self::Print => "print",
            Self::Replay => "replay",
            Self::Merge => "merge",
        }
    }

    /// What it is called with. A script may leave out the last ones.
    pub const fn params(self) -> &'static [&'static str] {
        match self {
            Self::Init => &["args", "last"],
            Self::Check | Self::Update => &["pkt", "state"],
            Self::Export => &["table", "long", "args"],
            Self::Action => &["row", "now"],
            Self::Store | Self::Replay => &["record"],
            Self::Load => &["bytes"],
            Self::Print => &["record", "format"],
            Self::Merge => &["a", "b"],
        }
    }
}

/// Which callbacks a script defines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Callbacks(u16);

impl Callbacks {
    /// Whether the script defines it.
    pub const fn has(self, callback: Callback) -> bool {
        self.0 >> callback as u16 & 1 == 1
    }

    /// Whether the script merges its records: not those of a form of its own, which have no
    /// columns.
    pub const fn merges_records(self) -> bool {
        self.has(Callback::Merge) && !self.has(Callback::Load)
    }

    fn add(&mut self, callback: Callback) {
        self.0 |= 1 << callback as u16;
    }
}

/// What a script may write beside its records: the name of each, and its columns.
pub type Outputs = Vec<(Arc<str>, Arc<Schema>)>;

/// All a script says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// Name, description, filter, arguments.
    pub manifest: Manifest,
    /// Key, value, bounds and long-term table: empty for a script with `update`.
    pub declaration: Declaration,
    /// The columns of the records `export` returns, where the script states them.
    pub schema: Option<Arc<Schema>>,
    /// What it may write beside its records, by name.
    pub outputs: Outputs,
    /// The core service this is a manifest of: [`como_core::module::trace::SERVICE`].
    pub service: Option<String>,
    /// Which functions the system calls.
    pub callbacks: Callbacks,
}

/// The names a script may declare.
pub const NAMES: [&str; 12] = [
    "filter", "args", "key", "value", "long", "schema", "service", "rows", "full", "interval",
    "backfill", "doc",
];

impl Declared {
    /// Whether the system keeps a table for the script, by its `key` and `value`.
    pub fn has_table(&self) -> bool {
        !self.declaration.key.is_empty() || !self.declaration.value.is_empty()
    }

    /// The names of the columns that tell the rows of its records apart.
    pub fn row_key(&self) -> Vec<String> {
        let long = self.declaration.long.as_ref().map(|long| &long.key);
        let key = long.filter(|key| !key.is_empty()).unwrap_or(&self.declaration.key);
        key.iter().map(|column| column.name.clone()).collect()
    }
}

/// Reads what the top level of a script set. The error says all that is wrong with it.
pub fn declare(
    script: &Script<'_>,
    globals: &[Global],
    functions: &[Function],
) -> Result<Declared, ModuleError> {
    let (mut declared, wrong) = parts(script, globals, functions);
    ModuleError::of(wrong)?;
    if declared.service.is_some() {
        declared.manifest = trace::complete(declared.manifest);
    }
    declared.manifest = declared.manifest.with_interval();
    whole(&declared).map_err(|(name, message)| {
        let line = |n: &str| {
            let global = globals.iter().find(|g| g.name == n).map(|g| g.line);
            global.or_else(|| functions.iter().find(|f| f.name == n).map(|f| f.line))
        };
        error(script, line(name).unwrap_or(0), message)
    })?;
    Ok(declared)
}

/// What is wrong with what a top level set before it failed, whatever it makes together.
pub fn mistakes(
    script: &Script<'_>,
    globals: &[Global],
    functions: &[Function],
) -> Vec<ModuleError> {
    let known = |global: &Global| Global { value: global.value.known(), ..global.clone() };
    let globals: Vec<Global> = globals.iter().map(known).collect();
    let (declared, mut wrong) = parts(script, &globals, functions);
    if wrong.is_empty() {
        wrong = alone(&declared, script, &globals);
    }
    wrong
}

/// The parts of a declaration, and all that is wrong with each.
fn parts(
    script: &Script<'_>,
    globals: &[Global],
    functions: &[Function],
) -> (Declared, Vec<ModuleError>) {
    let mut wrong = Vec::new();
    let mut declared = Declared {
        manifest: Manifest {
            name: script.name.to_owned(),
            doc: parts::first_comment(script.text, script.language),
            language: script.language.name(),
            ..Manifest::default()
        },
        declaration: Declaration::default(),
        schema: None,
        outputs: Vec::new(),
        service: None,
        callbacks: callbacks(script, functions, &mut wrong),
    };
    for global in globals.iter().filter(|g| g.value != Tree::Nil) {
        if wrong.len() > TOLD_MAX {
            break;
        }
        if let Err(message) = parts::read(&mut declared, script, global) {
            let each = each_wrong(&declared, script, global);
            let told = if each.is_empty() { vec![message] } else { each };
            wrong.extend(told.into_iter().map(|message| error(script, global.line, message)));
        }
    }
    // What the parts make together says nothing while one of them is wrong; each alone does.
    if !wrong.is_empty() {
        wrong.extend(alone(&declared, script, globals));
    }
    wrong.extend(misfiltered(&declared, script, globals));
    let is_read = globals.iter().any(|g| g.name == "args" && g.value != Tree::Nil);
    // Where they are declared and could not be read, nobody knows which there are.
    if is_read || !crate::scan::declares_args(script.text, script.language) {
        wrong.extend(undeclared(&declared, script));
    }
    wrong.extend(said::misnamed(script, globals));
    (declared, wrong)
}

/// Reads of arguments that there are not.
fn undeclared(declared: &Declared, script: &Script<'_>) -> Vec<ModuleError> {
    let known = declared.manifest.args.iter().map(|arg| arg.name.as_str());
    let known: Vec<&str> = known.chain(["interval"]).collect();
    let read = crate::scan::args(script.text, script.language).into_iter();
    let unknown = read.filter(|(name, _)| !known.contains(&name.as_str()));
    let error = |(name, at): (String, Range<usize>)| {
        let hint = match nearest(&name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "declare it with its default, as in args = { n = 20 }".to_owned(),
        };
        script.mistake_at(at, format!("there is no argument `{name}`"), Some(hint)).into()
    };
    unknown.take(TOLD_MAX).map(error).collect()
}

/// What is wrong with each entry of a map, alone.
fn each_wrong(declared: &Declared, script: &Script<'_>, global: &Global) -> Vec<String> {
    let Tree::Map(entries) = &global.value else { return Vec::new() };
    let alone = |entry: &(String, Tree)| {
        let global = Global { value: Tree::Map(vec![entry.clone()]), ..global.clone() };
        parts::read(&mut declared.clone(), script, &global).err()
    };
    entries.iter().filter_map(alone).take(TOLD_MAX).collect()
}

/// What is wrong with the values, whatever the rest is.
fn alone(declared: &Declared, script: &Script<'_>, globals: &[Global]) -> Vec<ModuleError> {
    let line = |name: &str| globals.iter().find(|g| g.name == name).map_or(0, |g| g.line);
    let value = |column: &ValueColumn| {
        let alone = Declaration { value: vec![column.clone()], ..Declaration::default() };
        let wrong = alone.check().err()?;
        Some(error(script, line("value"), wrong.to_string()))
    };
    declared.declaration.value.iter().filter_map(value).take(TOLD_MAX).collect()
}

/// What is wrong with the filter.
fn misfiltered(
    declared: &Declared,
    script: &Script<'_>,
    globals: &[Global],
) -> Option<ModuleError> {
    let text = &declared.manifest.filter;
    let error = como_core::filter::parse(text).err().filter(|_| !text.is_empty())?;
    let line = globals.iter().find(|g| g.name == "filter").map_or(0, |g| g.line);
    Some(script.misfiltered(line, text, &error).into())
}

/// The arguments in a script's `args`, as soon as the host sees it set.
pub fn arg_specs(script: &Script<'_>, args: &Global) -> Result<Vec<ArgSpec>, ModuleError> {
    parts::args(script, &args.value).map_err(|message| error(script, args.line, message))
}

/// What a script writes in `table{ key = ..., value = ... }`, as a declaration.
pub fn table(given: &Tree) -> Result<Declaration, String> {
    parts::table(given)
}

fn error(script: &Script<'_>, line: u32, message: String) -> ModuleError {
    script.mistake(line, message).into()
}

fn callbacks(
    script: &Script<'_>,
    functions: &[Function],
    wrong: &mut Vec<ModuleError>,
) -> Callbacks {
    let mut callbacks = Callbacks::default();
    for function in functions {
        let name = function.name.as_str();
        match Callback::ALL.into_iter().find(|c| c.name() == name) {
            Some(callback) => {
                let params = callback.params();
                if function.params > params.len() {
                    let message = format!("`{name}` takes at most ({})", params.join(", "));
                    wrong.push(error(script, function.line, message));
                }
                callbacks.add(callback);
            }
            // One slip of the keyboard from a callback is hardly a helper's name.
            None => {
                let slip = |c: &Callback| strsim::damerau_levenshtein(c.name(), name) == 1;
                let near = Callback::ALL.into_iter().find(slip);
                if let Some(near) = near.filter(|_| wrong.len() <= TOLD_MAX) {
                    let near = near.name();
                    let message = format!(
                        "`{name}` is never called; did you mean `{near}`? (rename it if it is \
                            yours)"
                    );
                    wrong.push(error(script, function.line, message));
                }
            }
        }
    }
    callbacks
}

/// Whether the parts make a whole; else the name to point at, and why not.
fn whole(declared: &Declared) -> Result<(), (&'static str, String)> {
    let fail = |name, why: &str| Err((name, why.to_owned()));
    let has = |callback| declared.callbacks.has(callback);
    let Declaration { rows_max, full, long, .. } = &declared.declaration;
    if declared.service.is_some() {
        return match declared.has_table() || declared.callbacks != Callbacks::default() {
            true => fail("service", "a `service` does the work itself: no key, value or functions"),
            false => Ok(()),
        };
    }
    match (declared.has_table(), has(Callback::Update)) {
        (true, true) => {
            fail("update", "`update` and `key`, `value` exclude each other: keep one of them")
        }
        (false, false) => {
            fail("", "nothing is measured: declare `key` and `value`, or write `update`")
        }
        (false, true) if rows_max.is_some() => fail("rows", "`rows` is of a table: add `key`"),
        (false, true) if *full != Full::default() => {
            fail("full", "`full` is of a table: add `key`")
        }
        (false, true) if long.is_some() => fail("long", "`long` needs `key` and `value`"),
        (false, true) if !has(Callback::Export) => {
            fail("update", "what `update` counts is never recorded: write `export(state)`")
        }
        _ if has(Callback::Action) && long.is_none() => {
            fail("action", "`action` is asked about the rows of `long`: declare it")
        }
        _ if !has(Callback::Action) && long.as_ref().is_some_and(|l| l.timeout.0 == 0) => {
            fail("long", "`long` never ends a row: give it a `timeout`, or write `action`")
        }
        _ if declared.schema.is_some() && !has(Callback::Export) => {
            fail("schema", "`schema` describes what `export` returns: write it")
        }
        _ if has(Callback::Store) != has(Callback::Load) => {
            let which = if has(Callback::Store) { "store" } else { "load" };
            fail(which, "`store` and `load` go together: write the other")
        }
        (true, _) => {
            declared.declaration.check().map_err(|error| (blamed(&error), error.to_string()))
        }
        _ => Ok(()),
    }
}

/// The name a core error is about.
fn blamed(error: &DeclareError) -> &'static str {
    match error {
        DeclareError::Key { .. } => "key",
        DeclareError::Long(_) => "long",
        _ => "value",
    }
}
