//! `topaddr`: the addresses or networks that receive, or send, most bytes.
//!
//! Records: `addr: addr`, `bytes: uint`, `packets: uint`, the largest first, at
//! most `n` per interval. Equal sums are in the order of the addresses.

use std::cmp::Reverse;
use std::sync::Arc;

use como_core::addr::Addr;
use como_core::batch::Batch;
use como_core::field::{Demand, Field, Id};
use como_core::module::{
    ArgSpec, Args, Export, Kind, Manifest, Module, ModuleError, Setup, Started,
};
use como_core::record::{Cells, Column, Data, Records, Schema, Type};
use como_core::selection::Selection;
use como_core::table::{KeyColumn, Mask};
use como_core::time::{Interval, Span};

use crate::totals::{Total, Totals};

/// The module before it runs.
pub struct TopaddrKind {
    manifest: Manifest,
}

impl Default for TopaddrKind {
    fn default() -> Self {
        let arg = |spec: ArgSpec, doc: &str| ArgSpec { doc: doc.to_owned(), ..spec };
        let args = vec![
            arg(ArgSpec::new("n", 20u64), "how many addresses"),
            arg(ArgSpec::new("use_dst", true), "count by destination"),
            arg(ArgSpec::new("use_src", false), "count by source instead"),
            arg(ArgSpec::new("mask", 32u64), "bits that count; IPv6 keeps twice as many"),
            ArgSpec::new("interval", "5s"),
        ];
        let manifest = Manifest {
            name: "topaddr-native".into(),
            doc: "Top addresses by bytes.".into(),
            language: "rust",
            args,
            ..Manifest::default()
        };
        Self { manifest }
    }
}

impl Kind for TopaddrKind {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn start(&self, setup: &Setup) -> Result<Started, ModuleError> {
        let args = self.manifest.resolve(&setup.args)?;
        let module = Topaddr::new(&args, setup.limits.rows_max);
        Ok(Started {
            filter: String::new(),
            demand: Demand::NONE.id(module.id).keyed(module.field()),
            interval: args.span("interval").unwrap_or(Span::from_secs(5)),
            schema: Some(module.schema.clone()),
            module: Box::new(module),
            apart: true,
        })
    }
}

/// Bytes and packets by address, for the open interval.
#[derive(Debug)]
pub struct Topaddr {
    n: usize,
    id: Id,
    mask: Option<Mask>,
    totals: Totals<Addr>,
    schema: Arc<Schema>,
}

impl Topaddr {
    fn new(args: &Args, rows_max: usize) -> Self {
        let by_source = args.flag("use_src") || !args.flag("use_dst");
        let id = if by_source { Id::Src } else { Id::Dst };
        let mask = Mask::of(u8::try_from(args.uint("mask")).unwrap_or(u8::MAX));
        let field = if by_source { Field::IpSrc } else { Field::IpDst };
        let mask = Some(mask).filter(|mask| !mask.is_whole());
        let key = KeyColumn { mask, ..KeyColumn::new("addr", field) };
        let schema = Schema::new([
            Column::new("addr", Type::Addr).of(key.text()),
            Column::new("bytes", Type::Uint).unit("bytes").of("sum(\"len\")"),
            Column::new("packets", Type::Uint).unit("packets").of("count()"),
        ]);
        Self {
            n: usize::try_from(args.uint("n")).unwrap_or(usize::MAX),
            id,
            mask,
            totals: Totals::new(id, rows_max),
            schema: Arc::new(schema),
        }
    }

    /// The field whose values are counted.
    fn field(&self) -> Field {
        if self.id == Id::Src { Field::IpSrc } else { Field::IpDst }
    }
}

impl Module for Topaddr {
    fn update(&mut self, batch: &Batch, picked: &Selection) {
        let field = self.field();
        let Some((addrs, _)) = batch.addrs(field) else { return };
        self.totals.update(batch, picked, |at| addrs[at]);
    }

    fn export(&mut self, interval: Interval, out: &mut Export) {
        let mut rows = self.totals.take(self.mask.map(|mask| move |addr| mask.apply(addr)));
        let cut = rows.len() > self.n;
        let largest = |(addr, total): &(Addr, Total)| (Reverse(total.bytes), *addr);
        if cut {
            rows.select_nth_unstable_by_key(self.n, largest);
            rows.truncate(self.n);
        }
        rows.sort_unstable_by_key(largest);
        out.records(Records {
            schema: self.schema.clone(),
            starts: vec![interval.start(); rows.len()],
            len: interval.len(),
            cells: vec![
                Cells::of(Data::Addr(rows.iter().map(|(addr, _)| *addr).collect())),
                Cells::of(Data::Uint(rows.iter().map(|(_, total)| total.bytes).collect())),
                Cells::of(Data::Uint(rows.iter().map(|(_, total)| total.packets).collect())),
            ],
            cut,
        });
    }

    fn state_bytes(&self) -> usize {
        self.totals.state_bytes()
    }

    fn overflowed(&self) -> u64 {
        self.totals.overflowed()
    }
}
