//! Questions that take a while: names, addresses, pages. A thread beside asks them.
//!
//! Whoever asks is answered at once, by nothing until the answer is there. Answers are kept as
//! long as they say; what is kept, what waits and what one answer may hold is bounded.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use como_core::addr::Addr;
use como_core::record::Value;
use parking_lot::Mutex;

use super::page;
use super::resolver::Resolver;

/// Questions that may wait.
const WAITING_MAX: usize = 64;
/// Answers kept; of pages fewer, because they are long.
const KEPT_MAX: usize = 4096;
const PAGES_MAX: usize = 32;
/// How long an answer is kept, at least and at most, and one that says nothing.
const KEPT_MIN: Duration = Duration::from_secs(30);
const KEPT_LONG: Duration = Duration::from_secs(3600);
const KEPT_NOTHING: Duration = Duration::from_secs(60);

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// The name of an address.
    Name(Addr),
    /// An address of a name.
    Address(String),
    /// What is at a URL.
    Page(String),
}

/// An answer, or that there is none, and how long that holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What was found.
    pub value: Option<Value>,
    /// How long it may be kept.
    pub ttl: Duration,
}

impl Answer {
    /// There is none, for now.
    pub const NONE: Self = Self { value: None, ttl: KEPT_NOTHING };
}

/// Asks, and keeps answers. Dropping it ends its thread after the question at hand.
#[derive(Debug)]
pub struct Asker {
    shared: Arc<Shared>,
    questions: SyncSender<Question>,
}

/// What the asker and its thread have in common.
#[derive(Debug, Default)]
struct Shared {
    kept: Mutex<Kept>,
    // Whoever asked has gone: what still waits is not asked.
    stopped: AtomicBool,
}

#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<Question, State>,
    // Oldest first: names and addresses, and pages, which do not push each other out.
    names: VecDeque<Question>,
    pages: VecDeque<Question>,
}

/// What is known of a question.
#[derive(Clone, Debug, Default)]
struct State {
    /// It is being asked, or waits for that.
    waiting: bool,
    /// The last answer; an old one stands until the new one is there.
    value: Option<Value>,
    /// Until when that holds.
    until: Option<Instant>,
}

impl Asker {
    /// An asker of the system's DNS server.
    pub fn start() -> Self {
        Self::asking(super::resolver::system_server())
    }

    /// An asker of this DNS server.
    pub fn asking(server: SocketAddr) -> Self {
        let resolver = Resolver::new(server);
        Self::with(move |question| match question {
            Question::Name(addr) => resolver.name(*addr),
            Question::Address(name) => resolver.address(name),
            Question::Page(url) => page::fetch(url),
        })
    }

    fn with(answer: impl Fn(&Question) -> Answer + Send + 'static) -> Self {
        let (questions, asked) = sync_channel(WAITING_MAX);
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name("script questions".to_owned());
        let theirs = shared.clone();
        // Without a thread nothing is ever answered, and the script is told nothing else either.
        if let Err(error) = thread.spawn(move || theirs.work(&asked, answer)) {
            tracing::warn!("no thread for what scripts ask: {error}");
        }
        Self { shared, questions }
    }

    /// The answer, as far as it is known; nothing while it is first asked for. One that has
    /// expired is given until there is another.
    pub fn ask(&self, question: Question) -> Option<Value> {
        let mut kept = self.shared.kept.lock();
        let known = kept.answers.get(&question).cloned().unwrap_or_default();
        if known.waiting || known.until.is_some_and(|until| until > Instant::now()) {
            return known.value;
        }
        // Where there is no room it is asked the next time.
        if self.questions.try_send(question.clone()).is_ok() {
            kept.put(question, State { waiting: true, ..known.clone() });
        }
        known.value
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Relaxed);
    }
}

impl Shared {
    fn work(&self, questions: &Receiver<Question>, answer: impl Fn(&Question) -> Answer) {
        while let Ok(question) = questions.recv() {
            // A channel without a sender still gives what it holds.
            if self.stopped.load(Relaxed) {
                return;
            }
            let Answer { value, ttl } = answer(&question);
            let ttl = if value.is_some() { ttl.clamp(KEPT_MIN, KEPT_LONG) } else { KEPT_NOTHING };
            let until = Some(Instant::now() + ttl);
            self.kept.lock().put(question, State { waiting: false, value, until });
        }
    }
}

impl Kept {
    fn put(&mut self, question: Question, state: State) {
        if self.answers.insert(question.clone(), state).is_some() {
            return;
        }
        let (order, most) = match question {
            Question::Page(_) => (&mut self.pages, PAGES_MAX),
            Question::Name(_) | Question::Address(_) => (&mut self.names, KEPT_MAX),
        };
        order.push_back(question);
        while order.len() > most {
            let Some(oldest) = order.pop_front() else { break };
            self.answers.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::mpsc::channel;

    use super::*;

    /// Asks until there is an answer; the thread answers one question for each word it gets.
    #[test]
    fn an_answer_is_nothing_until_it_is_there_and_kept_then() {
        let (go, going) = channel::<()>();
        let going = Mutex::new(going);
        let asker = Asker::with(move |question| {
            let _ = going.lock().recv();
            let Question::Address(name) = question else { return Answer::NONE };
            Answer { value: Some(Value::from(name.as_str())), ttl: Duration::ZERO }
        });
        let ask = |name: &str| asker.ask(Question::Address(name.to_owned()));
        assert_eq!((ask("a"), ask("a"), ask("b")), (None, None, None));
        drop(go);
        while ask("a").is_none() || ask("b").is_none() {
            std::thread::yield_now();
        }
        assert_eq!(ask("a"), Some(Value::from("a")));
        assert_eq!(asker.shared.kept.lock().names.len(), 2);
    }

    #[test]
    fn an_answer_that_expired_stands_until_there_is_another() {
        let (go, going) = channel::<()>();
        let (going, asked) = (Mutex::new(going), AtomicU32::new(0));
        let asker = Asker::with(move |_| {
            let _ = going.lock().recv();
            let number = asked.fetch_add(1, Relaxed);
            Answer { value: Some(Value::Uint(number.into())), ttl: Duration::ZERO }
        });
        let ask = || asker.ask(Question::Address("a".to_owned()));
        assert_eq!(ask(), None);
        go.send(()).expect("a thread");
        while ask().is_none() {
            std::thread::yield_now();
        }
        for state in asker.shared.kept.lock().answers.values_mut() {
            state.until = Some(Instant::now());
        }
        assert_eq!((ask(), ask()), (Some(Value::Uint(0)), Some(Value::Uint(0))));
        go.send(()).expect("a thread");
        while ask() == Some(Value::Uint(0)) {
            std::thread::yield_now();
        }
        assert_eq!(ask(), Some(Value::Uint(1)));
    }

    #[test]
    fn what_waits_is_not_asked_for_one_who_has_gone() {
        let (begun, beginning) = channel::<()>();
        let (go, going) = channel::<()>();
        let (going, asked) = (Mutex::new(going), Arc::new(AtomicU32::new(0)));
        let count = asked.clone();
        let asker = Asker::with(move |_| {
            count.fetch_add(1, Relaxed);
            let _ = begun.send(());
            let _ = going.lock().recv();
            Answer::NONE
        });
        for n in 0..10 {
            asker.ask(Question::Address(n.to_string()));
        }
        beginning.recv().expect("a first question");
        drop(asker);
        drop(go);
        // The thread has ended when its end of the channel is gone.
        assert!(beginning.recv().is_err());
        assert_eq!(asked.load(Relaxed), 1);
    }

    #[test]
    fn what_is_kept_and_what_waits_is_bounded() {
        let mut kept = Kept::default();
        let known = || State { until: Some(Instant::now()), ..State::default() };
        for n in 0..3 * PAGES_MAX {
            kept.put(Question::Page(n.to_string()), known());
        }
        assert_eq!((kept.answers.len(), kept.pages.len()), (PAGES_MAX, PAGES_MAX));
        for n in 0..3 * KEPT_MAX {
            kept.put(Question::Address(n.to_string()), known());
        }
        assert_eq!(kept.names.len(), KEPT_MAX);
        // Pages push out pages alone.
        for n in 0..3 * PAGES_MAX {
            kept.put(Question::Page(format!("other {n}")), known());
        }
        let both = KEPT_MAX + PAGES_MAX;
        assert_eq!((kept.answers.len(), kept.names.len() + kept.pages.len()), (both, both));
        // One that never answers takes only so many.
        let (_stop, never) = channel::<()>();
        let never = Mutex::new(never);
        let asker = Asker::with(move |_| {
            let _ = never.lock().recv();
            Answer::NONE
        });
        for n in 0..1000 {
            assert_eq!(asker.ask(Question::Address(n.to_string())), None);
        }
        assert!(asker.shared.kept.lock().names.len() <= WAITING_MAX + 2);
    }
}
