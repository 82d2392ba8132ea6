//! Instances that run only when they are asked: `running = "on-demand"`.
//!
//! They are loaded and checked like all others, listed as what may be asked, and
//! cost nothing until then. A question finds here what to run afresh.

use std::collections::BTreeMap;
use std::sync::Arc;

use como_core::supervisor::{AttachError, Instance, Needs};
use parking_lot::RwLock;
use serde_json::{Value, json};

/// Those there are, by name. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct OnDemand(Arc<RwLock<BTreeMap<String, (Instance, Needs)>>>);

impl OnDemand {
    /// Adds an instance, in place of its namesake, if it could run.
    pub fn put(&self, instance: Instance) -> Result<(), AttachError> {
        let needs = Needs::of(instance.clone())?;
        self.0.write().insert(instance.name.clone(), (instance, needs));
        Ok(())
    }

    /// Removes the instance of this name, if there is one.
    pub fn remove(&self, name: &str) {
        self.0.write().remove(name);
    }

    /// What runs for a question for this name.
    pub fn instance(&self, name: &str) -> Option<Instance> {
        self.0.read().get(name).map(|(instance, _)| instance.clone())
    }

    /// The names, each with its module and filter.
    pub fn list(&self) -> Vec<(String, String, String)> {
        let all = self.0.read();
        let one = |(instance, needs): &(Instance, Needs)| {
            let module = instance.kind.manifest().name.clone();
            (instance.name.clone(), module, needs.filter.clone())
        };
        all.values().map(one).collect()
    }

    /// All of them as `/status` shows them.
    pub fn status(&self) -> Value {
        let all = self.0.read();
        let one = |(instance, needs): &(Instance, Needs)| {
            json!({
                "name": instance.name,
                "module": instance.kind.manifest().name,
                "filter": needs.filter,
                "interval": needs.interval.to_string(),
                "running": "on-demand",
            })
        };
        all.values().map(one).collect()
    }
}
