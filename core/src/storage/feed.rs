//! The feed: what was committed, told to those who wait for it.
//!
//! A follower subscribes first, scans the store up to the number the stream
//! then had, and goes on with what it is told from that number on: nothing is
//! missed and nothing comes twice. Only what is committed is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use parking_lot::Mutex;

use super::block;
use super::{Append, RecordStore, StoreError};
use crate::record::Output;
use crate::time::Ts;

/// How many outputs may wait for one follower before it has fallen behind.
pub const WAITING_MAX: usize = 256;

/// Where commits are told. Cheap to clone; all clones are one feed.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    clock: AtomicU64,
    followers: Mutex<Vec<Follower>>,
    over: AtomicBool,
    closed: AtomicBool,
}

#[derive(Debug)]
struct Follower {
    stream: String,
    sender: Sender<Live>,
    behind: Arc<AtomicBool>,
}

/// What one block brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// The block's number.
    pub seq: u64,
    /// Its rows, or its gap.
    pub output: Output,
}

/// What a follower hears.
#[derive(Debug, PartialEq)]
pub enum News {
    /// Something was committed.
    Live(Live),
    /// Nothing in the time it would wait.
    Nothing,
    /// It took too long over what it was told before, and is told no more.
    Behind,
    /// The monitor stops.
    Closed,
}

/// One follower's end of the feed.
#[derive(Debug)]
pub struct Subscription {
    /// The number of the first block it will be told of.
    pub from_seq: u64,
    receiver: Receiver<Live>,
    behind: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl Feed {
    /// Begins to follow a stream of `store`, which this feed's writer writes.
    pub fn subscribe(
        &self,
        store: &dyn RecordStore,
        stream: &str,
    ) -> Result<Subscription, StoreError> {
        // Commits are told under this lock, so none lies between the number and the subscription.
        let mut followers = self.shared.followers.lock();
        let from_seq = store.stream(stream)?.map_or(0, |s| s.next_seq);
        let (sender, receiver) = crossbeam_channel::bounded(WAITING_MAX);
        let behind = Arc::new(AtomicBool::new(false));
        if !self.shared.closed.load(Ordering::Relaxed) {
            followers.push(Follower { stream: stream.to_owned(), sender, behind: behind.clone() });
        }
        Ok(Subscription { from_seq, receiver, behind, shared: self.shared.clone() })
    }

    /// Puts a group into the store and, once it is there, tells the followers.
    pub(super) fn put(&self, store: &dyn RecordStore, group: &[Append]) -> Result<(), StoreError> {
        let mut followers = self.shared.followers.lock();
        store.put(group)?;
        for append in group {
            if followers.iter().any(|f| f.stream == append.stream) {
                tell(&mut followers, append);
            }
        }
        Ok(())
    }

    /// Sets the stream's clock: no record that follows is of an earlier interval.
    pub fn set_clock(&self, clock: Ts) {
        self.shared.clock.fetch_max(clock.0, Ordering::Relaxed);
    }

    /// The stream's clock: time 0 of a query. None before the first packet.
    pub fn clock(&self) -> Option<Ts> {
        Some(self.shared.clock.load(Ordering::Relaxed)).filter(|ns| *ns > 0).map(Ts)
    }

    /// Says whether all sources have ended, so that nothing new comes until there is another.
    pub fn set_over(&self, is_over: bool) {
        self.shared.over.store(is_over, Ordering::Relaxed);
    }

    /// Whether that was said.
    pub fn is_over(&self) -> bool {
        self.shared.over.load(Ordering::Relaxed)
    }

    /// Ends it: followers hear what is left, then that it is closed.
    pub fn close(&self) {
        let mut followers = self.shared.followers.lock();
        self.shared.closed.store(true, Ordering::Relaxed);
        followers.clear();
    }
}

fn tell(followers: &mut Vec<Follower>, append: &Append) {
    for sealed in &append.blocks {
        let schema = append.schemas.iter().find(|s| s.hash() == sealed.header.schema);
        let schema = schema.cloned().unwrap_or_default();
        let output = block::decode(&sealed.bytes).and_then(|block| block.into_output(&schema));
        let output = match output {
            Ok(output) => output,
            Err(error) => {
                tracing::error!(stream = append.stream, "block not told: {error}");
                continue;
            }
        };
        followers.retain(|follower| {
            if follower.stream != append.stream {
                return true;
            }
            let live = Live { seq: sealed.header.seq, output: output.clone() };
            match follower.sender.try_send(live) {
                Ok(()) => true,
                Err(error) => {
                    follower.behind.store(error.is_full(), Ordering::Relaxed);
                    false
                }
            }
        });
    }
}

impl Subscription {
    /// Waits at most `patience` for what comes next.
    pub fn next(&self, patience: Duration) -> News {
        match self.receiver.recv_timeout(patience) {
            Ok(live) => News::Live(live),
            Err(RecvTimeoutError::Timeout) => News::Nothing,
            Err(RecvTimeoutError::Disconnected) if self.behind.load(Ordering::Relaxed) => {
                News::Behind
            }
            Err(RecvTimeoutError::Disconnected) => News::Closed,
        }
    }

    /// The stream's clock, as [`Feed::clock`].
    pub fn clock(&self) -> Option<Ts> {
        Feed { shared: self.shared.clone() }.clock()
    }

    /// Whether nothing new comes, as [`Feed::set_over`] says.
    pub fn is_over(&self) -> bool {
        Feed { shared: self.shared.clone() }.is_over()
    }
}

impl Drop for Subscription {
    /// Ends it at once: a stream that is silent, or unknown, would never find out by itself.
    fn drop(&mut self) {
        self.shared.followers.lock().retain(|f| !Arc::ptr_eq(&f.behind, &self.behind));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStore;

    #[test]
    fn who_no_longer_follows_is_forgotten_also_where_nothing_is_committed() {
        let (feed, store) = (Feed::default(), MemoryStore::default());
        let followers = || feed.shared.followers.lock().len();
        let stays = feed.subscribe(&store, "a").expect("a memory store answers");
        for stream in ["a", "nobody"] {
            drop(feed.subscribe(&store, stream).expect("a memory store answers"));
        }
        assert_eq!(followers(), 1);
        drop(stays);
        assert_eq!(followers(), 0);
    }
}
