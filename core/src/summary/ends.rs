//! Who talks: hosts, ports and flows, counted exactly within bounds.

use foldhash::fast::RandomState;
use hashbrown::{HashSet, HashTable};
use std::hash::BuildHasher;

use super::Volume;
use crate::addr::Addr;
use crate::packet::Weight;

/// Addresses counted one by one; traffic of further ones is left out, and the report says so.
pub const HOSTS_MAX: usize = 1 << 19;

/// Flows counted; further ones are left out, and the report says so.
pub const FLOWS_MAX: usize = 1 << 20;

/// One address and the bytes it sent and was sent; `None` where it never did or was.
#[derive(Clone, Copy, Debug)]
struct Host {
    addr: Addr,
    sent: Option<u64>,
    received: Option<u64>,
}

/// Hosts and the flows between them.
#[derive(Debug, Default)]
pub(super) struct Ends {
    hosts: Vec<Host>,
    /// Places in `hosts`, by the hash of the address.
    places: HashTable<u32>,
    hasher: RandomState,
    /// Source and destination place, protocol and ports, packed into one number.
    flows: HashSet<u128, RandomState>,
    pub(super) bidirectional: u64,
    pub(super) is_host_left_out: bool,
    pub(super) is_flow_left_out: bool,
}

impl Ends {
    /// Counts bytes sent by `addr` and returns its place, unless there is no room for it.
    pub(super) fn src(&mut self, addr: Addr, bytes: u64) -> Option<u32> {
        let place = self.place(addr)?;
        let sent = &mut self.hosts[place as usize].sent;
        *sent = Some(sent.unwrap_or(0).saturating_add(bytes));
        Some(place)
    }

    /// Counts bytes sent to `addr` and returns its place, unless there is no room for it.
    pub(super) fn dst(&mut self, addr: Addr, bytes: u64) -> Option<u32> {
        let place = self.place(addr)?;
        let received = &mut self.hosts[place as usize].received;
        *received = Some(received.unwrap_or(0).saturating_add(bytes));
        Some(place)
    }

    fn place(&mut self, addr: Addr) -> Option<u32> {
        let Self { hosts, places, hasher, .. } = self;
        let hash = hasher.hash_one(addr);
        if let Some(place) = places.find(hash, |place| hosts[*place as usize].addr == addr) {
            return Some(*place);
        }
        if hosts.len() >= HOSTS_MAX {
            self.is_host_left_out = true;
            return None;
        }
        let place = hosts.len() as u32;
        hosts.push(Host { addr, sent: None, received: None });
        places.insert_unique(hash, place, |place| hasher.hash_one(hosts[*place as usize].addr));
        Some(place)
    }

    /// Notes a flow between two places.
    pub(super) fn flow(&mut self, src: u32, dst: u32, proto: u8, sport: u16, dport: u16) {
        let flow = pack(src, dst, proto, sport, dport);
        if self.flows.contains(&flow) {
            return;
        }
        if self.flows.len() >= FLOWS_MAX {
            self.is_flow_left_out = true;
            return;
        }
        self.flows.insert(flow);
        let back = pack(dst, src, proto, dport, sport);
        if back == flow || !self.flows.contains(&back) {
            self.bidirectional += 1;
        }
    }

    pub(super) fn flows(&self) -> u64 {
        self.flows.len() as u64
    }

    /// Every address that sent, with its bytes.
    pub(super) fn senders(&self) -> impl Iterator<Item = (Addr, u64)> {
        self.hosts.iter().filter_map(|host| Some((host.addr, host.sent?)))
    }

    /// Every address that was sent to, with its bytes.
    pub(super) fn receivers(&self) -> impl Iterator<Item = (Addr, u64)> {
        self.hosts.iter().filter_map(|host| Some((host.addr, host.received?)))
    }
}

fn pack(src: u32, dst: u32, proto: u8, sport: u16, dport: u16) -> u128 {
    u128::from(src) << 72
        | u128::from(dst) << 40
        | u128::from(proto) << 32
        | u128::from(sport) << 16
        | u128::from(dport)
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// TCP and UDP ports.
#[derive(Debug)]
pub(super) struct Ports {
    /// TCP ports by number, then UDP's.
    pub(super) src: Vec<Volume>,
    pub(super) dst: Vec<Volume>,
}

impl Default for Ports {
    fn default() -> Self {
        let all = || vec![Volume::default(); 2 << 16];
        Self { src: all(), dst: all() }
    }
}

impl Ports {
    pub(super) fn add(&mut self, proto: u8, ports: (Option<u32>, Option<u32>), weight: Weight) {
        let first = match proto {
            TCP => 0,
            UDP => 1 << 16,
            _ => return,
        };
        let (sport, dport) = ports;
        if let Some(volume) = sport.and_then(|port| self.src.get_mut(first + port as usize)) {
            volume.add(weight);
        }
        if let Some(volume) = dport.and_then(|port| self.dst.get_mut(first + port as usize)) {
            volume.add(weight);
        }
    }

    /// What the entry at `place` is called.
    pub(super) fn name(place: usize) -> String {
        let proto = if place < 1 << 16 { "tcp" } else { "udp" };
        format!("{proto}/{}", place & 0xffff)
    }
}
