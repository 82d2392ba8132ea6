//! The lobby: connections whose request is still to be heard, so many at once.
//!
//! When it is full, who has been in it for longest is shown out: a client that
//! says what it wants is through at once, and one that sends half a head and
//! waits keeps nobody out.

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// How many may be in it.
pub const WAITING_MAX: usize = 128;

/// Those who wait, first come first. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Lobby {
    waiting: Arc<Mutex<VecDeque<(u64, TcpStream)>>>,
    next: Arc<AtomicU64>,
}

impl Lobby {
    /// Lets a connection in, and shows out who has waited for longest where there is no room.
    pub fn enter(&self, stream: &TcpStream) -> io::Result<Waiting> {
        let (number, stream) = (self.next.fetch_add(1, Relaxed), stream.try_clone()?);
        let mut waiting = self.waiting.lock();
        if waiting.len() >= WAITING_MAX
            && let Some((_, oldest)) = waiting.pop_front()
        {
            // One that has gone already is out all the same.
            let _ = oldest.shutdown(Shutdown::Both);
        }
        waiting.push_back((number, stream));
        Ok(Waiting { lobby: self.clone(), number })
    }
}

/// One who waits, until this is dropped.
pub struct Waiting {
    lobby: Lobby,
    number: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.lobby.waiting.lock();
        if let Ok(at) = waiting.binary_search_by_key(&self.number, |(number, _)| *number) {
            waiting.remove(at);
        }
    }
}
