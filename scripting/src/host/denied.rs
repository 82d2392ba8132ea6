//! What a script asked for and is not granted: all of it counted, and each grant said once.
//!
//! What the script lets fail is a fault, which says it with its place. What it catches would be
//! known to nobody: that goes to the log.

use como_core::module::Fault;

/// The most grants that are said of one run of a script.
const SAID_MAX: usize = 16;

/// What was asked for in vain.
#[derive(Debug, Default)]
pub struct Denied {
    /// How often.
    pub calls: u64,
    asked: Vec<String>,
    /// How many of these were said.
    said: usize,
}

impl Denied {
    /// Notes a call of what `grant` would allow.
    pub fn note(&mut self, grant: &str) {
        self.calls += 1;
        if self.asked.len() < SAID_MAX && !self.asked.iter().any(|asked| asked == grant) {
            self.asked.push(grant.to_owned());
        }
    }

    /// The grants that are to be said by now, where a `fault` has not said them.
    pub fn unsaid(&mut self, fault: Option<&Fault>) -> Vec<String> {
        let new = self.asked.get(self.said..).unwrap_or_default();
        if new.is_empty() {
            return Vec::new();
        }
        let told = fault.map(Fault::to_string).unwrap_or_default();
        let hidden = |grant: &&String| !told.contains(grant.as_str());
        let unsaid = new.iter().filter(hidden).cloned().collect();
        self.said = self.asked.len();
        unsaid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_grant_is_said_once_unless_a_fault_has() {
        let mut denied = Denied::default();
        let fault = |message: &str| Fault::new(message);
        assert!(denied.unsaid(None).is_empty());
        denied.note("clock");
        denied.note("clock");
        assert_eq!(denied.unsaid(None), ["clock"]);
        denied.note("clock");
        assert!(denied.unsaid(None).is_empty());
        denied.note("dns");
        assert!(denied.unsaid(Some(&fault("m.lua:1: allow = [\"dns\"]"))).is_empty());
        denied.note("file:/a");
        assert_eq!(denied.unsaid(Some(&fault("another"))), ["file:/a"]);
        (0..100).for_each(|n| denied.note(&format!("file:/{n}")));
        assert_eq!((denied.unsaid(None).len(), denied.calls), (SAID_MAX - 3, 105));
    }
}
