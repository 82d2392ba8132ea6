//! `tuple`: packets and bytes of every flow, by five-tuple.
//!
//! Records: `src: addr`, `dst: addr`, `proto: uint`, `sport: uint`, `dport: uint`,
//! `packets: uint`, `bytes: uint`, one per flow and interval, in the order of
//! these columns. Ports are 0 where the protocol has none.

use std::sync::Arc;

use como_core::addr::Addr;
use como_core::batch::Batch;
use como_core::field::{Demand, Field, Id};
use como_core::module::{ArgSpec, Export, Kind, Manifest, Module, ModuleError, Setup, Started};
use como_core::record::{Cells, Column, Data, Records, Schema, Type};
use como_core::selection::Selection;
use como_core::table::{KeyColumn, Mask};
use como_core::time::{Interval, Span};

use crate::totals::{Total, Totals};

/// The module before it runs.
pub struct TupleKind {
    manifest: Manifest,
}

impl Default for TupleKind {
    fn default() -> Self {
        let mask = ArgSpec {
            doc: "bits of the addresses that count; IPv6 keeps twice as many".into(),
            ..ArgSpec::new("mask", 32u64)
        };
        let manifest = Manifest {
            name: "tuple-native".into(),
            doc: "Packets and bytes of every flow.".into(),
            language: "rust",
            args: vec![mask],
            ..Manifest::default()
        };
        Self { manifest: manifest.with_interval() }
    }
}

impl Kind for TupleKind {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn start(&self, setup: &Setup) -> Result<Started, ModuleError> {
        let args = self.manifest.resolve(&setup.args)?;
        let mask = Mask::of(u8::try_from(args.uint("mask")).unwrap_or(u8::MAX));
        let module = Tuple::new(mask, setup.limits.rows_max);
        Ok(Started {
            filter: String::new(),
            demand: [Field::IpSrc, Field::IpDst, Field::IpProto]
                .into_iter()
                .fold(Demand::NONE.id(Id::Flow), Demand::keyed),
            interval: args.span("interval").unwrap_or(Span::from_secs(1)),
            schema: Some(module.schema.clone()),
            module: Box::new(module),
            apart: true,
        })
    }
}

/// A five-tuple, ordered as its records are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Flow {
    src: Addr,
    dst: Addr,
    proto: u8,
    sport: u16,
    dport: u16,
}

/// Packets and bytes by flow, for the open interval.
#[derive(Debug)]
pub struct Tuple {
    mask: Option<Mask>,
    totals: Totals<Flow>,
    schema: Arc<Schema>,
}

impl Tuple {
    fn new(mask: Mask, rows_max: usize) -> Self {
        let mask = Some(mask).filter(|mask| !mask.is_whole());
        let addr = |name: &str, field| {
            let key = KeyColumn { mask, ..KeyColumn::new(name, field) };
            Column::new(name, Type::Addr).of(key.text())
        };
        let schema = Schema::new([
            addr("src", Field::IpSrc),
            addr("dst", Field::IpDst),
            Column::new("proto", Type::Uint).of("ip.proto"),
            Column::new("sport", Type::Uint).of("sport or 0"),
            Column::new("dport", Type::Uint).of("dport or 0"),
            Column::new("packets", Type::Uint).unit("packets").of("count()"),
            Column::new("bytes", Type::Uint).unit("bytes").of("sum(\"len\")"),
        ]);
        Self { mask, totals: Totals::new(Id::Flow, rows_max), schema: Arc::new(schema) }
    }
}

impl Module for Tuple {
    fn update(&mut self, batch: &Batch, picked: &Selection) {
        let (Some((src, _)), Some((dst, _))) =
            (batch.addrs(Field::IpSrc), batch.addrs(Field::IpDst))
        else {
            return;
        };
        let (Some((proto, _)), Some((sport, _)), Some((dport, _))) = (
            batch.numbers(Field::IpProto),
            batch.numbers(Field::Sport),
            batch.numbers(Field::Dport),
        ) else {
            return;
        };
        // A column holds 0 where a packet has no ports.
        self.totals.update(batch, picked, |at| Flow {
            src: src[at],
            dst: dst[at],
            proto: proto[at] as u8,
            sport: sport[at] as u16,
            dport: dport[at] as u16,
        });
    }

    fn export(&mut self, interval: Interval, out: &mut Export) {
        let networks = self.mask.map(|mask| {
            move |flow: Flow| Flow { src: mask.apply(flow.src), dst: mask.apply(flow.dst), ..flow }
        });
        let mut rows = self.totals.take(networks);
        rows.sort_unstable_by_key(|(flow, _)| *flow);
        let addrs = |of: fn(&Flow) -> Addr| {
            Cells::of(Data::Addr(rows.iter().map(|(flow, _)| of(flow)).collect()))
        };
        let numbers = |of: fn(&Flow, &Total) -> u64| {
            Cells::of(Data::Uint(rows.iter().map(|(flow, total)| of(flow, total)).collect()))
        };
        out.records(Records {
            schema: self.schema.clone(),
            starts: vec![interval.start(); rows.len()],
            len: interval.len(),
            cells: vec![
                addrs(|flow| flow.src),
                addrs(|flow| flow.dst),
                numbers(|flow, _| flow.proto.into()),
                numbers(|flow, _| flow.sport.into()),
                numbers(|flow, _| flow.dport.into()),
                numbers(|_, total| total.packets),
                numbers(|_, total| total.bytes),
            ],
            cut: false,
        });
    }

    fn state_bytes(&self) -> usize {
        self.totals.state_bytes()
    }

    fn overflowed(&self) -> u64 {
        self.totals.overflowed()
    }
}
