//! `flowtools`: flow records in files of flow-tools, as `flow-capture` writes them.
//!
//! Several files are read one after another in the order of their names, which
//! for `flow-capture` is the order of time.

pub mod made;

mod format;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use como_core::addr::Addr;
use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::flows::{Exporter, Volume};
use como_core::source::{Chunk, Description, Flows, Pace, Source, SourceError, Turn};
use como_core::time::{Span, Ts};
use flate2::read::ZlibDecoder;

use crate::file;
use crate::flow::line::Line;
use crate::flow::tally::{Out, Tally};
use crate::flow::{self, Shape, begins};
use crate::spec::{Kind, Opens, Options};
use format::{HEAD_BYTES, Header};

/// Files of flow-tools, as `como sniffers` shows them.
pub const KIND: Kind = Kind {
    name: "flowtools",
    usage: "flowtools:FILE, flowtools:'GLOB',flows=spread",
    doc: "Flow records in files of flow-tools, plain or compressed. A packet stands for each flow, \
          with its counters as weight.",
    offers: "headers without payload: addresses, protocol, ports, TCP flags, type of service; \
             counts as weight, exact in sum; times to the millisecond",
    options: &flow::OPTIONS,
    opens: Opens::OfBytes(
        |text, _| Ok(vec![open(text)?]),
        |text, bytes| Ok(Box::new(FlowTools::of_reader(text, bytes)?)),
    ),
};

/// Opens what stands behind `flowtools:`.
fn open(text: &str) -> Result<Box<dyn Source>, SourceError> {
    let source = Box::new(FlowTools::open(text)?);
    let text = text.to_owned();
    let anew = move || {
        let mut source = FlowTools::open(&text).ok()?;
        let sent = source.reading.as_mut().and_then(Reading::sent);
        Some((Box::new(source) as Box<dyn Source>, sent))
    };
    Ok(begins::by(source, Box::new(anew)))
}

/// How long records wait to be put in order: the longest active timeout in use.
const DISORDER: Span = Span::from_secs(30 * 60);

/// How much is read in one piece.
const PIECE_BYTES: usize = 64 << 10;

/// Exporters counted one by one.
const EXPORTERS_MAX: usize = 1024;

/// Files of flow-tools as one source.
pub struct FlowTools {
    description: Description,
    // Not opened yet; the next one last.
    files: Vec<PathBuf>,
    reading: Option<Reading>,
    read_bytes: u64,
    tally: Tally,
    // How much of what could not be decoded has been told.
    told: u64,
    lost: u64,
    exporters: Vec<(Addr, u16, Volume)>,
    line: Line,
    failed: Option<SourceError>,
}

/// A file that is open.
struct Reading {
    name: String,
    header: Header,
    bytes: Box<dyn Read + Send>,
    piece: Box<[u8]>,
    // How much of the piece is filled.
    filled: usize,
    // Where in the records, unpacked, the piece begins.
    at: u64,
}

impl FlowTools {
    /// Opens `FILE,option=value,...`; the file may be a glob. The first file is looked at.
    pub fn open(text: &str) -> Result<Self, SourceError> {
        let (file, options) = Options::behind(&KIND, text)?;
        let shape = Shape::parse(&options, DISORDER)?;
        let mut files = file::paths(file)?;
        files.sort_by(|a, b| b.cmp(a));
        let sizes = files.iter().map(|file| Some(file.metadata().ok()?.len()));
        let size_bytes = sizes.sum();
        let mut source = Self { files, ..Self::new(file, shape, size_bytes) };
        source.next_file()?;
        Ok(source)
    }

    /// Reads what would be a file out of `bytes`; `text` is `NAME,option=value,...`.
    pub fn of_reader(text: &str, bytes: Box<dyn Read + Send>) -> Result<Self, SourceError> {
        let (name, options) = Options::behind(&KIND, text)?;
        let mut source = Self::new(name, Shape::parse(&options, DISORDER)?, None);
        source.begin(Reading::new(name.to_owned(), bytes)?);
        Ok(source)
    }

    fn new(name: &str, shape: Shape, size_bytes: Option<u64>) -> Self {
        Self {
            description: Description {
                size_bytes,
                ..flow::description(format!("flowtools:{name}"), Pace::Stored, shape)
            },
            files: Vec::new(),
            reading: None,
            read_bytes: 0,
            tally: Tally::default(),
            told: 0,
            lost: 0,
            exporters: Vec::new(),
            line: Line::new(shape),
            failed: None,
        }
    }

    /// Opens the next file, if there is one.
    fn next_file(&mut self) -> Result<(), SourceError> {
        self.reading = None;
        let Some(path) = self.files.pop() else { return Ok(()) };
        let name = path.display().to_string();
        let file = File::open(&path).map_err(|source| SourceError::Io {
            what: "open",
            name: name.clone(),
            source,
        })?;
        let reading = Reading::new(name, Box::new(file))?;
        self.read_bytes += path.metadata().map_or(0, |m| m.len());
        self.begin(reading);
        Ok(())
    }

    /// Takes over a file whose header has been read.
    fn begin(&mut self, reading: Reading) {
        self.lost += u64::from(reading.header.lost);
        self.tally.undecodable += u64::from(reading.header.corrupt);
        self.reading = Some(reading);
    }

    /// Decodes the next piece of the file, or opens the next file; whether there was one to read.
    fn read(&mut self) -> Result<bool, SourceError> {
        let Some(reading) = &mut self.reading else { return Ok(false) };
        let whole = reading.fill()?;
        let Reading { header, piece, .. } = &*reading;
        let exporter = Addr::default();
        let mut out = Out { flows: &mut self.line.read, tally: &mut self.tally, exporter };
        let mut now = Ts(0);
        for record in piece.get(..whole).unwrap_or_default().chunks_exact(header.record_bytes) {
            let Some(flow) = header.record(record) else { continue };
            now = now.max(flow.last);
            out.exporter = flow.origin.exporter;
            let mut others = Volume::default();
            let volume = volume(&mut self.exporters, out.exporter, header.version);
            out.push(flow, volume.unwrap_or(&mut others));
        }
        self.line.note_time(now);
        reading.pass(whole);
        if whole == 0 {
            reading.end()?;
            self.next_file()?;
        }
        Ok(true)
    }
}

/// The counters of an exporter; none once there are too many.
fn volume(
    exporters: &mut Vec<(Addr, u16, Volume)>,
    addr: Addr,
    version: u16,
) -> Option<&mut Volume> {
    let known = exporters.iter().position(|(known, of, _)| (*known, *of) == (addr, version));
    let at = match known {
        Some(at) => at,
        None if exporters.len() < EXPORTERS_MAX => {
            exporters.push((addr, version, Volume::default()));
            exporters.len() - 1
        }
        None => return None,
    };
    exporters.get_mut(at).map(|(_, _, volume)| volume)
}

impl Reading {
    /// Reads the header of a file.
    fn new(name: String, mut file: Box<dyn Read + Send>) -> Result<Self, SourceError> {
        let flaw = |why| SourceError::Format { name: name.clone(), why, offset: 0 };
        let cut = |e: io::Error| match e.kind() {
            io::ErrorKind::UnexpectedEof => flaw("cut short in its header".to_owned()),
            _ => SourceError::Io { what: "read", name: name.clone(), source: e },
        };
        let mut head = [0; HEAD_BYTES];
        file.read_exact(&mut head).map_err(cut)?;
        let (order, end) = format::head(&head).map_err(flaw)?;
        let mut tags = vec![0; end - HEAD_BYTES];
        file.read_exact(&mut tags).map_err(cut)?;
        let header = format::decode(order, &tags).map_err(flaw)?;
        let bytes: Box<dyn Read + Send> = match header.is_compressed {
            true => Box::new(ZlibDecoder::new(file)),
            false => file,
        };
        let piece = vec![0; PIECE_BYTES].into();
        Ok(Self { name, header, bytes, piece, filled: 0, at: 0 })
    }

    /// Reads until a record is there; how many bytes whole records take. 0 at the end of the file.
    fn fill(&mut self) -> Result<usize, SourceError> {
        while self.filled < self.header.record_bytes {
            let room = self.piece.get_mut(self.filled..).unwrap_or_default();
            match self.bytes.read(room) {
                Ok(0) => break,
                Ok(n) => self.filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // What unpacks has errors of its own, which name no system call.
                Err(e) if e.raw_os_error().is_none() => {
                    return Err(self.flaw(format!("cannot be unpacked ({e})")));
                }
                Err(source) => {
                    let name = self.name.clone();
                    return Err(SourceError::Io { what: "read", name, source });
                }
            }
        }
        Ok(self.filled - self.filled % self.header.record_bytes)
    }

    /// When the first record was sent, if it can be read.
    fn sent(&mut self) -> Option<Ts> {
        let whole = self.fill().ok()?;
        self.header.sent(self.piece.get(..whole)?)
    }

    /// Moves behind records that have been read.
    fn pass(&mut self, len: usize) {
        self.piece.copy_within(len..self.filled, 0);
        self.filled -= len;
        self.at += len as u64;
    }

    /// At the end of the file nothing may be left.
    fn end(&self) -> Result<(), SourceError> {
        let (left, len) = (self.filled, self.header.record_bytes);
        if left == 0 {
            return Ok(());
        }
        Err(self.flaw(format!("cut short, {left} bytes are left of a record of {len}")))
    }

    /// An error at the next record, counted from the first.
    fn flaw(&self, why: String) -> SourceError {
        SourceError::Format { name: self.name.clone(), why, offset: self.at }
    }
}

impl Source for FlowTools {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        let mut is_read = self.failed.is_some();
        loop {
            while !is_read && self.line.has_room() {
                match self.read() {
                    Ok(more) => is_read = !more,
                    // What was read before it comes first.
                    Err(e) => {
                        self.failed = Some(e);
                        is_read = true;
                    }
                }
            }
            if is_read {
                self.line.end();
            }
            if self.line.fill(chunk, false) || is_read {
                break;
            }
        }
        chunk.counts.malformed = self.tally.undecodable - self.told;
        self.told = self.tally.undecodable;
        chunk.read_bytes = self.read_bytes;
        if chunk.packets.len() >= BATCH_PACKETS_MAX || !is_read {
            return Ok(Turn::More);
        }
        self.failed.take().map_or(Ok(Turn::End), Err)
    }

    fn flows(&self) -> Option<Flows> {
        let exporters = self.exporters.iter().map(|(addr, version, volume)| Exporter {
            address: addr.to_string(),
            version: *version,
            volume: *volume,
            sampling: 1,
            ..Exporter::default()
        });
        let flow_exporters = exporters.collect();
        Some(Flows { flow_exporters, flow_lost_records: self.lost, ..self.tally.report() })
    }
}

#[cfg(test)]
mod tests;
