//! The machine: everything between bytes from a source and an answer to a query.
//!
//! The order of the modules below is the order in which a packet meets them.
//! Nothing here prints, reads arguments, or imports a sibling crate: the
//! command, the web door and the script hosts all stand on this one.

pub mod addr;
pub mod batch;
pub mod capture;
pub mod community;
pub mod costs;
pub mod field;
pub mod filter;
pub mod hash;
mod hush;
pub mod intern;
pub mod lookup;
pub mod mapped;
pub mod module;
pub mod nearest;
pub mod packet;
pub mod prefetch;
pub mod query;
pub mod queue;
pub mod quote;
pub mod record;
pub mod render;
pub mod replay;
pub mod rollup;
pub mod selection;
pub mod size;
pub mod source;
pub mod storage;
pub mod summary;
pub mod supervisor;
pub mod table;
pub mod time;
mod wire;
pub mod worker;
