//! Datagrams in captures: every UDP payload is offered, on whatever port.
//!
//! What a payload is, and whether it is one at all, is the taker's to say.

use como_core::addr::Addr;
use como_core::source::{Chunk, Pace, Source, SourceError, Turn};
use como_core::time::Ts;

use super::begins;
use super::senders::Senders;
use super::udp::udp;
use crate::file::{self, Taken};
use crate::spec::Options;

/// What reads the datagrams of captures.
pub type Reads = dyn Fn(Box<dyn Source>) -> Box<dyn Source> + Send;

/// Opens the captures that `file` names and what reads the datagrams in them; the options and
/// `pipes` as for [`file::open_with`].
pub fn open(
    file: &str,
    options: &Options,
    pipes: Pace,
    reads: Box<Reads>,
) -> Result<Vec<Box<dyn Source>>, SourceError> {
    let packets = file::open_with(file, Taken::AsTold, options, pipes)?;
    // A pipe, and a file that may grow, cannot say when they begin.
    let begins = matches!(&packets[..], [one] if one.first_ts().is_some());
    let mut sources: Vec<_> = packets.into_iter().map(&reads).collect();
    if begins && let Some(source) = sources.pop() {
        let name = file.to_owned();
        // At no pace: who asks when it begins does not wait for it.
        let anew = move || {
            let packets = file::open(&[&name], Taken::AsTold, pipes).ok()?.pop()?;
            let sent = packets.first_ts();
            Some((reads(packets), sent))
        };
        sources.push(begins::by(source, Box::new(anew)));
    }
    Ok(sources)
}

/// One payload.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub sender: Addr,
    /// When it was seen.
    pub seen: Ts,
    /// Its bytes, as far as they were captured.
    pub payload: &'a [u8],
    /// How many bytes it had when it was sent.
    pub sent: usize,
}

/// Who takes datagrams.
pub trait Take {
    /// Whether there is room for another one.
    fn has_room(&self) -> bool;

    /// Takes it in, if it is one of those that are looked for.
    fn take(&mut self, datagram: Datagram<'_>);
}

/// Captures that carry datagrams.
pub struct Carried {
    packets: Box<dyn Source>,
    chunk: Chunk,
    // The next packet of the chunk.
    at: usize,
    // How the captures ended, once they have.
    end: Option<Result<Turn, SourceError>>,
    senders: Senders,
}

impl Carried {
    /// How many times captures are read in one turn, which may find no datagram in them.
    pub const READS_MAX: usize = 64;

    /// The datagrams among `packets` that `senders` sent.
    pub fn new(packets: Box<dyn Source>, senders: Senders) -> Self {
        Self { packets, chunk: Chunk::default(), at: 0, end: None, senders }
    }

    /// Hands over what is left of the captures' chunk, or reads the next one, whose counts are
    /// added to those of `out`; whether there was neither at the moment.
    pub fn read(&mut self, taker: &mut impl Take, out: &mut Chunk) -> bool {
        while taker.has_room() && self.at < self.chunk.packets.len() {
            self.offer(self.at, taker);
            self.at += 1;
        }
        if self.at < self.chunk.packets.len() || self.end.is_some() {
            return false;
        }
        self.chunk.clear();
        self.at = 0;
        let turn = self.packets.next(&mut self.chunk);
        out.counts.add(self.chunk.counts);
        match turn {
            Ok(Turn::More) => false,
            Ok(Turn::Idle) => self.chunk.packets.is_empty(),
            // What the last chunk holds comes first.
            end => {
                self.end = Some(end);
                false
            }
        }
    }

    /// Hands over packet `at` of the chunk, if it is UDP and of somebody who is heard.
    fn offer(&self, at: usize, taker: &mut impl Take) {
        let Some(packet) = self.chunk.packets.get(at) else { return };
        let Some((sender, payload, sent)) = udp(packet, self.chunk.data(packet)) else { return };
        if self.senders.are_heard(sender) {
            taker.take(Datagram { sender, seen: packet.ts, payload, sent });
        }
    }

    /// Whether the captures have ended and all they held was handed over.
    pub fn is_read(&self) -> bool {
        self.end.is_some() && self.at >= self.chunk.packets.len()
    }

    /// How the captures ended, once all they held was handed over; told once.
    pub fn take_end(&mut self) -> Option<Result<Turn, SourceError>> {
        if self.is_read() { self.end.take() } else { None }
    }

    /// How far the captures have been read.
    pub fn read_bytes(&self) -> u64 {
        self.chunk.read_bytes
    }
}
