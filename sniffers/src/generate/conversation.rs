//! Conversations: what two hosts say to each other, packet after packet.
//!
//! Each is a small state machine that knows what comes next. TCP shakes hands,
//! sends data both ways with right sequence numbers and closes; DNS asks and is
//! answered; a scan is one SYN to nobody.

use super::dns::{Message, Question};
use super::frame::{Envelope, FRAME_MAX, Piece, Stock, Transport, ip};
use super::hosts::Hosts;
use super::random::Random;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// The most payload of one packet: what an Ethernet leaves behind the headers of IPv6 and TCP.
pub const PAYLOAD_MAX: u32 = 1_440;

/// How many bytes payloads are cut from.
pub const STOCK_BYTES: usize = 1 << 16;

/// What a browser says first.
const REQUEST: &[u8] = b"GET /index.html HTTP/1.1\r\nHost: www.example.com\r\n\
    User-Agent: como\r\nAccept: */*\r\n\r\n";

/// What is being said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Handshake, data, close.
    Tcp,
    /// Datagrams both ways.
    Udp,
    /// A question to a resolver and its answer.
    Dns,
    /// Echoes.
    Ping,
    /// A SYN that gets a reset, or nothing.
    Scan,
}

/// One conversation.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// What is being said.
    pub kind: Kind,
    /// Who started it.
    pub client: u32,
    /// Who answers.
    pub server: u32,
    /// The client's port; the id of an echo.
    pub client_port: u16,
    /// The server's port.
    pub server_port: u16,
    /// The server whose name a resolver is asked for.
    pub asked: u32,
    /// How it travels.
    pub envelope: Envelope,
    /// How many packets of data are still to be sent.
    pub left: u32,
    // How many packets it has sent, and how many of them to close.
    step: u32,
    closing: u8,
    // The next sequence number of the client and of the server.
    seq: [u32; 2],
}

/// What a packet is made from.
pub struct Context<'a> {
    /// Who the hosts are.
    pub hosts: &'a Hosts,
    /// Chance.
    pub random: &'a mut Random,
    /// What payloads are cut from.
    pub stock: &'a Stock,
    /// Whether data should come in large packets, so that the mean length is reached.
    pub large: bool,
}

impl<'a> Context<'a> {
    /// A payload: nearly a full packet, or a little.
    fn data(&mut self) -> Piece<'a> {
        let chance = self.random.next_u32();
        let len = match (self.large, chance % 4) {
            (true, 0) => 600 + chance / 4 % 800,
            (true, _) => PAYLOAD_MAX,
            (false, 0) => 40 + chance / 4 % 200,
            (false, _) => 1 + chance / 4 % 64,
        };
        self.stock.piece(self.random.next_u32() as usize % STOCK_BYTES, len as usize)
    }
}

impl Conversation {
    /// A conversation that has not begun.
    pub fn new(kind: Kind, envelope: Envelope, left: u32, random: &mut Random) -> Self {
        Self {
            kind,
            client: 0,
            server: 0,
            client_port: 0,
            server_port: 0,
            asked: 0,
            envelope,
            left,
            step: 0,
            closing: 0,
            seq: [random.next_u32(), random.next_u32()],
        }
    }

    /// Writes the next packet. Returns its length, and whether it was the last.
    pub fn packet(&mut self, out: &mut [u8; FRAME_MAX], cx: &mut Context) -> (usize, bool) {
        self.step = self.step.saturating_add(1);
        match self.kind {
            Kind::Tcp => self.tcp(out, cx),
            Kind::Udp => self.udp(out, cx),
            Kind::Dns => self.dns(out, cx),
            Kind::Ping => self.ping(out, cx),
            Kind::Scan => self.scan(out, cx),
        }
    }

    fn tcp(&mut self, out: &mut [u8; FRAME_MAX], cx: &mut Context) -> (usize, bool) {
        let from_server = match self.step {
            1 => return (self.segment(out, cx, false, SYN, Piece::EMPTY), false),
            2 => return (self.segment(out, cx, true, SYN | ACK, Piece::EMPTY), false),
            3 => return (self.segment(out, cx, false, ACK, Piece::EMPTY), false),
            4 if self.server_port == 80 => {
                return (self.segment(out, cx, false, PSH | ACK, Piece::of(REQUEST)), false);
            }
            4 => false,
            // Mostly the server sends and the client acknowledges.
            _ => cx.random.below(8) < 5,
        };
        if self.left == 0 {
            return self.close(out, cx);
        }
        self.left -= 1;
        if !from_server && self.step > 4 && cx.random.below(4) != 0 {
            return (self.segment(out, cx, false, ACK, Piece::EMPTY), false);
        }
        let data = cx.data();
        (self.segment(out, cx, from_server, PSH | ACK, data), false)
    }

    /// Both ends say goodbye, or the client slams the door.
    fn close(&mut self, out: &mut [u8; FRAME_MAX], cx: &mut Context) -> (usize, bool) {
        self.closing += 1;
        match self.closing {
            1 if cx.random.below(16) == 0 => {
                (self.segment(out, cx, false, RST | ACK, Piece::EMPTY), true)
            }
            1 => (self.segment(out, cx, false, FIN | ACK, Piece::EMPTY), false),
            2 => (self.segment(out, cx, true, FIN | ACK, Piece::EMPTY), false),
            _ => (self.segment(out, cx, false, ACK, Piece::EMPTY), true),
        }
    }

    /// One TCP segment, with the numbers that follow from those before it.
    fn segment(
        &mut self,
        out: &mut [u8; FRAME_MAX],
        cx: &mut Context,
        from_server: bool,
        flags: u8,
        payload: Piece,
    ) -> usize {
        let me = usize::from(from_server);
        let transport = Transport::Tcp {
            seq: self.seq[me],
            ack: if flags & ACK != 0 { self.seq[1 - me] } else { 0 },
            flags,
            window: 64_240,
            syn: flags & SYN != 0,
        };
        let counted = payload.bytes.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.seq[me] = self.seq[me].wrapping_add(counted);
        self.send(out, cx, from_server, transport, payload)
    }

    fn udp(&mut self, out: &mut [u8; FRAME_MAX], cx: &mut Context) -> (usize, bool) {
        self.left = self.left.saturating_sub(1);
        let from_server = self.step > 1 && cx.random.below(8) < 5;
        let data = if self.server_port == 123 { cx.stock.piece(0, 48) } else { cx.data() };
        (self.send(out, cx, from_server, Transport::Udp, data), self.left == 0)
    }

    fn dns(&mut self, out: &mut [u8; FRAME_MAX], cx: &mut Context) -> (usize, bool) {
        let question = Question {
            id: self.seq[0] as u16,
            server: self.asked,
            v6: self.seq[1].is_multiple_of(2),
        };
        let from_server = self.step > 1;
        let message = if from_server {
            Message::answer(question, cx.hosts, cx.random)
        } else {
            Message::question(question)
        };
        let payload = Piece::of(message.bytes());
        (self.send(out, cx, from_server, Transport::Udp, payload), from_server)
    }

    fn ping(&mut self, out: &mut [u8; FRAME_MAX], cx: &mut Context) -> (usize, bool) {
        self.left = self.left.saturating_sub(1);
        let reply = self.step.is_multiple_of(2);
        let seq = self.step.div_ceil(2) as u16;
        let echo = Transport::Echo { reply, id: self.client_port, seq };
        let payload = cx.stock.piece(0, 56);
        (self.send(out, cx, reply, echo, payload), reply && self.left == 0)
    }

    fn scan(&mut self, out: &mut [u8; FRAME_MAX], cx: &mut Context) -> (usize, bool) {
        if self.step > 1 {
            return (self.segment(out, cx, true, RST | ACK, Piece::EMPTY), true);
        }
        let refused = cx.random.below(4) == 0;
        (self.segment(out, cx, false, SYN, Piece::EMPTY), !refused)
    }

    fn send(
        &self,
        out: &mut [u8; FRAME_MAX],
        cx: &mut Context,
        from_server: bool,
        transport: Transport,
        payload: Piece,
    ) -> usize {
        let client = cx.hosts.client(self.client, self.client_port);
        let server = cx.hosts.server(self.server, self.server_port);
        let ends = if from_server { (&server, &client) } else { (&client, &server) };
        let id = cx.random.next_u32() as u16;
        ip(out, self.envelope, ends, id, transport, payload)
    }
}
