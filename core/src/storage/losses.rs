//! What turns out to be missing while something is read, for who answers to say.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Window;
use super::scan::Damage;
use crate::time::Ts;

/// How many are told apart; where there are more, the last of them is of all the rest.
const LOSSES_MAX: usize = 4096;

/// What is missing, as those say who read beside each other.
#[derive(Clone, Debug, Default)]
pub struct Losses(Arc<Mutex<Vec<Told>>>);

#[derive(Debug)]
struct Told {
    damage: Damage,
    // Whether it was given.
    given: bool,
}

impl Losses {
    /// Takes note of something that is missing.
    pub fn note(&self, damage: Damage) {
        let mut told = self.0.lock();
        if told.iter().any(|told| told.damage == damage) {
            return;
        }
        if told.len() < LOSSES_MAX {
            told.push(Told { damage, given: false });
        } else if let Some(last) = told.last_mut() {
            last.given = false;
            last.damage.from = last.damage.from.min(damage.from);
            last.damage.to = last.damage.to.max(damage.to);
        }
    }

    /// The earliest that begins before an instant and was not given yet, or of all where none is
    /// said.
    pub fn next(&self, before: Option<Ts>) -> Option<Damage> {
        let mut told = self.0.lock();
        let is_due =
            |told: &&mut Told| !told.given && before.is_none_or(|before| told.damage.from < before);
        let next = told.iter_mut().filter(is_due).min_by_key(|told| told.damage.from)?;
        next.given = true;
        Some(next.damage.clone())
    }

    /// Whether nothing was found to be missing yet.
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// From the first instant of which anything is missing to the last.
    pub fn span(&self) -> Option<Window> {
        let told = self.0.lock();
        let lost = told.iter().map(|told| Window { from: told.damage.from, to: told.damage.to });
        lost.reduce(|all, lost| all.around(lost))
    }

    /// The parts of a time of which nothing is missing.
    pub fn left_of(&self, time: Window) -> Vec<Window> {
        let told = self.0.lock();
        let lost = told.iter().map(|told| Window { from: told.damage.from, to: told.damage.to });
        Window::without_all(vec![time], lost)
    }

    /// Whether anything of a time is missing.
    pub fn touch(&self, from: Ts, to: Ts) -> bool {
        let touches = |told: &Told| told.damage.from < to && told.damage.to > from;
        self.0.lock().iter().any(touches)
    }
}
