//! What goes wrong in a script, and how its place is read out of what Luau says.

use como_core::module::Limit;

use crate::mistakes::shortened;
use crate::passed::Passed;

/// What went wrong in a script, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The limit that was passed, if one was.
    pub limit: Option<Limit>,
    /// The file, where it is not the script itself but a library.
    pub file: Option<String>,
    /// The line, from 1; 0 where unknown.
    pub line: u32,
    /// What happened.
    pub message: String,
    /// The calls that led there.
    pub calls: String,
}

impl Trouble {
    /// Something wrong in a line of the script.
    pub fn new(line: u32, message: impl Into<String>) -> Self {
        Self { limit: None, file: None, line, message: message.into(), calls: String::new() }
    }
}

/// What code from `file` is called inside.
pub fn chunk_name(file: &str) -> String {
    file.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// The line of `chunk` that `text` begins with, and what stands behind it.
pub fn line_of<'a>(text: &'a str, chunk: &str) -> Option<(u32, &'a str)> {
    let rest = text.strip_prefix(chunk)?.strip_prefix(':')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let line = rest[..end].parse().ok()?;
    Some((line, rest[end..].trim_start_matches([':', ' '])))
}

/// How many calls are told of those that led to an error.
const CALLS_MAX: usize = 4;

/// The calls between functions of the script that led to an error, the innermost first. What lies
/// behind line `last` is the driver.
pub fn calls(trace: &str, chunk: &str, last: u32) -> String {
    let frame = |text| {
        let (line, rest) = line_of(text, chunk)?;
        Some((line, rest.strip_prefix("in function '")?.strip_suffix('\'')?))
    };
    let frames: Vec<(u32, &str)> = trace.lines().map(str::trim).filter_map(frame).collect();
    let calls = frames.windows(2).filter(|pair| pair[1].0 <= last);
    let told = |pair: &[(u32, &str)]| format!("; in `{}`, called in line {}", pair[0].1, pair[1].0);
    calls.take(CALLS_MAX).map(told).collect()
}

/// A message without what only the machine has a use for.
pub fn plain(message: &str) -> String {
    // Errors of the library are the script's: the line is that of its call.
    let message = match message.strip_prefix("library:").and_then(|t| t.split_once(": ")) {
        Some((_, message)) => message,
        None => message,
    };
    // What is raised as an object shows as its place in memory.
    let raw = message.split_once(": 0x").is_some_and(|(ty, _)| !ty.contains(' '));
    let message = if raw { "an error that is no text" } else { message };
    shortened(message).trim().to_owned()
}

/// How deep Luau reads blocks and brackets inside each other.
const DEPTH_MAX: u32 = 1000;

/// What the compiler says of a text.
pub fn syntax(error: &mlua::Error) -> Trouble {
    let text = match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        error => error.to_string(),
    };
    // `3: Expected ...`, perhaps with a colon before.
    let place = text.trim_start_matches(':').split_once(':');
    let place = place.and_then(|(line, message)| Some((line.trim().parse().ok()?, message)));
    let (line, message) = place.unwrap_or((0, &text));
    if message.contains("xceeded allowed recursion depth") {
        return Trouble::new(
            line,
            format!("blocks or brackets lie more than {DEPTH_MAX} deep in each other"),
        );
    }
    // What was never closed is where to look, and not where the text ends.
    let forgotten = message.split_once("; did you forget to close ").and_then(|(_, behind)| {
        let (_, line) = behind.trim_end_matches('?').rsplit_once(" at line ")?;
        line.parse().ok()
    });
    Trouble::new(forgotten.unwrap_or(line), lowered(message.trim()))
}

/// Messages of the compiler begin with a capital; ours do not, unless a name comes first.
pub fn lowered(message: &str) -> String {
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// Which limit of ours an error says was passed.
pub fn passed(error: &mlua::Error) -> Option<Limit> {
    match root(error).0 {
        mlua::Error::ExternalError(error) => {
            error.downcast_ref::<Passed>().map(|passed| passed.limit)
        }
        _ => None,
    }
}

pub fn is_memory(error: &mlua::Error) -> bool {
    match root(error).0 {
        mlua::Error::MemoryError(_) => true,
        mlua::Error::RuntimeError(text) => {
            text.split('\n').next().is_some_and(|line| line.ends_with("not enough memory"))
        }
        _ => false,
    }
}

/// The innermost error, and where the outermost was raised.
pub fn root(error: &mlua::Error) -> (&mlua::Error, &str) {
    let mut found = (error, "");
    while let mlua::Error::CallbackError { traceback, cause } = found.0 {
        found = (cause, if found.1.is_empty() { traceback } else { found.1 });
    }
    found
}
