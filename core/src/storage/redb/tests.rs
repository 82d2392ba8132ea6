//! The store on disk: conformance, files that are none, damage, crashes, full disks.

use parking_lot::Mutex;

use super::*;
use crate::record::Output;
use crate::storage::{Scan, conformance};
use crate::time::Ts;

mod crash;
mod files;
mod startup;

#[test]
fn the_store_on_disk_conforms() {
    conformance::all(|| {
        let memory = Mutex::new(Some(::redb::backends::InMemoryBackend::new()));
        let open = move || match memory.lock().take() {
            Some(memory) => Database::builder().create_with_backend(memory).map(Handle::Whole),
            None => Err(DatabaseError::Storage(StorageError::DatabaseClosed)),
        };
        RedbStore::with("memory".to_owned(), Box::new(open)).expect("a new store")
    });
}

/// Numbers that look like chance and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        let Self(state) = self;
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as usize % n
    }
}

/// The seconds of the rows of a stream, or what is wrong with it.
fn seconds(store: &dyn RecordStore, stream: &str) -> Result<Vec<u64>, String> {
    let mut rows = Vec::new();
    let mut scan = Scan::new(store, stream, Window::ALL);
    for part in scan.by_ref() {
        if let Output::Records(r) = part.map_err(|e| e.to_string())?.output {
            rows.extend(r.starts.iter().map(|ts| ts.parts().0));
        }
    }
    if scan.damaged() > 0 { Err("damaged blocks".to_owned()) } else { Ok(rows) }
}
