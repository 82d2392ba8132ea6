//! The shelf: stores of the past and the modules that made what is in them.
//!
//! A store has one process, and in it is open once: whoever asks for a
//! directory again gets the store that is open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use como_core::module::Replay;
use como_core::storage::redb::RedbStore;
use como_core::storage::{RecordStore, Stream};
use como_core::supervisor::Instance;
use como_sniffers::Past;
use parking_lot::Mutex;

use crate::catalogue;
use crate::config::{self, Config};

/// Stores that are open, by directory.
#[derive(Default)]
pub struct Shelf {
    open: Mutex<BTreeMap<PathBuf, Arc<dyn RecordStore>>>,
    config: Option<Config>,
}

impl Shelf {
    /// With the configuration in the folder where the command runs, if there is one.
    pub fn here() -> Self {
        let config = Path::new(config::FILE);
        let config = config.is_file().then(|| Config::read(config).ok()).flatten();
        Self { config, ..Self::default() }
    }

    /// A monitor's own: its store is open already.
    pub fn of(config: &Config, store: Arc<dyn RecordStore>) -> Self {
        let open = BTreeMap::from([(place(&config.store), store)]);
        Self { open: Mutex::new(open), config: Some(config.clone()) }
    }
}

/// A directory as it is told from others.
fn place(dir: &Path) -> PathBuf {
    dir.canonicalize().unwrap_or_else(|_| dir.to_owned())
}

impl Past for Shelf {
    fn store(&self, dir: &Path) -> Result<Arc<dyn RecordStore>, String> {
        let mut open = self.open.lock();
        let place = place(dir);
        if let Some(store) = open.get(&place) {
            return Ok(store.clone());
        }
        let opened = RedbStore::open_to_read(&crate::store::file_in(dir)?);
        let (store, damaged) = opened.map_err(|error| error.to_string())?;
        let store: Arc<dyn RecordStore> = match damaged {
            Some(error) => return Err(error.to_string()),
            None => Arc::new(store),
        };
        open.insert(place, store.clone());
        Ok(store)
    }

    fn replay(
        &self,
        dir: &Path,
        stream: &Stream,
        module: Option<&str>,
    ) -> Result<Option<Box<dyn Replay>>, String> {
        let config = self.config.as_ref().filter(|c| place(&c.store) == place(dir));
        let instance = match module {
            Some(module) => {
                let kind = catalogue::find(module).map_err(|failure| failure.text())?;
                Some(Instance::of(kind))
            }
            None => made_by(config, &stream.name, &stream.module),
        };
        let replayer = |instance: Instance| {
            let tables = config.map(|config| config.tables.for_kind(&*instance.kind));
            instance.maker(tables.unwrap_or_default()).replayer()
        };
        Ok(instance.and_then(replayer))
    }
}

/// The instance that made records, where its module can still be found: as the configuration has
/// it, in the modules folder, or shipped.
pub fn made_by(config: Option<&Config>, name: &str, module: &str) -> Option<Instance> {
    if let Some(config) = config {
        let limits = config.limits;
        let found = match config.instances.iter().find(|instance| instance.name == name) {
            Some(known) => catalogue::find(&known.module).ok().map(|kind| Instance {
                name: name.to_owned(),
                filter: known.filter.clone(),
                args: known.args.clone(),
                grants: known.grants.clone(),
                limits,
                ..Instance::of(kind)
            }),
            None => {
                let mut scripts = crate::serve::deploy::paths(&config.modules, name);
                let kind = scripts.find_map(|path| catalogue::load(&path).ok());
                kind.map(|kind| Instance { limits, ..Instance::of(kind) })
            }
        };
        if found.is_some() {
            return found;
        }
    }
    // Whoever made an archive that was imported may have written the name: it is no path.
    catalogue::named(module)?.ok().map(Instance::of)
}
