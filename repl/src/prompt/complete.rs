//! Completion at the prompt: commands first, then modules, fields or files.

use como_core::field::Field;
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};

use crate::catalogue;

/// The names a user may want to write.
pub struct Names {
    commands: Vec<String>,
    modules: Vec<String>,
    fields: Vec<String>,
    /// What scripts find, and fields as filters write them.
    library: Vec<String>,
    files: FilenameCompleter,
}

impl Names {
    /// The commands given, the shipped modules and the fields of packets.
    pub fn new<'a>(commands: impl IntoIterator<Item = &'a str>) -> Self {
        let fields: Vec<String> = Field::ALL.iter().map(|f| f.name().to_owned()).collect();
        let library = como_scripting::api::manual::names();
        Self {
            commands: commands.into_iter().map(str::to_owned).collect(),
            modules: catalogue::names(),
            library: library.into_iter().chain(fields.iter().cloned()).collect(),
            fields,
            files: FilenameCompleter::new(),
        }
    }

    /// Where the word at the cursor starts, and the names that begin like it.
    fn matching(&self, line: &str, pos: usize) -> (usize, Vec<&str>) {
        let before = line.get(..pos).unwrap_or(line);
        let verb = before.split_whitespace().next();
        // Some names that scripts find end in parentheses.
        let ends: &[char] = if verb == Some("help") { &[' '] } else { &[' ', '(', '!', '=', ','] };
        let start = before.rfind(ends).map_or(0, |at| at + 1);
        let known = match verb {
            _ if start == 0 => &self.commands,
            Some("filter") => &self.fields,
            Some("help") => &self.library,
            Some("load" | "run" | "unload" | "query") => &self.modules,
            _ => return (start, Vec::new()),
        };
        let begins = |name: &&str| name.starts_with(&before[start..]);
        (start, known.iter().map(String::as_str).filter(begins).collect())
    }
}

impl Completer for Names {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, names) = self.matching(line, pos);
        if names.is_empty() && start > 0 {
            return self.files.complete_path(line, pos);
        }
        let pair = |name: &str| Pair { display: name.to_owned(), replacement: name.to_owned() };
        Ok((start, names.into_iter().map(pair).collect()))
    }
}

impl Hinter for Names {
    type Hint = String;
}

impl Highlighter for Names {}
impl Validator for Names {}
impl Helper for Names {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_completed_by_its_place() {
        let names = Names::new(["source", "filter", "load"]);
        let check = |line: &str, start: usize, want: &str| {
            let (at, found) = names.matching(line, line.len());
            assert_eq!(at, start, "{line}");
            assert!(found.contains(&want), "{line}: {found:?}");
        };
        check("so", 0, "source");
        check("filter tcp.fl", 7, "tcp.flags.syn");
        check("filter not (ip.d", 12, "ip.dst");
        for (line, want) in [
            ("help net.c", "net.contains"),
            ("help pkt.ip.d", "pkt.ip.dst"),
            ("help pkt.tc", "pkt.tcp"),
            ("help ip.d", "ip.dst"),
            ("help upd", "update"),
            ("help quan", "quantile"),
            ("help req", "require"),
            ("help table.f", "table.find"),
            ("help table(", "table()"),
            ("help t.r", "t.remove"),
            ("help address.w", "address.within"),
        ] {
            check(line, 5, want);
        }
        assert_eq!(names.matching("source tr", 9), (7, vec![]));
    }
}
