//! The clients being answered, by number, as guard and answers both know them.
//!
//! tiny_http does not tell an answer that its client has gone before something
//! is written. One that waits for records to come may write nothing for hours,
//! so it looks here whenever it flushes.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// The header in which the guard tells the server a client's number.
pub const HEADER: &str = "Como-Client";

/// Who is being answered. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Clients {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Default)]
struct State {
    next: u64,
    here: BTreeSet<u64>,
}

impl Clients {
    /// Numbers a client, which is here until what is returned is dropped.
    pub fn enter(&self) -> Client {
        let mut state = self.shared.state.lock();
        let number = state.next;
        state.next += 1;
        state.here.insert(number);
        Client { clients: self.clone(), number }
    }

    /// What is written to `inner` for client `number`; none is always there.
    pub fn watched<W: Write>(&self, number: Option<u64>, inner: W) -> Watched<W> {
        Watched { clients: self.clone(), number, inner }
    }

    /// Waits until nobody is here, but no longer than `patience`.
    pub fn wait(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.state.lock();
        while !state.here.is_empty() {
            if self.shared.left.wait_until(&mut state, deadline).timed_out() {
                return;
            }
        }
    }

    fn has(&self, number: u64) -> bool {
        self.shared.state.lock().here.contains(&number)
    }
}

/// One client, as long as it is here.
pub struct Client {
    clients: Clients,
    /// Its number.
    pub number: u64,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.clients.shared.state.lock().here.remove(&self.number);
        self.clients.shared.left.notify_all();
    }
}

/// A writer whose flush fails once its client has gone.
pub struct Watched<W: Write> {
    clients: Clients,
    number: Option<u64>,
    inner: W,
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.number.is_some_and(|number| !self.clients.has(number)) {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_learns_that_its_client_has_gone_though_it_writes_nothing() {
        let clients = Clients::default();
        let (stays, goes) = (clients.enter(), clients.enter());
        let mut answers = [&stays, &goes].map(|c| clients.watched(Some(c.number), io::sink()));
        drop(goes);
        assert!(answers[0].flush().is_ok());
        assert!(answers[1].flush().is_err());
        clients.wait(Duration::ZERO);
        drop(stays);
        clients.wait(Duration::from_secs(3600));
    }
}
