//! The service behind `trace`: packets kept as they are, or shown one by one.
//!
//! With a place to write, packets go to pcapng on a thread of their own, and a
//! record per interval says how many. Without one every packet is a record at
//! its own time. No script runs per packet either way.

use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::{
    ArgError, ArgSpec, Args, Export, Fault, Manifest, Module, ModuleError, Setup, Started,
};
use crate::addr::Addr;
use crate::batch::Batch;
use crate::batch::columns::Values;
use crate::costs::Costs;
use crate::field::{Demand, Field};
use crate::filter::Expr;
use crate::packet::Packet;
use crate::record::{Cells, Column, Data, Records, Schema, Type, Value};
use crate::selection::Selection;
use crate::storage::packets::{Keeps, PacketWriter, Place, SNAPLEN_MAX, Spot, Taken};
use crate::storage::pcapng::Stands;
use crate::table::Filled;
use crate::time::{Interval, Span};

mod adding;
#[cfg(test)]
mod tests;

pub use adding::Adding;

/// The name by which a script asks for this service.
pub const SERVICE: &str = "trace";

/// The bytes of a packet that are kept where nothing else is said: all of any that is captured.
const SNAPLEN_DEFAULT: u64 = SNAPLEN_MAX as u64;

/// The arguments the service understands.
pub fn args() -> Vec<ArgSpec> {
    let arg = |name, default: Value, doc: &str| ArgSpec {
        doc: doc.to_owned(),
        ..ArgSpec::new(name, default)
    };
    vec![
        arg("snaplen", SNAPLEN_DEFAULT.into(), "bytes of each packet to keep"),
        arg(
            "payload",
            (-1i64).into(),
            "bytes of each packet to keep behind its headers; -1 for all",
        ),
        arg("file", "".into(), "capture file to write, in place of records of each packet"),
        arg("interval", "1s".into(), "how often to report"),
    ]
}

/// The manifest of a script that says no more than that it wants this service: with the arguments
/// of [`args`] that it does not declare itself.
pub fn complete(mut manifest: Manifest) -> Manifest {
    for spec in args() {
        if !manifest.args.iter().any(|own| own.name == spec.name) {
            manifest.args.push(spec);
        }
    }
    Manifest { keeps_packets: true, ..manifest }
}

/// Starts an instance. `manifest` is the script's, [`complete`].
pub fn start(manifest: &Manifest, setup: &Setup) -> Result<Started, ModuleError> {
    let args = manifest.resolve(&setup.args)?;
    let interval = args.span("interval").unwrap_or(super::manifest::INTERVAL_DEFAULT);
    let filter = manifest.filter.clone();
    let (module, demand, schema): (Box<dyn Module>, _, _) = match place(&args, setup) {
        Some(place) => {
            let taken =
                Taken { filter: filters(&place, &filter, setup), ..taken(manifest, &args, setup)? };
            let keeping = Keeping::new(place, taken, setup.costs.clone())?;
            // Only who cuts payload has headers looked for.
            let demand =
                if keeping.payload.is_some() { Demand::NONE.layers() } else { Demand::NONE };
            (Box::new(keeping), demand, kept_schema())
        }
        None => (Box::new(Listing::new(setup.limits.rows_max)), listed_demand(), listed_schema()),
    };
    Ok(Started { module, filter, demand, interval, schema: Some(Arc::new(schema)), apart: false })
}

/// Where packets go, if anywhere: the user's file before the configured store.
fn place(args: &Args, setup: &Setup) -> Option<Place> {
    if !setup.writes {
        return None;
    }
    match args.text("file") {
        "" => setup.packets.clone(),
        file => Some(Place::File(PathBuf::from(file))),
    }
}

/// What is kept of each packet. Of one whose addresses are replaced only the headers are: nobody
/// knows what addresses the rest names.
fn taken(manifest: &Manifest, args: &Args, setup: &Setup) -> Result<Taken, ModuleError> {
    let snaplen = match args.uint("snaplen") {
        0 => SNAPLEN_DEFAULT,
        n => n.min(SNAPLEN_DEFAULT),
    };
    let anonymize = match &setup.packets {
        Some(Place::Directory(room)) => room.anonymize.clone(),
        _ => None,
    };
    let payload = match anonymize {
        Some(_) => Some(0),
        None => match args.get("payload") {
            Some(Value::Int(..-1)) => return Err(negative(manifest, args).into()),
            Some(Value::Int(bytes)) => u32::try_from(*bytes).ok(),
            Some(Value::Uint(bytes)) => u32::try_from(*bytes).ok(),
            _ => None,
        },
    };
    Ok(Taken { payload, anonymize, ..Taken::whole(snaplen as u32) })
}

fn negative(manifest: &Manifest, args: &Args) -> ArgError {
    ArgError::IllTyped {
        module: manifest.name.clone(),
        name: "payload".to_owned(),
        given: args.get("payload").map(ToString::to_string).unwrap_or_default(),
        wanted: "a number of bytes, or -1 for all",
    }
}

/// The filter of packets that others may look for, as they are asked for.
fn filters(place: &Place, own: &str, setup: &Setup) -> String {
    let both = Expr::parse(own).and_then(|own| Ok(own.and(Expr::parse(&setup.filter)?)));
    match place {
        // What is wrong with it is said by who applies it.
        Place::Directory(_) => both.map_or_else(|_| String::new(), |both| both.to_string()),
        Place::File(_) => String::new(),
    }
}

/// What is recorded where packets are kept.
pub fn kept_schema() -> Schema {
    Schema::new([
        Column::new("packets", Type::Uint).unit("packets"),
        Column::new("bytes", Type::Uint).unit("bytes"),
        Column::new("lost", Type::Uint).unit("packets"),
    ])
}

/// Writes packets.
struct Keeping {
    writer: PacketWriter,
    // Where, if others may read them there.
    keeps: Option<Keeps>,
    // Bytes of payload to keep, where it is cut.
    payload: Option<u32>,
    // Packets and captured bytes of the open interval, and packets lost when it opened.
    packets: u64,
    bytes: u64,
    lost: u64,
}

impl Keeping {
    fn new(place: Place, taken: Taken, costs: Arc<Costs>) -> Result<Self, ModuleError> {
        let (file, payload) = (place.path().display().to_string(), taken.payload);
        let keeps = match &place {
            Place::Directory(room) => {
                let (dir, filter) = (room.path.clone(), taken.filter.clone());
                Some(Keeps { dir, changed: taken.changed(), filter })
            }
            Place::File(_) => None,
        };
        let writer = PacketWriter::new(place, taken, costs)
            .map_err(|error| ModuleError::Target { file, why: error.to_string() })?;
        Ok(Self { writer, keeps, payload, packets: 0, bytes: 0, lost: 0 })
    }
}

impl Module for Keeping {
    fn update(&mut self, batch: &Batch, picked: &Selection) {
        picked.for_each(|at| {
            let packet = &batch.all()[at];
            let stands = Stands::of(batch, at);
            let (mut data, wire_len) = (batch.data(at), packet.wire_len);
            // Of a packet made from a record there is no payload.
            if let Some(payload) = self.payload.filter(|_| packet.marks & Packet::FLOW == 0) {
                let end = batch.layers(at).end(packet.link, data).saturating_add(payload as usize);
                data = data.get(..end).unwrap_or(data);
            }
            self.writer.put(packet.source, packet.link, packet.ts, data, wire_len, stands);
            self.packets += 1;
            self.bytes += data.len() as u64;
        });
    }

    fn export(&mut self, interval: Interval, out: &mut Export) {
        self.writer.pass(interval.end());
        let lost = self.writer.written().lost();
        out.record(interval)
            .set("packets", std::mem::take(&mut self.packets))
            .set("bytes", std::mem::take(&mut self.bytes))
            .set("lost", lost - std::mem::replace(&mut self.lost, lost));
    }

    fn fault(&mut self) -> Option<Fault> {
        let message = self.writer.written().complaint()?;
        Some(Fault::new(message))
    }

    fn trouble(&self) -> Option<String> {
        self.writer.written().trouble()
    }

    fn state_bytes(&self) -> usize {
        18 << 20
    }

    fn keeps(&self) -> Option<Keeps> {
        self.keeps.clone()
    }

    fn settle(&mut self) {
        let (told, is_written) = crossbeam_channel::bounded(1);
        self.writer.mark(told);
        // What is written, or lost, by then is counted; where the next would be is nobody's matter.
        let _ = is_written.recv();
    }

    fn mark(&mut self, told: Sender<Spot>) {
        self.writer.mark(told);
    }
}

/// The fields of a packet's record, in order.
const LISTED: [(&str, Field); 10] = [
    ("eth_type", Field::EthType),
    ("src", Field::IpSrc),
    ("dst", Field::IpDst),
    ("proto", Field::IpProto),
    ("sport", Field::Sport),
    ("dport", Field::Dport),
    ("flags", Field::TcpFlags),
    ("ttl", Field::IpTtl),
    ("len", Field::Len),
    ("cap_len", Field::CapLen),
];

fn listed_demand() -> Demand {
    LISTED.iter().fold(Demand::NONE, |demand, (_, field)| demand.field_if_any(*field))
}

fn listed_schema() -> Schema {
    Schema::new(LISTED.map(|(name, field)| match field {
        Field::IpSrc | Field::IpDst => Column::new(name, Type::Addr),
        Field::Len | Field::CapLen => Column::new(name, Type::Uint).unit("bytes"),
        _ => Column::new(name, Type::Uint),
    }))
}

/// Shows packets.
struct Listing {
    schema: Arc<Schema>,
    rows: Records,
    rows_max: usize,
    overflowed: u64,
}

impl Listing {
    fn new(rows_max: usize) -> Self {
        let schema = Arc::new(listed_schema());
        let rows = Records::empty(schema.clone(), Span(0));
        Self { schema, rows, rows_max, overflowed: 0 }
    }
}

impl Module for Listing {
    fn update(&mut self, batch: &Batch, picked: &Selection) {
        let room = self.rows_max.saturating_sub(self.rows.rows());
        let all = picked.count();
        self.overflowed += all.saturating_sub(room) as u64;
        let places: Vec<usize> = picked.iter().take(room).collect();
        self.rows.starts.extend(places.iter().map(|at| batch.all()[*at].ts));
        for ((_, field), cells) in LISTED.iter().zip(&mut self.rows.cells) {
            extend(cells, batch, *field, &places);
        }
    }

    fn export(&mut self, _: Interval, out: &mut Export) {
        let empty = Records::empty(self.schema.clone(), Span(0));
        let mut rows = std::mem::replace(&mut self.rows, empty);
        // Packets that stepped back in time count in this interval, and stand at their own time.
        rows.sort();
        out.records(rows);
    }

    fn state_bytes(&self) -> usize {
        self.rows.rows().saturating_mul(8 + LISTED.len() * 12)
    }

    fn overflowed(&self) -> u64 {
        self.overflowed
    }

    fn filled(&self) -> Option<String> {
        (self.overflowed > 0).then(|| Filled::Rows(self.rows_max).to_string())
    }
}

/// Adds a field of the given packets to its column.
fn extend(cells: &mut Cells, batch: &Batch, field: Field, places: &[usize]) {
    let before = cells.data.len();
    let column = batch.column(field);
    match (&mut cells.data, field) {
        (Data::Uint(out), Field::Len) => {
            out.extend(places.iter().map(|at| u64::from(batch.all()[*at].wire_len)));
            return;
        }
        (Data::Uint(out), Field::CapLen) => {
            out.extend(places.iter().map(|at| u64::from(batch.all()[*at].cap_len)));
            return;
        }
        (Data::Uint(out), _) => match column.map(|c| &c.values) {
            Some(Values::U32(v)) => out.extend(places.iter().map(|at| u64::from(v[*at]))),
            Some(Values::U64(v)) => out.extend(places.iter().map(|at| v[*at])),
            _ => out.resize(before + places.len(), 0),
        },
        (Data::Addr(out), _) => match column.map(|c| &c.values) {
            Some(Values::Addr(v)) => out.extend(places.iter().map(|at| v[*at])),
            _ => out.resize(before + places.len(), Addr::default()),
        },
        _ => return,
    }
    let has = |at: &usize| column.is_some_and(|c| c.present.has(*at));
    if places.iter().all(has) && cells.absent.is_empty() {
        return;
    }
    cells.absent.resize(before, false);
    cells.absent.extend(places.iter().map(|at| !has(at)));
}
