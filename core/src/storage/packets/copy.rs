//! Copies: the stored packets of a window as one capture, pcapng or pcap, through a filter.
//!
//! Whatever segments the packets come from, the copy has one header and
//! describes each interface once, so that the simplest tool can read it.

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::read::{Effort, LeftOut, Part, Reading};
use crate::batch::Batch;
use crate::filter::{Expr, Plan};
use crate::lookup::Lookups;
use crate::packet::{LinkType, Packet};
use crate::selection::{BATCH_PACKETS_MAX, Selection};
use crate::source::{Region, region_from};
use crate::storage::Window;
use crate::storage::pcapng::{self, Block};

/// Bytes of packets looked at together.
const GATHERED_BYTES: usize = 1 << 20;

/// What pcap files say they keep of a packet at most.
pub(crate) const PCAP_SNAPLEN: u32 = 262_144;

/// How a copy is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capture {
    /// All that is known of each packet.
    Pcapng,
    /// For old tools, with times in nanoseconds; all packets are of one link type, and what they
    /// stand for is lost.
    Pcap,
}

impl Capture {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Pcapng, Self::Pcap];

    /// Its name in URLs and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcapng => "pcapng",
            Self::Pcap => "pcap",
        }
    }

    /// Its media type.
    pub const fn mime(self) -> &'static str {
        match self {
            Self::Pcapng => "application/x-pcapng",
            Self::Pcap => "application/vnd.tcpdump.pcap",
        }
    }

    /// The one called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capture| capture.name() == name)
    }
}

/// Which packets to copy, and how.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// When they were seen.
    pub window: Window,
    /// What they are; every packet where nothing is said.
    pub filter: Option<Expr>,
    /// The tables in which the filter looks addresses up.
    pub lookups: Arc<Lookups>,
    /// How they are written.
    pub capture: Capture,
    /// What the copy says of itself, where it is pcapng.
    pub about: String,
}

/// Why a copy broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// A segment, or the directory of them, cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// Which.
        path: String,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// The copy cannot be written.
    #[error("cannot write the packets")]
    Write(#[source] io::Error),
    /// A pcap file says once for all packets what they begin with.
    #[error(
        "packets of link types {first} and {other} do not fit into one pcap file: \
         ask for pcapng, or for a time or filter with one of them"
    )]
    Links {
        /// The link type of the first packet.
        first: LinkType,
        /// Another one.
        other: LinkType,
    },
}

/// What a copy came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Packets in it.
    pub packets: u64,
    /// What finding them took.
    pub effort: Effort,
}

/// Copies the packets wanted from the segments in a directory.
///
/// What cannot be understood is named in the log, left out and counted.
pub fn copy(dir: &Path, wanted: &Wanted, out: &mut dyn Write) -> Result<Copied, CopyError> {
    let needs = wanted.filter.as_ref().map_or(Expr::ALL.needs(), Expr::needs);
    let mut reading = Reading::new(dir, wanted.window, needs)?;
    let mut copier = Copier::new(wanted, out);
    if wanted.capture == Capture::Pcapng {
        copier.lineages = reading.lineages();
    }
    while let Some(part) = reading.advance()? {
        let whole = match part {
            Part::Segment => {
                copier.here.clear();
                true
            }
            Part::LeftOut(LeftOut { heads: blocks, .. })
            | Part::Damaged(blocks)
            | Part::Slab(blocks) => copier.take_all(blocks)?,
            Part::Lost(_) | Part::Missing(_) => true,
        };
        if !whole {
            reading.damaged(reading.spot().at);
        }
    }
    Ok(Copied { packets: copier.finish()?, effort: reading.effort() })
}

/// An interface met in a segment.
struct Interface {
    block: Vec<u8>,
    link: LinkType,
    /// Its number in the copy, once a packet of it is there.
    number: Option<u32>,
}

/// Gathers packets, asks the filter about many at once, and writes those it picks.
struct Copier<'a> {
    wanted: &'a Wanted,
    out: &'a mut dyn Write,
    plan: Plan,
    slot: Option<usize>,
    batch: Batch,
    interfaces: Vec<Interface>,
    // The interfaces of the section being read, as places in `interfaces`.
    here: Vec<usize>,
    numbers: u32,
    // What was done to the packets of the window's segments.
    lineages: Vec<String>,
    // Whole packet blocks, where each lies, and its interface's place.
    bytes: Vec<u8>,
    blocks: Vec<(Range<usize>, usize)>,
    // What the filter sees of them; as long as `blocks`.
    packets: Vec<Packet>,
    link: Option<LinkType>,
    copied: u64,
}

impl<'a> Copier<'a> {
    fn new(wanted: &'a Wanted, out: &'a mut dyn Write) -> Self {
        let mut plan = Plan::default();
        let slot = wanted.filter.as_ref().map(|filter| plan.add(filter));
        Self {
            wanted,
            out,
            plan,
            slot,
            batch: Batch::default(),
            interfaces: Vec::new(),
            here: Vec::new(),
            numbers: 0,
            lineages: Vec::new(),
            bytes: Vec::new(),
            blocks: Vec::new(),
            packets: Vec::new(),
            link: None,
            copied: 0,
        }
    }

    /// Takes the next blocks of a segment; false if one of them makes no sense there.
    fn take_all(&mut self, mut blocks: &[u8]) -> Result<bool, CopyError> {
        while !blocks.is_empty() {
            let Some((block, rest)) = pcapng::split(blocks) else { return Ok(false) };
            if !self.take(block)? {
                return Ok(false);
            }
            blocks = rest;
        }
        Ok(true)
    }

    /// Takes the next block of a segment; false if it makes no sense there.
    fn take(&mut self, block: Block<'_>) -> Result<bool, CopyError> {
        match block {
            Block::Section(_) => self.here.clear(),
            Block::Interface(bytes) => self.meet(bytes),
            Block::Packet { ts, bytes } => {
                let Some(seen) = pcapng::packet(bytes) else { return Ok(false) };
                let Some(&place) = self.here.get(seen.interface as usize) else { return Ok(false) };
                let Window { from, to } = self.wanted.window;
                if from <= ts && ts < to {
                    let start = self.bytes.len();
                    self.bytes.extend(bytes);
                    self.blocks.push((start..self.bytes.len(), place));
                    let link = self.interfaces[place].link;
                    let packet = seen.as_packet(ts, start, link);
                    let marks = pcapng::stands(bytes).map_or(0, |stands| stands.marks);
                    self.packets.push(Packet { source: place as u16, marks, ..packet });
                }
                if self.blocks.len() >= BATCH_PACKETS_MAX || self.bytes.len() >= GATHERED_BYTES {
                    self.flush()?;
                }
            }
        }
        Ok(true)
    }

    /// Takes note of an interface of the section being read.
    fn meet(&mut self, block: &[u8]) {
        let known = self.interfaces.iter().position(|interface| interface.block == block);
        self.here.push(known.unwrap_or_else(|| {
            let link = pcapng::link(block);
            self.interfaces.push(Interface { block: block.to_vec(), link, number: None });
            self.interfaces.len() - 1
        }));
    }

    /// Writes what the filter picks of the packets gathered.
    fn flush(&mut self) -> Result<(), CopyError> {
        let bytes = Arc::new(std::mem::take(&mut self.bytes));
        let picked = self.pick(&bytes);
        for at in picked.iter() {
            let Some((block, place)) = self.blocks.get(at).cloned() else { continue };
            self.put(&bytes[block], place)?;
        }
        self.batch.clear();
        self.blocks.clear();
        self.packets.clear();
        self.bytes = Arc::into_inner(bytes).unwrap_or_default();
        self.bytes.clear();
        Ok(())
    }

    fn pick(&mut self, bytes: &Arc<Vec<u8>>) -> Selection {
        let Some(slot) = self.slot else { return Selection::all(self.blocks.len()) };
        self.batch.clear();
        let region: Region = bytes.clone();
        self.batch.push_region(region.clone());
        for (packet, (block, _)) in self.packets.iter().zip(&self.blocks) {
            let stands = pcapng::stands(bytes.get(block.clone()).unwrap_or_default());
            let origin = stands.and_then(|stands| stands.origin);
            let own = origin.map(|origin| self.batch.push_region(region_from(origin, &region)));
            let packet = Packet { region: own.unwrap_or(0), ..*packet };
            self.batch.push(packet, stands.map(|stands| stands.weight));
        }
        self.batch.set_lookups(&self.wanted.lookups);
        self.batch.decode(self.plan.demand());
        self.plan.run(&mut self.batch);
        self.batch.pick(slot).cloned().unwrap_or_else(|| Selection::none(self.blocks.len()))
    }

    /// Writes one packet, with whatever must stand before it.
    fn put(&mut self, block: &[u8], place: usize) -> Result<(), CopyError> {
        let link = self.interfaces[place].link;
        self.begin(link)?;
        match self.wanted.capture {
            Capture::Pcapng => {
                let number = self.numbered(place)?;
                self.write(&block[..8])?;
                self.write(&number.to_le_bytes())?;
                self.write(&block[12..])?;
            }
            Capture::Pcap => {
                if let Some(first) = self.link.filter(|first| *first != link) {
                    return Err(CopyError::Links { first, other: link });
                }
                let record = pcapng::pcap_record(block);
                self.write(&record)?;
                let data = pcapng::packet(block).map(|seen| seen.data).unwrap_or_default();
                self.write(&block[data])?;
            }
        }
        self.copied += 1;
        Ok(())
    }

    /// Writes what the file begins with, if nothing is there yet.
    fn begin(&mut self, link: LinkType) -> Result<(), CopyError> {
        if self.link.replace(self.link.unwrap_or(link)).is_some() {
            return Ok(());
        }
        let mut head = Vec::new();
        match self.wanted.capture {
            Capture::Pcapng => {
                let says = std::iter::once(&self.wanted.about).chain(&self.lineages);
                let says = says.map(String::as_str).filter(|text| !text.is_empty());
                let says: Vec<&str> = says.collect();
                pcapng::put_section_about(&mut head, &says.join("; "));
            }
            Capture::Pcap => pcapng::put_pcap_header(&mut head, link, PCAP_SNAPLEN),
        }
        self.write(&head)
    }

    /// The number of an interface in the copy, described there if it is new.
    fn numbered(&mut self, place: usize) -> Result<u32, CopyError> {
        let Self { interfaces, numbers, out, .. } = self;
        let Interface { block, number, .. } = &mut interfaces[place];
        if number.is_none() {
            out.write_all(block).map_err(CopyError::Write)?;
            *number = Some(*numbers);
            *numbers += 1;
        }
        Ok(number.unwrap_or_default())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CopyError> {
        self.out.write_all(bytes).map_err(CopyError::Write)
    }

    /// Writes the last packets; without any, a capture that is empty but whole.
    fn finish(mut self) -> Result<u64, CopyError> {
        self.flush()?;
        if self.link.is_none() {
            let link = self.interfaces.first().map_or(LinkType::ETHERNET, |i| i.link);
            self.begin(link)?;
            if self.wanted.capture == Capture::Pcapng {
                let mut block = Vec::new();
                pcapng::put_interface(&mut block, link, "nothing", PCAP_SNAPLEN);
                self.write(&block)?;
            }
        }
        self.out.flush().map_err(CopyError::Write)?;
        Ok(self.copied)
    }
}
