//! `traffic`: packets and bytes per interval.
//!
//! The smallest useful module, and the one to copy when writing another.
//! Records: `packets: uint`, `bytes: uint`, one per interval in which a source
//! was heard, zeros included, so that a silent link shows as zero and a dead
//! one as a gap.

use std::sync::Arc;

use como_core::batch::Batch;
use como_core::field::Demand;
use como_core::module::{Export, Kind, Manifest, Module, ModuleError, Setup, Started};
use como_core::record::{Column, Schema, Type};
use como_core::selection::Selection;
use como_core::time::Interval;

/// The module before it runs.
pub struct TrafficKind {
    manifest: Manifest,
}

impl Default for TrafficKind {
    fn default() -> Self {
        let manifest = Manifest {
            name: "traffic-native".into(),
            doc: "Packets and bytes per interval.".into(),
            language: "rust",
            ..Manifest::default()
        };
        Self { manifest: manifest.with_interval() }
    }
}

impl Kind for TrafficKind {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn start(&self, setup: &Setup) -> Result<Started, ModuleError> {
        let args = self.manifest.resolve(&setup.args)?;
        Ok(Started {
            module: Box::new(Traffic::default()),
            filter: String::new(),
            demand: Demand::NONE,
            interval: args
                .span("interval")
                .unwrap_or(como_core::module::manifest::INTERVAL_DEFAULT),
            schema: Some(Arc::new(schema())),
            apart: true,
        })
    }
}

fn schema() -> Schema {
    Schema::new([
        Column::new("packets", Type::Uint).unit("packets").of("count()"),
        Column::new("bytes", Type::Uint).unit("bytes").of("sum(\"len\")"),
    ])
}

/// Running totals for the open interval.
#[derive(Debug, Default)]
pub struct Traffic {
    packets: u64,
    bytes: u64,
}

impl Module for Traffic {
    fn update(&mut self, batch: &Batch, picked: &Selection) {
        // Both columns are weighted: a sampled packet counts for all it stands for.
        self.packets = self.packets.saturating_add(batch.packets().sum(picked));
        self.bytes = self.bytes.saturating_add(batch.bytes().sum(picked));
    }

    fn export(&mut self, interval: Interval, out: &mut Export) {
        let Traffic { packets, bytes } = std::mem::take(self);
        out.record(interval).set("packets", packets).set("bytes", bytes);
    }
}
