//! One exporter, or one part of it: its templates, its numbering, what it has sent.
//!
//! Whatever arrives, an exporter takes no more than some 70 KiB here: so many
//! templates, so many fields in them, so many bytes that wait for a template. What
//! all of them take together is bounded by the decoder.

use std::collections::{HashMap, VecDeque};

use como_core::source::flows::Volume;
use como_core::time::{Span, Ts};

use super::clock::Clock;
use super::record::Record;
use super::sampling::Samplers;
use super::template::{self, DATA_MIN, Format, Template, number};
use crate::flow::sequence::{Sequence, Units};
use crate::flow::tally::{Out, Tally};

/// Templates of one exporter.
const TEMPLATES_MAX: usize = 256;

/// Fields of all of them.
const STEPS_MAX: usize = 4096;

/// Templates that were not sent again for so long are forgotten.
const TEMPLATE_AGE_MAX: Span = Span::from_secs(4 * 3600);

/// Bytes of sets that wait for their template.
const WAITING_BYTES_MAX: usize = 32 << 10;

/// How long they wait.
const WAITING_AGE_MAX: Span = Span::from_secs(60);

/// A set whose template has not come yet.
#[derive(Clone, Debug)]
struct Waiting {
    id: u16,
    clock: Clock,
    arrived: Ts,
    set: Box<[u8]>,
}

/// What is known of one exporter.
#[derive(Clone, Debug, Default)]
pub struct Exporter {
    /// Its numbering.
    pub sequence: Sequence,
    /// How it samples.
    pub samplers: Samplers,
    /// Its export packets.
    pub datagrams: u64,
    /// Its records.
    pub volume: Volume,
    /// What could not be decoded, without what still waits.
    pub undecodable: u64,
    /// When it started, if it has said so.
    pub boot: Option<Ts>,
    templates: HashMap<u16, Template>,
    steps: usize,
    // The oldest first, and what they take together.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
}

impl Exporter {
    /// Sets that still wait for a template.
    pub fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// Reads the sets of a packet; how many data records they held, if that can be known.
    pub fn read_sets(
        &mut self,
        format: Format,
        mut sets: &[u8],
        (clock, arrived): (Clock, Ts),
        mut out: Out,
    ) -> Option<Units> {
        self.datagrams += 1;
        let mut all = Some(Units::default());
        while !sets.is_empty() {
            let set = number(sets, 0).zip(number(sets, 2).map(usize::from));
            let Some((id, len)) = set.filter(|(_, len)| (4..=sets.len()).contains(len)) else {
                // Fewer than four bytes are padding; a length that lies ends the packet.
                self.reject(u64::from(sets.len() >= 4), &mut out);
                break;
            };
            let (set, rest) = sets.split_at(len);
            let set = &set[4..];
            sets = rest;
            let held = match (format, id) {
                (Format::V9, 0 | 1) | (Format::Ipfix, 2 | 3) => {
                    self.learn(set, (format, id & 1 == 1), arrived, &mut out);
                    Some(Units::default())
                }
                (_, DATA_MIN..) => self.data(id, set, clock, arrived, &mut out),
                _ => {
                    self.reject(1, &mut out);
                    Some(Units::default())
                }
            };
            all = all.zip(held).map(|(all, held)| all.and(held));
        }
        all
    }

    /// Reads a set of templates. Sets that waited for one of them are decoded.
    pub fn learn(
        &mut self,
        mut set: &[u8],
        (format, is_options): (Format, bool),
        now: Ts,
        out: &mut Out,
    ) {
        loop {
            match template::next(&mut set, format, is_options, now) {
                Ok(None) => return,
                Ok(Some((id, template))) => self.put(id, template, now, out),
                Err(template::Unusable) => {
                    self.reject(1, out);
                    return;
                }
            }
        }
    }

    /// Keeps a template in place of the one of its number.
    fn put(&mut self, id: u16, template: Template, now: Ts, out: &mut Out) {
        self.remove(id);
        if self.templates.len() >= TEMPLATES_MAX || self.steps + template.steps() > STEPS_MAX {
            self.forget_old(now);
        }
        if self.templates.len() >= TEMPLATES_MAX || self.steps + template.steps() > STEPS_MAX {
            self.reject(1, out);
            return;
        }
        self.steps += template.steps();
        self.templates.insert(id, template);
        if !self.waiting.iter().any(|waiting| waiting.id == id) {
            return;
        }
        let (ready, rest): (VecDeque<Waiting>, VecDeque<Waiting>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.id == id);
        self.waiting_bytes = rest.iter().map(Waiting::cost).sum();
        self.waiting = rest;
        for Waiting { clock, set, .. } in ready {
            self.data(id, &set, clock, now, out);
        }
    }

    fn remove(&mut self, id: u16) {
        if let Some(template) = self.templates.remove(&id) {
            self.steps -= template.steps();
        }
    }

    /// Forgets templates that have not been sent again.
    fn forget_old(&mut self, now: Ts) {
        self.templates.retain(|_, template| now - template.learned <= TEMPLATE_AGE_MAX);
        self.steps = self.templates.values().map(Template::steps).sum();
    }

    /// Reads a set of records of template `id`, or keeps it until the template comes. Answers how
    /// many records it held, which nobody knows without the template.
    pub fn data(
        &mut self,
        id: u16,
        set: &[u8],
        clock: Clock,
        now: Ts,
        out: &mut Out,
    ) -> Option<Units> {
        let Some(template) = self.templates.get(&id) else {
            self.wait(id, set, clock, now, out);
            return None;
        };
        if now - template.learned > TEMPLATE_AGE_MAX {
            self.remove(id);
            self.wait(id, set, clock, now, out);
            return None;
        }
        if let (false, false, Some(n)) =
            (template.is_flow, template.is_options, template.records_in(set.len()))
        {
            return Some(Units::of(n as u32));
        }
        let (mut rest, mut held) = (set, 0);
        loop {
            let mut record = Record::default();
            if template.read(&mut rest, |element, bytes| record.set(element, bytes)).is_none() {
                let uncertain = if template.is_options { held } else { 0 };
                return Some(Units { all: held, uncertain });
            }
            held += 1;
            if template.is_options {
                self.boot = record.boot().or(self.boot);
                if let Some((sampler, rate)) = record.sampling() {
                    out.tally.sampling.note(rate.factor());
                    self.samplers.learn(sampler, rate);
                }
            } else if template.is_flow {
                if let Some((_, rate)) = record.sampling() {
                    out.tally.sampling.note(rate.factor());
                }
                let clock = clock.or_boot(record.boot().or(self.boot));
                let (flow, reverse) = record.flows(&clock, &self.samplers);
                out.push(flow, &mut self.volume);
                if let Some(reverse) = reverse {
                    out.push_reverse(reverse);
                }
            }
        }
    }

    /// About how many bytes its templates take, and what waits for one.
    pub fn held_bytes(&self) -> usize {
        self.templates.len() * size_of::<(u16, Template)>()
            + self.steps * size_of::<template::Step>()
            + self.waiting_bytes
    }

    /// Forgets those: what waits is not decoded, and templates come again. How it samples is kept,
    /// or what it counts would be told for less.
    pub fn forget(&mut self, tally: &mut Tally) {
        let waited = self.waiting();
        self.undecodable += waited;
        tally.undecodable += waited;
        (self.templates, self.steps) = (HashMap::new(), 0);
        (self.waiting, self.waiting_bytes) = (VecDeque::new(), 0);
    }

    /// Keeps a set until its template comes; the oldest make room.
    fn wait(&mut self, id: u16, set: &[u8], clock: Clock, now: Ts, out: &mut Out) {
        let waiting = Waiting { id, clock, arrived: now, set: set.into() };
        let cost = waiting.cost();
        let is_old = |waiting: &Waiting| now - waiting.arrived > WAITING_AGE_MAX;
        while let Some(oldest) = self.waiting.front()
            && (self.waiting_bytes + cost > WAITING_BYTES_MAX || is_old(oldest))
        {
            self.waiting_bytes -= oldest.cost();
            self.waiting.pop_front();
            self.reject(1, out);
        }
        if cost > WAITING_BYTES_MAX {
            return self.reject(1, out);
        }
        self.waiting_bytes += cost;
        self.waiting.push_back(waiting);
    }

    /// Counts what could not be decoded.
    pub fn reject(&mut self, count: u64, out: &mut Out) {
        self.undecodable += count;
        out.tally.undecodable += count;
    }
}

impl Waiting {
    fn cost(&self) -> usize {
        self.set.len() + size_of::<Self>()
    }
}
