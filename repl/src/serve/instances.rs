//! The instances of a configuration, ready to run: what only their modules can tell is wrong with
//! them is said where it stands.

use std::collections::BTreeMap;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use como_core::module::Args;
use como_core::record::Value;
use como_core::rollup::Rollup;
use como_core::storage::packets::{Place, Room, Secret};
use como_core::supervisor::keep::{Bound, Bounds};
use como_core::supervisor::{Instance, rolls_up};

use super::deploy::{Known, Recorded};
use super::ondemand::OnDemand;
use crate::config::places::Instance as Places;
use crate::config::{Config, FOREVER, InstanceConfig, packets_in};
use crate::error::{Failure, Message, Result};

/// Bytes below which a stream keeps little more than its last block.
const STREAMSIZE_SMALL: u64 = 64 << 10;

/// The instances to run from the first packet on, and those to run on demand.
pub fn all(config: &Config) -> Result<(Vec<Instance>, OnDemand)> {
    let (mut always, on_demand) = (Vec::new(), OnDemand::default());
    // What is recorded of them is not known yet.
    let nothing: Recorded = Arc::new(|_| Known::default());
    for one in &config.instances {
        let instance = instance(config, one, &nothing)?;
        match one.on_demand {
            true => {
                let put = on_demand.put(instance);
                put.map_err(|error| config.places.of_instance(error))?;
            }
            false => always.push(instance),
        }
    }
    Ok((always, on_demand))
}

/// What is allowed, and hardly meant.
pub fn odd(config: &Config) -> Vec<Message> {
    let mut odd = Vec::new();
    if config.sources.is_empty() {
        let what = "there is no [[source]]: nothing is measured, only what is stored is answered";
        odd.push(Message::new(what).hint("`como sniffers` lists what can be captured from"));
    }
    let small = |instance: &&InstanceConfig| {
        instance.streamsize.is_some_and(|bytes| bytes < STREAMSIZE_SMALL)
    };
    for instance in config.instances.iter().filter(small) {
        let what = format!(
            "module `{}`: its `streamsize` is less than one block of records: hardly more than its \
             last records are kept",
            instance.name
        );
        odd.push(Message::new(what).hint("a block has up to 64KiB"));
    }
    for path in config.instances.iter().filter_map(|instance| instance.anonymize.as_deref()) {
        // One that is not there is refused when it is read.
        let mode = path.metadata().map_or(0, |found| found.mode());
        if mode & 0o077 != 0 {
            let path = path.display();
            let what = format!("others than its owner may read the key `{path}`");
            odd.push(Message::new(what).hint(format!("`chmod 600 {path}`")));
        }
    }
    odd
}

/// An instance that could run, as far as its module tells.
pub fn instance(
    config: &Config,
    instance: &InstanceConfig,
    recorded: &Recorded,
) -> Result<Instance> {
    let places = config.places.instance(&instance.name);
    let at = |at: &Range<usize>, failure| config.places.at(at.clone(), failure);
    let kind = crate::catalogue::find(&instance.module);
    let kind = kind.map_err(|failure| at(&places.module, failure))?;
    let manifest = kind.manifest();
    manifest
        .resolve(&instance.args)
        .map_err(|error| at(&places.arg(&error), crate::catalogue::wrong(&error)))?;
    if !manifest.keeps_packets
        && let Some((key, place)) = said_of_packets(&places)
    {
        let what = format!("`{key}` is of the packets that a `trace` keeps");
        let hint = format!("module `{}` keeps records alone: leave it out", instance.name);
        return Err(at(place, Failure::new(what).hint(hint)));
    }
    let anonymize = key(instance)
        .map_err(|failure| at(places.anonymize.as_ref().unwrap_or(&places.module), failure))?;
    let span = instance.backfill.or(manifest.backfill).filter(|span| span.0 > 0);
    let args = match manifest.keeps_packets {
        true => beside(&config.folder, &instance.args),
        false => instance.args.clone(),
    };
    let started = Instance {
        name: instance.name.clone(),
        backfill: span.map(|span| recorded(&instance.name).backfill(span)),
        kind,
        filter: instance.filter.clone(),
        args,
        limits: config.limits,
        grants: instance.grants.clone(),
        packets: Some(Place::Directory(room(config, instance, anonymize))),
        keeps_states: !instance.rollups.is_empty(),
    };
    if !instance.rollups.is_empty() {
        let rolls_up = rolls_up(started.clone(), &instance.rollups);
        rolls_up.map_err(|error| config.places.of_instance(error))?;
    }
    Ok(started)
}

/// What is said of an instance that only packets have, and where.
fn said_of_packets(places: &Places) -> Option<(&'static str, &Range<usize>)> {
    let compress = places.compress.as_ref().map(|place| ("compress", place));
    compress.or(places.anonymize.as_ref().map(|place| ("anonymize", place)))
}

/// The key of its addresses, from a file that the operator names: no script may choose, or see, it.
fn key(instance: &InstanceConfig) -> Result<Option<Secret>> {
    let key = instance.anonymize.as_deref().map(Secret::read).transpose();
    key.map_err(|error| Failure::new(crate::error::with_causes(&error)))
}

/// Where an instance may keep packets, and how much.
fn room(config: &Config, instance: &InstanceConfig, anonymize: Option<Secret>) -> Room {
    Room {
        path: packets_in(&config.store).join(&instance.name),
        bytes_max: instance.streamsize.unwrap_or(config.streamsize),
        retain: Some(instance.retain.unwrap_or(config.retain)).filter(|age| *age != FOREVER),
        compress: instance.compress,
        anonymize,
    }
}

/// The arguments of what writes packets: a file's path starts at the configuration's folder.
fn beside(folder: &Path, args: &Args) -> Args {
    let mut args = args.clone();
    let file = args.text("file").to_owned();
    if !["", "-"].contains(&file.as_str()) {
        args.set("file", Value::Text(folder.join(file).to_string_lossy().into_owned()));
    }
    args
}

/// What is rolled up.
pub fn rollups_of(config: &Config) -> BTreeMap<String, Vec<Rollup>> {
    let some = config.instances.iter().filter(|instance| !instance.rollups.is_empty());
    some.map(|instance| (instance.name.clone(), instance.rollups.clone())).collect()
}

/// How much of their records instances keep.
pub fn bounds_of(config: &Config) -> Bounds {
    let bound = |i: &InstanceConfig| Bound { bytes: i.streamsize, age: i.retain };
    Bounds {
        own: config.instances.iter().map(|i| (i.name.clone(), bound(i))).collect(),
        default: Bound { bytes: Some(config.streamsize), age: Some(config.retain) },
    }
}
