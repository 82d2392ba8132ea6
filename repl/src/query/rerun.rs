//! A module that runs afresh over a store, where its records do not answer.

use std::io::Write;
use std::sync::Arc;

use como_core::lookup::Lookups;
use como_core::module::Maker;
use como_core::query::joined::Opener;
use como_core::query::{Answer, Coarse, Gauge, Own, Place, Query as Question, QueryError, Steps};
use como_core::record::{Output, Records, Schema};
use como_core::render;
use como_core::storage::{Coverage, RecordStore, Stream};
use como_core::supervisor::Instance;

use super::Stored;
use super::show::show;
use crate::afresh::{Afresh, Common};
use crate::catalogue;
use crate::cli::Format;
use crate::error::{Result, say, with_causes};
use crate::output::{self, table::Table};
use crate::progress::Progress;

/// What an interrupted command ends with, as shells have it.
const INTERRUPTED: i32 = 130;

/// Runs the module, or says what it would run over. Where nothing stored serves, `otherwise` is why
/// it was to be run, if that says more: the inner error.
pub fn perform(
    stored: &Stored,
    store: &Arc<dyn RecordStore>,
    (question, otherwise): (&Question, Option<QueryError>),
    allow: &[String],
    format: Format,
) -> Result<std::result::Result<(), QueryError>> {
    let mut instance =
        crate::afresh::instance(instance(stored, &**store, &question.module)?, question)?;
    for grant in allow {
        instance.grants.add(grant).map_err(catalogue::not_granted)?;
    }
    let lookups = match question.explain {
        true => Arc::default(),
        false => stored.tables.load()?,
    };
    let maker = instance.maker(lookups.clone());
    if question.explain {
        let own = own(&**store, question);
        let filler = own.as_ref().and_then(|own| filler(stored, store, question, own));
        let filler = filler.as_ref().map(|(filler, _)| filler);
        let own = own.as_ref().map(|own| (own, filler));
        let explained =
            afresh(stored, store, lookups, |past| past.explain(question, instance, own));
        return match explained {
            Ok(records) => explain(records, format).map(Ok),
            Err(error) => Ok(Err(error)),
        };
    }
    let run = afresh(stored, store, lookups, |past| past.perform(question, instance, otherwise));
    let mut run = match run {
        Ok(run) => run,
        Err(error) => return Ok(Err(error)),
    };
    run.missed().into_iter().for_each(|missed| say(&missed.to_string()));
    let gauge = run.gauge();
    shown(&mut run, gauge, (&question.module, format, &maker)).map(Ok)
}

/// Writes what a module at work says, with how far it is beside it.
fn shown(
    steps: &mut impl Steps,
    gauge: Arc<Gauge>,
    (name, format, maker): (&str, Format, &Maker),
) -> Result {
    let mut progress = Progress::new(false);
    progress.follow(move || gauge.far());
    let curtain = progress.curtain();
    // Nothing that is lost: the run is given up with us, and only the bar stays to be taken away.
    let fallen = curtain.clone();
    let signals = crate::session::stop_on_signal(move || {
        fallen.fall();
        std::process::exit(INTERRUPTED);
    })?;
    let shown = show(steps, name, format, Some(maker), &curtain);
    signals.close();
    progress.finish();
    shown
}

/// Writes records, and for the time that they do not reach what is stored beside them, if anything
/// is: none otherwise.
pub fn beside<'a>(
    (stored, store, format): (&Stored, &Arc<dyn RecordStore>, Format),
    (question, own): (&Question, &Own),
    (columns, covered): (Option<Arc<Schema>>, &[Coverage]),
    begin: Box<Opener<'a>>,
) -> Result<Option<()>> {
    let Some((instance, doubt)) = filler(stored, store, question, own) else { return Ok(None) };
    let not = |why: String| {
        say(&format!(
            "what the records of `{}` do not reach is not measured afresh: {why}",
            own.name
        ));
        Ok(None)
    };
    let lookups = match stored.tables.load() {
        Ok(lookups) => lookups,
        Err(failure) => return not(failure.text()),
    };
    let maker = instance.maker(lookups.clone());
    let filled = afresh(stored, store, lookups, |past| past.fill(&instance, own, || Some(())));
    let mut filling = match filled {
        Ok(Some((filling, ()))) => filling,
        Ok(None) => return Ok(None),
        Err(error) => return not(with_causes(&error)),
    };
    doubt.iter().for_each(|doubt| filling.reserve(doubt));
    let gauge = filling.gauge().unwrap_or_default();
    let mut joined = filling.join(question, (columns, covered), begin);
    shown(&mut joined, gauge, (&question.module, format, &maker)).map(Some)
}

/// What is to run for that time, where anything may serve there, and what is not known of it.
fn filler(
    stored: &Stored,
    store: &Arc<dyn RecordStore>,
    question: &Question,
    own: &Own,
) -> Option<(Instance, Option<String>)> {
    if !afresh(stored, store, Arc::default(), |past| past.has_beside(question, own)) {
        return None;
    }
    let name = own.instance();
    let mut known = stored.config.iter().flat_map(|config| &config.instances);
    let is_known = known.any(|known| known.name == name);
    let known = is_known.then(|| stored.made_by(name, "")).flatten();
    crate::afresh::beside(known, || stored.made_by(name, &own.module), (question, own))
}

/// How far the records reach that would answer a question, where any would.
fn own(store: &dyn RecordStore, question: &Question) -> Option<Own> {
    if question.source.is_some() || !question.args.is_empty() {
        return None;
    }
    let place = Place { store, feed: None, running: &[], packets: None };
    match question.interval {
        Some(_) => Coarse::open(question, place, None).map(|answer| answer.own()).ok(),
        None => Answer::open(question, place).and_then(|answer| answer.own()).ok(),
    }
}

/// With what a store has, and what a module needs to run over it.
fn afresh<T>(
    stored: &Stored,
    store: &Arc<dyn RecordStore>,
    lookups: Arc<Lookups>,
    act: impl FnOnce(&Afresh<'_>) -> T,
) -> T {
    let views = stored.config.iter().flat_map(|config| &config.views);
    act(&Afresh {
        is_of_view: &|name| views.clone().any(|view| view.has(name)),
        store: store.clone(),
        packets: &stored.packets(),
        makers: &|stream: &Stream| stored.maker(&stream.name, &stream.module),
        running: None,
        lookups,
        common: Common::of(&**store, stored.threads),
    })
}

/// What is asked for: an instance of the configuration, a script, a shipped module, or what made
/// the records of that name.
fn instance(stored: &Stored, store: &dyn RecordStore, name: &str) -> Result<Instance> {
    let mut configured = stored.config.iter().flat_map(|config| &config.instances);
    let known = configured.any(|known| known.name == name).then(|| stored.made_by(name, ""));
    if let Some(instance) = known.flatten() {
        return Ok(instance);
    }
    let failure = match catalogue::find(name) {
        Ok(kind) => return Ok(crate::afresh::as_recorded(Instance::of(kind), store)?),
        Err(failure) => failure,
    };
    let module = store.stream(name)?.map(|stream| stream.module);
    module.and_then(|module| stored.made_by(name, &module)).ok_or(failure)
}

fn explain(records: Records, format: Format) -> Result {
    let records = Output::Records(records);
    let mut out = std::io::stdout().lock();
    match format {
        Format::Table => Ok(out.write_all(Table::new(false).output("", &records).as_bytes())?),
        format => Ok(render::whole(output::renderer(format, None).as_mut(), &records, &mut out)?),
    }
}
