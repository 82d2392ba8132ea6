//! What strings and hashes tell of bytes, as they lie in the batch.
//!
//! What these answer, and what they complain of, is what a string's own methods do (`lstrlib.cpp`
//! of Luau). `text.uint` is here because it is so little work. All other functions of the library
//! that take bytes are called by one rule: see [`super::library`].
//!
//! Unsafe code: these are functions of the VM's own kind, which find their arguments on its stack.

use std::ffi::{CStr, c_int};

use memchr::memmem;
use mlua::ffi;

use super::{length_of, payload, push, through_string};
use crate::api::bytes;

/// The functions here, by topic and name.
pub const LOOKS: [(&str, &CStr, ffi::lua_CFunction); 7] = [
    ("string", c"byte", byte),
    ("string", c"find", find),
    ("string", c"len", len),
    ("string", c"sub", sub),
    ("hash", c"bucket", bucket),
    ("hash", c"number", number),
    ("text", c"uint", uint),
];

/// Whether there is a function here of that topic and name: it looks at its first argument.
pub fn looks(topic: &str, name: &str) -> bool {
    LOOKS.iter().any(|look| look.0 == topic && look.1.to_bytes() == name.as_bytes())
}

/// What makes a pattern more than a text.
pub const MAGIC: &[u8] = b"^$*+?.([%-";
/// The most bytes of a text times those of what is looked for.
pub const WORK_MAX: usize = 1 << 28;

/// The payload that a function of strings is called with; an error where there is none.
///
/// SAFETY: as of [`payload`].
unsafe fn called<'a>(state: *mut ffi::lua_State, name: &CStr) -> &'a [u8] {
    // SAFETY: as of `payload`.
    unsafe {
        if let Some(bytes) = payload(state, 1) {
            return bytes;
        }
        if ffi::lua_toboolean(state, ffi::lua_upvalueindex(2)) != 0 {
            ffi::luaL_error(state, c"attempt to index nil with '%s'".as_ptr(), name.as_ptr());
        }
        ffi::lua_pushnil(state);
        ffi::lua_replace(state, 1);
        ffi::luaL_typeerror(state, 1, c"string".as_ptr());
    }
}

/// A place in a text of `len` bytes, which below zero counts from the end.
fn placed(at: c_int, len: c_int) -> c_int {
    if at >= 0 { at } else { at.wrapping_add(len).wrapping_add(1).max(0) }
}

unsafe extern "C-unwind" fn len(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions.
    unsafe { ffi::lua_pushinteger_(state, length_of(called(state, c"len"))) };
    1
}

unsafe extern "C-unwind" fn sub(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions.
    unsafe {
        let bytes = called(state, c"sub");
        let len = length_of(bytes);
        let start = placed(ffi::luaL_checkinteger_(state, 2), len).max(1);
        let end = placed(ffi::luaL_optinteger_(state, 3, -1), len).min(len);
        push(state, bytes.get(start as usize - 1..end as usize).unwrap_or_default());
    }
    1
}

unsafe extern "C-unwind" fn byte(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions.
    unsafe {
        let bytes = called(state, c"byte");
        let len = length_of(bytes);
        let start = placed(ffi::luaL_optinteger_(state, 2, 1), len);
        // An end that is not given is the start as it was given.
        let end = placed(ffi::luaL_optinteger_(state, 3, start), len).min(len);
        let part = bytes.get(start.max(1) as usize - 1..end as usize).unwrap_or_default();
        ffi::luaL_checkstack_(state, length_of(part), c"string slice too long".as_ptr());
        for byte in part {
            ffi::lua_pushinteger_(state, c_int::from(*byte));
        }
        length_of(part)
    }
}

unsafe extern "C-unwind" fn find(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions; the text that is looked for lies on the stack meanwhile.
    unsafe {
        let is_method = ffi::lua_toboolean(state, ffi::lua_upvalueindex(2)) != 0;
        let found = if is_method { Some(called(state, c"find")) } else { payload(state, 1) };
        let Some(bytes) = found.filter(|_| ffi::lua_type(state, 2) == ffi::LUA_TSTRING) else {
            return through_string(state, 1, found);
        };
        let mut size = 0;
        let text = ffi::lua_tolstring(state, 2, &raw mut size);
        let text = std::slice::from_raw_parts(text.cast::<u8>(), size);
        if bytes.len().saturating_mul(size) > WORK_MAX {
            ffi::luaL_error(state, c"string.find: text and pattern are too long".as_ptr());
        }
        let plain = ffi::lua_toboolean(state, 4) != 0 || !text.iter().any(|b| MAGIC.contains(b));
        let from = match ffi::lua_type(state, 3) {
            ffi::LUA_TNONE | ffi::LUA_TNIL => 1,
            ffi::LUA_TNUMBER => placed(ffi::lua_tointeger_(state, 3), length_of(bytes)).max(1),
            _ => return through_string(state, 1, found),
        };
        if !plain {
            return through_string(state, 1, found);
        }
        let rest = bytes.get(from as usize - 1..);
        match rest.and_then(|rest| memmem::find(rest, text)) {
            Some(at) => {
                let start = from + at as c_int;
                ffi::lua_pushinteger_(state, start);
                ffi::lua_pushinteger_(state, start + size as c_int - 1);
                2
            }
            None => {
                ffi::lua_pushnil(state);
                1
            }
        }
    }
}

/// The whole number at `at` among the arguments, where it is one from `low` to `high`.
unsafe fn within(state: *mut ffi::lua_State, at: c_int, low: u64, high: u64) -> Option<u64> {
    // SAFETY: as of all these functions.
    let number = unsafe {
        (ffi::lua_type(state, at) == ffi::LUA_TNUMBER).then(|| ffi::lua_tonumber(state, at))?
    };
    let fits = number.fract() == 0.0 && (low as f64..=high as f64).contains(&number);
    fits.then_some(number as u64)
}

unsafe extern "C-unwind" fn number(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions.
    unsafe {
        let found = payload(state, 1);
        match found.filter(|_| ffi::lua_gettop(state) == 1) {
            Some(bytes) => {
                let hash = bytes::folded(bytes::text_hash(bytes));
                ffi::lua_pushnumber(state, hash as f64);
            }
            None => return through_string(state, 1, found),
        }
    }
    1
}

unsafe extern "C-unwind" fn bucket(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions.
    unsafe {
        let found = payload(state, 1);
        let n = within(state, 2, 1, bytes::BUCKETS_MAX).filter(|_| ffi::lua_gettop(state) == 2);
        match found.zip(n) {
            Some((bytes, n)) => {
                let bucket = bytes::bucket(bytes::text_hash(bytes), n);
                ffi::lua_pushnumber(state, bucket as f64);
            }
            None => return through_string(state, 1, found),
        }
    }
    1
}

unsafe extern "C-unwind" fn uint(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions.
    unsafe {
        let found = payload(state, 1);
        let at = within(state, 2, 0, bytes::AT_MAX);
        let len = within(state, 3, 1, bytes::UINT_MAX).filter(|_| ffi::lua_gettop(state) == 3);
        let Some(((bytes, at), len)) = found.zip(at).zip(len) else {
            return through_string(state, 1, found);
        };
        match bytes::uint(bytes, at as usize, len as usize) {
            Some(number) => ffi::lua_pushnumber(state, number as f64),
            None => ffi::lua_pushnil(state),
        }
    }
    1
}
