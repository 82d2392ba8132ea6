//! Captures of a time that is recorded already.
//!
//! What is recorded twice counts twice, in some answers and not in others. So a
//! capture that a monitor has read is not read again by the next one over the
//! same store, unless the configuration says so.

use como_core::record::Output;
use como_core::source::{Pace, Source};
use como_core::storage::scan::Part;
use como_core::storage::{RecordStore, Scan, Stream, Window};
use como_core::supervisor::keep::Keeping;
use como_core::time::Ts;

use crate::error::Message;

/// The sources that go on where the records of these instances end, or begin before all of them.
/// The others are named.
pub fn fresh(
    mut sources: Vec<Box<dyn Source>>,
    store: &dyn RecordStore,
    instances: &[String],
    keeping: &mut Keeping,
) -> Vec<Box<dyn Source>> {
    let mut is_fresh = |source: &dyn Source| {
        let name = &source.description().name;
        let mut recorded = instances.iter().filter_map(|instance| again(source, store, instance));
        let Some(stream) = recorded.next() else { return true };
        let begins = source.first_ts().unwrap_or_default();
        let time = |ts: Option<Ts>| ts.unwrap_or_default();
        let why = format!(
            "it begins at {begins}, and `{}` has records from {} until {}, which would count twice",
            stream.name,
            time(stream.first),
            time(stream.end)
        );
        Message::new(format!("`{name}` is not read: {why}"))
            .hint(format!(
                "`como store rm {}` lets it be recorded anew; `again = true` under [store] has it \
                 read all the same",
                stream.name
            ))
            .show("warning");
        keeping.not_read.insert(name.clone(), why);
        false
    };
    sources.retain(|source| is_fresh(&**source));
    sources
}

/// The records of an instance, where they have the time in which a source begins. The interval that
/// was open when another ended may go on with it.
fn again(source: &dyn Source, store: &dyn RecordStore, instance: &str) -> Option<Stream> {
    let description = source.description();
    // Only what is all there can say when it begins; a capture may be paced as if it came now.
    let begins = source.first_ts().filter(|_| description.pace != Pace::Live)?;
    // A store that does not answer says so when it is written.
    let stream = store.stream(instance).ok().flatten()?;
    let inside = stream.first? <= begins && begins < stream.end?;
    let same = || {
        let last = stream.sources.last();
        last.is_some_and(|last| last.sources.iter().any(|c| c.source == description.name))
    };
    let behind = Window { from: Ts(begins.0.saturating_add(1)), to: Window::ALL.to };
    let is_record = |part: Part| matches!(part.output, Output::Records(_));
    let goes_on = || Scan::new(store, instance, behind).any(|part| part.is_ok_and(is_record));
    (inside && (same() || goes_on())).then_some(stream)
}
