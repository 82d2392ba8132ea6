//! The desk behind the HTTP door: status and queries from the running monitor and its store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use como_core::query::{Packets, Place, Query, QueryError, Replayed};
use como_core::render::Format;
use como_core::storage::packets::{Capture, CopyError, Effort};
use como_core::storage::redb::set_aside;
use como_core::storage::{Feed, RecordStore};
use como_core::supervisor::Handle;
use como_core::supervisor::counters::TaskStatus;
use como_core::supervisor::keep::Keeping;
use como_core::time::Ts;
use como_web::{Answer as HttpAnswer, Body, Door, Refusal, Script};
use parking_lot::{Mutex, RwLock};

use super::deploy::Refused;
use super::ondemand::OnDemand;
use super::rerun::Runs;
use super::views::Views;
use super::{SharedLimits, broken};
use crate::afresh::Common;
use crate::columnar;

/// What answers with packets took, by instance.
pub type Looked = Arc<Mutex<BTreeMap<String, Effort>>>;

/// Everything that answers are made of. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Desk {
    /// The monitor.
    pub monitor: Handle,
    /// Scripts that were refused.
    pub refused: Refused,
    /// What is stored.
    pub store: Arc<dyn RecordStore>,
    /// The file of the store.
    pub records: PathBuf,
    /// Where packets are kept.
    pub packets: PathBuf,
    /// What answers with packets took so far, by instance.
    pub looked: Looked,
    /// What comes.
    pub feed: Feed,
    /// What is safe.
    pub keeping: Arc<RwLock<Keeping>>,
    /// What runs only when it is asked.
    pub on_demand: OnDemand,
    /// Modules that run for questions.
    pub runs: Runs,
    /// What those share.
    pub common: Common,
    /// What one of them may use, where it is no instance's.
    pub limits: SharedLimits,
    /// What groups of users see.
    pub views: Views,
    /// When the monitor started, by the wall clock.
    pub started: SystemTime,
}

impl Desk {
    /// The running instances and their filters.
    pub fn running(&self) -> Vec<(String, String)> {
        self.monitor.status().tasks.into_iter().map(|task| (task.name, task.filter)).collect()
    }

    /// Answers with packets themselves.
    fn packets(&self, query: &Query, capture: Capture) -> Result<HttpAnswer, Refusal> {
        let running = self.running();
        let (feed, packets) = (Some(&self.feed), Some(self.packets.as_path()));
        let place = Place { store: &*self.store, feed, running: &running, packets };
        let lookups = self.monitor.lookups();
        let body: Body = match Packets::open(query, capture, place, lookups.clone()) {
            Ok(answer) => {
                let (name, looked) = (query.module.clone(), self.looked.clone());
                Box::new(move |out| {
                    let copied = answer.write(out).map_err(broken::logged)?;
                    looked.lock().entry(name).or_default().add(copied.effort);
                    Ok(())
                })
            }
            Err(QueryError::NoPackets { .. }) => {
                let own = self.monitor.maker(&query.module).and_then(|maker| maker.replayer());
                let asked = (query, capture, lookups);
                let answer = Replayed::open(asked, place, self.store.clone(), own);
                let answer = answer.map_err(|error| refusal(&error))?;
                Box::new(move |out| answer.write(out).map(drop).map_err(broken::logged))
            }
            Err(error) => return Err(refusal(&error)),
        };
        Ok(HttpAnswer {
            mime: capture.mime().to_owned(),
            sources: None,
            missed: None,
            run: None,
            body,
        })
    }
}

impl Desk {
    /// What the store has acknowledged, and what was set aside of it. Its trouble is also that of a
    /// disk that takes no packets.
    fn kept(&self, tasks: &[TaskStatus]) -> serde_json::Value {
        let mut kept = serde_json::json!(&*self.keeping.read());
        let of_packets = || tasks.iter().find_map(|task| task.trouble.clone());
        if let Some(trouble) = kept.get_mut("trouble").filter(|trouble| trouble.is_null()) {
            *trouble = of_packets().into();
        }
        // Where it cannot be listed, the store has troubles of its own.
        let aside = set_aside(&self.records).unwrap_or_default();
        let aside: Vec<String> = aside.iter().map(|path| path.display().to_string()).collect();
        kept["set_aside"] = aside.into();
        kept
    }
}

impl Door for Desk {
    fn status(&self) -> String {
        let capture = self.monitor.status();
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let started = Ts::new(started.as_secs(), 0).to_string();
        serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "node": super::node(),
            "started": started,
            "store": self.kept(&capture.tasks),
            "capture": capture,
            "window": &*self.looked.lock(),
            "refused": &*self.refused.read(),
            "on_demand": self.on_demand.status(),
            "runs": self.runs.status(),
            "views": self.views.status(),
        })
        .to_string()
    }

    fn modules(&self) -> Vec<(String, String)> {
        let status = self.monitor.status();
        let doc = |module: &str, filter: &str| match filter {
            "" | "all" => module.to_owned(),
            filter => format!("{module}, {filter}"),
        };
        let running = status.tasks.iter().map(|t| (t.name.clone(), doc(&t.module, &t.filter)));
        let on_demand = self.on_demand.list().into_iter();
        let on_demand = on_demand.map(|(name, module, filter)| {
            (name, format!("{}, runs on demand", doc(&module, &filter)))
        });
        running.chain(on_demand).collect()
    }

    fn query(&self, module: &str, parameters: &[(String, String)]) -> Result<HttpAnswer, Refusal> {
        let pairs = parameters.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let query =
            Query::parse(pairs.chain([("module", module)])).map_err(|error| refusal(&error))?;
        if let Some(capture) = query.format.as_deref().and_then(Capture::named) {
            query.allows_packets().map_err(|error| refusal(&error))?;
            return self.packets(&query, capture);
        }
        let format = format(&query)?;
        let is_on_demand = self.on_demand.instance(module).is_some();
        if query.source.is_some() || query.explain || is_on_demand {
            return self.rerun(&query, format, None);
        }
        match self.other_arg(&query)? {
            Some(other) => self.rerun(&query, format, Some(other)),
            None => self.records(query, format),
        }
    }

    fn behind(&self, part: &str) -> Option<Box<dyn Door>> {
        Some(Box::new(self.viewed(part)?))
    }

    fn script(
        &self,
        script: Script,
        parameters: &[(String, String)],
    ) -> Result<HttpAnswer, Refusal> {
        self.posted(script, parameters)
    }
}

/// The format of an answer in records, where this build has it.
pub fn format(query: &Query) -> Result<Format, Refusal> {
    let format = Format::named(query.format.as_deref().unwrap_or("ndjson"));
    let format = format.map_err(|error| bad(error.to_string()))?;
    match columnar::knows(format) {
        true => Ok(format),
        false => Err(Refusal::new(501, "Not Implemented", columnar::MISSING)),
    }
}

pub fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(400, "Bad Request", text)
}

pub fn refusal(error: &QueryError) -> Refusal {
    let text = error.to_string();
    match error {
        QueryError::UnknownModule { .. } => Refusal::new(404, "Not Found", text),
        QueryError::Packets(CopyError::Read { .. }) | QueryError::Store(_) => {
            Refusal::new(503, "Service Unavailable", text)
        }
        _ => bad(text),
    }
}
