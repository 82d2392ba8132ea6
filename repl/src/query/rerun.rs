//! A module that runs afresh over a store, where its records do not answer.

use std::io::Write;
use std::sync::Arc;

use como_core::query::{Query as Question, QueryError};
use como_core::record::{Output, Records};
use como_core::render;
use como_core::storage::{RecordStore, Stream};
use como_core::supervisor::Instance;

use super::{Stored, show};
use crate::afresh::{Afresh, Common, Given};
use crate::cli::Format;
use crate::error::{Result, say};
use crate::output::{self, table::Table};
use crate::progress::Progress;
use crate::{afresh, catalogue};

/// What an interrupted command ends with, as shells have it.
const INTERRUPTED: i32 = 130;

/// Runs the module, or says what it would run over. Where nothing stored serves, `otherwise` is why
/// it was to be run, if that says more: the inner error.
pub fn perform(
    stored: &Stored,
    store: Arc<dyn RecordStore>,
    (question, otherwise): (&Question, Option<QueryError>),
    allow: &[String],
    format: Format,
) -> Result<std::result::Result<(), QueryError>> {
    let mut instance = afresh::instance(instance(stored, &*store, &question.module)?, question)?;
    for grant in allow {
        instance.grants.add(grant).map_err(catalogue::not_granted)?;
    }
    let lookups = match question.explain {
        true => Arc::default(),
        false => stored.tables.load()?,
    };
    let maker = instance.maker(lookups.clone());
    let common = Common::of(&*store, stored.threads);
    let afresh = Afresh {
        store,
        packets: &stored.packets(),
        makers: &|stream: &Stream| stored.maker(&stream.name, &stream.module),
        running: None,
        lookups,
        common,
    };
    let mut run = match afresh.perform(question, instance, otherwise) {
        Ok(Given::Explained(records)) => return explain(records, format).map(Ok),
        Ok(Given::Run(run)) => run,
        Err(error) => return Ok(Err(error)),
    };
    run.missed().into_iter().for_each(|missed| say(&missed.to_string()));
    let mut progress = Progress::new(false);
    let gauge = run.gauge();
    progress.follow(move || gauge.far());
    let curtain = progress.curtain();
    // Nothing that is lost: the run is given up with us, and only the bar stays to be taken away.
    let fallen = curtain.clone();
    let signals = crate::session::stop_on_signal(move || {
        fallen.fall();
        std::process::exit(INTERRUPTED);
    })?;
    let shown = show(&mut *run, &question.module, format, Some(&maker), &curtain);
    signals.close();
    progress.finish();
    shown.map(Ok)
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
        Ok(kind) => return Ok(Instance::of(kind)),
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
