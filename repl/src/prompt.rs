//! `como repl`: the prompt, where a module is written, run and written again.
//!
//! The prompt keeps what was said (sources, filter, modules) and runs it as
//! `como run` would. Scripts are read anew at every run, so that an editor and
//! the prompt side by side are a workshop.

mod asked;
mod complete;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;

use como_core::lookup::Lookups;
use como_core::supervisor::{Instance, Options};
use como_scripting::api::manual;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use crate::catalogue;
use crate::cli::{Query, Repl};
use crate::error::{Failure, Result, nearest, say};
use crate::session::Session;
use crate::{output, sources};
use asked::Asked;
use complete::Names;

/// What may be said at the prompt: the word, what follows it, what it does.
const COMMANDS: [(&str, &str, &str); 9] = [
    ("source", "[FILE or SOURCE ...]", "read from these; alone, say which"),
    ("filter", "[EXPR]", "look only at these packets; alone, say which"),
    ("load", "[MODULE] [KEY=VALUE ...]", "add a module, or load it anew; alone, say which"),
    ("unload", "NAME", "drop a module"),
    ("allow", "[GRANT ...]", "let scripts reach just this beyond packets; alone, say what"),
    ("run", "[MODULE] [KEY=VALUE ...]", "run what is loaded, or just this; Ctrl-C ends it"),
    (
        "query",
        "[MODULE] [A:B] [--store DIR or --url URL]",
        "what a monitor, of como.toml unless told, recorded; alone, say of what",
    ),
    ("help", "[NAME]", "show this, or what scripts find under that name"),
    ("quit", "", "leave; Ctrl-D does too"),
];

/// What was said so far.
struct Desk {
    sources: Vec<String>,
    filter: String,
    loads: Vec<Load>,
    grants: Vec<String>,
    lookups: Arc<Lookups>,
    format: crate::cli::Format,
}

/// One loaded module as it was named, with its arguments.
#[derive(Clone, Debug)]
struct Load {
    name: String,
    module: String,
    args: Vec<String>,
}

/// Reads and does one line after another. A mistake is told and the prompt goes on.
pub fn perform(args: &Repl) -> Result {
    if let Some(file) = args.sources.unwritable().next() {
        let what = format!("`{}` is not UTF-8, as what is typed here is", file.display());
        return Err(Failure::usage(what).hint("give the file another name; a link will do"));
    }
    let mut desk = Desk {
        sources: args.sources.texts(),
        filter: String::new(),
        loads: Vec::new(),
        grants: args.allow.clone(),
        lookups: args.sources.tables.load()?,
        format: output::chosen(args.format)?,
    };
    let config = Config::builder().completion_type(CompletionType::List).build();
    let mut editor: Editor<Names, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Names::new(COMMANDS.iter().map(|(word, ..)| *word))));
    let history = history_file();
    if let Some(file) = &history {
        // There is none the first time.
        let _ = editor.load_history(file);
    }
    let failed = desk.converse(&mut editor)?;
    if let Some(file) = &history {
        let _ = editor.save_history(file);
    }
    match failed {
        0 => Ok(()),
        1 => Err(Failure::new("1 line failed")),
        lines => Err(Failure::new(format!("{lines} lines failed"))),
    }
}

/// Where lines are remembered: the user's state folder, made when it does not exist.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state"));
    let folder = state.or_else(home)?.join("como");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

/// Says what a name means in scripts.
fn about(name: &str) -> Result {
    if let Some(page) = manual::help(name) {
        return output::line(&page);
    }
    let failure = Failure::usage(format!("scripts find nothing called `{name}`"));
    Err(match manual::near(name) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("docs/module-api.md lists all; the tab key completes names"),
    })
}

impl Desk {
    /// Does one line after another until the last. Of those that come through a pipe somebody wants
    /// to know how they ended: how many failed.
    fn converse(&mut self, editor: &mut Editor<Names, FileHistory>) -> Result<u64> {
        let (is_typed, mut failed) = (io::stdin().is_terminal(), 0);
        loop {
            match editor.readline("como> ") {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => {
                    // A history that cannot be kept is no reason not to work.
                    let _ = editor.add_history_entry(&line);
                    match self.perform(line.trim()) {
                        Ok(true) => return Ok(failed),
                        Ok(false) => {}
                        Err(failure) => {
                            failure.show();
                            failed += u64::from(!is_typed);
                        }
                    }
                }
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(failed),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Does one line; whether it was the last.
    fn perform(&mut self, line: &str) -> Result<bool> {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "source" => self.source(rest)?,
            "filter" => self.filter(rest)?,
            "load" => self.load(rest)?,
            "unload" => self.unload(rest)?,
            "allow" => self.allow(rest)?,
            "run" => self.run(rest)?,
            "query" => self.query(rest)?,
            "help" if rest.is_empty() => help()?,
            "help" => about(rest)?,
            "quit" | "exit" => return Ok(true),
            _ => {
                let failure = Failure::usage(format!("there is no command `{word}`"));
                return Err(match nearest(word, COMMANDS.iter().map(|(word, ..)| *word)) {
                    Some(near) => failure.hint(format!("did you mean `{near}`?")),
                    None => failure.hint("`help` lists them"),
                });
            }
        }
        Ok(false)
    }

    fn source(&mut self, texts: &str) -> Result {
        if texts.is_empty() {
            return output::line(&self.sources.join("\n"));
        }
        let texts: Vec<String> = texts.split_whitespace().map(str::to_owned).collect();
        // Opened now to be told of mistakes at once, and again at each run.
        let opened = sources::open(texts.clone())?;
        self.sources = texts;
        for source in opened {
            say(&source.description().name);
        }
        Ok(())
    }

    fn filter(&mut self, text: &str) -> Result {
        if text.is_empty() {
            return output::line(&self.filter);
        }
        let explain = crate::filter::parse(text)?;
        if let Some(missing) = explain.expr.lacks(&self.lookups) {
            return Err(Failure::usage(missing.to_string()));
        }
        say(&explain.canonical);
        self.filter = text.to_owned();
        Ok(())
    }

    fn load(&mut self, text: &str) -> Result {
        if text.is_empty() {
            for load in &self.loads {
                output::line(&format!("{}={} {}", load.name, load.module, load.args.join(" ")))?;
            }
            return Ok(());
        }
        let load = Load::parse(text);
        for instance in load.instances(&self.filter)? {
            say(&format!("{}: {}", load.name, instance.kind.manifest().doc));
        }
        self.loads.retain(|other| other.name != load.name);
        self.loads.push(load);
        Ok(())
    }

    /// Grants just this, where it is given; says what is granted.
    fn allow(&mut self, text: &str) -> Result {
        let texts: Vec<String> = match text {
            "" => self.grants.clone(),
            text => text.split_whitespace().map(str::to_owned).collect(),
        };
        let grants = catalogue::grants(&texts)?;
        self.grants = texts;
        let granted = grants.list();
        granted.iter().try_for_each(|(grant, gives)| output::line(&format!("{grant}: {gives}")))
    }

    fn query(&self, text: &str) -> Result {
        if text.is_empty() {
            return queried();
        }
        let asked = Asked::parse(text)?;
        crate::query::perform(&Query {
            module: asked.module,
            time: asked.time,
            filter: None,
            allow: Vec::new(),
            follow: false,
            source: None,
            explain: false,
            interval: None,
            args: Vec::new(),
            format: Some(crate::cli::AnswerFormat::Records(self.format)),
            url: asked.url,
            store: asked.store,
            threads: None,
            config: "como.toml".into(),
        })
    }

    fn unload(&mut self, name: &str) -> Result {
        let before = self.loads.len();
        self.loads.retain(|load| load.name != name);
        if self.loads.len() < before {
            return Ok(());
        }
        let names = self.loads.iter().map(|load| load.name.as_str());
        let failure = Failure::usage(format!("no `{name}` is loaded"));
        Err(match nearest(name, names) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure,
        })
    }

    fn run(&self, text: &str) -> Result {
        let loads = match text {
            "" => self.loads.clone(),
            text => vec![Load::parse(text)],
        };
        if loads.is_empty() {
            return Err(Failure::usage("no module is loaded").hint("load topaddr n=5"));
        }
        if self.sources.is_empty() {
            let failure = Failure::usage("there is no source");
            return Err(failure.hint("source trace.pcap, source live:eth0 or source gen:"));
        }
        let mut instances = Vec::new();
        for load in &loads {
            instances.extend(load.instances(&self.filter)?);
        }
        let instances = catalogue::allowed(instances, &self.grants)?;
        let default = Options::default();
        let workers = default.workers.min(instances.len());
        let sources = sources::open(self.sources.iter().cloned())?;
        let options = Options { workers, lookups: self.lookups.clone(), ..default };
        Session {
            sources,
            instances,
            options,
            format: Some(self.format),
            quiet: false,
            costs: false,
            feeds_reader: false,
            seed: None,
        }
        .run()
    }
}

impl Load {
    /// `NAME=MODULE` or `MODULE`, then arguments.
    fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace().map(str::to_owned);
        let first = words.next().unwrap_or_default();
        let (name, module) = match first.split_once('=') {
            Some((name, module)) => (name.to_owned(), module.to_owned()),
            None => (catalogue::stem(&first), first),
        };
        Self { name, module, args: words.collect() }
    }

    fn instances(&self, filter: &str) -> Result<Vec<Instance>> {
        let kind = catalogue::find(&self.module)?;
        let picks = vec![catalogue::Pick { name: self.name.clone(), kind }];
        catalogue::instances(picks, &self.args, filter)
    }
}

/// Says which modules the configuration here has, and which of them run only when they are asked.
fn queried() -> Result {
    let config = crate::config::Config::read(crate::config::FILE.as_ref())?;
    let mut table = output::pairs();
    for one in &config.instances {
        let when = if one.on_demand { "runs on demand" } else { "runs always" };
        table.add_row([&one.name, when]);
    }
    output::line(&output::text(table))
}

fn help() -> Result {
    let mut table = output::pairs();
    for (word, rest, meaning) in COMMANDS {
        table.add_row([&format!("{word} {rest}"), meaning]);
    }
    output::line(&output::text(table))
}
