//! `como serve`: the monitor that stays. Sources, modules, store, queries over HTTP.
//!
//! SIGTERM and Ctrl-C flush and end; SIGHUP reads the configuration again and
//! changes only what changed, or nothing at all when it is wrong.

mod again;
mod broken;
pub mod deploy;
mod door;
mod fixed;
mod instances;
mod joined;
mod ondemand;
mod posted;
mod reload;
mod rerun;
mod stored;
mod views;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use como_core::module::Limits;
use como_core::source::Source;
use como_core::storage::notes::keep_sketch_secret;
use como_core::storage::redb::{Aside, RedbStore};
use como_core::storage::{Feed, RecordStore, Stream, Writer};
use como_core::supervisor::keep::{Keeper, Keeping, SharedBounds, SharedRollups};
use como_core::supervisor::{AttachError, Handle, Instance, Monitor, Options};
use como_web::Web;
use crossbeam_channel::{Receiver, Sender};
use parking_lot::RwLock;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::afresh::Common;
use crate::cli::Serve;
use crate::config::Config;
use crate::error::{Failure, Result, say};
use crate::shelf::Shelf;
use deploy::{Deployer, Known, Recorded, Refused, Reserved};
use door::Desk;
use instances::{bounds_of, rollups_of};
use ondemand::OnDemand;
use views::Views;

/// What one instance that the configuration does not name may use; read again with it.
pub type SharedLimits = Arc<RwLock<Limits>>;

/// What is shared with what runs; most of it a configuration that is read again changes.
struct Shared {
    store: Arc<dyn RecordStore>,
    bounds: SharedBounds,
    rollups: SharedRollups,
    limits: SharedLimits,
    reserved: Reserved,
    // Where the deployer is told to look at its folder again.
    changes: (Sender<()>, Receiver<()>),
    recorded: Recorded,
    keeping: Arc<RwLock<Keeping>>,
    feed: Feed,
    on_demand: OnDemand,
    views: Views,
}

/// Runs until told to end.
pub fn perform(args: &Serve) -> Result {
    // From the beginning, so that whoever is told the address may also end it.
    let signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let config = Config::read(&args.config)?;
    // What is wrong with them is found before anything is opened.
    let (instances, on_demand) = instances::all(&config)?;
    instances::odd(&config).iter().for_each(|odd| odd.show("warning"));
    let lookups = config.tables.load()?;
    let store = open_store(&config)?;
    let shelf = Shelf::of(&config, store.clone());
    let sources = crate::sources::open_with(config.sources.iter().cloned(), &shelf)
        .map_err(|error| config.places.of_source(&config.sources, error))?;
    let (keeper, shared) = keep(&config, store, on_demand);
    views::check(&config, |name| shared.knows(&config, name))?;

    // Modules first, sources last: so every module sees the first packet.
    let options = Options { stay: true, lookups, ..options(&config) };
    let started = start(options, instances, keeper, &shared);
    let monitor = started.map_err(|error| config.places.of_instance(error))?;
    let deployer = deployer(&config, monitor.handle(), &shared)?;
    let desk = desk(&config, &monitor, deployer.refused.clone(), &shared);
    let doors = Doors::open(&config, &desk)?;
    let (unwatch, watching) = watch(deployer)?;
    let added = monitor.add_sources(fresh(sources, &config, &monitor, &shared));
    added.map_err(|error| config.places.of_instance(error))?;
    doors.tell();

    obey_signals(signals, &args.config, config, &monitor, &shared);
    drop(unwatch);
    let ended = monitor.wait();
    shared.feed.close();
    doors.close();
    // One that panicked has nothing more to deploy either.
    let _ = watching.join();
    desk.common.keep();
    match ended.sink {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

fn open_store(config: &Config) -> Result<Arc<dyn RecordStore>> {
    std::fs::create_dir_all(&config.store).map_err(|e| cannot("make", &config.store, &e))?;
    let path = crate::config::records_in(&config.store);
    let (store, aside) = RedbStore::create_beside_damaged(&path)?;
    if let Some(Aside { path: to, why }) = aside {
        let (path, to) = (path.display(), to.display());
        tracing::error!("`{path}` is damaged ({why}): it is `{to}` now, and a new one is begun");
    }
    let store = Arc::new(store);
    keep_sketch_secret(&*store)?;
    Ok(store)
}

/// The sink of all records, and what is shared with it.
fn keep(config: &Config, store: Arc<dyn RecordStore>, on_demand: OnDemand) -> (Keeper, Shared) {
    let (bounds, rollups) = (SharedBounds::default(), SharedRollups::default());
    *bounds.write() = bounds_of(config);
    rollups.write().levels = rollups_of(config);
    let keeper = keeper(store.clone(), bounds.clone()).rolling_up(rollups.clone());
    let (feed, keeping) = (keeper.feed(), keeper.keeping());
    let views = Views::default();
    views.set(&config.views);
    let shared = Shared {
        recorded: recorded(store.clone(), keeping.clone()),
        limits: SharedLimits::new(RwLock::new(config.limits)),
        reserved: Reserved::new(RwLock::new(reload::reserved(config))),
        changes: crossbeam_channel::bounded(1),
        store,
        bounds,
        rollups,
        keeping,
        feed,
        on_demand,
        views,
    };
    (keeper, shared)
}

impl Shared {
    /// Whether an instance of that name runs, may run, or has left records.
    fn knows(&self, config: &Config, name: &str) -> bool {
        config.instances.iter().any(|instance| instance.name == name)
            || (self.recorded)(name).until.is_some()
            || deploy::has_script(&config.modules, name)
    }
}

/// Starts the modules.
fn start(
    options: Options,
    mut instances: Vec<Instance>,
    keeper: Keeper,
    shared: &Shared,
) -> std::result::Result<Monitor, AttachError> {
    for instance in &mut instances {
        if let Some(backfill) = &mut instance.backfill {
            *backfill = (shared.recorded)(&instance.name).backfill(backfill.span);
        }
    }
    let monitor = Monitor::start(options, Vec::new(), instances, Box::new(keeper))?;
    let handle = monitor.handle();
    let merger = move |name: &str| handle.maker(name).and_then(|maker| maker.merger());
    shared.rollups.write().merger = Some(Arc::new(merger));
    Ok(monitor)
}

fn desk(config: &Config, monitor: &Monitor, refused: Refused, shared: &Shared) -> Desk {
    Desk {
        monitor: monitor.handle(),
        refused,
        store: shared.store.clone(),
        records: crate::config::records_in(&config.store),
        packets: crate::config::packets_in(&config.store),
        looked: door::Looked::default(),
        on_demand: shared.on_demand.clone(),
        runs: rerun::Runs::default(),
        common: Common::kept_in(shared.store.clone()),
        limits: shared.limits.clone(),
        feed: shared.feed.clone(),
        keeping: shared.keeping.clone(),
        views: shared.views.clone(),
        started: SystemTime::now(),
    }
}

/// Where questions come in.
struct Doors {
    web: Web,
    views: Vec<(String, Web)>,
}

impl Doors {
    fn open(config: &Config, desk: &Desk) -> Result<Self> {
        let web = Web::open(config.listen, config.scripts, Arc::new(desk.clone()))?;
        Ok(Self { web, views: views::open(&config.views, desk)? })
    }

    fn tell(&self) {
        say(&format!("listening on http://{}", self.web.address()));
        for (view, web) in &self.views {
            say(&format!("view `{view}`: listening on http://{}", web.address()));
        }
    }

    fn close(self) {
        self.web.close();
        self.views.into_iter().for_each(|(_, web)| web.close());
    }
}

/// The sources that add to what is recorded.
fn fresh(
    sources: Vec<Box<dyn Source>>,
    config: &Config,
    monitor: &Monitor,
    shared: &Shared,
) -> Vec<Box<dyn Source>> {
    if config.again {
        return sources;
    }
    let tasks = monitor.status().tasks.into_iter();
    let instances: Vec<String> = tasks.map(|task| task.name).collect();
    let packets = crate::config::packets_in(&config.store);
    let recorded =
        again::Recorded { store: &*shared.store, packets: &packets, instances: &instances };
    again::fresh(sources, &recorded, &mut shared.keeping.write())
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    let why = crate::error::with_causes(error);
    Failure::new(format!("cannot {what} `{}`: {why}", path.display()))
}

fn options(config: &Config) -> Options {
    let default = Options { window: config.window, ..Options::default() };
    match config.workers {
        0 => default,
        workers => Options { workers, ..default },
    }
}

/// What there is of an instance, committed or not.
fn recorded(store: Arc<dyn RecordStore>, keeping: Arc<RwLock<Keeping>>) -> Recorded {
    Arc::new(move |name| {
        let reached = keeping.read().reached.get(name).copied();
        // A store that does not answer says so when it is written.
        let streams = store.streams().unwrap_or_default();
        let stored = streams.iter().find(|stream| stream.name == name);
        let keepers = streams.iter().filter(|stream| stream.module == "trace");
        let shed = |keeper: &Stream| Some((keeper.name.clone(), keeper.shed_until()?));
        Known {
            until: reached.max(stored.and_then(|stream| stream.end)),
            shed: keepers.filter_map(shed).collect(),
        }
    })
}

fn keeper(store: Arc<dyn RecordStore>, bounds: SharedBounds) -> Keeper {
    // The start in nanoseconds tells this run from every other.
    let boot = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let writer = Writer::new(store, &node(), u64::try_from(boot).unwrap_or(u64::MAX));
    Keeper::new(writer, bounds)
}

/// This machine's name, as blocks carry it.
fn node() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

fn deployer(config: &Config, monitor: Handle, shared: &Shared) -> Result<Deployer> {
    let dir = &config.modules;
    std::fs::create_dir_all(dir).map_err(|e| cannot("make", dir, &e))?;
    let mut deployer = Deployer {
        dir: dir.clone(),
        monitor,
        limits: shared.limits.clone(),
        reserved: shared.reserved.clone(),
        blocked: BTreeSet::new(),
        changes: shared.changes.clone(),
        refused: Arc::default(),
        recorded: shared.recorded.clone(),
        load: |path| crate::catalogue::load(path).map_err(|failure| failure.text()),
        seen: BTreeMap::new(),
        running: BTreeMap::new(),
    };
    deployer.rescan();
    Ok(deployer)
}

/// Follows the modules folder until the sender is dropped.
fn watch(deployer: Deployer) -> Result<(Sender<()>, JoinHandle<()>)> {
    let (unwatch, stop) = crossbeam_channel::bounded(0);
    let thread = std::thread::Builder::new().name("deploy".into());
    let thread = thread.spawn(move || deployer.watch(&stop))?;
    Ok((unwatch, thread))
}

/// Does what signals ask until one asks to end; a second one ends at once.
fn obey_signals(
    mut signals: Signals,
    path: &Path,
    mut config: Config,
    monitor: &Monitor,
    shared: &Shared,
) {
    let running = config.clone();
    for signal in signals.forever() {
        if signal != SIGHUP {
            monitor.stop();
            break;
        }
        if let Err(failure) = reload::again(path, (&mut config, &running), monitor, shared) {
            tracing::error!("the configuration stays as it was: {}", failure.text());
        }
    }
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().find(|signal| *signal != SIGHUP) {
            std::process::exit(128 + signal);
        }
    });
}

#[cfg(test)]
mod tests {
    use como_core::record::{Column, Output, Records, Schema, Type};
    use como_core::source::Covered;
    use como_core::storage::About;
    use como_core::time::{Span, Ts};

    use super::*;

    #[test]
    fn what_was_shed_is_known_after_a_restart_of_each_that_keeps_packets_alone() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("como.toml");
        std::fs::write(&path, "").expect("written");
        let config = Config::read(&path).expect("a configuration");
        let store = open_store(&config).expect("a store");
        let mut writer = Writer::new(store.clone(), "node", 1);
        let schema = Arc::new(Schema::new([Column::new("packets", Type::Uint)]));
        let streams =
            [("kept", "trace", ""), ("ring", "trace", "shed"), ("all", "traffic", "shed")];
        for (name, module, lineage) in streams {
            let about = About { module: module.to_owned(), ..About::default() };
            writer.open(name, about).expect("a disk");
            let covered = Covered { lineage: vec![lineage.to_owned()], ..Covered::default() };
            writer.cover(name, &[covered]);
            let mut records = Records::empty(schema.clone(), Span::from_secs(5));
            records.push(Ts::new(10, 0), [5u64.into()]);
            writer.write(name, Output::Records(records)).expect("a disk");
        }
        writer.commit().expect("a disk");
        drop((writer, store));
        let store = open_store(&config).expect("the same");
        let known = recorded(store, Arc::default())("kept");
        assert_eq!(known.until, Some(Ts::new(15, 0)));
        let shed = BTreeMap::from([("ring".to_owned(), Ts::new(15, 0))]);
        assert_eq!(known.shed, shed);
        assert_eq!(known.backfill(Span::from_secs(60)).shed, shed);
    }
}
