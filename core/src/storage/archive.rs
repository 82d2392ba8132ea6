//! Archives: a stream of records as one file that says all of itself, to be moved between stores.
//!
//! A description, then the blocks as they rest in a store, each schema before
//! the first block that has it, then an end that counts them. Everything has a
//! checksum, so whatever is missing or wrong is found before anything is put.
//! docs/storage.md has it to the byte.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::block::{self, BlockError, Sealed};
use super::runs::Runs;
use super::scan::{Damage, damage};
use super::{Coverage, Mark, Measured, RecordStore, StoreError, Stored, Stream, Window, can_name};
use crate::filter::Expr;
use crate::record::Schema;
use crate::source::Covered;
use crate::time::{Span, Ts};

const BEGIN: [u8; 4] = *b"CoMA";
const SCHEMA: [u8; 4] = *b"CoMS";
const BLOCK: [u8; 4] = *b"CoMB";
const END: [u8; 4] = *b"CoME";
const VERSION: u32 = 1;

/// No description, and no schema, is longer.
const JSON_BYTES_MAX: u32 = 16 << 20;

/// Schemas of one archive at most.
const SCHEMAS_MAX: usize = 4096;

/// No block has a larger number, so that there is always a next one.
const SEQ_MAX: u64 = 1 << 62;

/// Bytes of a block before its names.
const BLOCK_HEAD: usize = 72;

/// What an archive holds, or held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Blocks, those of gaps included.
    pub blocks: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// What could not be read in the store, and so is not in the archive.
    pub damaged: Vec<Damage>,
}

/// Why an archive cannot be written, or does not fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The store has no such stream.
    #[error("there is no stream `{0}`: `como store ls` lists them")]
    Unknown(String),
    /// It begins otherwise.
    #[error("not an archive of records: `como store export` writes one")]
    Foreign,
    /// A later version wrote it.
    #[error("an archive of version {0}, which this version cannot read")]
    Version(u32),
    /// It ends early, or is not what was written.
    #[error("a damaged archive: {why}, at byte {at}")]
    Damaged {
        /// What is wrong.
        why: String,
        /// Where.
        at: u64,
    },
    /// The stream is there already, with other records.
    #[error(
        "`{stream}` is there already, with {what}: import it under another name, or remove that \
         stream first"
    )]
    Taken {
        /// The stream.
        stream: String,
        /// What does not go together.
        what: String,
    },
    /// No stream may be called so.
    #[error("`{0}` cannot name a stream: import it under another name")]
    Name(String),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive cannot be read or written.
    #[error("cannot read or write the archive: {0}")]
    Io(#[from] io::Error),
}

/// What an archive says of the stream before its blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    stream: String,
    module: String,
    filters: Vec<Measured>,
    sources: Vec<(u64, Vec<Covered>)>,
    age_max: Option<u64>,
    next_seq: u64,
    reclaimed_blocks: u64,
    reclaimed_bytes: u64,
    removed_until: Option<u64>,
    rollup_of: Option<String>,
    /// When the runs that stored it listened: its blocks, which come in the order of time, do not
    /// tell.
    #[serde(default)]
    runs: Runs,
}

impl About {
    fn of(stream: &Stream) -> Self {
        Self {
            stream: stream.name.clone(),
            module: stream.module.clone(),
            filters: stream.filters.clone(),
            sources: stream.sources.iter().map(|c| (c.since.0, c.sources.clone())).collect(),
            age_max: stream.age_max.map(|age| age.0),
            next_seq: stream.next_seq,
            reclaimed_blocks: stream.reclaimed_blocks,
            reclaimed_bytes: stream.reclaimed_bytes,
            removed_until: stream.removed_until.map(|until| until.0),
            rollup_of: stream.rollup_of.clone(),
            runs: stream.runs.clone(),
        }
    }

    /// The stream as it is before its first block.
    fn into_stream(self) -> Stream {
        let coverage = |(since, sources)| Coverage { since: Ts(since), sources };
        Stream {
            name: self.stream,
            module: self.module,
            filters: self.filters,
            sources: self.sources.into_iter().map(coverage).collect(),
            age_max: self.age_max.map(Span),
            next_seq: self.next_seq,
            reclaimed_blocks: self.reclaimed_blocks,
            reclaimed_bytes: self.reclaimed_bytes,
            removed_until: self.removed_until.map(Ts),
            rollup_of: self.rollup_of,
            runs: self.runs,
            ..Stream::default()
        }
    }
}

/// Writes a stream of a store as an archive. Damaged blocks are left out and named.
pub fn write(
    store: &dyn RecordStore,
    name: &str,
    out: &mut dyn Write,
) -> Result<Archived, ArchiveError> {
    let stream = store.stream(name)?.ok_or_else(|| ArchiveError::Unknown(name.to_owned()))?;
    let mut head = BEGIN.to_vec();
    head.extend(VERSION.to_le_bytes());
    out.write_all(&framed(head, &About::of(&stream))?)?;
    let (mut done, mut known) = (Archived::default(), BTreeSet::new());
    let mut after: Option<Mark> = None;
    loop {
        let page = store.page(name, Window::ALL, after)?;
        if page.is_empty() {
            break;
        }
        for stored in page {
            match readable(store, name, &stored)? {
                Ok((header, schema)) => {
                    if let Some(schema) = schema.filter(|_| known.insert(header.schema)) {
                        out.write_all(&framed(SCHEMA.to_vec(), &*schema)?)?;
                    }
                    out.write_all(&stored.bytes)?;
                    done.blocks += 1;
                    done.rows += u64::from(header.rows);
                    done.bytes += stored.bytes.len() as u64;
                }
                Err(error) => done.damaged.push(damage(Window::ALL, after, &stored, &error)),
            }
            after = Some(stored.mark);
        }
    }
    let mut end = END.to_vec();
    end.extend(done.blocks.to_le_bytes());
    end.extend(done.bytes.to_le_bytes());
    end.extend(crc32fast::hash(&end).to_le_bytes());
    out.write_all(&end)?;
    out.flush()?;
    Ok(done)
}

/// What a block says of itself and the schema of its rows, if all of it can be read.
type Readable = Result<(block::Header, Option<Arc<Schema>>), BlockError>;

fn readable(store: &dyn RecordStore, name: &str, stored: &Stored) -> Result<Readable, StoreError> {
    let block = match block::decode(&stored.bytes) {
        Ok(block) => block,
        Err(error) => return Ok(Err(error)),
    };
    let header = block.header.clone();
    if (Mark { first: header.first, seq: header.seq }) != stored.mark {
        return Ok(Err(BlockError::Malformed("it stands in another's place")));
    }
    if header.gap {
        return Ok(Ok((header, None)));
    }
    let Some(schema) = store.schema(name, header.schema)? else {
        return Ok(Err(BlockError::Schema));
    };
    Ok(block.into_output(&schema).map(|_| (header, Some(schema))))
}

/// Whether a text is a filter as a stream has it, where nothing stands for every packet.
fn is_filter(text: &str) -> bool {
    text.is_empty() || Expr::parse(text).is_ok()
}

/// A part with its length before it and its checksum behind it.
fn framed(mut part: Vec<u8>, value: &impl Serialize) -> Result<Vec<u8>, ArchiveError> {
    let json = serde_json::to_vec(value).map_err(io::Error::from)?;
    part.extend((json.len() as u32).to_le_bytes());
    part.extend(json);
    part.extend(crc32fast::hash(&part).to_le_bytes());
    Ok(part)
}

/// An archive being read.
pub struct Archive<R> {
    from: R,
    at: u64,
    stream: Stream,
    // What its blocks call it.
    own: String,
    schemas: Vec<Arc<Schema>>,
    seen: Archived,
    last: Option<Mark>,
    rename: bool,
    ended: bool,
}

/// What comes next in an archive.
#[derive(Debug)]
pub enum Part {
    /// What the rows of blocks to come are.
    Schema(Arc<Schema>),
    /// A block, under the archive's name.
    Block(Sealed),
}

impl<R: Read> Archive<R> {
    /// Reads what an archive says of itself.
    pub fn open(from: R) -> Result<Self, ArchiveError> {
        let (stream, own, seen) = Default::default();
        let (schemas, last) = Default::default();
        let (rename, ended) = (false, false);
        let mut archive = Self { from, at: 0, stream, own, schemas, seen, last, rename, ended };
        let mut head = [0; 8];
        let begins = archive.fill(&mut head).is_ok() && head.starts_with(&BEGIN);
        if !begins {
            return Err(ArchiveError::Foreign);
        }
        match head.last_chunk().map_or(0, |version| u32::from_le_bytes(*version)) {
            VERSION => {}
            version => return Err(ArchiveError::Version(version)),
        }
        archive.stream = archive.json::<About>(&head)?.into_stream();
        archive.own.clone_from(&archive.stream.name);
        let module = &archive.stream.module;
        if !module.is_empty() && !can_name(module) {
            return Err(archive.damaged("what it calls a module is none"));
        }
        if archive.stream.next_seq > SEQ_MAX {
            return Err(archive.damaged("its next block has a larger number than any"));
        }
        let filters = &archive.stream.filters;
        if !filters.is_sorted_by(|one, next| one.seq < next.seq) {
            return Err(archive.damaged("its filters are not in order"));
        }
        if let Some(wrong) = filters.iter().find(|measured| !is_filter(&measured.filter)) {
            let why = format!("`{}` is no filter", wrong.filter);
            return Err(archive.damaged(&why));
        }
        Ok(archive)
    }

    /// The same under another name.
    pub fn renamed(mut self, name: &str) -> Self {
        self.rename = self.stream.name != name;
        if self.rename {
            // A rollup goes by its name.
            self.stream.rollup_of = None;
        }
        name.clone_into(&mut self.stream.name);
        self
    }

    /// The stream, without what its blocks come to.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// What was read so far.
    pub fn seen(&self) -> &Archived {
        &self.seen
    }

    /// The next part; none behind the last, which the end of the archive vouches for.
    pub fn advance(&mut self) -> Result<Option<Part>, ArchiveError> {
        if self.ended {
            return Ok(None);
        }
        let mut magic = [0; 4];
        self.fill(&mut magic)?;
        match magic {
            SCHEMA => {
                let schema = Arc::new(self.json::<Schema>(&magic)?);
                let is_known = self.schemas.iter().any(|known| known.hash() == schema.hash());
                if is_known || self.schemas.len() >= SCHEMAS_MAX {
                    return Err(self.damaged("it has more schemas than a stream has"));
                }
                self.schemas.push(schema.clone());
                Ok(Some(Part::Schema(schema)))
            }
            BLOCK => self.block().map(|sealed| Some(Part::Block(sealed))),
            END => {
                self.end(&magic)?;
                self.ended = true;
                Ok(None)
            }
            _ => Err(self.damaged("neither a block nor the end follows")),
        }
    }

    fn block(&mut self) -> Result<Sealed, ArchiveError> {
        let mut bytes = vec![0; BLOCK_HEAD];
        bytes[..4].copy_from_slice(&BLOCK);
        self.fill(&mut bytes[4..])?;
        let Some(len) = block::whole_bytes(&bytes) else {
            return Err(self.damaged("a block is longer than any"));
        };
        bytes.resize(len, 0);
        self.fill(&mut bytes[BLOCK_HEAD..])?;
        let block = block::decode(&bytes).map_err(|error| self.damaged(&error.to_string()))?;
        let header = block.header.clone();
        let mark = Mark { first: header.first, seq: header.seq };
        if !self.own.starts_with(&header.origin.stream) {
            return Err(self.damaged("a block is of another stream"));
        }
        if header.seq > SEQ_MAX {
            return Err(self.damaged("a block has a larger number than any"));
        }
        if self.last.is_some_and(|last| last >= mark) {
            return Err(self.damaged("its blocks are not in order"));
        }
        self.last = Some(mark);
        let schema = self.schemas.iter().find(|schema| schema.hash() == header.schema);
        let schema = schema.cloned().unwrap_or_default();
        block.into_output(&schema).map_err(|error| self.damaged(&error.to_string()))?;
        self.seen.blocks += 1;
        self.seen.rows += u64::from(header.rows);
        self.seen.bytes += bytes.len() as u64;
        match self.rename {
            true => block::renamed(&bytes, &self.stream.name)
                .map_err(|error| self.damaged(&error.to_string())),
            false => Ok(Sealed { header, bytes }),
        }
    }

    fn end(&mut self, magic: &[u8]) -> Result<(), ArchiveError> {
        let mut end = [0; 24];
        end[..4].copy_from_slice(magic);
        self.fill(&mut end[4..])?;
        let (counts, sum) = end.split_at(20);
        let mut want = magic.to_vec();
        want.extend(self.seen.blocks.to_le_bytes());
        want.extend(self.seen.bytes.to_le_bytes());
        if counts != want || crc32fast::hash(counts).to_le_bytes() != sum {
            return Err(self.damaged("its end counts other blocks than it has"));
        }
        let mut more = Vec::new();
        match (&mut self.from).take(1).read_to_end(&mut more)? {
            0 => Ok(()),
            _ => Err(self.damaged("something follows its end")),
        }
    }

    /// Reads a value with its length before it and its checksum behind it; `head` came before both.
    fn json<T: for<'a> Deserialize<'a>>(&mut self, head: &[u8]) -> Result<T, ArchiveError> {
        let mut len = [0; 4];
        self.fill(&mut len)?;
        let bytes = u32::from_le_bytes(len);
        if bytes > JSON_BYTES_MAX {
            return Err(self.damaged("a description is longer than any"));
        }
        let mut json = Vec::new();
        // Read as it comes: a length that is not true takes no memory.
        (&mut self.from).take(u64::from(bytes)).read_to_end(&mut json)?;
        self.at += json.len() as u64;
        if json.len() < bytes as usize {
            return Err(self.damaged("it ends too early"));
        }
        let mut sum = [0; 4];
        self.fill(&mut sum)?;
        let mut hasher = crc32fast::Hasher::new();
        [head, &len, &json].into_iter().for_each(|part| hasher.update(part));
        if hasher.finalize().to_le_bytes() != sum {
            return Err(self.damaged("the checksum of a description is wrong"));
        }
        serde_json::from_slice(&json).map_err(|error| self.damaged(&error.to_string()))
    }

    fn fill(&mut self, out: &mut [u8]) -> Result<(), ArchiveError> {
        match self.from.read_exact(out) {
            Ok(()) => {
                self.at += out.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.damaged("it ends too early"))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn damaged(&self, why: &str) -> ArchiveError {
        ArchiveError::Damaged { why: why.to_owned(), at: self.at }
    }
}

#[cfg(test)]
mod tests;
