//! The configuration: what `como.toml` means, checked as far as a text can be.
//!
//! Every mistake names the line. What only running can tell (whether a device
//! opens, whether a module takes an argument) is said when it runs.

mod file;
mod instance;
pub mod places;
pub mod view;

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use como_core::capture::merge::WINDOW_DEFAULT;
use como_core::module::{Args, Grants, Limits};
use como_core::rollup::Rollup;
use como_core::size;
use como_core::time::Span;
use como_web::Scripts;
use places::Places;
use toml::Spanned;
use view::View;

use crate::error::{Failure, Result, nearest};
use crate::lookup::Tables;

/// The configuration that is read where none is named.
pub const FILE: &str = "como.toml";

/// Where the query port listens unless told otherwise: CoMo's port, this machine only.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:44444";

/// Bytes a module's records may take in the store unless told otherwise.
pub const STREAMSIZE_DEFAULT: u64 = 1_000_000_000;

/// What a module that keeps packets has to have: a few writes and what is set aside for the next.
const WINDOW_BYTES_MIN: u64 = 4 << 20;

/// Threads that modules may be spread over: more than any machine has cores.
const WORKERS_MAX: usize = 1024;

/// As long as there is room.
pub const FOREVER: Span = Span(u64::MAX);

/// Whose scripts are run, by the words for it.
const SCRIPTS: [(&str, Scripts); 3] =
    [("loopback", Scripts::Loopback), ("none", Scripts::None), ("any", Scripts::Any)];

/// When a module runs, by the words for it: whether only on demand.
const RUNNING: [(&str, bool); 2] = [("always", false), ("on-demand", true)];

/// What no module and no view can be called: its path means something else.
pub const TAKEN: [&str; 2] = ["status", "query"];

/// The file of records in a store's folder.
pub fn records_in(store: &Path) -> PathBuf {
    store.join("records.redb")
}

/// The folder of packets in a store's folder: one below it for each instance that keeps them.
pub fn packets_in(store: &Path) -> PathBuf {
    store.join("packets")
}

/// A read configuration. Paths are as seen from the current folder.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The folder at which its relative paths start.
    pub folder: PathBuf,
    /// Where it says what.
    pub places: Places,
    /// The folder whose scripts run as soon as they are put there.
    pub modules: PathBuf,
    /// What to capture from.
    pub sources: Vec<String>,
    /// How long packets of one wire wait for those of another, beyond the other's own delay.
    pub window: Span,
    /// The instances to run.
    pub instances: Vec<InstanceConfig>,
    /// What groups of users see; the instances in them are among those to run.
    pub views: Vec<View>,
    /// Where records are kept.
    pub store: PathBuf,
    /// Bytes for the records of an instance that does not say.
    pub streamsize: u64,
    /// How long the records of an instance that does not say are kept.
    pub retain: Span,
    /// Whether captures of a time that is recorded already are read again.
    pub again: bool,
    /// Where queries are answered.
    pub listen: SocketAddr,
    /// Whose scripts are run that are sent with a query.
    pub scripts: Scripts,
    /// The tables that addresses are looked up in.
    pub tables: Tables,
    /// What each instance may use.
    pub limits: Limits,
    /// Threads that run modules; 0 is one per core.
    pub workers: usize,
}

/// One `[[module]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceConfig {
    /// The name that queries use.
    pub name: String,
    /// A shipped module, or the path of a script.
    pub module: String,
    /// Packets it looks at, beside what the module says itself.
    pub filter: String,
    /// Arguments, not yet typed by the module.
    pub args: Args,
    /// Bytes its records may take, and the packets it keeps as many.
    pub streamsize: Option<u64>,
    /// Whether the packets it keeps are compressed.
    pub compress: bool,
    /// The file of the key under which addresses of the packets it keeps are replaced.
    pub anonymize: Option<PathBuf>,
    /// How long its records are kept, and the packets it keeps.
    pub retain: Option<Span>,
    /// The longer intervals that its records are merged into, the shortest first.
    pub rollups: Vec<Rollup>,
    /// Whether it runs only when it is asked.
    pub on_demand: bool,
    /// How much of the past it runs over first, nothing being 0s, in place of what it says itself.
    pub backfill: Option<Span>,
    /// What it may reach beyond its packets.
    pub grants: Grants,
    /// Its script, with the libraries it requires, as it was when the configuration was read.
    pub text: Option<String>,
}

impl Config {
    /// Reads a configuration file; its relative paths start at the file's folder.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let what =
                format!("cannot read `{}`: {}", path.display(), crate::error::with_causes(&error));
            Failure::new(what).hint("`como init` writes a commented one")
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Reader { origin: &path.display().to_string(), text: &text, folder }.config()
    }
}

/// A configuration being read, with what is needed to point at a mistake.
struct Reader<'a> {
    origin: &'a str,
    text: &'a str,
    folder: &'a Path,
}

impl Reader<'_> {
    fn config(&self) -> Result<Config> {
        let file: file::File = toml::from_str(self.text).map_err(|e| self.syntax(&e))?;
        let listen = match &file.http.listen {
            Some(listen) => self.address(listen)?,
            None => LISTEN_DEFAULT.parse()?,
        };
        let placed = self.instances(&file.module, &file.store)?;
        let own: Vec<InstanceConfig> = placed.iter().map(|(own, _)| own.clone()).collect();
        let (views, inside) = self.views(&file.view, &own, listen)?;
        let of_own = placed.into_iter().map(|(own, places)| (own.name, places));
        let of_inside = inside.iter().map(|(one, places)| (one.name.clone(), places.clone()));
        let of_views = file.view.iter().filter_map(|(name, view)| {
            Some((name.clone(), view.get_ref().source.as_ref()?.span()))
        });
        let places = Places {
            origin: self.origin.to_owned(),
            text: self.text.to_owned(),
            sources: file.source.iter().map(|source| source.r#use.span()).collect(),
            instances: of_own.chain(of_inside).collect(),
            views: of_views.collect(),
        };
        Ok(Config {
            folder: self.folder.to_owned(),
            places,
            modules: self.path(file.modules.as_deref().unwrap_or("modules")),
            sources: file.source.iter().map(|s| self.source(&s.r#use)).collect::<Result<_>>()?,
            window: self.span(&file.capture.window)?.unwrap_or(WINDOW_DEFAULT),
            instances: own.into_iter().chain(inside.into_iter().map(|(one, _)| one)).collect(),
            views,
            store: self.path(file.store.dir.as_deref().unwrap_or("store")),
            streamsize: self.room(&file.store.streamsize)?.unwrap_or(STREAMSIZE_DEFAULT),
            retain: self.age(&file.store.retain)?.unwrap_or(FOREVER),
            again: file.store.again,
            listen,
            scripts: self.one_of(&file.http.scripts, &SCRIPTS)?.unwrap_or_default(),
            tables: Tables {
                asn: self.table(&file.lookup.asn),
                country: self.table(&file.lookup.country),
            },
            limits: self.limits(&file.limits)?,
            workers: self.workers(&file.limits.workers)?,
        })
    }

    /// Where to listen. No name is looked up but the one that every machine has: others may take
    /// long, or be another machine's tomorrow.
    fn address(&self, listen: &Spanned<String>) -> Result<SocketAddr> {
        let text = listen.get_ref();
        let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        named.as_ref().unwrap_or(text).parse().map_err(|_| {
            let what = format!("`{text}` is not an address and a port, as in `{LISTEN_DEFAULT}`");
            self.wrong(listen, what)
        })
    }

    fn source(&self, source: &Spanned<String>) -> Result<String> {
        match source.get_ref().trim() {
            "" => Err(self.wrong(source, "a source needs a name, as in `live:eth0`".to_owned())),
            text => Ok(como_sniffers::beside(self.folder, text)),
        }
    }

    fn limits(&self, limits: &file::Limits) -> Result<Limits> {
        let default = Limits::default();
        let call = self.span(&limits.call)?;
        let call_ms = self.at_least(call.map(|span| span.0 / 1_000_000), &limits.call, 1, "1ms")?;
        let memory = self.size(&limits.memory)?;
        let memory = self.at_least(memory, &limits.memory, 1 << 20, "1MiB")?;
        let rows = self.at_least(self.number(&limits.rows)?, &limits.rows, 1, "1")?;
        let output = self.size(&limits.output)?;
        let log = self.number(&limits.log)?;
        let alerts = self.number(&limits.alerts)?;
        Ok(Limits {
            rows_max: rows.unwrap_or(default.rows_max),
            memory_bytes_max: memory.map_or(default.memory_bytes_max, |bytes| {
                usize::try_from(bytes).unwrap_or(usize::MAX)
            }),
            call_ms_max: call_ms.unwrap_or(default.call_ms_max),
            output_bytes_max: output.map_or(default.output_bytes_max, |bytes| {
                usize::try_from(bytes).unwrap_or(usize::MAX)
            }),
            log_lines_max: log
                .map_or(default.log_lines_max, |lines| u32::try_from(lines).unwrap_or(u32::MAX)),
            alerts_max: alerts
                .map_or(default.alerts_max, |alerts| u32::try_from(alerts).unwrap_or(u32::MAX)),
        })
    }

    /// Threads that run modules, which all must find room.
    fn workers(&self, workers: &Option<Spanned<u64>>) -> Result<usize> {
        match (self.number(workers)?, workers) {
            (Some(number), Some(place)) if number > WORKERS_MAX => {
                Err(self.wrong(place, format!("too many threads: at most {WORKERS_MAX}")))
            }
            (number, _) => Ok(number.unwrap_or(0)),
        }
    }

    /// A value given at `place`, unless it is so small that nothing could run.
    fn at_least<V: PartialOrd, T>(
        &self,
        value: Option<V>,
        place: &Option<Spanned<T>>,
        least: V,
        shown: &str,
    ) -> Result<Option<V>> {
        match place {
            Some(place) if value.as_ref().is_some_and(|value| *value < least) => {
                Err(self.wrong(place, format!("too little: at least {shown}")))
            }
            _ => Ok(value),
        }
    }

    fn number(&self, number: &Option<Spanned<u64>>) -> Result<Option<usize>> {
        let Some(number) = number else { return Ok(None) };
        let value = usize::try_from(*number.get_ref());
        value.map(Some).map_err(|e| self.wrong(number, e.to_string()))
    }

    /// What one of a few words stands for.
    fn one_of<T: Copy>(
        &self,
        text: &Option<Spanned<String>>,
        words: &[(&str, T)],
    ) -> Result<Option<T>> {
        let Some(text) = text else { return Ok(None) };
        let word = text.get_ref().as_str();
        match words.iter().find(|(known, _)| *known == word) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let failure = self.wrong(text, format!("`{word}` is none of the words here"));
                let known: Vec<String> = words.iter().map(|(w, _)| format!("\"{w}\"")).collect();
                Err(failure.hint(format!("write {}", known.join(" or "))))
            }
        }
    }

    fn size(&self, text: &Option<Spanned<String>>) -> Result<Option<u64>> {
        text.as_ref().map(|text| self.parsed(text, size::parse)).transpose()
    }

    /// The file of a table; none where nothing is written.
    fn table(&self, file: &Option<String>) -> Option<PathBuf> {
        file.as_deref().filter(|file| !file.is_empty()).map(|file| self.path(file))
    }

    /// How long to keep something: a span, or `forever`.
    fn age(&self, text: &Option<Spanned<String>>) -> Result<Option<Span>> {
        let Some(text) = text else { return Ok(None) };
        match text.get_ref().as_str() {
            "forever" => Ok(Some(FOREVER)),
            _ => match self.parsed(text, Span::parse)? {
                Span(0) => Err(self.wrong(text, "nothing would be kept: at least 1s".to_owned())),
                age => Ok(Some(age)),
            },
        }
    }

    fn span(&self, text: &Option<Spanned<String>>) -> Result<Option<Span>> {
        text.as_ref().map(|text| self.parsed(text, Span::parse)).transpose()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    fn parsed<T, E: ToString>(
        &self,
        text: &Spanned<String>,
        parse: impl Fn(&str) -> std::result::Result<T, E>,
    ) -> Result<T> {
        parse(text.get_ref()).map_err(|error| self.wrong(text, error.to_string()))
    }

    fn wrong<T>(&self, place: &Spanned<T>, what: String) -> Failure {
        self.wrong_at(place.span(), what)
    }

    fn wrong_at(&self, at: Range<usize>, what: String) -> Failure {
        Failure::new(what).at(self.origin, self.text, at)
    }

    /// What the reader of TOML says, in our words where a key is unknown.
    fn syntax(&self, error: &toml::de::Error) -> Failure {
        let at: Range<usize> = error.span().unwrap_or(0..0);
        let message = error.message();
        let failure = match unknown_key(message) {
            Some((key, known)) => {
                let failure = Failure::new(format!("unknown key `{key}`"));
                match nearest(key, known.iter().copied()) {
                    Some(near) => failure.hint(format!("did you mean `{near}`?")),
                    None => failure.hint(format!("known here: {}", known.join(", "))),
                }
            }
            None => {
                Failure::new(message.replace("missing field", "missing key").replace('\n', "; "))
            }
        };
        failure.at(self.origin, self.text, at)
    }
}

/// The key and its alternatives in serde's "unknown field `x`, expected one of `a`, `b`".
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    Some((quoted.next()?, quoted.collect()))
}

#[cfg(test)]
mod tests;
