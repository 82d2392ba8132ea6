//! Doors to views: the desk as seen through one, by its modules, of its packets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use como_core::filter::Expr;
use como_core::query::QueryError;
use como_core::storage::packets::Capture;
use como_web::{Answer, Door, Refusal, Script, Scripts, Web, WebError};
use parking_lot::RwLock;
use serde_json::{Map, Value, json};

use super::door::{Desk, bad, refusal};
use crate::config::Config;
use crate::config::view::{View, prefix};
use crate::error::{Failure, Result as Done, with_causes};

/// What a question says, as in its URL.
type Parameters = Vec<(String, String)>;

/// The views there are. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Views(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    views: Vec<View>,
    // Of those that have one of their own, by name.
    addresses: BTreeMap<String, SocketAddr>,
}

impl Views {
    /// Those of a configuration that was read.
    pub fn set(&self, views: &[View]) {
        self.0.write().views = views.to_vec();
    }

    fn find(&self, is: impl Fn(&View) -> bool) -> Option<View> {
        self.0.read().views.iter().find(|view| is(view)).cloned()
    }

    /// Whether an instance is one of theirs.
    pub fn have(&self, instance: &str) -> bool {
        self.find(|view| view.has(instance)).is_some()
    }

    /// All of them as `/status` shows them.
    pub fn status(&self) -> Value {
        let known = self.0.read();
        let one = |view: &View| {
            json!({
                "name": view.name,
                "path": format!("/{}", view.path),
                "filter": view.filter,
                "modules": view.modules,
                "source": view.source,
                "listen": known.addresses.get(&view.name).map(SocketAddr::to_string),
            })
        };
        known.views.iter().map(one).collect()
    }
}

/// Makes sure that there is, or was, what views are over.
pub fn check(config: &Config, is_known: impl Fn(&str) -> bool) -> Done<()> {
    for view in &config.views {
        if let Some(source) = view.source.as_deref().filter(|source| !is_known(source)) {
            let what =
                format!("[view.{}]: there is no module `{source}` to be its source", view.name);
            let hint = "`source` is the name of a [[module]], or one that `como store ls` lists";
            let failure = Failure::new(what).hint(hint);
            return Err(match config.places.of_view(&view.name) {
                Some(at) => config.places.at(at, failure),
                None => failure,
            });
        }
    }
    Ok(())
}

/// Opens the addresses that views have of their own; each with the view's name.
pub fn open(views: &[View], desk: &Desk) -> Done<Vec<(String, Web)>> {
    let mut open = Vec::new();
    for view in views {
        let Some(listen) = view.listen else { continue };
        let door = Viewed { desk: desk.clone(), name: view.name.clone() };
        let web = Web::open(listen, Scripts::None, Arc::new(door));
        let web = web.map_err(|error| match error {
            WebError::Listen { address, source } => {
                let why = with_causes(&source);
                let what = format!("[view.{}]: cannot listen on {address}: {why}", view.name);
                Failure::new(what).hint("give the view another `listen`, or leave it out")
            }
            error => error.into(),
        })?;
        desk.views.0.write().addresses.insert(view.name.clone(), web.address());
        open.push((view.name.clone(), web));
    }
    Ok(open)
}

/// The addresses of their own that views have.
pub fn addresses(views: &[View]) -> Vec<(String, SocketAddr)> {
    let own = views.iter().filter_map(|view| Some((view.name.clone(), view.listen?)));
    own.collect()
}

/// The desk as seen through a view.
pub struct Viewed {
    desk: Desk,
    name: String,
}

impl Desk {
    /// The door to the view at a path.
    pub fn viewed(&self, path: &str) -> Option<Viewed> {
        let view = self.views.find(|view| view.path == path)?;
        Some(Viewed { desk: self.clone(), name: view.name })
    }
}

impl Viewed {
    /// The view as it is now: the configuration may have been read again.
    fn view(&self) -> Result<View, Refusal> {
        let view = self.desk.views.find(|view| view.name == self.name);
        view.ok_or_else(|| Refusal::new(404, "Not Found", "this view is no more"))
    }

    /// The filter in force for an instance of the view: the view's, its own and its module's.
    fn measured(&self, instance: &str) -> Option<String> {
        let tasks = self.desk.monitor.status().tasks;
        let task = tasks.into_iter().find(|task| task.name == instance).map(|task| task.filter);
        let listed = || self.desk.on_demand.list().into_iter().find(|(name, ..)| name == instance);
        task.or_else(|| listed().map(|(_, _, filter)| filter))
    }

    /// The question as it is put to the desk: of the view's instance, of its packets, over its
    /// source.
    fn asked(
        &self,
        view: &View,
        module: &str,
        parameters: &[(String, String)],
    ) -> Result<(String, Parameters), Refusal> {
        if !view.modules.iter().any(|known| known == module) {
            let known = view.modules.join(", ");
            let text = format!("no module `{module}` in view `{}`; known are {known}", view.name);
            return Err(Refusal::new(404, "Not Found", text));
        }
        let (filter, mut asked) = parted(parameters)?;
        let is_packets =
            |(key, value): &(String, String)| key == "format" && Capture::named(value).is_some();
        let packets = asked.iter().any(is_packets);
        let mut instance = view.instance(module);
        let filter = match filter {
            Some(own) => view.narrowed(own),
            // Packets kept before a view was narrowed are not all of the view's.
            None if packets => view.filter.clone(),
            None => self.in_force(view, &instance),
        };
        if !filter.is_empty() {
            asked.push(("filter".to_owned(), filter));
        }
        match &view.source {
            // What is kept lies with the source.
            Some(source) if packets && source == module => instance.clone_from(source),
            Some(source) if !packets => asked.push(("source".to_owned(), source.clone())),
            // What lies beside the view's own records is not the view's to read.
            None if !packets => asked.push(("source".to_owned(), "none".to_owned())),
            _ => {}
        }
        Ok((instance, asked))
    }

    /// The packets that an instance of the view may speak of: those it measures, and those of the
    /// view, as one of them may be that of a configuration that is just being read.
    fn in_force(&self, view: &View, instance: &str) -> String {
        match self.measured(instance).and_then(|text| Expr::parse(&text).ok()) {
            Some(measured) => view.narrowed(measured),
            None => view.filter.clone(),
        }
    }

    /// What is said of the view's instances, in the view's own words. One that is not there says
    /// nothing of those beside the view.
    fn told(&self, mut refusal: Refusal) -> Refusal {
        if refusal.status == 404
            && let Ok(view) = self.view()
        {
            let known = view.modules.join(", ");
            let text = format!("it does not run in view `{}` now; known are {known}", view.name);
            return Refusal::new(404, "Not Found", text);
        }
        refusal.text = refusal.text.replace(&format!("`{}", prefix(&self.name)), "`");
        refusal
    }
}

/// The filter that was asked for, and the other parameters, of which a view takes not all.
fn parted(parameters: &[(String, String)]) -> Result<(Option<Expr>, Parameters), Refusal> {
    let (mut filter, mut others) = (None, Vec::new());
    for (key, value) in parameters {
        match key.as_str() {
            "source" | "explain" => {
                return Err(bad(format!("`{key}` is not for a view, which has its own source")));
            }
            "filter" => filter = Some(value),
            _ => others.push((key.clone(), value.clone())),
        }
    }
    let parse = |text: &String| {
        Expr::parse(text).map_err(|error| {
            let text = text.chars().take(200).collect();
            refusal(&QueryError::Filter { text, error })
        })
    };
    Ok((filter.map(parse).transpose()?, others))
}

impl Door for Viewed {
    fn status(&self) -> String {
        let Ok(view) = self.view() else { return "{}".to_owned() };
        let all: Value = serde_json::from_str(&self.desk.status()).unwrap_or_default();
        let inside =
            |value: &Value| value.as_str().and_then(|name| view.inside(name)).map(str::to_owned);
        let tasks = |tasks: &Value| {
            let tasks = tasks.as_array().into_iter().flatten().filter_map(|task| {
                let mut task = task.clone();
                task["name"] = inside(&task["name"])?.into();
                Some(task)
            });
            tasks.collect::<Value>()
        };
        let streams = |streams: &Value| {
            let streams = streams.as_object().into_iter().flatten();
            let own = streams
                .filter_map(|(name, stream)| Some((view.inside(name)?.to_owned(), stream.clone())));
            Value::Object(own.collect::<Map<_, _>>())
        };
        let store = &all["store"];
        json!({
            "version": all["version"],
            "node": all["node"],
            "started": all["started"],
            "view": view.name,
            "filter": view.filter,
            "modules": view.modules,
            "capture": { "tasks": tasks(&all["capture"]["tasks"]) },
            "store": {
                "streams": streams(&store["streams"]),
                "settled_until": streams(&store["settled_until"]),
            },
            "on_demand": tasks(&all["on_demand"]),
        })
        .to_string()
    }

    fn modules(&self) -> Vec<(String, String)> {
        let Ok(view) = self.view() else { return Vec::new() };
        let all = self.desk.modules().into_iter();
        all.filter_map(|(name, doc)| Some((view.inside(&name)?.to_owned(), doc))).collect()
    }

    fn query(&self, module: &str, parameters: &[(String, String)]) -> Result<Answer, Refusal> {
        let view = self.view()?;
        let (instance, parameters) = self.asked(&view, module, parameters)?;
        self.desk.query(&instance, &parameters).map_err(|refusal| self.told(refusal))
    }

    fn script(&self, _: Script, _: &[(String, String)]) -> Result<Answer, Refusal> {
        let text = "a view runs its own modules, and no scripts that are sent";
        Err(Refusal::new(403, "Forbidden", text))
    }
}
