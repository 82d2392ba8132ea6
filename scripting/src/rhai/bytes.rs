//! Bytes as scripts see them: each is a whole number like any other.
//!
//! Rhai itself hands a loop over bytes values of a type of their own, which nothing adds up.

use std::any::TypeId;

use rhai::{Blob, Dynamic, Engine, INT, Module};

/// Puts a walk over bytes in place of Rhai's own.
pub(super) fn register(engine: &mut Engine) {
    let mut module = Module::new();
    module.set_iter(TypeId::of::<Blob>(), |bytes| {
        let bytes = bytes.into_blob().unwrap_or_default();
        Box::new(bytes.into_iter().map(|byte| Dynamic::from_int(INT::from(byte))))
    });
    // What is registered later is found first.
    engine.register_global_module(module.into());
}
