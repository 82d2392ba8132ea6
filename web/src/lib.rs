//! The HTTP door: URLs become core queries.
//!
//! [`guard`] stands before tiny_http and keeps it from hostile clients.

pub mod chunked;
pub mod guard;
pub mod head;
