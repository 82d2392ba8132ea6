//! `[[module]]`: the instances that a configuration names, and where it says what of them.

use std::collections::BTreeMap;

use como_core::module::aside::ALERTS;
use como_core::module::trace::SERVICE as TRACE;
use como_core::module::{Args, Grants};
use como_core::record::Value;
use como_core::rollup::{self, Rollup};
use como_core::storage::{NAME_BYTES_MAX, can_name};
use como_core::time::Span;
use toml::Spanned;

use super::places::Instance;
use super::{InstanceConfig, RUNNING, Reader, TAKEN, WINDOW_BYTES_MIN, file};
use crate::error::Result;

/// What an instance is, and where that is said.
pub(super) type Placed = (InstanceConfig, Instance);

impl Reader<'_> {
    pub(super) fn instances(
        &self,
        modules: &[file::Module],
        store: &file::Store,
    ) -> Result<Vec<Placed>> {
        let mut instances: Vec<Placed> = Vec::new();
        for module in modules {
            let (instance, places) = self.instance(module, store)?;
            if instances.iter().any(|(other, _)| other.name == instance.name) {
                let place = module.name.as_ref().unwrap_or(&module.r#use);
                let failure =
                    self.wrong(place, format!("two modules are called `{}`", instance.name));
                return Err(failure.hint("give each a `name` of its own"));
            }
            instances.push((instance, places));
        }
        self.none_is_a_rollup(&instances)?;
        Ok(instances)
    }

    fn instance(&self, module: &file::Module, store: &file::Store) -> Result<Placed> {
        let uses = module.r#use.get_ref();
        let name = match &module.name {
            Some(name) => name.get_ref().clone(),
            None => crate::catalogue::stem(uses),
        };
        let place = module.name.as_ref().unwrap_or(&module.r#use);
        self.name(&name, place)?;
        let filter = match &module.filter {
            Some(filter) => self.filter(filter)?,
            None => String::new(),
        };
        let path = crate::catalogue::is_path(uses).then(|| self.path(uses));
        let rollups = self.rollups(&module.rollup)?;
        let lens = rollups.iter().map(|rollup| rollup.len);
        let places = Instance {
            name: place.span(),
            module: module.r#use.span(),
            args: module
                .args
                .iter()
                .map(|(k, v)| (k.get_ref().clone(), (k.span(), v.span())))
                .collect(),
            rollups: lens.zip(module.rollup.iter().map(Spanned::span)).collect(),
            compress: module.compress.as_ref().map(Spanned::span),
            anonymize: module.anonymize.as_ref().map(Spanned::span),
        };
        let instance = InstanceConfig {
            // One that cannot be read is refused when it is loaded.
            text: path.as_ref().and_then(|path| como_scripting::whole(path).ok()),
            module: path.map_or_else(|| uses.clone(), |path| path.to_string_lossy().into()),
            args: self.args(&name, &module.args)?,
            streamsize: self.streamsize(module, store)?,
            compress: module.compress.as_ref().is_some_and(|compress| *compress.get_ref()),
            anonymize: module.anonymize.as_ref().map(|path| self.path(path.get_ref())),
            retain: self.age(&module.retain)?,
            on_demand: self.on_demand(module)?,
            backfill: self.span(&module.backfill)?,
            grants: self.grants(&module.allow)?,
            rollups,
            name,
            filter,
        };
        Ok((instance, places))
    }

    /// Whether a module runs only when it is asked: there is nothing to run it over before.
    fn on_demand(&self, module: &file::Module) -> Result<bool> {
        let on_demand = self.one_of(&module.running, &RUNNING)?.unwrap_or(false);
        match module.backfill.as_ref().filter(|_| on_demand) {
            Some(backfill) => {
                let failure = self.wrong(backfill, "a module on demand has no backfill".to_owned());
                Err(failure.hint("a question runs it over what is stored: leave it out"))
            }
            None => Ok(on_demand),
        }
    }

    /// Makes sure that no instance has the name under which another's rollup is kept.
    fn none_is_a_rollup(&self, instances: &[Placed]) -> Result {
        for (one, _) in instances {
            let names = one.rollups.iter().map(|rollup| rollup::name(&one.name, rollup.len));
            for name in names {
                let Some((_, places)) = instances.iter().find(|(other, _)| other.name == name)
                else {
                    continue;
                };
                let what = format!("a module has the name of a rollup of `{}`", one.name);
                return Err(self.wrong_at(places.name.clone(), what).hint("call it otherwise"));
            }
        }
        Ok(())
    }

    /// Makes sure that something may name a module's records, and the folder of its packets.
    pub(super) fn name<T>(&self, name: &str, place: &Spanned<T>) -> Result {
        if TAKEN.contains(&name) {
            let failure = self.wrong(place, format!("`/{name}` is taken already"));
            return Err(failure.hint("give the module another `name`"));
        }
        if name == ALERTS {
            let what = format!("`{ALERTS}` is where all modules' alerts are kept");
            return Err(self.wrong(place, what).hint("give the module another `name`"));
        }
        if can_name(name) {
            return Ok(());
        }
        Err(match name.len() {
            0..=NAME_BYTES_MAX => {
                let failure = self.wrong(place, format!("`{name}` cannot name a module"));
                failure.hint("a name has no `/` and no control characters")
            }
            bytes => {
                let what = format!("a name of {bytes} bytes: a module's has at most");
                self.wrong(place, format!("{what} {NAME_BYTES_MAX}"))
            }
        })
    }

    /// How much a module may keep. One that keeps packets writes a mebibyte at a time.
    fn streamsize(&self, module: &file::Module, store: &file::Store) -> Result<Option<u64>> {
        let own = self.room(&module.streamsize)?;
        if module.r#use.get_ref() == TRACE {
            let place = if own.is_some() { &module.streamsize } else { &store.streamsize };
            let bytes = own.or(self.size(&store.streamsize)?);
            self.at_least(bytes, place, WINDOW_BYTES_MIN, "4MiB")?;
        }
        Ok(own)
    }

    pub(super) fn room(&self, text: &Option<Spanned<String>>) -> Result<Option<u64>> {
        self.at_least(self.size(text)?, text, 1, "1B")
    }

    /// Rollups as `1m:7d`, each of longer intervals than the one before.
    fn rollups(&self, texts: &[Spanned<String>]) -> Result<Vec<Rollup>> {
        let mut rollups: Vec<Rollup> = Vec::new();
        for text in texts {
            let written = || {
                let what = format!("`{}` is no rollup", text.get_ref());
                self.wrong(text, what).hint("write how long intervals are and are kept: \"1m:7d\"")
            };
            let (len, age) = text.get_ref().split_once(':').ok_or_else(written)?;
            let age = match age.trim() {
                "forever" => None,
                age => Some(Span::parse(age).map_err(|_| written())?),
            };
            let len = Span::parse(len.trim()).map_err(|_| written())?;
            if len.0 == 0 || age.is_some_and(|age| age < len) {
                return Err(self.wrong(text, "nothing would be kept: at least an interval".into()));
            }
            if rollups.last().is_some_and(|before| before.len >= len) {
                let what = "its intervals are not longer than those before".to_owned();
                return Err(self.wrong(text, what));
            }
            rollups.push(Rollup { len, age });
        }
        Ok(rollups)
    }

    fn grants(&self, texts: &[Spanned<String>]) -> Result<Grants> {
        let mut grants = Grants::default();
        for text in texts {
            let added = grants.add(text.get_ref());
            added.map_err(|error| self.wrong(text, error.to_string()))?;
        }
        Ok(grants)
    }

    fn args(
        &self,
        instance: &str,
        table: &BTreeMap<Spanned<String>, Spanned<toml::Value>>,
    ) -> Result<Args> {
        let mut args = Args::default();
        for (name, value) in table {
            let set = match value.get_ref() {
                toml::Value::String(text) => Value::Text(text.clone()),
                toml::Value::Integer(number) => Value::Int(*number),
                toml::Value::Float(number) => Value::Float(*number),
                toml::Value::Boolean(flag) => Value::Bool(*flag),
                other => {
                    let what = format!(
                        "argument `{}` of module `{instance}` is {}",
                        name.get_ref(),
                        other.type_str()
                    );
                    let failure = self.wrong(value, what);
                    return Err(failure.hint("arguments are texts, numbers, true or false"));
                }
            };
            args.set(name.get_ref(), set);
        }
        Ok(args)
    }

    /// A filter that compiles; a mistake is underlined where it stands in the file.
    pub(super) fn filter(&self, filter: &Spanned<String>) -> Result<String> {
        let text = filter.get_ref();
        let Err(error) = como_core::filter::parse(text) else { return Ok(text.clone()) };
        // Behind the quote, as long as the file has the text as it is, without escapes.
        let start = filter.span().start + 1;
        let at = match self.text.get(start..).is_some_and(|rest| rest.starts_with(text.as_str())) {
            true => start + error.at().start..start + error.at().end,
            false => filter.span(),
        };
        let failure = self.wrong_at(at, error.to_string());
        Err(error.hint().into_iter().fold(failure, crate::error::Failure::hint))
    }
}
