//! The modules folder: a script put there runs, a changed one takes its own place, a removed one
//! stops after its flush.
//!
//! What counts is the content of the files as found when the folder has been quiet for a moment,
//! so no sequence of events, however an editor saves, is special. A bad script is refused with
//! its reason, and whatever ran under its name goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use como_core::module::{Kind, Limits};
use como_core::supervisor::{Handle, Instance};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use notify::{RecursiveMode, Watcher};
use parking_lot::RwLock;

/// How long the folder must be quiet before it is read.
const QUIET: Duration = Duration::from_millis(150);

/// How often it is read even without a word from the system, which some file systems never give.
const ROUND: Duration = Duration::from_secs(5);

/// The endings of scripts.
const ENDINGS: [&str; 3] = ["lua", "luau", "rhai"];

/// Scripts that were refused, and why; by instance.
pub type Refused = Arc<RwLock<BTreeMap<String, String>>>;

/// Turns a script into a module, or says in words why not.
pub type Load = fn(&Path) -> Result<Arc<dyn Kind>, String>;

/// Keeps what runs in step with the files of a folder.
pub struct Deployer {
    /// The folder.
    pub dir: PathBuf,
    /// The monitor.
    pub monitor: Handle,
    /// What each script may use.
    pub limits: Limits,
    /// Names that the configuration has given to instances of its own.
    pub reserved: BTreeSet<String>,
    /// Where refusals are shown.
    pub refused: Refused,
    /// How a script becomes a module.
    pub load: Load,
    /// What was last seen of each file.
    pub seen: BTreeMap<PathBuf, Vec<u8>>,
}

impl Deployer {
    /// Reads the folder and brings what runs in step with it.
    pub fn rescan(&mut self) {
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
            self.withdraw(&name(&path));
        }
        for (path, content) in found {
            if self.seen.get(&path) != Some(&content) {
                self.deploy(&path);
                self.seen.insert(path, content);
            }
        }
    }

    fn deploy(&self, path: &Path) {
        let name = name(path);
        match self.attach(&name, path) {
            Ok(()) => {
                tracing::info!("module `{name}` is live from its next interval on");
                self.refused.write().remove(&name);
            }
            Err(why) => {
                tracing::error!("module `{name}` is refused: {why}");
                self.refused.write().insert(name, why);
            }
        }
    }

    fn attach(&self, name: &str, path: &Path) -> Result<(), String> {
        if self.reserved.contains(name) {
            return Err(format!(
                "the configuration has a module `{name}` already: rename the file"
            ));
        }
        let twin = self
            .seen
            .keys()
            .find(|other| *other != path && crate::serve::deploy::name(other) == name);
        if let Some(twin) = twin {
            return Err(format!("`{}` has that name already: rename one", twin.display()));
        }
        let kind = (self.load)(path)?;
        let instance =
            Instance { name: name.to_owned(), limits: self.limits, ..Instance::of(kind) };
        self.monitor.attach(instance).map_err(|error| error.to_string())
    }

    fn withdraw(&self, name: &str) {
        let refused = self.refused.write().remove(name).is_some();
        if self.monitor.detach(name) {
            tracing::info!("module `{name}` was removed and stops");
        } else if !refused {
            tracing::warn!("module `{name}` was removed but did not run");
        }
    }

    /// Follows the folder until the sender of `stop` is gone.
    pub fn watch(mut self, stop: &Receiver<()>) -> notify::Result<()> {
        let (changed, changes): (Sender<()>, Receiver<()>) = unbounded();
        let mut watcher = notify::recommended_watcher(move |_| {
            // Whoever listened has ended.
            let _ = changed.send(());
        })?;
        watcher.watch(&self.dir, RecursiveMode::NonRecursive)?;
        loop {
            crossbeam_channel::select! {
                recv(stop) -> _ => return Ok(()),
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
    for _ in 0..20 {
        match changes.recv_timeout(QUIET) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The instance name of a script: the stem of its file.
fn name(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Where the script of an instance may lie.
pub fn paths(dir: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    ENDINGS.iter().map(move |ending| dir.join(format!("{name}.{ending}")))
}

/// The scripts at the top of a folder, with their content; hidden files are editors' own.
fn scripts(dir: &Path) -> std::io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|n| n.to_string_lossy().starts_with('.'));
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if hidden || !ENDINGS.contains(&ending) {
            continue;
        }
        // One that vanishes or cannot be read while we look counts as not there.
        if let Ok(content) = std::fs::read(&path) {
            found.insert(path, content);
        }
    }
    Ok(found)
}
