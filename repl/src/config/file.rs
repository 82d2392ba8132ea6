//! `como.toml` as it is written: every key that may stand in it, with its place.
//!
//! A key that is not here is an error, so that a typing mistake never passes
//! for a setting. `init/como.toml` describes each key to the user.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    pub modules: Option<String>,
    pub source: Vec<Source>,
    pub capture: Capture,
    pub module: Vec<Module>,
    pub store: Store,
    pub http: Http,
    pub lookup: Lookup,
    pub limits: Limits,
    pub view: BTreeMap<String, Spanned<View>>,
}

/// `[view.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    pub filter: Option<Spanned<String>>,
    pub path: Option<Spanned<String>>,
    pub listen: Option<Spanned<String>>,
    #[serde(default)]
    pub modules: Vec<Spanned<String>>,
    pub source: Option<Spanned<String>>,
}

/// `[[source]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub r#use: Spanned<String>,
}

/// `[capture]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capture {
    pub window: Option<Spanned<String>>,
}

/// `[[module]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    pub name: Option<Spanned<String>>,
    pub r#use: Spanned<String>,
    #[serde(default)]
    pub filter: Option<Spanned<String>>,
    #[serde(default)]
    pub args: BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    pub streamsize: Option<Spanned<String>>,
    pub compress: Option<Spanned<bool>>,
    pub anonymize: Option<Spanned<String>>,
    #[serde(default)]
    pub allow: Vec<Spanned<String>>,
    pub retain: Option<Spanned<String>>,
    #[serde(default)]
    pub rollup: Vec<Spanned<String>>,
    pub running: Option<Spanned<String>>,
    pub backfill: Option<Spanned<String>>,
}

/// `[store]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    pub dir: Option<String>,
    pub streamsize: Option<Spanned<String>>,
    pub retain: Option<Spanned<String>>,
    pub again: bool,
}

/// `[http]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    pub listen: Option<Spanned<String>>,
    pub scripts: Option<Spanned<String>>,
}

/// `[lookup]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lookup {
    pub asn: Option<String>,
    pub country: Option<String>,
}

/// `[limits]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    pub rows: Option<Spanned<u64>>,
    pub memory: Option<Spanned<String>>,
    pub call: Option<Spanned<String>>,
    pub output: Option<Spanned<String>>,
    pub log: Option<Spanned<u64>>,
    pub alerts: Option<Spanned<u64>>,
    pub workers: Option<Spanned<u64>>,
}
