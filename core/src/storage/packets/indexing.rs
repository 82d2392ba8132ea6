//! The thread that makes the index of the segment that grows: an entry for each slab of what was
//! written.
//!
//! Looking into all packets takes as long as writing them, and so is done beside
//! it. Only whoever closes a segment waits for its last entries.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::buffer::Buffer;
use super::index::{Growing, Indexer};
use crate::costs::{Category, Costs, Stopwatch};

/// Loads that may wait for their entries; then who writes waits too.
const WAITING: usize = 2;

/// The thread. Dropping it waits until it has done what it was given.
pub(super) struct Indexing {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

enum Job {
    /// A segment begins.
    Begin(Growing),
    /// What was written to it next, and where.
    Load(Buffer, u64),
    /// It ends. Who hears of it gets its index, unless some of that is lacking.
    End(Sender<Growing>),
}

impl Indexing {
    /// Starts it. The memory of loads goes `back` once they are looked through.
    pub fn start(back: Sender<Buffer>, costs: Arc<Costs>) -> io::Result<Self> {
        let (jobs, given) = bounded(WAITING);
        let thread = std::thread::Builder::new().name("index".to_owned());
        let thread = Some(thread.spawn(move || run(&given, &back, &costs))?);
        Ok(Self { jobs: Some(jobs), thread })
    }

    /// A segment begins with this index.
    pub fn begin(&self, index: Growing) {
        self.give(Job::Begin(index));
    }

    /// These blocks were written next, at this byte of the segment.
    pub fn add(&self, blocks: Buffer, at: u64) {
        self.give(Job::Load(blocks, at));
    }

    /// The index of the segment, once all that was written is in it; none where it could not be
    /// made.
    pub fn end(&self) -> Option<Growing> {
        let (tell, told) = bounded(1);
        self.give(Job::End(tell));
        told.recv().ok()
    }

    fn give(&self, job: Job) {
        // Where the thread has ended there is no index, until it is tidied up.
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(job));
    }
}

impl Drop for Indexing {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It cannot be told any more that it failed.
            let _ = thread.join();
        }
    }
}

fn run(jobs: &Receiver<Job>, back: &Sender<Buffer>, costs: &Costs) {
    let mut watch = Stopwatch::start();
    let (mut indexer, mut index) = (Indexer::default(), None);
    for job in jobs {
        match job {
            Job::Begin(new) => (indexer, index) = (Indexer::default(), Some(new)),
            Job::Load(blocks, at) => {
                let blocks = Arc::new(blocks);
                index = index.and_then(|index| noted(index, &mut indexer, &blocks, at));
                // Nobody takes it back once the writer is gone.
                let _ = back.try_send(Arc::into_inner(blocks).unwrap_or_default());
            }
            Job::End(tell) => {
                index.take().into_iter().for_each(|index| drop(tell.send(index)));
            }
        }
        watch.charge(costs, Category::Storage);
    }
}

/// The index with the entries of the slabs that were written next. Where that fails the rest of the
/// segment is not in it, until it is tidied up.
fn noted(
    mut index: Growing,
    indexer: &mut Indexer,
    blocks: &Arc<Buffer>,
    at: u64,
) -> Option<Growing> {
    let mut from = 0;
    while from < blocks.len() {
        let entry = indexer.entry(at, blocks, from)?;
        from += entry.bytes as usize;
        index.put(&entry).ok()?;
    }
    Some(index)
}
