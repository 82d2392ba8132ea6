//! Views: what a group of users sees of the monitor, and the instances that run in one.
//!
//! An instance in a view is one of its own, called `VIEW:NAME`: with the view's
//! filter before its own, records and packets of its own. So whatever a view
//! answers was measured of its packets alone.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use como_core::filter::Expr;
use como_core::module::Args;
use como_core::storage::can_name;
use toml::Spanned;

use super::instance::Placed;
use super::places::Instance;
use super::{InstanceConfig, Reader, TAKEN, file};
use crate::error::{Result, nearest};

/// One `[view.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Its name.
    pub name: String,
    /// The part of a path under which it answers: `web` for `/web/...`.
    pub path: String,
    /// An address of its own, where it answers without that path.
    pub listen: Option<SocketAddr>,
    /// The packets it is of, canonical; all where nothing is said.
    pub filter: String,
    /// What may be asked in it.
    pub modules: Vec<String>,
    /// The instance over whose packets or records all of them run on demand.
    pub source: Option<String>,
}

/// What the names of all instances in a view begin with outside. Others may begin so too.
pub fn prefix(view: &str) -> String {
    format!("{view}:")
}

impl View {
    /// What an instance in it is called outside.
    pub fn instance(&self, module: &str) -> String {
        prefix(&self.name) + module
    }

    /// Whether an instance that is called so outside is one of it.
    pub fn has(&self, instance: &str) -> bool {
        let inside = self.inside(instance);
        inside.is_some_and(|module| self.modules.iter().any(|known| known == module))
    }

    /// What an instance is called in it.
    pub fn inside<'a>(&self, instance: &'a str) -> Option<&'a str> {
        instance.strip_prefix(&prefix(&self.name))
    }

    /// Its packets that `filter` lets through.
    pub fn narrowed(&self, filter: Expr) -> String {
        // It compiled when the configuration was read.
        let own = Expr::parse(&self.filter).ok();
        let both = Expr::all_of(own.into_iter().chain([filter]));
        both.to_string()
    }
}

impl Reader<'_> {
    /// The views, and the instances that run in them.
    pub(super) fn views(
        &self,
        written: &BTreeMap<String, Spanned<file::View>>,
        instances: &[InstanceConfig],
        listen: SocketAddr,
    ) -> Result<(Vec<View>, Vec<Placed>)> {
        let (mut views, mut inside): (Vec<View>, Vec<Placed>) = (Vec::new(), Vec::new());
        for (name, place) in written {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(plain) {
                let failure = self.wrong(place, format!("`{name}` cannot name a view"));
                return Err(failure.hint("letters, digits, `_` and `-` can"));
            }
            let view = self.view(name, place)?;
            let taken = |path: &str| {
                TAKEN.contains(&path)
                    || views.iter().any(|other| other.path == path)
                    || instances.iter().any(|instance| instance.name == path)
            };
            if taken(&view.path) {
                let failure = self.wrong(place, format!("`/{}` is taken already", view.path));
                return Err(failure.hint("`path` gives a view another than its name"));
            }
            self.own_address(&view, place.get_ref(), listen, &views)?;
            for module in &place.get_ref().modules {
                let instance = self.inside(&view, module, instances)?;
                if instances.iter().any(|other| other.name == instance.name) {
                    let what = format!("`{}` is the name of a [[module]] too", instance.name);
                    let failure = self.wrong(module, what);
                    return Err(failure.hint("give the module another `name`"));
                }
                let at = module.span();
                inside.push((
                    instance,
                    Instance { name: at.clone(), module: at, ..Instance::default() },
                ));
            }
            views.push(view);
        }
        Ok((views, inside))
    }

    /// Makes sure that a view shares its address with nobody here.
    fn own_address(
        &self,
        view: &View,
        written: &file::View,
        listen: SocketAddr,
        others: &[View],
    ) -> Result {
        let (Some(own), Some(place)) = (view.listen.filter(|own| own.port() > 0), &written.listen)
        else {
            return Ok(());
        };
        let other = others.iter().find(|other| other.listen == Some(own));
        let other = other.map(|other| format!("[view.{}]", other.name));
        match other.or_else(|| (own == listen).then(|| "[http]".to_owned())) {
            Some(other) => Err(self.wrong(place, format!("{other} listens on {own} already"))),
            None => Ok(()),
        }
    }

    fn view(&self, name: &str, place: &Spanned<file::View>) -> Result<View> {
        let view = place.get_ref();
        let path = match &view.path {
            None => name.to_owned(),
            Some(path) => match path.get_ref().strip_prefix('/') {
                Some(rest) if can_name(rest) => rest.to_owned(),
                _ => {
                    let what = format!("`{}` is no path of one part", path.get_ref());
                    return Err(self.wrong(path, what).hint(format!("write \"/{name}\"")));
                }
            },
        };
        if view.modules.is_empty() {
            let failure = self.wrong(place, format!("view `{name}` has no modules"));
            return Err(failure.hint("modules = [\"traffic\", \"topaddr\"]"));
        }
        let filter = match &view.filter {
            Some(filter) => self.filter(filter)?,
            None => String::new(),
        };
        Ok(View {
            name: name.to_owned(),
            path,
            listen: view.listen.as_ref().map(|listen| self.address(listen)).transpose()?,
            filter: canonical(&filter),
            modules: view.modules.iter().map(|module| module.get_ref().clone()).collect(),
            source: view.source.as_ref().map(|source| source.get_ref().clone()),
        })
    }

    /// The instance of a module in a view: as `[[module]]` has it, or as it is shipped.
    fn inside(
        &self,
        view: &View,
        module: &Spanned<String>,
        instances: &[InstanceConfig],
    ) -> Result<InstanceConfig> {
        let name = module.get_ref();
        let known = instances.iter().find(|instance| instance.name == *name).cloned();
        let shipped = || crate::catalogue::names().contains(name).then(|| plain(name));
        let Some(instance) = known.or_else(shipped) else {
            let failure = self.wrong(module, format!("there is no module `{name}`"));
            let names = instances.iter().map(|instance| instance.name.as_str());
            return Err(match nearest(name, names) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("name a [[module]], or one that `como modules` lists"),
            });
        };
        self.name(&view.instance(name), module)?;
        let own = Expr::parse(&instance.filter);
        let own = own.map_err(|error| self.wrong(module, error.to_string()))?;
        let is_over = view.source.is_some();
        Ok(InstanceConfig {
            name: view.instance(name),
            filter: view.narrowed(own),
            on_demand: instance.on_demand || is_over,
            backfill: if is_over { None } else { instance.backfill },
            ..instance
        })
    }
}

/// A shipped module as it is.
fn plain(name: &str) -> InstanceConfig {
    InstanceConfig {
        name: name.to_owned(),
        module: name.to_owned(),
        filter: String::new(),
        args: Args::default(),
        streamsize: None,
        compress: false,
        anonymize: None,
        retain: None,
        rollups: Vec::new(),
        on_demand: false,
        backfill: None,
        grants: Default::default(),
        text: None,
    }
}

/// A filter that compiled, as it is compared and shown.
fn canonical(filter: &str) -> String {
    Expr::parse(filter).map_or_else(|_| filter.to_owned(), |filter| filter.to_string())
}
