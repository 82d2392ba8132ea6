//! The verbs for those who write modules: what they cost, and what scripts find.

use clap::{Args, ValueEnum};

use super::{Format, Sources};

/// Arguments of `como bench`.
#[derive(Args, Debug, Default)]
#[command(after_help = BENCH_EXAMPLES)]
pub struct Bench {
    /// The modules: shipped names or scripts, several with commas.
    #[arg(value_name = "MODULE", conflicts_with = "all")]
    pub modules: Option<String>,
    /// All shipped modules that count packets.
    #[arg(long)]
    pub all: bool,
    /// Where the packets come from [default: generated traffic].
    #[command(flatten)]
    pub sources: Sources,
    /// Set an argument of the modules that have it.
    #[arg(short = 'a', long = "arg", value_name = "KEY=VALUE")]
    pub args: Vec<String>,
    /// How many packets at most.
    #[arg(long, value_name = "N", default_value_t = 262_144)]
    pub packets: u64,
    /// How many rounds, of which the medians are taken.
    #[arg(long, value_name = "N", default_value_t = 9)]
    pub runs: usize,
    /// Table or ndjson [default: table on a terminal, ndjson elsewhere].
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
}

const BENCH_EXAMPLES: &str = "\
Examples:
  como bench topaddr
  como bench mine.lua -r trace.pcap
  como bench --all --format table

Measured are callbacks alone, in CPU time, over packets decoded beforehand; all
forms of a module take turns in one run. What counts is the ratio to the native
twin: NAME-native, where there is one.";

/// Arguments of `como stubs`.
#[derive(Args, Debug)]
#[command(after_help = STUBS_EXAMPLES)]
pub struct Stubs {
    /// Definitions for an editor, or the manual.
    #[arg(value_enum, value_name = "WHAT", default_value_t = StubsOf::Lua)]
    pub what: StubsOf,
}

/// What is printed of what scripts find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StubsOf {
    /// LuaCATS definitions, which language servers for Lua read.
    Lua,
    /// Definitions for Rhai, which its language server reads.
    Rhai,
    /// The manual, docs/module-api.md.
    Manual,
}

const STUBS_EXAMPLES: &str = "\
Examples:
  como stubs lua > como.d.lua
  como stubs rhai > como.d.rhai
  como stubs manual > docs/module-api.md

Put como.d.lua and como.d.rhai beside your modules, or where your editor's
language server looks for libraries and definitions.";

/// Arguments of `como completions`.
#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  como completions bash > ~/.local/share/bash-completion/completions/como
  como completions zsh > ~/.zfunc/_como
  como completions fish > ~/.config/fish/completions/como.fish";

/// Arguments of `como man`.
#[derive(Args, Debug)]
#[command(after_help = MAN_EXAMPLES)]
pub struct Man {
    /// The page of one verb instead of the general one.
    #[arg(value_name = "VERB")]
    pub verb: Option<String>,
}

const MAN_EXAMPLES: &str = "\
Examples:
  como man | man -l -
  como man run > /usr/local/share/man/man1/como-run.1";
