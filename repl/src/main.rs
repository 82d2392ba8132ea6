//! `como`: the command. The only place that reads arguments and prints.
//!
//! Each verb is a file; [`cli`] says what may be typed.

mod afresh;
mod bench;
mod catalogue;
mod check;
mod cli;
mod columnar;
mod config;
mod error;
mod explain;
mod export;
mod filter;
mod generate;
mod hints;
mod info;
mod init;
mod lookup;
mod modules;
mod output;
mod progress;
mod prompt;
mod query;
mod run;
mod serve;
mod session;
mod shelf;
mod sniffers;
mod sources;
mod store;

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use cli::{Cli, StubsOf, Verb};
use como_scripting::api::definitions::definitions;
use como_scripting::api::manual;
use como_scripting::api::stubs;
use error::{Failure, Result, nearest};

fn main() -> ExitCode {
    let performed = typed().and_then(|cli| {
        talk(cli.verbose, &cli.verb);
        perform(cli.verb)
    });
    match performed {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.show();
            ExitCode::from(failure.code())
        }
    }
}

/// The command line. Paths on it may be any bytes; all else is text, or named as what is none.
fn typed() -> Result<Cli> {
    Cli::try_parse().map_err(|error| {
        let not_text = std::env::args_os().find(|arg| arg.to_str().is_none());
        match not_text.filter(|_| error.kind() == ErrorKind::InvalidUtf8) {
            Some(arg) => Failure::usage(format!("`{}` is not UTF-8", arg.display())).hint(
                "only names of files may be any bytes: those behind -r, -w and -c, and scripts",
            ),
            None => error.exit(),
        }
    })
}

fn perform(verb: Verb) -> Result {
    match verb {
        Verb::Init(args) => init::perform(&args),
        Verb::Run(args) => run::perform(&args),
        Verb::Filter(args) => filter::perform(&args),
        Verb::Explain(args) => explain::perform(&args),
        Verb::Modules(args) => modules::perform(&args),
        Verb::Sniffers(args) => sniffers::perform(&args),
        Verb::Info(args) => info::perform(&args),
        Verb::Check(args) => check::perform(&args),
        Verb::Bench(args) => bench::perform(&args),
        Verb::Gen(args) => generate::perform(&args),
        Verb::Serve(args) => serve::perform(&args),
        Verb::Query(args) => query::perform(&args),
        Verb::Store(args) => store::perform(&args),
        Verb::Export(args) => export::perform(&args),
        Verb::Repl(args) => prompt::perform(&args),
        Verb::Stubs(args) => stubs(args.what),
        Verb::Completions(args) => completions(args.shell),
        Verb::Man(args) => man(args.verb.as_deref()),
    }
}

/// Sends what the libraries log to standard error: warnings, or more when asked; faults of modules
/// where they are not said otherwise. A monitor that stays says when, and what it deployed.
fn talk(verbose: u8, verb: &Verb) {
    use como_core::supervisor::counters::FAULTS;
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::fmt::time::SystemTime;
    use tracing_subscriber::prelude::*;
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let heard = Targets::new().with_default(level);
    let heard = match verb {
        // What is wrong with a module is what `check` has to say, in its own way.
        Verb::Check(_) => heard.with_target(FAULTS, LevelFilter::OFF),
        Verb::Serve(_) => heard.with_target("como::serve", level.max(LevelFilter::INFO)),
        _ => heard,
    };
    let out = tracing_subscriber::fmt::layer().with_writer(|| progress::Log).with_target(false);
    let out = match verb {
        Verb::Serve(_) => out.with_timer(SystemTime).with_filter(heard).boxed(),
        _ => out.without_time().with_filter(heard).boxed(),
    };
    tracing_subscriber::registry().with(out).init();
}

fn stubs(what: StubsOf) -> Result {
    let text = match what {
        StubsOf::Lua => stubs::stubs(),
        StubsOf::Rhai => definitions(),
        StubsOf::Manual => manual::manual(),
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn completions(shell: clap_complete::Shell) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "como", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}

fn man(verb: Option<&str>) -> Result {
    let mut command = Cli::command();
    command.build();
    if let Some(name) = verb {
        let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let Some(page) = command.find_subcommand(name) else {
            let failure = Failure::usage(format!("there is no verb `{name}`"));
            return Err(match nearest(name, verbs.iter().copied()) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint(format!("the verbs are {}", verbs.join(", "))),
            });
        };
        command = page.clone();
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(std::io::stdout().write_all(&page)?)
}
