//! Agents: who sent datagrams, and what they say is missing.
//!
//! Addresses are easily forged, so the number of agents that are kept apart is
//! bounded, and one that sends samples is kept before any that does not. Samples
//! of all of them count.

use std::collections::{HashMap, HashSet};

use como_core::addr::Addr;
use como_core::source::Flows;
use como_core::source::flows::{Exporter, Volume};

use super::datagram::Head;
use crate::flow::known::{Known, One};
use crate::flow::sequence::{Sequence, Units};

/// Interfaces of all of them whose drops are followed, or whose counters are.
const PLACES_MAX: usize = 1 << 17;

/// More drops at once are a counter that began anew.
const DROPS_LEAP_MAX: u32 = 1 << 24;

/// What tells agents apart: where they send from, what they call themselves, which part it is.
type Key = (Addr, Addr, u32);

/// One agent, or a part of it.
#[derive(Debug, Default)]
struct Agent {
    version: u32,
    sequence: Sequence,
    datagrams: u64,
    volume: Volume,
    undecodable: u64,
    rate: u32,
    counter_samples: u64,
    interfaces: u64,
    dropped_samples: u64,
    // Places of which samples were dropped, and how many.
    drops: HashMap<(u32, u32), u32>,
    // Places that have counters.
    counted: HashSet<(u32, u32)>,
}

/// All agents that have been heard.
#[derive(Debug, Default)]
pub struct Agents {
    known: Known<Key, Agent>,
    // Of all of them together.
    places: usize,
    // What agents had counted that have gone.
    gone: Flows,
}

/// The agent a datagram is of.
pub struct Speaker<'a> {
    agent: &'a mut One<Key, Agent>,
    places: &'a mut usize,
}

impl Agents {
    /// Notes a datagram that came from `sender`.
    pub fn hear(&mut self, sender: Addr, head: &Head) -> Speaker<'_> {
        while self.places > PLACES_MAX
            && let Some(least) = self.known.least()
        {
            self.places -= least.state.places();
            least.state.forget();
        }
        let (gone, places) = (&mut self.gone, &mut self.places);
        let agent = self.known.of((sender, head.agent, head.sub_agent), |old| {
            *places -= old.state.places();
            old.state.count(gone);
        });
        agent.state.version = head.version;
        agent.state.datagrams += 1;
        agent.state.sequence.note(head.sequence, Units::of(1));
        Speaker { agent, places }
    }

    /// Adds what is known of each agent.
    pub fn report(&self, flows: &mut Flows) {
        flows.add(self.gone.clone());
        let mut known: Vec<_> = self.known.iter().collect();
        known.sort_by_key(|one| one.key);
        for One { key: (sender, _, sub_agent), state: agent, .. } in known {
            agent.count(flows);
            flows.flow_exporters.push(Exporter {
                address: sender.to_string(),
                domain: *sub_agent,
                version: agent.version as u16,
                datagrams: agent.datagrams,
                volume: agent.volume,
                sequence_gaps: agent.sequence.gaps,
                undecodable: agent.undecodable,
                sampling: agent.rate.max(1).into(),
                counter_samples: agent.counter_samples,
                interfaces: agent.interfaces,
                dropped_samples: agent.dropped_samples,
            });
        }
    }
}

impl Agent {
    /// Adds to the totals of all agents.
    fn count(&self, flows: &mut Flows) {
        flows.flow_sequence_gaps += self.sequence.gaps;
        flows.flow_lost_datagrams += self.sequence.lost;
        flows.flow_counter_samples += self.counter_samples;
        flows.flow_interfaces += self.interfaces;
        flows.flow_dropped_samples += self.dropped_samples;
    }

    fn places(&self) -> usize {
        self.drops.len() + self.counted.len()
    }

    /// Forgets its places: drops are followed afresh.
    fn forget(&mut self) {
        (self.drops, self.counted) = (HashMap::new(), HashSet::new());
    }
}

impl Speaker<'_> {
    /// Counts a sample.
    pub fn count(&mut self, volume: Volume, rate: u32) {
        self.agent.matters();
        self.agent.state.volume.add(volume);
        self.agent.state.rate = rate;
    }

    /// Counts something that could not be decoded.
    pub fn reject(&mut self) {
        self.agent.state.undecodable += 1;
    }

    /// Counts a sample of a place's counters.
    pub fn count_counters(&mut self, place: (u32, u32)) {
        let agent = &mut self.agent.state;
        agent.counter_samples += 1;
        let is_new = agent.counted.insert(place);
        agent.interfaces = agent.interfaces.max(agent.counted.len() as u64);
        *self.places += usize::from(is_new);
    }

    /// How many samples have been dropped at a place since it was last spoken of. The first time
    /// nobody knows since when.
    pub fn newly_dropped(&mut self, place: (u32, u32), drops: u32) -> u64 {
        let agent = &mut self.agent.state;
        let before = match agent.drops.get_mut(&place) {
            // An overtaken datagram says less than is known.
            Some(before) if before.wrapping_sub(drops) <= DROPS_LEAP_MAX => return 0,
            Some(before) => std::mem::replace(before, drops),
            None => {
                agent.drops.insert(place, drops);
                *self.places += 1;
                return 0;
            }
        };
        let more = drops.wrapping_sub(before);
        let more = if more <= DROPS_LEAP_MAX { more.into() } else { 0 };
        agent.dropped_samples += more;
        more
    }
}
