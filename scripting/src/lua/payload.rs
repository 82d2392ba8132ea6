//! Payloads: the bytes behind a packet's headers, for a loop of the driver.
//!
//! Functions that the VM calls as its own, and that look at the bytes where they lie in the batch:
//! only what is asked for as a value becomes a string. What they answer, and what they complain of,
//! is what a string's own methods would (`lstrlib.cpp` of Luau); where that takes more than the
//! bytes, a string is made and its method called.
//!
//! Packets are numbered on from one loop to the next, so that a number that was kept for longer
//! than its loop is known to be of no packet any more.
//!
//! Unsafe code: the functions themselves, and the place in the VM where they find the batch.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int};
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use como_core::batch::Batch;
use como_core::field::{Field, FieldValue};
use memchr::memmem;
use mlua::{Function, Lua, Table, Variadic, ffi};

use super::inplace::{FUNCTIONS, Use};
use crate::api::bytes;

/// What the functions say outside of a call that was given the packet.
const KEPT: &CStr =
    c"a packet is only valid in the call it is given to: keep the fields you need, not it";

/// What makes a pattern more than a text.
const MAGIC: &[u8] = b"^$*+?.([%-";
/// The most bytes of a text times those of what is looked for, as in `prelude.lua`.
const WORK_MAX: usize = 1 << 28;

/// How many values making the functions needs on the stack.
const STACK: c_int = 24;

/// What a loop runs over; null outside of one.
#[repr(C)]
struct Current {
    batch: *const Batch,
    places: *const usize,
    len: usize,
    /// The number of its first packet.
    first: f64,
    /// The number that was asked for last, and what it has: a packet is rarely asked but once.
    last: f64,
    found: Option<(*const u8, usize)>,
}

impl Current {
    const NONE: Self = Self {
        batch: ptr::null(),
        places: ptr::null(),
        len: 0,
        first: 0.0,
        last: f64::NAN,
        found: None,
    };
}

/// The functions of one VM.
pub struct Payloads {
    functions: Table,
    // In memory of the VM that lives as long as the functions.
    current: *mut Current,
    first: u64,
    after: u64,
}

// SAFETY: the memory belongs to functions that are held here, and is only used by the thread that
// has the VM.
unsafe impl Send for Payloads {}

impl Payloads {
    /// Makes the functions, beside those of the library.
    pub fn new(lua: &Lua, library: &Table) -> mlua::Result<Self> {
        let mut current = ptr::null_mut::<Current>();
        // SAFETY: the memory is large and aligned enough for what is written there (Luau aligns it
        // to 16 bytes), and the functions that are left on the stack keep it.
        let made = unsafe {
            lua.exec_raw::<Variadic<Function>>(library, |state| {
                ffi::luaL_checkstack_(state, STACK, c"functions of payloads".as_ptr());
                current = ffi::lua_newuserdata(state, size_of::<Current>()).cast();
                current.write(Current::NONE);
                for used in Use::all() {
                    let ([topic, name], function) = named(used);
                    ffi::lua_pushvalue(state, 2);
                    ffi::lua_pushboolean(state, c_int::from(matches!(used, Use::Method(_))));
                    ffi::lua_rawgetfield(state, 1, topic.as_ptr());
                    ffi::lua_rawgetfield(state, -1, name.as_ptr());
                    ffi::lua_remove(state, -2);
                    ffi::lua_pushcclosured(state, function, name.as_ptr(), 3);
                }
                ffi::lua_remove(state, 2);
                ffi::lua_remove(state, 1);
            })?
        };
        let functions = lua.create_table()?;
        for (used, function) in Use::all().zip(made) {
            functions.raw_set(used.name(), function)?;
        }
        Ok(Self { functions, current, first: 0, after: 0 })
    }

    /// The functions by their names, each of the packet by its number.
    pub fn functions(&self) -> &Table {
        &self.functions
    }

    /// Begins a loop over so many packets, and gives the number of the first.
    pub fn begin(&mut self, packets: usize) -> u64 {
        self.first = self.after;
        self.after += packets as u64;
        self.first
    }

    /// Has the functions know the batch of the loop, and where in it its packets are, while `call`
    /// runs.
    pub fn within<R>(&self, batch: &Batch, places: &[usize], call: impl FnOnce() -> R) -> R {
        struct Ends(*mut Current);
        impl Drop for Ends {
            fn drop(&mut self) {
                // SAFETY: as below.
                unsafe { self.0.write(Current::NONE) };
            }
        }
        // Far below where floats have gaps.
        let first = self.first as f64;
        let (places, len) = (places.as_ptr(), places.len());
        let current = Current { batch, places, len, first, ..Current::NONE };
        // SAFETY: the VM is that of the script whose module this is a part of, and so outlives
        // `self`; in it the functions are held here, and hold the memory. What the memory points to
        // outlives the call, at whose end it is forgotten.
        unsafe { self.current.write(current) };
        let _ends = Ends(self.current);
        call()
    }
}

/// The function that serves a use, and what the library calls it.
fn named(used: Use) -> ([&'static CStr; 2], ffi::lua_CFunction) {
    match used {
        Use::Whole => ([c"string", c"payload"], whole),
        Use::Asked => ([c"string", c"payload"], asked),
        Use::Length => ([c"string", c"payload"], length),
        Use::Function(at) | Use::Method(at) => match FUNCTIONS[at] {
            (_, "byte") => ([c"string", c"byte"], byte),
            (_, "find") => ([c"string", c"find"], find),
            (_, "len") => ([c"string", c"len"], len),
            (_, "sub") => ([c"string", c"sub"], sub),
            (_, "bucket") => ([c"hash", c"bucket"], bucket),
            (_, "number") => ([c"hash", c"number"], number),
            _ => ([c"text", c"uint"], uint),
        },
    }
}

// All functions below are called by the VM alone, with the upvalues that `Payloads::new` gave them:
// where the batch is found, whether a method is called, and what the library has of that name. No
// error of the VM passes over anything that needs to be dropped.

/// The payload of the packet whose number is the first argument.
///
/// SAFETY: what it gives lives as long as the call of the function that asks.
unsafe fn payload<'a>(state: *mut ffi::lua_State) -> Option<&'a [u8]> {
    // SAFETY: the upvalue is the memory that `Payloads::new` filled; what it points to is alive
    // while it is there.
    unsafe {
        let current = &mut *ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Current>();
        let number = ffi::lua_tonumber(state, 1);
        if number != current.last {
            let Some(at) = current.place(number) else {
                ffi::luaL_error(state, KEPT.as_ptr());
            };
            let Ok(found) = current.read(at) else {
                ffi::luaL_error(state, c"a payload cannot be read: please report this".as_ptr());
            };
            (current.last, current.found) = (number, found);
        }
        current.found.map(|(bytes, len)| std::slice::from_raw_parts(bytes, len))
    }
}

impl Current {
    /// The place in the batch of the packet with a number; none of one that is gone.
    unsafe fn place(&self, number: f64) -> Option<usize> {
        if self.batch.is_null() {
            return None;
        }
        // SAFETY: where there is a batch, there are places of its packets.
        let places = unsafe { std::slice::from_raw_parts(self.places, self.len) };
        let at = number - self.first;
        let known = (0.0..places.len() as f64).contains(&at);
        known.then(|| places.get(at as usize).copied()).flatten()
    }

    /// The payload of the packet at a place.
    unsafe fn read(&self, at: usize) -> Result<Option<(*const u8, usize)>, ()> {
        // SAFETY: there are places only where there is a batch.
        let batch = unsafe { &*self.batch };
        match catch_unwind(AssertUnwindSafe(|| batch.value(at, Field::Payload))) {
            Ok(Some(FieldValue::Bytes(bytes))) => Ok(Some((bytes.as_ptr(), bytes.len()))),
            Ok(_) => Ok(None),
            Err(_) => Err(()),
        }
    }
}

/// The payload that a function of strings is called with; an error where there is none.
///
/// SAFETY: as of [`payload`].
unsafe fn called<'a>(state: *mut ffi::lua_State, name: &CStr) -> &'a [u8] {
    // SAFETY: as of `payload`.
    unsafe {
        if let Some(bytes) = payload(state) {
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

unsafe fn push(state: *mut ffi::lua_State, bytes: &[u8]) {
    // SAFETY: the bytes are copied.
    unsafe { ffi::lua_pushlstring_(state, bytes.as_ptr().cast(), bytes.len()) }
}

/// The length of bytes, as strings count.
fn length_of(bytes: &[u8]) -> c_int {
    bytes.len().try_into().unwrap_or(c_int::MAX)
}

/// A place in a text of `len` bytes, which below zero counts from the end.
fn placed(at: c_int, len: c_int) -> c_int {
    if at >= 0 { at } else { at.wrapping_add(len).wrapping_add(1).max(0) }
}

/// The payload as a string; nil where there is none.
unsafe extern "C-unwind" fn whole(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions.
    unsafe {
        match payload(state) {
            Some(bytes) => push(state, bytes),
            None => ffi::lua_pushnil(state),
        }
    }
    1
}

/// True where there is one, and nil elsewhere.
unsafe extern "C-unwind" fn asked(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions.
    unsafe {
        match payload(state) {
            Some(_) => ffi::lua_pushboolean(state, 1),
            None => ffi::lua_pushnil(state),
        }
    }
    1
}

/// `#pkt.payload`.
unsafe extern "C-unwind" fn length(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions.
    unsafe {
        match payload(state) {
            Some(bytes) => ffi::lua_pushinteger_(state, length_of(bytes)),
            None => ffi::luaL_error(state, c"attempt to get length of a nil value".as_ptr()),
        }
    }
    1
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
        let found = if is_method { Some(called(state, c"find")) } else { payload(state) };
        let Some(bytes) = found.filter(|_| ffi::lua_type(state, 2) == ffi::LUA_TSTRING) else {
            return through_string(state, found);
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
            _ => return through_string(state, found),
        };
        if !plain {
            return through_string(state, found);
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
        let found = payload(state);
        match found.filter(|_| ffi::lua_gettop(state) == 1) {
            Some(bytes) => {
                let hash = bytes::folded(bytes::text_hash(bytes));
                ffi::lua_pushnumber(state, hash as f64);
            }
            None => return through_string(state, found),
        }
    }
    1
}

unsafe extern "C-unwind" fn bucket(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions.
    unsafe {
        let found = payload(state);
        let n = within(state, 2, 1, bytes::BUCKETS_MAX).filter(|_| ffi::lua_gettop(state) == 2);
        match found.zip(n) {
            Some((bytes, n)) => {
                let bucket = bytes::bucket(bytes::text_hash(bytes), n);
                ffi::lua_pushnumber(state, bucket as f64);
            }
            None => return through_string(state, found),
        }
    }
    1
}

unsafe extern "C-unwind" fn uint(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions.
    unsafe {
        let found = payload(state);
        let at = within(state, 2, 0, bytes::AT_MAX);
        let len = within(state, 3, 1, bytes::UINT_MAX).filter(|_| ffi::lua_gettop(state) == 3);
        let Some(((bytes, at), len)) = found.zip(at).zip(len) else {
            return through_string(state, found);
        };
        match bytes::uint(bytes, at as usize, len as usize) {
            Some(number) => ffi::lua_pushnumber(state, number as f64),
            None => ffi::lua_pushnil(state),
        }
    }
    1
}

/// Has the library's own function do it, of a string.
///
/// SAFETY: as of [`payload`].
unsafe fn through_string(state: *mut ffi::lua_State, bytes: Option<&[u8]>) -> c_int {
    // SAFETY: the function has taken at least the packet's number, whose place the string takes.
    unsafe {
        match bytes {
            Some(bytes) => push(state, bytes),
            None => ffi::lua_pushnil(state),
        }
        ffi::lua_replace(state, 1);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(3));
        ffi::lua_insert(state, 1);
        ffi::lua_call(state, ffi::lua_gettop(state) - 1, ffi::LUA_MULTRET);
        ffi::lua_gettop(state)
    }
}
