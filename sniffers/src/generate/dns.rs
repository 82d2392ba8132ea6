//! DNS messages: questions and answers as resolvers send them (RFC 1035).

use super::hosts::Hosts;
use super::random::Random;

/// Room that any message here fits in.
pub const MESSAGE_MAX: usize = 256;

const HOSTS: [&str; 6] = ["www", "mail", "api", "cdn", "img", "ns1"];
const DOMAINS: [&str; 3] = ["example.com", "example.net", "example.org"];

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Ties the answer to the question.
    pub id: u16,
    /// The server whose name is asked for.
    pub server: u32,
    /// Whether its IPv6 address is wanted.
    pub v6: bool,
}

/// A message being written.
pub struct Message {
    bytes: [u8; MESSAGE_MAX],
    len: usize,
}

impl Message {
    /// The question as it is sent to a resolver.
    pub fn question(question: Question) -> Self {
        let mut message = Self { bytes: [0; MESSAGE_MAX], len: 0 };
        message.put(&question.id.to_be_bytes());
        // Recursion desired; one question.
        message.put(&[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        message.ask(question);
        message
    }

    /// The resolver's answer: one to three addresses, or now and then that there is no such name.
    pub fn answer(question: Question, hosts: &Hosts, random: &mut Random) -> Self {
        let mut message = Self { bytes: [0; MESSAGE_MAX], len: 0 };
        let none = random.below(32) == 0;
        let n_answers = if none { 0 } else { 1 + random.below(3) };
        message.put(&question.id.to_be_bytes());
        message.put(&[0x81, if none { 0x83 } else { 0x80 }, 0, 1, 0, n_answers as u8, 0, 0, 0, 0]);
        message.ask(question);
        for nth in 0..n_answers {
            let server = hosts.server(question.server.wrapping_add(nth) % hosts.n_servers(), 0);
            // The name is a pointer to the question's.
            message.put(&[0xc0, 12, 0, if question.v6 { 28 } else { 1 }, 0, 1, 0, 0, 1, 44, 0]);
            if question.v6 {
                message.put(&[16]);
                message.put(&server.v6);
            } else {
                message.put(&[4]);
                message.put(&server.v4);
            }
        }
        message
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn ask(&mut self, question: Question) {
        let at = question.server as usize;
        self.label(HOSTS[at % HOSTS.len()]);
        let mut digits = [0u8; 10];
        let mut from = digits.len();
        let mut rest = question.server;
        loop {
            from -= 1;
            digits[from] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.put(&[(4 + digits.len() - from) as u8]);
        self.put(b"site");
        self.put(&digits[from..]);
        for label in DOMAINS[at % DOMAINS.len()].split('.') {
            self.label(label);
        }
        self.put(&[0, 0, if question.v6 { 28 } else { 1 }, 0, 1]);
    }

    fn label(&mut self, label: &str) {
        self.put(&[label.len() as u8]);
        self.put(label.as_bytes());
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }
}
