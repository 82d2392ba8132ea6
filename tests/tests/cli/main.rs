//! The command from outside: one file per verb, each checking output, messages and exit codes.

mod check;
mod explain;
mod filter;
mod generate;
mod help;
mod info;
mod init;
mod lists;
mod lookup;
mod mistakes;
mod names;
mod packets;
mod prompt;
mod query;
mod run;
mod signals;
mod trace;
