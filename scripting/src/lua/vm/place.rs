//! What an error of the machine says in a user's words, and where it happened.

use std::sync::atomic::Ordering::Relaxed;

use como_core::module::Limit;

use super::super::trouble::{Trouble, calls, is_memory, line_of, passed, plain, root};
use super::Vm;
use crate::library::is_shipped;

impl Vm {
    /// What `error` says, in a user's words.
    pub fn trouble(&self, error: mlua::Error, stopped: bool) -> Trouble {
        let memory = is_memory(&error);
        let Trouble { file, line, message, calls, .. } = self.place(&error);
        if memory {
            // Without this the VM stays full.
            let _ = self.lua.gc_collect();
        }
        if stopped {
            let message = self.watch.spent(self.limits.call_ms_max).to_string();
            return Trouble { limit: Some(Limit::Cpu), file, line, message, calls };
        }
        let bare = memory && (message.is_empty() || message == "not enough memory");
        let message = match bare {
            true => {
                format!("needs more than {} MiB of memory", self.limits.memory_bytes_max >> 20)
            }
            false => message,
        };
        let memory = memory.then_some(Limit::Memory);
        Trouble { limit: memory.or_else(|| passed(&error)), file, line, message, calls }
    }

    /// The place an error names, and its text without place and traceback.
    ///
    /// Where the text names no place, the traceback does. What a shipped library complains of is
    /// what it was given, so the place is the script's line.
    fn place(&self, error: &mlua::Error) -> Trouble {
        let (cause, traceback) = root(error);
        let text = match cause {
            mlua::Error::RuntimeError(text) | mlua::Error::MemoryError(text) => text.clone(),
            mlua::Error::SyntaxError { message, .. } => message.clone(),
            other => other.to_string(),
        };
        let (text, trace) = text.split_once("\nstack traceback:").unwrap_or((&text, ""));
        let lines = || trace.lines().chain(traceback.lines()).map(str::trim);
        // Behind the script stands the loop that its callbacks become part of.
        let most = self.lines.load(Relaxed);
        let is_own = |line: &u32| most == 0 || *line <= most;
        let own = |text| line_of(text, &self.chunk).map(|(line, _)| line).filter(is_own);
        let caller = lines().find_map(own);
        let (file, line, message) = match (line_of(text, &self.chunk), self.in_library(text)) {
            (Some((line, message)), _) => {
                (None, Some(line).filter(is_own).or(caller).unwrap_or(0), message)
            }
            (None, Some((file, line, message))) => (Some(file), line, message),
            _ => {
                let named = |text| match own(text) {
                    Some(line) => Some((None, line)),
                    None => self.in_library(text).map(|(file, line, _)| (Some(file), line)),
                };
                let own = |(file, _): &(Option<&String>, u32)| !file.is_some_and(|f| is_shipped(f));
                let ours = lines().filter_map(named).find(own);
                let (file, line) = ours.or_else(|| lines().find_map(named)).unwrap_or((None, 0));
                (file, line, text)
            }
        };
        let mut message = plain(message);
        match (file, caller) {
            (Some(file), Some(caller)) if is_shipped(file) => {
                note(&mut message, &format!(" (in {file}:{line})"));
                Trouble::new(caller, message)
            }
            (Some(_), Some(caller)) => {
                note(&mut message, &format!(" (called in {}:{caller})", self.chunk));
                Trouble { file: file.cloned(), ..Trouble::new(line, message) }
            }
            (None, _) => {
                let trace = if trace.is_empty() { traceback } else { trace };
                let calls = calls(trace, &self.chunk, self.lines.load(Relaxed));
                Trouble { calls, ..Trouble::new(line, message) }
            }
            _ => Trouble { file: file.cloned(), ..Trouble::new(line, message) },
        }
    }

    /// The library whose file and line `text` begins with, and what stands behind them.
    fn in_library<'t>(&self, text: &'t str) -> Option<(&String, u32, &'t str)> {
        self.chunks.iter().find_map(|(chunk, file)| {
            let (line, rest) = line_of(text, chunk)?;
            Some((file, line, rest))
        })
    }
}

/// Adds to a message what belongs before its hint.
fn note(message: &mut String, what: &str) {
    message.insert_str(message.find("; ").unwrap_or(message.len()), what);
}
