//! Who is known: a state for each of those that send, so many and no more.
//!
//! Addresses are easily forged. When there are too many, one that sent nothing of worth of late
//! makes room, so that a flood of senders that do not exist pushes out none that does.

use std::collections::HashMap;
use std::hash::Hash;

/// Senders that are kept apart.
pub const KNOWN_MAX: usize = 2048;

/// How many are looked at to find one that may go.
const PROBED: usize = 16;

/// How often one that sends something of worth is passed over when one must go.
const LIVES_MAX: u8 = 100;

/// One sender.
#[derive(Debug)]
pub struct One<K, T> {
    /// What tells it apart.
    pub key: K,
    /// What is known of it.
    pub state: T,
    lives: u8,
}

impl<K, T> One<K, T> {
    /// Notes that it has sent something of worth.
    pub fn matters(&mut self) {
        self.lives = LIVES_MAX;
    }
}

/// All senders that are known.
#[derive(Debug)]
pub struct Known<K, T> {
    places: HashMap<K, usize>,
    all: Vec<One<K, T>>,
    // Where to look next for one that may go.
    hand: usize,
}

impl<K, T> Default for Known<K, T> {
    fn default() -> Self {
        Self { places: HashMap::new(), all: Vec::new(), hand: 0 }
    }
}

impl<K: Copy + Eq + Hash, T: Default> Known<K, T> {
    /// The sender of this key, which may be new; `gone` is told who made room for it.
    pub fn of(&mut self, key: K, gone: impl FnOnce(One<K, T>)) -> &mut One<K, T> {
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => self.place(key, gone),
        };
        &mut self.all[place]
    }

    fn place(&mut self, key: K, gone: impl FnOnce(One<K, T>)) -> usize {
        let new = One { key, state: T::default(), lives: 0 };
        let place = if self.all.len() < KNOWN_MAX {
            self.all.push(new);
            self.all.len() - 1
        } else {
            let place = self.place_of_least();
            let old = std::mem::replace(&mut self.all[place], new);
            self.places.remove(&old.key);
            gone(old);
            place
        };
        self.places.insert(key, place);
        place
    }

    /// Of the next few senders the one that sent least of worth of late. Who is asked for often
    /// enough is everybody, sooner or later.
    pub fn least(&mut self) -> Option<&mut One<K, T>> {
        let place = self.place_of_least();
        self.all.get_mut(place)
    }

    fn place_of_least(&mut self) -> usize {
        let mut least = (u8::MAX, 0);
        for _ in 0..PROBED.min(self.all.len()) {
            self.hand = (self.hand + 1) % self.all.len();
            let one = &mut self.all[self.hand];
            least = least.min((one.lives, self.hand));
            one.lives = one.lives.saturating_sub(1);
            if least.0 == 0 {
                break;
            }
        }
        least.1
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &One<K, T>> {
        self.all.iter()
    }
}
