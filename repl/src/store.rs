//! `como store`: looks after a store that no monitor has open.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use como_core::query::Times;
use como_core::storage::archive::{self, Archive, ArchiveError};
use como_core::storage::redb::{RedbStore, set_aside};
use como_core::storage::verify::{self, Checked, Fault};
use como_core::storage::{RecordStore, StoreError, Stream, packets};
use como_core::time::{Span, Ts};
use serde_json::json;

use crate::cli::Store;
use crate::cli::store::{Export, Import, Ls, Rm, StoreVerb, Verify};
use crate::config::{Config, FOREVER, packets_in, records_in};
use crate::error::{Failure, Result, say, with_causes};
use crate::output::{self, table::thousands};
use crate::query::{opened, salvaged};

/// Does what is asked with the store.
pub fn perform(args: &Store) -> Result {
    let place = Place::of(args)?;
    match &args.what {
        StoreVerb::Ls(ls) => list(&place, ls),
        StoreVerb::Verify(verify) => check(&place, verify),
        StoreVerb::Compact(_) => compact(&place),
        StoreVerb::Export(export) => write(&place, export),
        StoreVerb::Import(import) => read(&place, import),
        StoreVerb::Rm(rm) => remove(&place, rm),
    }
}

/// The store, and the configuration that named it.
struct Place {
    dir: PathBuf,
    config: Option<Config>,
}

impl Place {
    fn of(args: &Store) -> Result<Self> {
        if let Some(dir) = &args.store {
            return Ok(Self { dir: dir.clone(), config: None });
        }
        let config = Config::read(&args.config)
            .map_err(|failure| failure.hint("or say where the store is: --store DIR"))?;
        Ok(Self { dir: config.store.clone(), config: Some(config) })
    }

    /// The file of records, which must be there.
    fn records(&self) -> Result<PathBuf> {
        file_in(&self.dir).map_err(none)
    }

    /// The folders of packets: one for each instance that keeps them.
    fn windows(&self) -> Result<Vec<PathBuf>> {
        let entries = match packets_in(&self.dir).read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(named(&packets_in(&self.dir), &error)),
        };
        let mut all = Vec::new();
        for entry in entries {
            all.push(entry.map_err(|error| named(&packets_in(&self.dir), &error))?.path());
        }
        all.retain(|path| path.is_dir());
        all.sort();
        Ok(all)
    }

    /// How long an instance keeps its packets, where the configuration says so.
    fn retain(&self, name: &str) -> Option<Span> {
        let config = self.config.as_ref()?;
        let own = config.instances.iter().find(|instance| instance.name == name);
        Some(own.and_then(|own| own.retain).unwrap_or(config.retain))
    }
}

/// The file of records in a store's folder; or why it is not there to be opened.
pub fn file_in(dir: &Path) -> std::result::Result<PathBuf, String> {
    let path = records_in(dir);
    match path.metadata() {
        Ok(_) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(format!("cannot look for a store in `{}`: {}", dir.display(), with_causes(&error)))
        }
        Err(_) if has_packets(dir) => {
            Err(format!("the file of records `{}` is missing", path.display()))
        }
        Err(_) => Err(format!("there is no store in `{}`", dir.display())),
    }
}

/// Whether there are packets in a store's folder, whatever has become of its records.
pub fn has_packets(dir: &Path) -> bool {
    let windows = packets_in(dir).read_dir();
    windows.is_ok_and(|mut windows| windows.any(|one| one.is_ok_and(|one| one.path().is_dir())))
}

/// Where [`file_in`] found none.
pub fn none(why: String) -> Failure {
    match why.starts_with("there is no") {
        true => Failure::new(why).hint("`como serve` makes one; `[store] dir` says where"),
        false => Failure::new(why),
    }
}

/// One thing that is stored.
struct Row {
    stream: String,
    module: String,
    output: &'static str,
    from: Option<Ts>,
    to: Option<Ts>,
    records: Option<u64>,
    bytes: u64,
    retain: Option<Span>,
}

fn list(place: &Place, args: &Ls) -> Result {
    let streams = salvaged(&place.dir)?.and_then(|store| Ok(store.streams()?));
    let (streams, mut failed) = match streams {
        Ok(streams) => (streams, None),
        Err(failure) => (Vec::new(), Some(failure)),
    };
    if let Some(failure) = failed.take_if(|_| place.windows().is_ok_and(|all| all.is_empty())) {
        return Err(failure);
    }
    let mut rows: Vec<Row> = streams.iter().map(records).collect();
    for dir in place.windows()? {
        rows.push(window(place, &dir, &streams)?);
    }
    rows.sort_by(|a, b| (&a.stream, b.output).cmp(&(&b.stream, a.output)));
    show(&rows, args.json)?;
    failed.map_or(Ok(()), Err)
}

fn show(rows: &[Row], as_json: bool) -> Result {
    if as_json || !io::stdout().is_terminal() {
        return rows.iter().try_for_each(|row| output::line(&row.json()));
    }
    let head = ["STREAM", "MODULE", "OUTPUT", "FROM", "TO", "RECORDS", "BYTES", "RETAIN"];
    let mut table = output::list(head);
    for row in rows {
        table.add_row(row.cells());
    }
    [5, 6].into_iter().for_each(|column| output::align_right(&mut table, column));
    output::line(&output::text(table))
}

fn records(stream: &Stream) -> Row {
    Row {
        stream: stream.name.clone(),
        module: stream.module.clone(),
        output: "records",
        from: stream.first,
        to: stream.end.filter(|_| stream.first.is_some()),
        records: stream.rows,
        bytes: stream.bytes,
        retain: Some(stream.age_max.unwrap_or(FOREVER)),
    }
}

/// The packets that an instance keeps.
fn window(place: &Place, dir: &Path, streams: &[Stream]) -> Result<Row> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let segments = packets::segments(dir)?;
    let span = packets::covered(dir)?;
    let stream = streams.iter().find(|stream| stream.name == name);
    Ok(Row {
        module: stream.map_or(String::new(), |stream| stream.module.clone()),
        output: "packets",
        from: span.map(|(first, _)| first),
        to: span.map(|(_, last)| last),
        records: None,
        bytes: segments.iter().map(|segment| segment.bytes + segment.index_bytes).sum(),
        retain: place.retain(&name).or(stream.map(|stream| stream.age_max.unwrap_or(FOREVER))),
        stream: name,
    })
}

impl Row {
    fn json(&self) -> serde_json::Value {
        let time = |ts: Option<Ts>| ts.map(|ts| ts.to_string());
        json!({
            "stream": self.stream,
            "module": self.module,
            "output": self.output,
            "from": time(self.from),
            "to": time(self.to),
            "records": self.records,
            "bytes": self.bytes,
            "retain": self.retain.map(shown),
        })
    }

    fn cells(&self) -> [String; 8] {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let time = |ts: Option<Ts>| or_none(ts.map(|ts| ts.to_string()));
        [
            self.stream.clone(),
            self.module.clone(),
            self.output.to_owned(),
            time(self.from),
            time(self.to),
            or_none(self.records.map(|records| thousands(&records.to_string()))),
            thousands(&self.bytes.to_string()),
            or_none(self.retain.map(shown)),
        ]
    }
}

/// How long something is kept, as the configuration has it.
fn shown(retain: Span) -> String {
    if retain == FOREVER { "forever".to_owned() } else { retain.to_string() }
}

fn check(place: &Place, args: &Verify) -> Result {
    let path = records_in(&place.dir);
    let mut faults = Vec::new();
    let mut checked = Checked::default();
    if path.exists() {
        records_of(&path, &mut checked, &mut faults)?;
    } else if place.windows()?.is_empty() {
        place.records()?;
    } else {
        faults.push(Fault { why: "the file of records is missing".to_owned(), ..whole(&path) });
    }
    for path in set_aside(&path)? {
        let why = "it was damaged, and set aside for a new one: what is left of it can be read in \
                   a folder of its own, as `records.redb`";
        faults.push(Fault { why: why.to_owned(), ..whole(&path) });
    }
    for dir in place.windows()? {
        match packets::verify(&dir, &mut |fault| faults.push(fault)) {
            Ok(window) => checked += window,
            Err(error) => faults.push(Fault { why: error.to_string(), ..whole(&dir) }),
        }
    }
    report(&faults, args.json || !io::stdout().is_terminal())?;
    let Checked { streams, blocks, segments, slabs } = checked;
    say(&format!(
        "whole are {blocks} blocks of {streams} streams, and {slabs} slabs of {segments} segments"
    ));
    match faults.iter().filter(|fault| fault.is_told).count() {
        0 => {}
        1 => say("1 loss was told when it came, and is no damage"),
        n => say(&format!("{n} losses were told when they came, and are no damage")),
    }
    match faults.iter().filter(|fault| !fault.is_told).count() {
        0 => Ok(()),
        1 => Err(Failure::new("1 thing is damaged")),
        n => Err(Failure::new(format!("{n} things are damaged"))),
    }
}

/// Verifies the file of records.
fn records_of(path: &Path, checked: &mut Checked, faults: &mut Vec<Fault>) -> Result {
    let damaged = |error: StoreError| Fault { why: error.to_string(), ..whole(path) };
    let store = match RedbStore::open_to_verify(path) {
        Ok((store, error)) => {
            faults.extend(error.map(damaged));
            store
        }
        // Packets lie elsewhere, and are looked at all the same.
        Err(error @ StoreError::Damaged { .. }) => {
            faults.push(damaged(error));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    match verify::records(&store, &mut |fault| faults.push(fault)) {
        Ok(records) => *checked += records,
        Err(error) => faults.push(damaged(error)),
    }
    Ok(())
}

fn whole(path: &Path) -> Fault {
    Fault { place: path.display().to_string(), ..Fault::default() }
}

fn report(faults: &[Fault], as_json: bool) -> Result {
    let time = |ts: Option<Ts>| ts.map(|ts| ts.to_string());
    if as_json {
        return faults.iter().try_for_each(|fault| {
            output::line(&json!({
                "stream": fault.stream,
                "place": fault.place,
                "from": time(fault.from),
                "to": time(fault.to),
                "why": fault.why,
                "damaged": !fault.is_told,
            }))
        });
    }
    if faults.is_empty() {
        return Ok(());
    }
    let mut table = output::list(["STREAM", "PLACE", "FROM", "TO", "WHAT IS WRONG"]);
    for fault in faults {
        let time = |ts| time(ts).unwrap_or_else(|| "-".to_owned());
        let (from, to) = (time(fault.from), time(fault.to));
        table.add_row([&fault.stream, &fault.place, &from, &to, &fault.why]);
    }
    output::line(&output::text(table))
}

/// What a file takes on disk: holes in it take nothing.
fn taken(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(path.metadata()?.blocks() * 512)
}

fn compact(place: &Place) -> Result {
    let path = place.records()?;
    let store = RedbStore::open(&path)?;
    let before = taken(&path)?;
    store.compact()?;
    drop(store);
    let after = taken(&path)?;
    let freed = thousands(&before.saturating_sub(after).to_string());
    let after = thousands(&after.to_string());
    say(&format!("{freed} bytes are free again; `{}` takes {after}", path.display()));
    for dir in place.windows()? {
        let cleared = packets::clear(&dir).map_err(|error| named(&dir, &error))?;
        let dir = dir.display();
        match cleared {
            0 => {}
            1 => say(&format!("`{dir}`: 1 file of segments that have gone was removed")),
            _ => say(&format!("`{dir}`: {cleared} files of segments that have gone were removed")),
        }
    }
    Ok(())
}

fn write(place: &Place, args: &Export) -> Result {
    let store = opened(&place.dir)?;
    let to_stdout = args.write.as_os_str() == "-";
    if to_stdout && io::stdout().is_terminal() {
        let failure = Failure::usage("an archive is not for a terminal");
        return Err(failure.hint("name a file: -w FILE"));
    }
    // A file is written beside its place, so that what is there is whole.
    let mut part = args.write.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let mut out: Box<dyn Write> = match to_stdout {
        true => Box::new(BufWriter::new(io::stdout())),
        false => Box::new(BufWriter::new(File::create(&part).map_err(|e| named(&part, &e))?)),
    };
    let written = archive::write(&store, &args.stream, &mut out);
    drop(out);
    let done = written.and_then(|done| {
        if !to_stdout {
            File::open(&part)?.sync_all()?;
            std::fs::rename(&part, &args.write)?;
        }
        Ok(done)
    });
    let done = done.map_err(|error| {
        if !to_stdout {
            // What is left of it is worth nothing.
            let _ = std::fs::remove_file(&part);
        }
        refused(error)
    })?;
    for damage in &done.damaged {
        say(&format!("left out: {damage}"));
    }
    if packets_in(&place.dir).join(&args.stream).is_dir() {
        say("its packets are not in it: `como query --format pcapng` copies them");
    }
    say(&format!("{} records in {} blocks", thousands(&done.rows.to_string()), done.blocks));
    match done.damaged.len() {
        0 => Ok(()),
        n => Err(Failure::new(format!("{n} damaged parts are not in the archive"))),
    }
}

fn read(place: &Place, args: &Import) -> Result {
    let from: Box<dyn Read> = match args.file.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => Box::new(File::open(&args.file).map_err(|e| named(&args.file, &e))?),
    };
    let mut archive = Archive::open(BufReader::new(from)).map_err(refused)?;
    if let Some(name) = &args.name {
        archive = archive.renamed(name);
    }
    std::fs::create_dir_all(&place.dir).map_err(|error| named(&place.dir, &error))?;
    let store = RedbStore::create(&records_in(&place.dir))?;
    let done = store.import(&mut archive).map_err(refused)?;
    let rows = thousands(&done.rows.to_string());
    say(&format!("`{}`: {rows} records in {} blocks", archive.stream().name, done.blocks));
    Ok(())
}

fn named(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("`{}`: {}", path.display(), crate::error::with_causes(error)))
}

fn refused(error: ArchiveError) -> Failure {
    match error {
        ArchiveError::Store(error) => error.into(),
        ArchiveError::Io(error) => error.into(),
        error => match error.to_string().split_once(": ") {
            Some((what, hint)) if !matches!(error, ArchiveError::Damaged { .. }) => {
                Failure::new(what).hint(hint)
            }
            _ => Failure::new(error.to_string()),
        },
    }
}

fn remove(place: &Place, args: &Rm) -> Result {
    let store = RedbStore::open(&place.records()?)?;
    let name = args.stream.as_str();
    let stream = store.stream(name)?;
    let mut windows = place.windows()?.into_iter();
    let window = windows.find(|dir| dir.file_name() == Some(name.as_ref()));
    if stream.is_none() && window.is_none() {
        let known = store.streams()?.into_iter().map(|stream| stream.name).collect::<Vec<_>>();
        let failure = Failure::new(format!("there is no stream `{name}`"));
        return Err(match crate::error::nearest(name, known.iter().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`como store ls` lists them"),
        });
    }
    let before = args.before.as_deref().map(|text| instant(text, stream.as_ref())).transpose()?;
    let rows = match before {
        Some(before) => store.cut(name, before)?,
        None => {
            store.remove(name)?;
            stream.and_then(|stream| stream.rows).unwrap_or(0)
        }
    };
    let segments = window.map(|dir| packets::remove(&dir, before).map_err(|e| named(&dir, &e)));
    let rows = thousands(&rows.to_string());
    match segments.transpose()? {
        Some(segments) => say(&format!("removed {rows} records and {segments} segments")),
        None => say(&format!("removed {rows} records")),
    }
    Ok(())
}

/// The instant of a text, where 0 is the end of a stream.
fn instant(text: &str, stream: Option<&Stream>) -> Result<Ts> {
    let clock = stream.and_then(|stream| stream.end).unwrap_or_default();
    let window = Times::between(Some(text), None).and_then(|times| times.resolve(clock));
    Ok(window.map_err(|error| Failure::usage(error.to_string()))?.from)
}
