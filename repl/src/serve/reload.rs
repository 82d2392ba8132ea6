//! SIGHUP: what runs is brought in step with a configuration that was read again, or stays as it
//! was, all of it.
//!
//! Whatever is new is loaded and started for trial before anything changes. What only the running
//! monitor can refuse, as fields that no source gives, is said, and tried again the next time.

use std::collections::BTreeSet;
use std::path::Path;

use como_core::lookup::Lookups;
use como_core::supervisor::{AttachError, Handle, Instance, Needs};

use super::instances::{bounds_of, instance, odd, rollups_of};
use super::{Shared, fixed, views};
use crate::config::{Config, InstanceConfig};
use crate::error::{Failure, Result};

/// Reads the configuration again, and takes it in place of `config` unless something is wrong with
/// it. `running` is the one that was started with.
pub(super) fn again(
    path: &Path,
    (config, running): (&mut Config, &Config),
    monitor: &Handle,
    shared: &Shared,
) -> Result {
    let new = Config::read(path)?;
    views::check(&new, |name| shared.knows(&new, name))?;
    let lookups = new.tables.load()?;
    let changed = changed(config, &new, &lookups, shared)?;
    fixed::check(&new, running)?;
    monitor.set_lookups(lookups);
    tell_what_stays(&new, running);
    *config = take(config, new, changed, (monitor, shared));
    // What the configuration gave up may be a script's.
    let _ = shared.changes.0.try_send(());
    tracing::info!("the configuration was read again");
    Ok(())
}

/// The instances that are not what they were, ready to run; or all that is wrong with them.
fn changed(
    old: &Config,
    new: &Config,
    lookups: &Lookups,
    shared: &Shared,
) -> Result<Vec<(bool, Instance)>> {
    let limits_changed = old.limits != new.limits;
    let (mut all, mut wrong) = (Vec::new(), None::<Failure>);
    for one in new.instances.iter().filter(|i| limits_changed || !old.instances.contains(i)) {
        match tried(new, one, lookups, shared) {
            Ok(instance) => all.push((one.on_demand, instance)),
            Err(failure) => {
                let failure = Failure::new(format!("module `{}`: {}", one.name, failure.text()));
                wrong = Some(match wrong {
                    Some(others) => others.and(failure),
                    None => failure,
                });
            }
        }
    }
    wrong.map_or(Ok(all), Err)
}

/// An instance that could run.
fn tried(
    config: &Config,
    one: &InstanceConfig,
    lookups: &Lookups,
    shared: &Shared,
) -> Result<Instance> {
    let instance = instance(config, one, &shared.recorded)?;
    let needs = Needs::of(instance.clone()).map_err(|error| config.places.of_instance(error))?;
    match needs.missing_table(lookups) {
        Some(missing) => {
            let instance = one.name.clone();
            Err(config.places.of_instance(AttachError::Table { instance, missing }))
        }
        None => Ok(instance),
    }
}

/// Brings what runs in step with a new configuration, and answers the one in force: without what
/// could not be started.
fn take(
    old: &Config,
    mut new: Config,
    changed: Vec<(bool, Instance)>,
    (monitor, shared): (&Handle, &Shared),
) -> Config {
    *shared.limits.write() = new.limits;
    *shared.bounds.write() = bounds_of(&new);
    shared.rollups.write().levels = rollups_of(&new);
    shared.views.set(&new.views);
    let is_in = |config: &Config, name: &str| config.instances.iter().any(|i| i.name == name);
    for gone in old.instances.iter().filter(|gone| !is_in(&new, &gone.name)) {
        monitor.detach(&gone.name);
        shared.on_demand.remove(&gone.name);
        tracing::info!("module `{}` stops: the configuration has it no more", gone.name);
    }
    // From here on no script takes one of the names; one that has a view's path makes room.
    let (before, after) = (reserved(old), reserved(&new));
    shared.reserved.write().clone_from(&after);
    for name in after.difference(&before).filter(|name| !is_in(&new, name)) {
        monitor.detach(name);
    }
    for (on_demand, instance) in changed {
        let name = instance.name.clone();
        match replace(instance, on_demand, monitor, shared) {
            Ok(()) if is_in(old, &name) => tracing::info!("module `{name}` is replaced"),
            Ok(()) => tracing::info!("module `{name}` is live"),
            Err(failure) => {
                tracing::error!("module `{name}` stays as it was: {}", failure.text());
                new.instances.retain(|one| one.name != name);
                new.instances.extend(old.instances.iter().find(|one| one.name == name).cloned());
            }
        }
    }
    new
}

/// Has an instance run, or be there to be run.
fn replace(instance: Instance, on_demand: bool, monitor: &Handle, shared: &Shared) -> Result {
    let name = instance.name.clone();
    if on_demand {
        shared.on_demand.put(instance).map_err(crate::session::refused)?;
        monitor.detach(&name);
    } else {
        monitor.attach(instance).map_err(crate::session::refused)?;
        shared.on_demand.remove(&name);
    }
    Ok(())
}

/// The names that scripts put into the modules folder cannot have.
pub(super) fn reserved(config: &Config) -> BTreeSet<String> {
    let instances = config.instances.iter().map(|instance| instance.name.clone());
    let rollups = config.instances.iter().flat_map(|instance| {
        let lens = instance.rollups.iter().map(|rollup| rollup.len);
        lens.map(|len| como_core::rollup::name(&instance.name, len))
    });
    let views = config.views.iter().map(|view| view.path.clone());
    instances.chain(rollups).chain(views).collect()
}

/// Warns of what only a restart changes, and of what is odd in what was read.
fn tell_what_stays(new: &Config, running: &Config) {
    odd(new).iter().for_each(|odd| odd.show("warning"));
    let differing = fixed::differing(new, running);
    if !differing.is_empty() {
        tracing::warn!("with a restart only changes: {}", differing.join(", "));
    }
}
