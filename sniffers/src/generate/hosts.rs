//! Hosts: who talks to whom, and how often.
//!
//! A quarter of the hosts are servers somewhere else, the others clients here.
//! Both are drawn by Zipf's law, so a few do most of the talking. Addresses are
//! from ranges set aside for private use and for benchmarks (RFC 1918, 2544,
//! 3849), so that no generated packet looks like a real person's.

use super::frame::End;
use super::random::{Random, Zipf};

const ROUTER_MAC: [u8; 6] = [2, 0xff, 0, 0, 0, 1];

/// The population.
#[derive(Clone, Debug)]
pub struct Hosts {
    clients: Zipf,
    servers: Zipf,
    // The last port each client used, so that its conversations differ.
    ports: Vec<u16>,
    n_servers: u32,
    // Clients in VLANs, as a share of 2^32.
    tagged: u64,
}

impl Hosts {
    /// `n` hosts, at least two; a share of the clients sits in VLANs.
    pub fn new(n: u32, tagged: u64) -> Self {
        let n_servers = (n / 4).max(1);
        let n_clients = (n - n_servers.min(n)).max(1);
        Self {
            clients: Zipf::new(n_clients),
            servers: Zipf::new(n_servers),
            ports: vec![0; n_clients as usize],
            n_servers,
            tagged,
        }
    }

    /// How many servers there are.
    pub fn n_servers(&self) -> u32 {
        self.n_servers
    }

    /// A client.
    pub fn draw_client(&self, random: &mut Random) -> u32 {
        self.clients.draw(random)
    }

    /// A server.
    pub fn draw_server(&self, random: &mut Random) -> u32 {
        self.servers.draw(random)
    }

    /// The next port of a client, from the range that systems use for that.
    pub fn next_port(&mut self, client: u32) -> u16 {
        let first = (scatter(client) % 28_000) as u16;
        let Some(used) = self.ports.get_mut(client as usize) else { return 32_768 };
        *used = (*used + 1) % 28_000;
        32_768 + (first + *used) % 28_000
    }

    /// The VLAN a client sits in, 0 for none.
    pub fn vlan(&self, client: u32) -> u16 {
        let hash = scatter(client ^ 0x5555_5555);
        if u64::from(hash) < self.tagged { 100 + (hash % 16) as u16 } else { 0 }
    }

    /// A client's end of a conversation.
    pub fn client(&self, client: u32, port: u16) -> End {
        let [_, b, c, d] = (client.wrapping_add(1)).to_be_bytes();
        let mut v6 = [0; 16];
        v6[..8].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, b]);
        v6[14..].copy_from_slice(&[c, d]);
        End { mac: [2, 0, 0, b, c, d], v4: [10, b, c, d], v6, port }
    }

    /// A server's end of a conversation; it is behind the router.
    pub fn server(&self, server: u32, port: u16) -> End {
        // Odd multiples permute the range, so that neighbours in rank are none in address.
        let place = (server + 1).wrapping_mul(40_503) % (1 << 17);
        let [_, b, c, d] = place.to_be_bytes();
        let mut v6 = [0; 16];
        v6[..8].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8, 0x80, b, c, d]);
        v6[15] = 1;
        End { mac: ROUTER_MAC, v4: [198, 18 + b, c, d], v6, port }
    }

    /// The router, as clients of its network see it.
    pub fn router(&self, client: u32) -> End {
        let [_, b, _, _] = (client.wrapping_add(1)).to_be_bytes();
        End { mac: ROUTER_MAC, v4: [10, b, 255, 254], v6: [0; 16], port: 0 }
    }
}

/// Spreads numbers over all 32 bits, always the same way.
fn scatter(n: u32) -> u32 {
    let n = n.wrapping_add(1).wrapping_mul(0x9e37_79b1);
    (n ^ n >> 15).wrapping_mul(0x85eb_ca77) ^ n >> 13
}
