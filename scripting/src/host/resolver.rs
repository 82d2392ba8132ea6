//! A resolver of names: one question, one answer, of the server that the system is told of.
//!
//! It speaks DNS over UDP (RFC 1035) and takes what fits into one datagram. An answer counts only
//! if it comes from that server, with the identifier and the question that were sent.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use como_core::addr::Addr;

use super::asker::Answer;
use crate::api::dns;

/// How long an answer is waited for, and how often it is asked for.
const PATIENCE: Duration = Duration::from_secs(2);
const TRIES: u32 = 2;
/// The longest answer (RFC 6891 would allow more to those who ask for it).
const ANSWER_BYTES_MAX: usize = 4096;
/// Datagrams that are something else, before a try is given up.
const STRAYS_MAX: u32 = 16;

const TYPE_A: u16 = 1;
const TYPE_PTR: u16 = 12;
const TYPE_AAAA: u16 = 28;

/// Asks one server.
#[derive(Debug)]
pub struct Resolver {
    server: SocketAddr,
    random: RandomState,
    // Questions asked so far: the same question has another identifier each time.
    asked: AtomicU64,
}

/// The first server in `/etc/resolv.conf`, or this machine.
pub fn system_server() -> SocketAddr {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let server = |line: &str| -> Option<IpAddr> {
        let address = line.strip_prefix("nameserver")?.trim();
        address.split(['%', ' ', '\t']).next()?.parse().ok()
    };
    let found = text.lines().find_map(server);
    SocketAddr::new(found.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), 53)
}

impl Resolver {
    /// A resolver that asks `server`.
    pub fn new(server: SocketAddr) -> Self {
        Self { server, random: RandomState::new(), asked: AtomicU64::new(0) }
    }

    /// The name of an address.
    pub fn name(&self, addr: Addr) -> Answer {
        let reverse = match addr.is_v6() {
            true => {
                let nibbles = (0..32).map(|at| format!("{:x}.", addr.bits() >> (4 * at) & 15));
                format!("{}ip6.arpa", nibbles.collect::<String>())
            }
            false => {
                let [a, b, c, d] = (addr.bits() as u32).to_be_bytes();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
        };
        self.first(&reverse, TYPE_PTR)
    }

    /// An address of a name: of IPv4 where it has one, or of IPv6.
    pub fn address(&self, name: &str) -> Answer {
        let answer = self.first(name, TYPE_A);
        if answer.value.is_some() { answer } else { self.first(name, TYPE_AAAA) }
    }

    /// The first record of a type that the answer to a question holds.
    fn first(&self, name: &str, ty: u16) -> Answer {
        let Some(question) = question(self.next_id(), name, ty) else { return Answer::NONE };
        let answer = (0..TRIES).find_map(|_| self.exchange(&question).ok().flatten());
        let Some(answer) = answer else { return Answer::NONE };
        let mut answers = (0..dns::ANSWERS_MAX).map_while(|n| dns::answer(&answer, n));
        match answers.find(|answer| answer.ty == ty) {
            Some(dns::Answer { ttl, said: Some(value), .. }) => {
                Answer { value: Some(value), ttl: Duration::from_secs(ttl.into()) }
            }
            _ => Answer::NONE,
        }
    }

    /// An identifier that nobody else foresees (RFC 5452, 9.2).
    fn next_id(&self) -> u16 {
        self.random.hash_one(self.asked.fetch_add(1, Relaxed)) as u16
    }

    /// Sends a question and waits for its answer.
    fn exchange(&self, question: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
        let local: SocketAddr = match self.server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(local)?;
        socket.connect(self.server)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send(question)?;
        let mut bytes = vec![0; ANSWER_BYTES_MAX];
        for _ in 0..STRAYS_MAX {
            let len = socket.recv(&mut bytes)?;
            let answer = bytes.get(..len).unwrap_or_default();
            if answers(question, answer) {
                return Ok(Some(answer.to_vec()));
            }
        }
        Ok(None)
    }
}

/// Whether `answer` is one to `question`: a response with its identifier and its question.
fn answers(question: &[u8], answer: &[u8]) -> bool {
    let asked = dns::question(question);
    let same = answer.get(..2).is_some() && answer.get(..2) == question.get(..2);
    let response = answer.get(2).is_some_and(|flags| flags & 0x80 != 0);
    same && response && asked.is_some() && dns::question(answer) == asked
}

/// A question for records of type `ty`; none where `name` is no name (RFC 1035, 2.3.4).
fn question(id: u16, name: &str, ty: u16) -> Option<Vec<u8>> {
    let name = name.trim_end_matches('.');
    if name.is_empty() || name.len() > 253 || !name.is_ascii() {
        return None;
    }
    let mut bytes = Vec::with_capacity(name.len() + 18);
    // One question, and recursion is wanted.
    for word in [id, 0x0100, 1, 0, 0, 0] {
        bytes.extend(word.to_be_bytes());
    }
    for label in name.split('.') {
        let len = u8::try_from(label.len()).ok().filter(|len| (1..=63).contains(len))?;
        bytes.push(len);
        bytes.extend(label.bytes());
    }
    bytes.push(0);
    bytes.extend(ty.to_be_bytes());
    bytes.extend(1u16.to_be_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use como_core::record::Value;

    use super::*;

    /// The answer to a question.
    type Answering = fn(&[u8]) -> Vec<u8>;

    /// A server that answers one question after the other.
    fn server(answers: Vec<Answering>) -> Resolver {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let resolver = Resolver::new(socket.local_addr().expect("an address"));
        std::thread::spawn(move || {
            let mut bytes = [0; 512];
            for answer in answers {
                let Ok((len, from)) = socket.recv_from(&mut bytes) else { return };
                let _ = socket.send_to(&answer(&bytes[..len]), from);
            }
        });
        resolver
    }

    /// The answer to a question, with one record of this type and content.
    fn record(question: &[u8], ty: u8, data: &[u8]) -> Vec<u8> {
        let mut answer = question.to_vec();
        (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
        answer.extend([0xc0, 12, 0, ty, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        answer.extend(data);
        answer
    }

    #[test]
    fn an_address_is_found_by_its_name() {
        let resolver = server(vec![|question| record(question, 1, &[192, 0, 2, 7])]);
        let found = resolver.address("host.example");
        assert_eq!(found.value, Some(Value::Addr("192.0.2.7".parse().expect("an address"))));
        assert_eq!(found.ttl, Duration::from_secs(60));
    }

    #[test]
    fn what_has_no_address_of_ipv4_is_asked_for_one_of_ipv6() {
        let resolver = server(vec![
            |question| {
                let mut none = question.to_vec();
                (none[2], none[3]) = (0x81, 0x83);
                none
            },
            |question| {
                record(question, 28, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9])
            },
        ]);
        let found = resolver.address("six.example").value;
        assert_eq!(found, Some(Value::Addr("2001:db8::9".parse().expect("an address"))));
    }

    #[test]
    fn a_name_is_found_by_its_address() {
        let resolver = server(vec![|question| {
            let asked = dns::question(question).expect("a question");
            assert_eq!(asked, ("1.2.0.192.in-addr.arpa".to_owned(), 12));
            record(question, 12, b"\x04host\x07example\0")
        }]);
        let found = resolver.name("192.0.2.1".parse().expect("an address")).value;
        assert_eq!(found, Some(Value::from("host.example")));
    }

    #[test]
    fn an_answer_to_another_question_counts_as_none() {
        let asked = question(7, "a.example", 1).expect("a question");
        let other = question(7, "b.example", 1).expect("a question");
        assert!(answers(&asked, &record(&asked, 1, &[1, 2, 3, 4])));
        assert!(!answers(&asked, &record(&other, 1, &[1, 2, 3, 4])));
        assert!(!answers(&asked, &asked));
        let mut forged = record(&asked, 1, &[1, 2, 3, 4]);
        forged[1] ^= 1;
        assert!(!answers(&asked, &forged));
        assert!(!answers(&asked, &[]) && !answers(&asked, &[0; 11]));
    }

    #[test]
    fn the_same_question_has_another_identifier_each_time() {
        let resolver = Resolver::new(([127, 0, 0, 1], 53).into());
        let ids: std::collections::BTreeSet<u16> = (0..64).map(|_| resolver.next_id()).collect();
        // Some may be equal by chance, as in any 64 of 65,536.
        assert!(ids.len() > 48, "{ids:?}");
    }

    #[test]
    fn what_is_no_name_is_not_asked() {
        let long = "x".repeat(64);
        for name in ["", ".", "a..b", &long, &"x.".repeat(200), "\u{e9}.example"] {
            assert_eq!(question(1, name, 1), None, "{name}");
        }
    }
}
