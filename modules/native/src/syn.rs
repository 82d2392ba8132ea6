//! `syn`: TCP packets that open a connection, SYN without ACK.
//!
//! Records: `packets: uint`, `bytes: uint`, one per interval in which a source
//! was heard. The packets are told apart in `check`, as a script would do it, to
//! show what that costs; as a filter it costs nothing that others do not share.

use std::sync::Arc;

use como_core::batch::{Batch, Present};
use como_core::field::{Demand, Field};
use como_core::module::{Export, Kind, Manifest, Module, ModuleError, Setup, Started};
use como_core::record::{Column, Schema, Type};
use como_core::selection::Selection;
use como_core::time::Interval;

/// FIN, SYN, RST and so on have a bit each in the flags of TCP (RFC 9293, 3.1).
const SYN: u32 = 1 << 1;
const ACK: u32 = 1 << 4;

/// The module before it runs.
pub struct SynKind {
    manifest: Manifest,
}

impl Default for SynKind {
    fn default() -> Self {
        let manifest = Manifest {
            name: "syn-native".into(),
            doc: "Attempts to connect: TCP packets that open a connection.".into(),
            language: "rust",
            ..Manifest::default()
        };
        Self { manifest: manifest.with_interval() }
    }
}

impl Kind for SynKind {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn start(&self, setup: &Setup) -> Result<Started, ModuleError> {
        let args = self.manifest.resolve(&setup.args)?;
        let schema = Schema::new([
            Column::new("packets", Type::Uint).unit("packets"),
            Column::new("bytes", Type::Uint).unit("bytes"),
        ]);
        Ok(Started {
            module: Box::new(Syn::default()),
            filter: String::new(),
            demand: Demand::NONE.field(Field::TcpFlags),
            interval: args
                .span("interval")
                .unwrap_or(como_core::module::manifest::INTERVAL_DEFAULT),
            schema: Some(Arc::new(schema)),
            apart: true,
        })
    }
}

/// Running totals for the open interval.
#[derive(Debug, Default)]
pub struct Syn {
    packets: u64,
    bytes: u64,
}

impl Module for Syn {
    fn checks(&self) -> bool {
        true
    }

    fn check(&mut self, batch: &Batch, picked: &mut Selection) {
        let Some((flags, present)) = batch.numbers(Field::TcpFlags) else {
            *picked = Selection::none(batch.len());
            return;
        };
        if let Present::Some(these) = present {
            picked.and(these);
        }
        let opens = |at: usize| flags.get(at).is_some_and(|flags| flags & (SYN | ACK) == SYN);
        picked.and(&Selection::of(batch.len(), opens));
    }

    fn update(&mut self, batch: &Batch, picked: &Selection) {
        self.packets = self.packets.saturating_add(batch.packets().sum(picked));
        self.bytes = self.bytes.saturating_add(batch.bytes().sum(picked));
    }

    fn export(&mut self, interval: Interval, out: &mut Export) {
        let Syn { packets, bytes } = std::mem::take(self);
        out.record(interval).set("packets", packets).set("bytes", bytes);
    }
}
