//! The line in which flow records wait to become packets.
//!
//! Exporters report a flow when it ends, or at their active timeout, so records
//! come out of the order of their starts. They wait here for as long as that
//! may be, never more than a bounded number of them, and leave in order. What
//! still comes too late is counted in the open interval like any late packet.

use std::collections::VecDeque;

use como_core::packet::craft::HEADERS_MAX;
use como_core::packet::{LinkType, Packet, Weight};
use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::{Chunk, Origin};
use como_core::time::{Span, Ts};

use super::{Flow, Shape};
use crate::pool::{Buffer, Pool};

/// How many records wait at most: about 8 MiB of them, and as much again on their way out.
const WAITING_MAX: usize = 1 << 16;

/// Records on their way to become packets.
#[derive(Debug)]
pub struct Line {
    shape: Shape,
    pool: Pool,
    /// Read, and not yet cut into pieces. Sources add to this.
    pub read: Vec<Flow>,
    // How much of `read` has gone on, and how many pieces of the next one have.
    taken: (usize, u64),
    waiting: Vec<Flow>,
    // When the first of those that wait starts.
    earliest: Ts,
    // The latest time an exporter said it was: nothing starts after it.
    now: Ts,
    order: Vec<(Ts, u32)>,
    // In order, ready to leave.
    leaving: VecDeque<Flow>,
    // Of the packets that the chunk was last given.
    origins: Vec<Origin>,
    ended: bool,
}

impl Line {
    /// An empty line.
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            pool: Pool::new(BATCH_PACKETS_MAX * HEADERS_MAX),
            read: Vec::new(),
            taken: (0, 0),
            waiting: Vec::new(),
            earliest: Ts(u64::MAX),
            now: Ts(0),
            order: Vec::new(),
            leaving: VecDeque::new(),
            origins: Vec::new(),
            ended: false,
        }
    }

    /// Notes the time at which an exporter sent records.
    pub fn note_time(&mut self, ts: Ts) {
        self.now = self.now.max(ts);
    }

    /// Notes that no more records will be read: those that wait may leave.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Whether so little has been read that a source should read on before it fills a chunk.
    pub fn has_room(&self) -> bool {
        self.read.len() < BATCH_PACKETS_MAX
    }

    /// Adds packets to `chunk` until it is full or more must be read first; whether it is full.
    /// `idle` says that there is nothing more to read at the moment: then those leave that have
    /// waited long enough, also where few wait.
    pub fn fill(&mut self, chunk: &mut Chunk, idle: bool) -> bool {
        let (mut buffer, before) = (None, chunk.packets.len());
        loop {
            while chunk.packets.len() < BATCH_PACKETS_MAX {
                let Some(flow) = self.leaving.pop_front() else { break };
                let buffer = buffer.get_or_insert_with(|| self.pool.take());
                push(&flow, buffer, chunk);
                self.origins.push(flow.origin);
            }
            if chunk.packets.len() >= BATCH_PACKETS_MAX || !self.let_go(idle) {
                break;
            }
        }
        if let Some(buffer) = buffer {
            chunk.regions.push(buffer.share());
        }
        for (at, origin) in (before..).zip(self.origins.drain(..)) {
            chunk.tell(at, origin);
        }
        chunk.packets.len() >= BATCH_PACKETS_MAX
    }

    /// Lets those leave that need not wait any longer; whether there are any.
    fn let_go(&mut self, idle: bool) -> bool {
        while self.waiting.len() < WAITING_MAX && self.take_piece() {}
        if self.taken.0 >= self.read.len() {
            self.read.clear();
            self.taken = (0, 0);
        }
        let is_full = self.waiting.len() >= WAITING_MAX;
        let is_at_once = self.shape.disorder == Span(0);
        let must_go = self.ended || is_full || is_at_once;
        if self.waiting.is_empty() || !(must_go || idle) {
            return false;
        }
        let until = self.now - self.shape.disorder;
        if !must_go && self.earliest > until {
            return false;
        }
        self.order.clear();
        self.order.extend((0..).zip(&self.waiting).map(|(at, flow)| (flow.first, at)));
        self.order.sort_unstable();
        let settled = self.order.partition_point(|(first, _)| *first <= until);
        let go = match self.ended || is_at_once {
            true => self.order.len(),
            // Half of them leave in any case, or there would be no room.
            false if is_full => settled.max(self.order.len() / 2),
            false => settled,
        };
        let (go, stay) = self.order.split_at(go);
        self.leaving.extend(go.iter().filter_map(|(_, at)| self.waiting.get(*at as usize)));
        // Those that stay keep the order they came in, as far as they share a start.
        let stay = stay.iter().filter_map(|(_, at)| self.waiting.get(*at as usize)).copied();
        self.waiting = stay.collect();
        self.earliest = self.waiting.first().map_or(Ts(u64::MAX), |flow| flow.first);
        !self.leaving.is_empty()
    }

    /// Cuts the next piece from what has been read; whether there was one.
    fn take_piece(&mut self) -> bool {
        let (at, nth) = self.taken;
        let Some(flow) = self.read.get(at) else { return false };
        let pieces = flow.packets.clamp(1, self.shape.pieces);
        if flow.packets > 0 || flow.bytes > 0 {
            let piece = piece(flow, nth, pieces);
            self.earliest = self.earliest.min(piece.first);
            self.waiting.push(piece);
        }
        self.taken = if nth + 1 < pieces { (at, nth + 1) } else { (at + 1, 0) };
        true
    }
}

/// The `nth` of the `pieces` of a flow, at its share of the flow's lifetime. All together are the
/// flow: what does not divide goes to the first ones.
fn piece(flow: &Flow, nth: u64, pieces: u64) -> Flow {
    if pieces == 1 {
        return *flow;
    }
    let share = |all: u64| all / pieces + u64::from(nth < all % pieces);
    let lasted = u128::from((flow.last - flow.first).0);
    let behind = lasted * u128::from(nth) / u128::from(pieces - 1);
    let first = flow.first + Span(u64::try_from(behind).unwrap_or(u64::MAX));
    Flow { first, packets: share(flow.packets), bytes: share(flow.bytes), ..*flow }
}

/// Makes a packet of a piece, its headers behind what the buffer holds. The buffer has room for
/// those of a full chunk.
fn push(flow: &Flow, buffer: &mut Buffer, chunk: &mut Chunk) {
    let mut headers = [0; HEADERS_MAX];
    let (len, wire_len) = flow.write(&mut headers);
    let offset = buffer.len() as u32;
    let cap_len = buffer.append(&headers[..len]) as u32;
    chunk.weights.push(Weight { packets: flow.packets, bytes: flow.bytes });
    chunk.packets.push(Packet {
        ts: flow.first,
        offset,
        cap_len,
        wire_len,
        region: chunk.regions.len() as u16,
        link: LinkType::RAW,
        source: 0,
        marks: Packet::FLOW,
    });
}

#[cfg(test)]
mod tests;
