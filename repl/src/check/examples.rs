//! Every whole example of the pages for users runs on traffic, as `como check` has it: packets,
//! records, and what merges two of them. How long a call takes is not looked at.

use como_core::module::Limits;
use como_core::supervisor::{Instance, Monitor, Options};

use super::merging::{Merging, Wrong};
use crate::output::Nowhere;
use crate::{catalogue, sources};

/// Some of every kind of packet, over several intervals of each example.
const TRAFFIC: &str = "gen:seed=1,packets=1500,duration=30s";

/// The fenced blocks of a language, with the line each begins in.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<(usize, &'a str)> {
    let (fence, mut found, mut from) = (format!("```{language}\n"), Vec::new(), 0);
    while let Some(at) = page[from..].find(&fence) {
        let start = from + at + fence.len();
        let end = start + page[start..].find("```").expect("a block ends");
        found.push((page[..start].lines().count() + 1, &page[start..end]));
        from = end;
    }
    found
}

/// What goes wrong in an example.
fn wrong_with(language: &str, text: &str) -> Option<String> {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join(format!("example.{language}"));
    std::fs::write(&path, text).expect("a file");
    let kind = match catalogue::load(&path) {
        Ok(kind) => kind,
        Err(failure) => return Some(failure.text()),
    };
    // What is granted to nobody here is not there.
    if !kind.asks_for().is_empty() {
        return None;
    }
    let limits = Limits { call_ms_max: 60_000, ..Limits::default() };
    let instance = Instance { limits, ..Instance::of(kind) };
    let wrong = Wrong::default();
    let sink = Merging::new(Box::new(Nowhere), instance.clone(), wrong.clone());
    let sources = sources::open([TRAFFIC.to_owned()]).expect("traffic");
    let options = Options { workers: 1, ..Options::default() };
    let ended = match Monitor::start(options, sources, vec![instance], Box::new(sink)) {
        Ok(monitor) => monitor.wait(),
        Err(error) => return Some(error.to_string()),
    };
    let fault = ended.status.tasks.into_iter().find_map(|task| task.last_fault);
    fault.or_else(|| wrong.lock().take())
}

#[track_caller]
fn check(name: &str, page: &str) {
    let each = ["lua", "rhai"].into_iter().flat_map(|language| {
        blocks(page, language).into_iter().map(move |(line, text)| (language, line, text))
    });
    let (mut tried, mut wrong) = (0, Vec::new());
    for (language, line, text) in each {
        tried += 1;
        wrong.extend(wrong_with(language, text).map(|why| format!("{name}:{line}: {why}")));
    }
    assert!(tried >= 20, "where are the examples?");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn examples_of_the_manual_run() {
    check("docs/modules.md", include_str!("../../../docs/modules.md"));
}

#[test]
fn examples_of_the_library_run() {
    check("docs/stdlib.md", include_str!("../../../docs/stdlib.md"));
}
