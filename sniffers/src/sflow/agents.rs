//! Agents: who sent datagrams, and what they say is missing.
//!
//! Addresses are easily forged, so the number of agents that are kept apart is
//! bounded. Samples of others still count, but not what is missing of theirs.

use std::collections::{HashMap, HashSet};

use como_core::addr::Addr;
use como_core::source::Flows;
use como_core::source::flows::{Exporter, Volume};

use super::datagram::Head;
use crate::flow::sequence::{Sequence, Units};

/// Agents, or parts of them, that are kept apart.
const AGENTS_MAX: usize = 2048;

/// Interfaces of all of them whose drops are followed, and as many whose counters are.
const PLACES_MAX: usize = 1 << 16;

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
}

/// All agents that have been heard.
#[derive(Debug, Default)]
pub struct Agents {
    known: HashMap<Key, Agent>,
    places: Places,
}

/// What is known of places: of which samples were dropped, how many, and which have counters.
#[derive(Debug, Default)]
struct Places {
    drops: HashMap<(Key, (u32, u32)), u32>,
    counted: HashSet<(Key, (u32, u32))>,
}

/// The agent a datagram is of.
pub struct Speaker<'a> {
    key: Key,
    agent: Option<&'a mut Agent>,
    places: &'a mut Places,
}

impl Agents {
    /// Notes a datagram that came from `sender`.
    pub fn hear(&mut self, sender: Addr, head: &Head) -> Speaker<'_> {
        let key = (sender, head.agent, head.sub_agent);
        let is_room = self.known.len() < AGENTS_MAX;
        let mut agent = match is_room {
            true => Some(self.known.entry(key).or_default()),
            false => self.known.get_mut(&key),
        };
        if let Some(agent) = &mut agent {
            agent.version = head.version;
            agent.datagrams += 1;
            agent.sequence.note(head.sequence, Units::of(1));
        }
        Speaker { key, agent, places: &mut self.places }
    }

    /// Adds what is known of each agent.
    pub fn report(&self, flows: &mut Flows) {
        let mut known: Vec<_> = self.known.iter().collect();
        known.sort_by_key(|(key, _)| **key);
        for ((sender, _, sub_agent), agent) in known {
            flows.flow_sequence_gaps += agent.sequence.gaps;
            flows.flow_lost_datagrams += agent.sequence.lost;
            flows.flow_counter_samples += agent.counter_samples;
            flows.flow_interfaces += agent.interfaces;
            flows.flow_dropped_samples += agent.dropped_samples;
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

impl Speaker<'_> {
    /// Counts a sample.
    pub fn count(&mut self, volume: Volume, rate: u32) {
        if let Some(agent) = &mut self.agent {
            agent.volume.add(volume);
            agent.rate = rate;
        }
    }

    /// Counts something that could not be decoded.
    pub fn reject(&mut self) {
        if let Some(agent) = &mut self.agent {
            agent.undecodable += 1;
        }
    }

    /// Counts a sample of a place's counters.
    pub fn count_counters(&mut self, place: (u32, u32)) {
        let Some(agent) = &mut self.agent else { return };
        agent.counter_samples += 1;
        let counted = &mut self.places.counted;
        if counted.len() < PLACES_MAX && counted.insert((self.key, place)) {
            agent.interfaces += 1;
        }
    }

    /// How many samples have been dropped at a place since it was last spoken of. The first time
    /// nobody knows since when.
    pub fn newly_dropped(&mut self, place: (u32, u32), drops: u32) -> u64 {
        let known = &mut self.places.drops;
        let is_room = known.len() < PLACES_MAX;
        let before = match known.get_mut(&(self.key, place)) {
            // An overtaken datagram says less than is known.
            Some(before) if before.wrapping_sub(drops) <= DROPS_LEAP_MAX => return 0,
            Some(before) => std::mem::replace(before, drops),
            None if is_room => {
                known.insert((self.key, place), drops);
                return 0;
            }
            None => return 0,
        };
        let more = drops.wrapping_sub(before);
        let more = if more <= DROPS_LEAP_MAX { more.into() } else { 0 };
        if let Some(agent) = &mut self.agent {
            agent.dropped_samples += more;
        }
        more
    }
}
