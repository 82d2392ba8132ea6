//! The modules folder: a script put there runs, a changed one takes its own place, a removed one
//! stops after its flush.
//!
//! What counts is the content of the files as found when the folder has been quiet for a moment,
//! so no sequence of events, however an editor saves, is special. A script whose libraries in
//! `lib/` changed has changed itself. A bad script is refused with its reason, and whatever ran
//! under its name goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use como_core::module::Kind;
use como_core::storage::{NAME_BYTES_MAX, can_name};
use como_core::supervisor::{Backfill, Handle, Instance};
use como_core::time::{Span, Ts};
use crossbeam_channel::{Receiver, Sender};
use parking_lot::RwLock;

use super::SharedLimits;
use super::watch::Watch;
use crate::config::TAKEN;

/// How long the folder must be quiet before it is read.
const QUIET: Duration = Duration::from_millis(150);

/// How long a folder that is not quiet is waited for.
const UNREST_MAX: Duration = Duration::from_secs(3);

/// How often it is read even without a word from the system, which some file systems never give.
const ROUND: Duration = Duration::from_secs(5);

/// The endings of scripts.
const ENDINGS: [&str; 3] = ["lua", "luau", "rhai"];

/// Scripts that were refused, and why; by instance.
pub type Refused = Arc<RwLock<BTreeMap<String, String>>>;

/// Names that no script in the folder can have; read again with the configuration.
pub type Reserved = Arc<RwLock<BTreeSet<String>>>;

/// Turns a script into a module, or says in words why not.
pub type Load = fn(&Path) -> Result<Arc<dyn Kind>, String>;

/// Tells what is recorded of an instance.
pub type Recorded = Arc<dyn Fn(&str) -> Known + Send + Sync>;

/// What is recorded.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Until when there are records of the instance, if there are.
    pub until: Option<Ts>,
    /// Until when packets were shed of those that instances keep, of each that lacks any.
    pub shed: BTreeMap<String, Ts>,
}

impl Known {
    /// What it means for who begins so long before.
    pub fn backfill(self, span: Span) -> Backfill {
        Backfill { span, stored: self.until, shed: self.shed }
    }
}

/// Whether there is a script of that name in a folder.
pub fn has_script(dir: &Path, name: &str) -> bool {
    ENDINGS.iter().any(|ending| dir.join(format!("{name}.{ending}")).is_file())
}

/// Keeps what runs in step with the files of a folder.
pub struct Deployer {
    /// The folder.
    pub dir: PathBuf,
    /// The monitor.
    pub monitor: Handle,
    /// What each script may use.
    pub limits: SharedLimits,
    /// Names that the configuration has given to what is its own.
    pub reserved: Reserved,
    /// What these were when the folder was last read.
    pub blocked: BTreeSet<String>,
    /// Tells that the folder is to be read again.
    pub changes: (Sender<()>, Receiver<()>),
    /// Where refusals are shown.
    pub refused: Refused,
    /// What is recorded of an instance.
    pub recorded: Recorded,
    /// How a script becomes a module.
    pub load: Load,
    /// What was last seen of each file.
    pub seen: BTreeMap<PathBuf, Vec<u8>>,
    /// The file of each instance that was started from here.
    pub running: BTreeMap<String, PathBuf>,
}

impl Deployer {
    /// Reads the folder and brings what runs in step with it.
    pub fn rescan(&mut self) {
        // Nobody takes a name, or gives one up, meanwhile.
        let reserved = self.reserved.clone();
        let reserved = reserved.read();
        self.give_way(&reserved);
        let found = match scripts(&self.dir) {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!("cannot read the modules folder `{}`: {error}", self.dir.display());
                return;
            }
        };
        let gone: Vec<PathBuf> =
            self.seen.keys().filter(|path| !found.contains_key(*path)).cloned().collect();
        for path in gone {
            self.seen.remove(&path);
            self.withdraw(&name(&path), &path);
        }
        for (path, content) in found {
            if self.seen.get(&path) != Some(&content) {
                self.deploy(&path);
                self.seen.insert(path, content);
            }
        }
    }

    /// Forgets the scripts whose names the configuration has taken, or has given up, so that they
    /// are tried again. What ran under one that is taken has made room already.
    fn give_way(&mut self, reserved: &BTreeSet<String>) {
        let Self { blocked, seen, running, .. } = self;
        running.retain(|name, _| !reserved.contains(name));
        seen.retain(|path, _| {
            let name = name(path);
            reserved.contains(&name) == blocked.contains(&name)
        });
        blocked.clone_from(reserved);
    }

    fn deploy(&mut self, path: &Path) {
        let name = name(path);
        match self.attach(&name, path) {
            Ok(()) => {
                match self.running.contains_key(&name) {
                    true => tracing::info!("module `{name}` is replaced at its next interval"),
                    false => tracing::info!("module `{name}` is live from its next interval on"),
                }
                self.refused.write().remove(&name);
                self.running.insert(name, path.to_owned());
            }
            Err(why) => {
                tracing::error!("module `{name}` is refused: {why}");
                self.refused.write().insert(name, why);
            }
        }
    }

    fn attach(&self, name: &str, path: &Path) -> Result<(), String> {
        if TAKEN.contains(&name) {
            return Err(format!("`/{name}` is the monitor's own: rename the file"));
        }
        if self.blocked.contains(name) {
            return Err(format!(
                "the configuration has a module or a view `{name}` already: rename the file"
            ));
        }
        if path.file_stem().and_then(OsStr::to_str) != Some(name) {
            return Err("its name is not UTF-8: rename the file".to_owned());
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(format!("its name is longer than {NAME_BYTES_MAX} bytes: rename the file"));
        }
        if !can_name(name) {
            return Err("its name holds control characters: rename the file".to_owned());
        }
        let twin = self.seen.keys().find(|other| *other != path && self::name(other) == name);
        if let Some(twin) = twin {
            return Err(format!("`{}` has that name already: rename one", twin.display()));
        }
        let kind = (self.load)(path)?;
        let backfill = kind.manifest().backfill;
        let backfill = backfill.map(|span| (self.recorded)(name).backfill(span));
        let name = name.to_owned();
        let instance =
            Instance { name, limits: *self.limits.read(), backfill, ..Instance::of(kind) };
        self.monitor.attach(instance).map_err(|error| error.to_string())
    }

    /// Stops what runs from a file that is gone. One that was refused ran nothing: what has its
    /// name is another's.
    fn withdraw(&mut self, name: &str, path: &Path) {
        self.refused.write().remove(name);
        if self.running.get(name).is_some_and(|running| running == path) {
            self.running.remove(name);
            self.monitor.detach(name);
            tracing::info!("module `{name}` was removed and stops");
        }
        // Others of that name may have been refused for its sake.
        let running = self.running.get(name);
        self.seen.retain(|other, _| self::name(other) != name || Some(other) == running);
    }

    /// Follows the folder until the sender of `stop` is gone.
    pub fn watch(mut self, stop: &Receiver<()>) {
        let (word, changes) = self.changes.clone();
        let mut watch = Watch::of(&self.dir, word);
        if let Err(error) = &watch {
            let (dir, every) = (self.dir.display(), ROUND.as_secs());
            tracing::warn!("the modules folder `{dir}` is read every {every} s only: {error}");
        }
        loop {
            if let Ok(watch) = &mut watch {
                watch.renew();
            }
            crossbeam_channel::select! {
                recv(stop) -> _ => return,
                recv(changes) -> _ => settle(&changes),
                default(ROUND) => {}
            }
            self.rescan();
        }
    }
}

/// Waits until nothing has changed for a moment.
fn settle(changes: &Receiver<()>) {
    // A folder that never rests is read all the same.
    let latest = Instant::now() + UNREST_MAX;
    while changes.recv_timeout(QUIET).is_ok() && Instant::now() < latest {}
}

/// The instance name of a script: the stem of its file.
fn name(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Where the script of an instance may lie.
pub fn paths(dir: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    ENDINGS.iter().map(move |ending| dir.join(format!("{name}.{ending}")))
}

/// The scripts at the top of a folder, with their content and that of the libraries they require;
/// hidden files are editors' own. What lies in `lib/` is no module.
fn scripts(dir: &Path) -> std::io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|n| n.to_string_lossy().starts_with('.'));
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if hidden || !ENDINGS.contains(&ending) {
            continue;
        }
        let content = match como_scripting::whole(&path) {
            Ok(text) => text.into_bytes(),
            // One that vanishes while we look counts as not there.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            // Loading it will say the same: it is refused, and what ran under its name goes on.
            Err(error) => format!("\0{error}").into_bytes(),
        };
        found.insert(path, content);
    }
    Ok(found)
}
