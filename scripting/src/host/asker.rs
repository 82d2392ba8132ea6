//! Questions that take a while: names, addresses, pages. A thread beside asks them.
//!
//! Whoever asks is answered at once, by nothing until the answer is there. Answers are kept as
//! long as they say; what is kept, what waits and what one answer may hold is bounded.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
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
    kept: Arc<Mutex<Kept>>,
    questions: SyncSender<Question>,
}

#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<Question, State>,
    // Oldest first.
    order: VecDeque<Question>,
    pages: usize,
}

#[derive(Clone, Debug)]
enum State {
    Waiting,
    Known { value: Option<Value>, until: Instant },
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
        let kept = Arc::new(Mutex::new(Kept::default()));
        let thread = std::thread::Builder::new().name("script questions".to_owned());
        let shelf = kept.clone();
        // Without a thread nothing is ever answered, and the script is told nothing else either.
        if let Err(error) = thread.spawn(move || work(&asked, &shelf, answer)) {
            tracing::warn!("no thread for what scripts ask: {error}");
        }
        Self { kept, questions }
    }

    /// The answer, as far as it is known; nothing while it is asked for.
    pub fn ask(&self, question: Question) -> Option<Value> {
        let mut kept = self.kept.lock();
        match kept.answers.get(&question) {
            Some(State::Waiting) => return None,
            Some(State::Known { value, until }) if *until > Instant::now() => return value.clone(),
            _ => {}
        }
        match self.questions.try_send(question.clone()) {
            Ok(()) => kept.put(question, State::Waiting),
            // It will be asked when there is room.
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
        None
    }
}

fn work(questions: &Receiver<Question>, kept: &Mutex<Kept>, answer: impl Fn(&Question) -> Answer) {
    while let Ok(question) = questions.recv() {
        let Answer { value, ttl } = answer(&question);
        let ttl = if value.is_some() { ttl.clamp(KEPT_MIN, KEPT_LONG) } else { KEPT_NOTHING };
        let until = Instant::now() + ttl;
        kept.lock().put(question, State::Known { value, until });
    }
}

impl Kept {
    fn put(&mut self, question: Question, state: State) {
        if self.answers.insert(question.clone(), state).is_some() {
            return;
        }
        self.pages += usize::from(matches!(question, Question::Page(_)));
        self.order.push_back(question);
        while self.order.len() > KEPT_MAX || self.pages > PAGES_MAX {
            let Some(oldest) = self.order.pop_front() else { break };
            self.pages -= usize::from(matches!(oldest, Question::Page(_)));
            self.answers.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(asker.kept.lock().order.len(), 2);
    }

    #[test]
    fn what_is_kept_and_what_waits_is_bounded() {
        let mut kept = Kept::default();
        let known = || State::Known { value: None, until: Instant::now() };
        for n in 0..3 * KEPT_MAX {
            kept.put(Question::Address(n.to_string()), known());
        }
        assert_eq!((kept.answers.len(), kept.order.len()), (KEPT_MAX, KEPT_MAX));
        for n in 0..3 * PAGES_MAX {
            kept.put(Question::Page(n.to_string()), known());
        }
        assert!(kept.pages <= PAGES_MAX && kept.answers.len() <= KEPT_MAX);
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
        assert!(asker.kept.lock().order.len() <= WAITING_MAX + 2);
    }
}
