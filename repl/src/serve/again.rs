//! Captures of a time that is recorded already.
//!
//! What is recorded twice counts twice, in some answers and not in others. So a
//! capture that a monitor has read is not read again by the next one over the
//! same store, unless the configuration says so. Packets that a `trace` keeps say
//! so too: they are there also where the file of records was lost.

use std::path::Path;

use como_core::record::Output;
use como_core::source::{Pace, Source};
use como_core::storage::scan::Part;
use como_core::storage::{RecordStore, Scan, Window, packets};
use como_core::supervisor::keep::Keeping;
use como_core::time::{SECOND, Ts};

use crate::error::Message;

/// Where what was recorded is.
pub struct Recorded<'a> {
    /// The records.
    pub store: &'a dyn RecordStore,
    /// The folder of packets.
    pub packets: &'a Path,
    /// The instances that go on with it.
    pub instances: &'a [String],
}

/// The sources that go on where the records and the packets of these instances end, or begin before
/// all of them. The others are named.
pub fn fresh(
    mut sources: Vec<Box<dyn Source>>,
    recorded: &Recorded<'_>,
    keeping: &mut Keeping,
) -> Vec<Box<dyn Source>> {
    let mut is_fresh = |source: &dyn Source| {
        let name = &source.description().name;
        // Only what is all there can say when it begins; a capture may be paced as if it came now.
        let begins = Begins::of(source).filter(|_| source.description().pace != Pace::Live);
        let known = begins.and_then(|begins| Some((begins.first, recorded.at(name, begins)?)));
        let Some((first, Known { instance, has })) = known else { return true };
        let why = format!("it begins at {first}, and `{instance}` {has}, which would count twice");
        Message::new(format!("`{name}` is not read: {why}"))
            .hint(format!(
                "`como store rm {instance}` lets it be recorded anew; `again = true` under [store] \
                 has it read all the same"
            ))
            .show("warning");
        keeping.not_read.insert(name.clone(), why);
        false
    };
    sources.retain(|source| is_fresh(&**source));
    sources
}

/// When a capture begins.
#[derive(Clone, Copy)]
struct Begins {
    /// With which packet.
    first: Ts,
    /// When it was begun. Of flow records it is later: captures of exports that follow one another
    /// overlap by as long as flows last.
    recorded: Ts,
}

impl Begins {
    fn of(source: &dyn Source) -> Option<Self> {
        let first = source.first_ts()?;
        Some(Self { first, recorded: source.recorded_ts().unwrap_or(first) })
    }
}

/// What an instance has of a time.
struct Known {
    instance: String,
    has: String,
}

impl Recorded<'_> {
    /// What there is already of a capture that begins then.
    fn at(&self, name: &str, begins: Begins) -> Option<Known> {
        let records = || self.instances.iter().find_map(|one| self.records(one, name, begins));
        let packets = || self.instances.iter().find_map(|one| self.packets(one, begins.recorded));
        records().or_else(packets)
    }

    /// The records of an instance, where they have the time in which a capture begins. The interval
    /// that was open when another ended may go on with it.
    fn records(&self, instance: &str, name: &str, begins: Begins) -> Option<Known> {
        // A store that does not answer says so when it is written.
        let stream = self.store.stream(instance).ok().flatten()?;
        let (first, end) = (stream.first?, stream.end?);
        let last = stream.sources.last();
        let same =
            last.is_some_and(|last| last.sources.iter().any(|covered| covered.source == name));
        let begins = if same { begins.first } else { begins.recorded };
        let behind = Window { from: Ts(begins.0.saturating_add(1)), to: Window::ALL.to };
        let is_record = |part: Part| matches!(part.output, Output::Records(_));
        let goes_on =
            || Scan::new(self.store, instance, behind).any(|part| part.is_ok_and(is_record));
        let is_there = (first..end).contains(&begins) && (same || goes_on());
        let has = format!("has records from {first} until {end}");
        is_there.then(|| Known { instance: stream.name.clone(), has })
    }

    /// The packets that an instance keeps, where they have that time, from the second of the first
    /// of them on. A capture that goes on where another ended may begin with the last of them.
    /// Where its records are lost it may have had any earlier ones that are not kept.
    fn packets(&self, instance: &str, begins: Ts) -> Option<Known> {
        let dir = self.packets.join(instance);
        // What cannot be read is complained of when it is written.
        let (first, end) = packets::covered(&dir).ok().flatten()?;
        let has = format!("keeps packets from {first} until {end}");
        let stream = || self.store.stream(instance).ok().flatten();
        let known = |has| Some(Known { instance: instance.to_owned(), has });
        if begins >= end {
            None
        } else if begins >= Ts(first.0 - first.0 % SECOND) {
            known(has)
        } else if stream().is_none() && are_some(&dir) {
            known(has + ", and may have had earlier ones")
        } else {
            None
        }
    }
}

/// Whether packets are kept of which others went, or which a filter picked.
fn are_some(dir: &Path) -> bool {
    // What cannot be read is complained of when it is written.
    let segments = packets::segments(dir).unwrap_or_default();
    let treated = packets::treated(dir, Window::ALL).unwrap_or_default();
    segments.first().is_some_and(|first| first.number > 1)
        || treated.iter().filter_map(|one| one.filter.as_deref()).any(|filter| filter != "all")
}
