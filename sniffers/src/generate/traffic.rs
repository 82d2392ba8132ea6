//! Traffic: which conversation speaks next, when new ones begin, how long packets are.
//!
//! New conversations begin evenly over the packets to be made, so their number
//! is exact. In between one of the open ones speaks, drawn at random; when too
//! many are open they are hurried to their end, when too few they go on, so
//! memory is bounded and the number of packets exact too.

use super::config::Config;
use super::conversation::{Context, Conversation, Kind, PAYLOAD_MAX, STOCK_BYTES};
use super::frame::{Envelope, FRAME_MAX, Stock, arp};
use super::hosts::Hosts;
use super::random::{Random, share};

/// The most conversations that are ever open.
const OPEN_MAX: u64 = 4096;

/// Kinds of conversations and their share of 256.
const KINDS: [(Kind, u32); 5] =
    [(Kind::Tcp, 130), (Kind::Dns, 76), (Kind::Udp, 28), (Kind::Scan, 14), (Kind::Ping, 8)];

/// One in so many packets is ARP.
const ARP_IN: u32 = 512;

/// Flows (one direction each) per conversation with the shares above.
const FLOWS_PER_CONVERSATION: f64 = 1.95;

/// Ports of servers and their share of 256; what is left is a high port.
const TCP_PORTS: [(u16, u32); 8] =
    [(443, 130), (80, 54), (22, 12), (25, 8), (993, 10), (8080, 10), (5432, 6), (3306, 6)];
const UDP_PORTS: [(u16, u32); 4] = [(443, 120), (123, 60), (3478, 20), (51_820, 16)];

/// Everything that makes packets. The same configuration makes the same packets.
#[derive(Clone, Debug)]
pub struct Traffic {
    config: Config,
    random: Random,
    hosts: Hosts,
    stock: Stock,
    ipv6: u64,
    // Of all conversations to be had.
    n_conversations: u64,
    begun: u64,
    open: Vec<Conversation>,
    // How many should be open.
    n_open: usize,
    // The shortest run of data packets, so that the mean comes out right.
    data_least: u32,
    made: u64,
    bytes: u64,
}

impl Traffic {
    /// Traffic that has not begun.
    pub fn new(config: &Config) -> Self {
        let mut random = Random::new(config.seed);
        let stock = (0..STOCK_BYTES / 8).flat_map(|_| text(random.next())).collect();
        let n_conversations = ((config.flows as f64 / FLOWS_PER_CONVERSATION) as u64).max(1);
        let per_conversation = (config.packets / n_conversations).clamp(1, 1 << 20) as u32;
        let per_second = config.packets as f64 / config.duration.as_secs_f64();
        let n_open = (per_second as u64 / 20).min(n_conversations / 8).clamp(4, OPEN_MAX);
        Self {
            config: config.clone(),
            random,
            hosts: Hosts::new(config.hosts, share(config.vlan)),
            stock: Stock::new(stock),
            ipv6: share(config.ipv6),
            n_conversations,
            begun: 0,
            open: Vec::with_capacity(2 * n_open as usize + 1),
            n_open: n_open as usize,
            data_least: (per_conversation / 5).max(1),
            made: 0,
            bytes: 0,
        }
    }

    /// Writes the next packet and returns its length.
    pub fn packet(&mut self, out: &mut [u8; FRAME_MAX]) -> usize {
        let len = if self.random.below(ARP_IN) == 0 { self.arp(out) } else { self.speak(out) };
        self.made += 1;
        self.bytes += len as u64;
        len
    }

    fn arp(&mut self, out: &mut [u8; FRAME_MAX]) -> usize {
        let client = self.hosts.draw_client(&mut self.random);
        let (from, to) = (self.hosts.client(client, 0), self.hosts.router(client));
        let vlan = self.hosts.vlan(client);
        if self.random.below(2) == 0 {
            arp(out, vlan, &from, &to, false)
        } else {
            arp(out, vlan, &to, &from, true)
        }
    }

    fn speak(&mut self, out: &mut [u8; FRAME_MAX]) -> usize {
        let at = if u128::from(self.begun) < self.due() || self.open.is_empty() {
            let begun = self.begin();
            self.begun += 1;
            self.open.push(begun);
            self.open.len() - 1
        } else {
            self.random.below(self.open.len() as u32) as usize
        };
        let large = self.wants_large();
        let n_open = self.open.len();
        let Some(speaker) = self.open.get_mut(at) else { return 0 };
        if matches!(speaker.kind, Kind::Tcp | Kind::Udp) {
            if n_open > 2 * self.n_open {
                speaker.left = speaker.left.min(1);
            } else if n_open < self.n_open && speaker.left <= 1 {
                speaker.left += 4;
            }
        }
        let mut context =
            Context { hosts: &self.hosts, random: &mut self.random, stock: &self.stock, large };
        let (len, last) = speaker.packet(out, &mut context);
        if last {
            self.open.swap_remove(at);
        }
        len
    }

    /// How many conversations should have begun when the next packet has been made: a first lot at
    /// once, the others evenly.
    fn due(&self) -> u128 {
        let next = u128::from(self.made + 1);
        let first = self.n_open as u128;
        let others = u128::from(self.n_conversations).saturating_sub(first);
        next.min(first + others * next / u128::from(self.config.packets.max(1)))
    }

    /// Whether the next data should be large: the surer, the more bytes are missing to the mean.
    fn wants_large(&mut self) -> bool {
        let want = u64::from(self.config.mean_len) * (self.made + 1);
        let blur = u64::from(self.random.below(64 * PAYLOAD_MAX));
        want + 32 * u64::from(PAYLOAD_MAX) > self.bytes + blur
    }

    fn begin(&mut self) -> Conversation {
        let random = &mut self.random;
        let kind = pick(&KINDS, random.below(256)).unwrap_or(Kind::Tcp);
        let left = match kind {
            Kind::Tcp | Kind::Udp => random.heavy(self.data_least),
            Kind::Ping => 2 + 2 * random.below(4),
            Kind::Dns | Kind::Scan => 0,
        };
        let client = self.hosts.draw_client(random);
        let v6 = random.chance(self.ipv6);
        let ttl = [64, 64, 64, 128, 255][random.below(5) as usize];
        let envelope = Envelope { vlan: self.hosts.vlan(client), v6, ttl };
        let mut conversation = Conversation::new(kind, envelope, left, random);
        conversation.client = client;
        conversation.client_port = self.hosts.next_port(client);
        conversation.server = match kind {
            // A network has few resolvers.
            Kind::Dns => random.below(4.min(self.hosts.n_servers())),
            Kind::Scan => random.below(self.hosts.n_servers()),
            _ => self.hosts.draw_server(random),
        };
        conversation.asked = self.hosts.draw_server(random);
        let high = 1024 + random.below(60_000) as u16;
        conversation.server_port = match kind {
            Kind::Tcp => pick(&TCP_PORTS, random.below(256)).unwrap_or(high),
            Kind::Udp => pick(&UDP_PORTS, random.below(256)).unwrap_or(high),
            Kind::Dns => 53,
            Kind::Ping => 0,
            Kind::Scan => random.below(1024) as u16,
        };
        conversation
    }
}

/// What the share that `at` falls into stands for.
fn pick<T: Copy>(shares: &[(T, u32)], mut at: u32) -> Option<T> {
    for (what, share) in shares {
        if at < *share {
            return Some(*what);
        }
        at -= share;
    }
    None
}

/// Eight letters, so that payloads look like something.
fn text(bits: u64) -> [u8; 8] {
    bits.to_be_bytes().map(|b| b"etaoinshrdlucmfw yvbgkpqjxz,.\n<>"[usize::from(b % 32)])
}
