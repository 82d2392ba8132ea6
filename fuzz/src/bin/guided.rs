//! One target guided by coverage: `COMO_FUZZ=netflow guided FOLDER...`, as `fuzz/run.sh` calls it.
//!
//! Arguments are libFuzzer's; which target runs is said in the environment.

#![no_main]

use std::sync::OnceLock;

use como_fuzz::{TARGETS, Target, named};

static TARGET: OnceLock<&'static Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("COMO_FUZZ").unwrap_or_default();
        let names = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
        let target = named(&name);
        let target = target.unwrap_or_else(|| panic!("COMO_FUZZ={name} is none of {}", names()));
        TARGET.get_or_init(|| target);
    },
    |bytes: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.run)(bytes);
        }
    }
);
