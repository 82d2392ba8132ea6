//! A module that runs afresh over a store, where its records do not answer.

use std::io::Write;
use std::sync::Arc;

use como_core::module::Kind;
use como_core::query::{Query as Question, QueryError};
use como_core::record::{Output, Records};
use como_core::render;
use como_core::storage::{RecordStore, Stream};
use como_core::supervisor::Instance;

use super::{Stored, refused, show};
use crate::afresh::{Afresh, Common, Given};
use crate::cli::Format;
use crate::error::Result;
use crate::output::{self, table::Table};
use crate::progress::Progress;
use crate::{afresh, catalogue};

/// What an interrupted command ends with, as shells have it.
const INTERRUPTED: i32 = 130;

/// Runs the module, or says what it would run over. Where nothing stored serves, `otherwise` is why
/// it was to be run, if that says more.
pub fn perform(
    stored: &Stored,
    store: Arc<dyn RecordStore>,
    (question, otherwise): (&Question, Option<QueryError>),
    format: Format,
) -> Result {
    let kind = module(stored, &*store, &question.module)?;
    let instance = afresh::instance(Instance::of(kind.clone()), question)?;
    let lookups = match question.explain {
        true => Arc::default(),
        false => stored.tables.load()?,
    };
    let afresh = Afresh {
        store,
        packets: &stored.packets(),
        maker: &|stream: &Stream| stored.maker(&stream.name, &stream.module),
        running: None,
        lookups,
        common: Common::default(),
    };
    let mut run = match afresh.perform(question, instance, otherwise).map_err(refused)? {
        Given::Explained(records) => return explain(records, format),
        Given::Run(run) => run,
    };
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
    let shown = show(&mut *run, &question.module, format, Some(&*kind), &curtain);
    signals.close();
    progress.finish();
    shown
}

/// The module asked for: a script, a shipped one, or the one that an instance used.
fn module(stored: &Stored, store: &dyn RecordStore, name: &str) -> Result<Arc<dyn Kind>> {
    let failure = match catalogue::find(name) {
        Ok(kind) => return Ok(kind),
        Err(failure) => failure,
    };
    let module = store.stream(name)?.map(|stream| stream.module);
    module.and_then(|module| stored.maker(name, &module)).ok_or(failure)
}

fn explain(records: Records, format: Format) -> Result {
    let records = Output::Records(records);
    let mut out = std::io::stdout().lock();
    match format {
        Format::Table => Ok(out.write_all(Table::new(false).output("", &records).as_bytes())?),
        format => Ok(render::whole(output::renderer(format, None).as_mut(), &records, &mut out)?),
    }
}
