//! Questions for packets: a window of what an instance keeps of them, as one capture.
//!
//! What is answered is what is stored: packets to come are not waited for, and
//! a filter picks among the packets that the instance's own let through. An
//! answer says from when until when packets are kept, also where it has none.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::answer::{Place, find, parsed};
use super::{Query, QueryError};
use crate::lookup::Lookups;
use crate::storage::packets::{self, Capture, Copied, CopyError, Wanted};
use crate::storage::{Feed, Stream, Window, can_name};
use crate::time::Ts;

/// One answer in packets.
#[derive(Clone, Debug)]
pub struct Packets {
    dir: PathBuf,
    covered: Option<(Ts, Ts)>,
    wanted: Wanted,
}

impl Packets {
    /// Begins to answer. What is wrong with the query is found here, before a byte is written; for
    /// pcap, whose packets must be of one link type, the packets are looked through once.
    pub fn open(
        query: &Query,
        capture: Capture,
        place: Place<'_>,
        lookups: Arc<Lookups>,
    ) -> Result<Self, QueryError> {
        let filter = query.filter.as_deref().map(parsed).transpose()?;
        if let Some(missing) = filter.as_ref().and_then(|filter| filter.lacks(&lookups)) {
            return Err(QueryError::Table(missing));
        }
        // Only names that are known become parts of a path.
        let stream = match find(&query.module, &place) {
            // Killed before its first record was committed.
            Err(QueryError::UnknownModule { name, .. }) if is_kept(&name, &place) => {
                Stream { name, ..Stream::default() }
            }
            // The packets lie elsewhere.
            Err(QueryError::Store(error)) if is_kept(&query.module, &place) => {
                tracing::warn!("packets are read without their records: {error}");
                Stream { name: query.module.clone(), ..Stream::default() }
            }
            other => other?,
        };
        let packets = place.packets.filter(|_| can_name(&stream.name));
        let dir = packets.map(|dir| dir.join(&stream.name)).filter(|dir| dir.is_dir());
        let Some(dir) = dir else {
            return Err(QueryError::NoPackets { module: stream.name, format: capture.name() });
        };
        let covered = packets::covered(&dir).map_err(|source| {
            let path = dir.display().to_string();
            QueryError::Packets(CopyError::Read { path, source })
        })?;
        let clock = place.feed.and_then(Feed::clock).or(stream.end);
        let behind = covered.map(|(_, last)| Ts(last.0.saturating_add(1)));
        let clock = clock.or(behind).unwrap_or_default();
        let window = Query { wait: false, ..query.clone() }.window(clock)?;
        let about = match covered {
            Some((first, last)) => format!("packets kept are from {first} until {last}"),
            None => "no packets are kept yet".to_owned(),
        };
        let answer =
            Self { dir, covered, wanted: Wanted { window, filter, lookups, capture, about } };
        if capture == Capture::Pcap {
            answer.write(&mut io::sink())?;
        }
        Ok(answer)
    }

    /// The time asked for.
    pub fn window(&self) -> Window {
        self.wanted.window
    }

    /// The times of the earliest packet that is kept, and of the latest known.
    pub fn covered(&self) -> Option<(Ts, Ts)> {
        self.covered
    }

    /// Writes the capture, and returns how many packets it has and what finding them took.
    pub fn write(&self, out: &mut dyn Write) -> Result<Copied, QueryError> {
        packets::copy(&self.dir, &self.wanted, out).map_err(|error| match error {
            CopyError::Write(error) => QueryError::Write(error),
            error => QueryError::Packets(error),
        })
    }
}

/// Whether there are packets of an instance.
fn is_kept(name: &str, place: &Place<'_>) -> bool {
    let entries = place.packets.and_then(|dir| dir.read_dir().ok());
    entries.into_iter().flatten().flatten().any(|entry| entry.file_name() == *name)
}
