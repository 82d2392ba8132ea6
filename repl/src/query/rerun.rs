//! A module that runs afresh over a store, where its records do not answer.

use std::path::Path;
use std::sync::Arc;

use como_core::module::Kind;
use como_core::query::{Over, Past, Query as Question, QueryError};
use como_core::record::Output;
use como_core::storage::{RecordStore, Stream};
use como_core::supervisor::Instance;

use super::{refused, show};
use crate::cli::{Format, Query};
use crate::config::Config;
use crate::error::Result;
use crate::lookup::Tables;
use crate::output::{self, table::Table};
use crate::progress::Progress;
use crate::shelf::maker;
use crate::{afresh, catalogue};

/// Runs the module, or says what it would run over. Where nothing stored serves, `otherwise` is why
/// it was to be run, if that says more.
pub fn perform(
    store: Arc<dyn RecordStore>,
    packets: &Path,
    (args, question, otherwise): (&Query, &Question, Option<QueryError>),
    format: Format,
    tables: &Tables,
) -> Result {
    let kind = module(&*store, args)?;
    let instance = afresh::instance(Instance::of(kind.clone()), question)?;
    let config = Config::read(&args.config).ok();
    let own = |stream: &Stream| {
        maker(config.as_ref(), &stream.name, &stream.module).and_then(|kind| kind.replayer())
    };
    let past = Past { store, packets, own: &own };
    let window = past.window(question, None).map_err(refused)?;
    if question.explain {
        let records = Output::Records(past.explain(instance, window).map_err(refused)?);
        return explain(&records, format);
    }
    let over = question.source.clone().unwrap_or(Over::Best);
    let run = past.run(instance, &over, window, tables.load()?);
    let mut run = run.map_err(|error| match (error, otherwise) {
        (QueryError::NothingServes { .. }, Some(otherwise)) => refused(otherwise),
        (error, _) => refused(error),
    })?;
    let mut progress = Progress::new(false);
    run.counters().into_iter().for_each(|counters| progress.follow(counters));
    let curtain = progress.curtain();
    let shown = show(&mut run, &args.module, format, Some(&*kind), &curtain);
    progress.finish();
    shown
}

/// The module asked for: a script, a shipped one, or the one that an instance used.
fn module(store: &dyn RecordStore, args: &Query) -> Result<Arc<dyn Kind>> {
    let failure = match catalogue::find(&args.module) {
        Ok(kind) => return Ok(kind),
        Err(failure) => failure,
    };
    let module = store.stream(&args.module)?.map(|stream| stream.module);
    let config = Config::read(&args.config).ok();
    let made = module.and_then(|module| maker(config.as_ref(), &args.module, &module));
    made.ok_or(failure)
}

fn explain(records: &Output, format: Format) -> Result {
    let mut out = std::io::stdout().lock();
    match format {
        Format::Table => {
            use std::io::Write;
            Ok(out.write_all(Table::new(false).output("", records).as_bytes())?)
        }
        format => {
            let mut renderer = output::renderer(format, None);
            renderer.begin(None, &mut out)?;
            renderer.output(records, &mut out)?;
            Ok(renderer.end(&mut out)?)
        }
    }
}
