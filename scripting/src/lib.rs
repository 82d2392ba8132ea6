//! Scripts as modules, in Lua and in Rhai.

pub mod declare;
