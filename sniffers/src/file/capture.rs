//! One capture file, pipe or standard input as a source.
//!
//! It looks at the first packet when it opens, so that a file which is no
//! capture, or one nobody can decode, is refused before anything runs. A flaw
//! further on ends it where it is: what came before stands.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use como_core::selection::BATCH_PACKETS_MAX;
use como_core::source::{Chunk, Description, Pace, Source, SourceError, Treatment, Turn};
use como_core::time::Ts;

use super::Taken;
use super::buffered::Buffered;
use super::input::{self, Input, Window};
use super::records::{Flaw, Format, Sink, Stop};

/// A capture being read.
pub struct Capture {
    description: Description,
    // What errors call it.
    path: String,
    input: Box<dyn Input>,
    window: Option<Window>,
    // Where in the input the next record starts.
    at: u64,
    format: Format,
    first_ts: Option<Ts>,
    // What looking at the first packet read ahead.
    pending: Option<Chunk>,
    // The flaw that ended it, until it has been told.
    failed: Option<SourceError>,
    ended: bool,
}

impl Capture {
    /// Opens a file or a named pipe and looks at the first packet of a file.
    pub fn open(path: &Path, taken: Taken) -> Result<Self, SourceError> {
        let file = File::open(path).map_err(|e| cannot("open", &path.display().to_string(), e))?;
        Self::of_file(path, file, taken)
    }

    /// The same of a file that is open already.
    pub fn of_file(path: &Path, file: File, taken: Taken) -> Result<Self, SourceError> {
        let name = path.display().to_string();
        let is_file = file.metadata().is_ok_and(|m| m.is_file());
        let mut capture = Self::of(name, file, taken)?;
        if is_file {
            capture.look_ahead()?;
        }
        Ok(capture)
    }

    /// Reads standard input. Nothing is read yet: it may be long in coming.
    pub fn of_stdin(taken: Taken) -> Result<Self, SourceError> {
        let name = "standard input".to_owned();
        let stdin = io::stdin();
        if stdin.is_terminal() {
            let why = "standard input is a terminal: pipe a capture into it".to_owned();
            return Err(SourceError::Spec { text: "-".to_owned(), why });
        }
        let owned = stdin.as_fd().try_clone_to_owned().map_err(|e| cannot("open", &name, e))?;
        Self::of(name, File::from(owned), taken)
    }

    /// The same with packets that come so.
    pub fn come(mut self, pace: Pace) -> Self {
        self.description.pace = pace;
        self
    }

    /// Reads a plain file that somebody writes to, while `grows` says so, and looks at its first
    /// packet if that is there.
    pub fn of_growing(
        path: &Path,
        file: File,
        grows: Arc<AtomicBool>,
        taken: Taken,
    ) -> Result<Self, SourceError> {
        let name = path.display().to_string();
        let mut capture = Self::over(name, Box::new(Buffered::of_growing(file, grows)), taken);
        capture.look_ahead()?;
        Ok(capture)
    }

    /// Reads what somebody sends over a connection.
    pub fn of_socket(name: String, socket: OwnedFd) -> Self {
        Self::over(name, Box::new(Buffered::of_socket(File::from(socket))), Taken::AsTold)
    }

    /// Reads the capture that a reader yields; what can be read may be long in coming.
    pub fn of_reader(name: String, bytes: Box<dyn Read + Send>, taken: Taken) -> Self {
        Self::over(name, Box::new(Buffered::of_reader(bytes)), taken)
    }

    /// The same as what its first bytes say it is.
    pub fn of_bytes(name: &str, bytes: Box<dyn Read + Send>) -> Self {
        Self::of_reader(name.to_owned(), bytes, Taken::AsTold)
    }

    fn of(path: String, file: File, taken: Taken) -> Result<Self, SourceError> {
        let input = input::of_file(file).map_err(|e| cannot("open", &path, e))?;
        Ok(Self::over(path, input, taken))
    }

    /// A capture read from `input`.
    pub fn over(path: String, input: Box<dyn Input>, taken: Taken) -> Self {
        let format = taken.format();
        let name = format!("{}:{path}", format.name());
        let size_bytes = input.size();
        let description = Description { size_bytes, ..Description::new(name, Pace::Stored) };
        Self {
            description,
            path,
            input,
            window: None,
            at: 0,
            format,
            first_ts: None,
            pending: None,
            failed: None,
            ended: false,
        }
    }

    /// Its description, once it has been read as far as the first packet.
    pub fn described(mut self) -> Result<Description, SourceError> {
        self.look_ahead()?;
        Ok(self.description)
    }

    /// Reads the first packet. Only what makes the file none of ours is an error here: one that
    /// is cut short or damaged gives all it holds first.
    fn look_ahead(&mut self) -> Result<(), SourceError> {
        let mut first = Chunk::default();
        let told = !matches!(self.format, Format::Unknown);
        let result = self.fill(&mut first, 1);
        let name = format!("{}:{}", self.format.name(), self.path);
        self.description = Description {
            links: self.format.links(),
            resolution: self.format.resolution(),
            size_bytes: self.description.size_bytes,
            offers: self.format.offers(),
            ..Description::new(name, self.description.pace).cut(self.format.snaplen())
        };
        let made = self.format.made().iter().cloned().map(Treatment::Told);
        self.description.lineage.splice(0..0, made);
        self.first_ts = first.packets.first().map(|p| p.ts);
        self.pending = Some(first);
        match result {
            Err(e) if matches!(self.format, Format::Unknown) => return Err(e),
            Err(e @ SourceError::Link { .. }) => return Err(e),
            // Its first record fits a format without a magic number, and nothing else does.
            Err(SourceError::Format { name, why, offset })
                if !told && self.first_ts.is_none() && matches!(self.format, Format::Erf(_)) =>
            {
                let why = format!("not a capture; taken for ERF, {why}");
                return Err(SourceError::Format { name, why, offset });
            }
            Err(e) => self.failed = Some(e),
            Ok(turn) => self.ended = turn == Turn::End,
        }
        Ok(())
    }

    /// Adds packets to `chunk` until it has `limit`.
    fn fill(&mut self, chunk: &mut Chunk, limit: usize) -> Result<Turn, SourceError> {
        chunk.packets.reserve(limit.saturating_sub(chunk.packets.len()));
        loop {
            let Some(window) = &self.window else {
                if !self.advance(0, chunk.packets.is_empty())? {
                    return Ok(if chunk.packets.is_empty() { Turn::Idle } else { Turn::More });
                }
                continue;
            };
            let stop = walk(&mut self.format, window, &mut self.at, chunk, limit);
            match stop.map_err(|flaw| self.flaw(flaw))? {
                Stop::Full => return Ok(Turn::More),
                Stop::Skip(len) => self.at = self.at.saturating_add(len),
                Stop::Needs(len) => {
                    if !self.advance(len, chunk.packets.is_empty())? {
                        return Ok(if chunk.packets.is_empty() { Turn::Idle } else { Turn::More });
                    }
                    let left = self.left()?;
                    if left == 0 && !matches!(self.format, Format::Unknown) {
                        return Ok(Turn::End);
                    }
                    if left < len {
                        return Err(self.flaw(cut_short(len, left)));
                    }
                }
            }
        }
    }

    /// Moves the window so that it holds `want` bytes from the next record on, or all there are.
    /// `false` means that they have not arrived yet.
    fn advance(&mut self, want: usize, wait: bool) -> Result<bool, SourceError> {
        match self.input.window(self.at, want, wait) {
            Ok(Some(window)) => {
                self.window = Some(window);
                Ok(true)
            }
            Ok(None) => Ok(false),
            // Decoders have errors of their own, which name no system call.
            Err(e) if e.raw_os_error().is_none() => {
                Err(self.flaw(Flaw::Format(format!("cannot be unpacked ({e})"))))
            }
            Err(e) => Err(cannot("read", &self.path, e)),
        }
    }

    /// How many bytes the window holds from the next record on; it is an error if the input ends
    /// before that record would start.
    fn left(&mut self) -> Result<usize, SourceError> {
        let end = self
            .window
            .as_ref()
            .map_or(0, |window| window.start + (*window.region).as_ref().len() as u64);
        let Some(left) = end.checked_sub(self.at) else {
            self.at = end;
            return Err(self.flaw(Flaw::Format("cut short in the middle of a block".to_owned())));
        };
        Ok(usize::try_from(left).unwrap_or(usize::MAX))
    }

    fn flaw(&self, flaw: Flaw) -> SourceError {
        let name = self.path.clone();
        match flaw {
            Flaw::Format(why) => SourceError::Format { name, why, offset: self.at },
            Flaw::Link(link) => SourceError::Link { name, link },
        }
    }
}

/// Walks over what the window holds from `at` on. The window joins the chunk if a packet lies in
/// it.
fn walk(
    format: &mut Format,
    window: &Window,
    at: &mut u64,
    chunk: &mut Chunk,
    limit: usize,
) -> Result<Stop, Flaw> {
    let bytes = (*window.region).as_ref();
    let mut pos = usize::try_from(at.saturating_sub(window.start)).unwrap_or(usize::MAX);
    pos = pos.min(bytes.len());
    let known =
        chunk.regions.last().is_some_and(|last| std::sync::Arc::ptr_eq(last, &window.region));
    let region = chunk.regions.len() - usize::from(known);
    let before = chunk.packets.len();
    // A chunk has at most as many regions as packets.
    let region = region as u16;
    let mut origins = Vec::new();
    let Chunk { packets, weights, counts, .. } = chunk;
    let cold = window.cold;
    let mut sink = Sink { packets, weights, origins: &mut origins, limit, region, cold, counts };
    let start = pos;
    let stop = format.walk(bytes, &mut pos, &mut sink);
    *at += (pos - start) as u64;
    if !known && chunk.packets.len() > before {
        chunk.regions.push(window.region.clone());
    }
    origins.into_iter().for_each(|(at, origin)| chunk.tell(at, origin));
    stop
}

impl Source for Capture {
    fn description(&self) -> &Description {
        &self.description
    }

    fn next(&mut self, chunk: &mut Chunk) -> Result<Turn, SourceError> {
        if let Some(pending) = self.pending.take() {
            *chunk = pending;
        }
        let turn = match self.failed.take() {
            Some(e) => Err(e),
            None if self.ended => Ok(Turn::End),
            None => self.fill(chunk, BATCH_PACKETS_MAX),
        };
        chunk.settle_weights();
        self.ended |= !matches!(turn, Ok(Turn::More | Turn::Idle));
        if self.first_ts.is_none() {
            self.first_ts = chunk.packets.first().map(|p| p.ts);
        }
        chunk.read_bytes = self.input.consumed();
        turn
    }

    fn is_at_hand(&self) -> bool {
        self.input.is_at_hand()
    }

    fn first_ts(&self) -> Option<Ts> {
        self.first_ts
    }
}

fn cut_short(len: usize, left: usize) -> Flaw {
    Flaw::Format(match left {
        0 => "empty, not even the header of a capture".to_owned(),
        _ => format!("cut short, {left} bytes are left of a record of at least {len}"),
    })
}

fn cannot(what: &'static str, name: &str, source: io::Error) -> SourceError {
    SourceError::Io { what, name: name.to_owned(), source }
}
