//! Threads that runs share: each has one of its own, and more while there are any to spare.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Those to spare, of all runs. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Threads {
    free: Arc<AtomicUsize>,
    most: usize,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Thread(Arc<AtomicUsize>);

impl Threads {
    /// So many.
    pub fn new(most: usize) -> Self {
        Self { free: Arc::new(AtomicUsize::new(most)), most }
    }

    /// How many there are, in use or not.
    pub fn most(&self) -> usize {
        self.most
    }

    /// One of them, if one is free.
    pub fn take(&self) -> Option<Thread> {
        let fewer = |free: usize| free.checked_sub(1);
        self.free.fetch_update(SeqCst, SeqCst, fewer).ok()?;
        Some(Thread(self.free.clone()))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_only_so_many_and_they_come_back() {
        let threads = Threads::new(2);
        let (one, other) = (threads.take(), threads.clone().take());
        assert!(one.is_some() && other.is_some() && threads.take().is_none());
        drop(one);
        assert!(threads.take().is_some());
        assert!(Threads::default().take().is_none());
    }
}
