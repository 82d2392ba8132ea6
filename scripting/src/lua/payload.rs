//! Payloads: the bytes behind a packet's headers, for a loop of the driver.
//!
//! Functions that the VM calls as its own, and that look at the bytes where they lie in the batch:
//! only what is asked for as a value becomes a string. What they answer is what the library's own
//! function of that name does of the string; where they cannot tell, or it is a mistake, a string
//! is made and that function called.
//!
//! Packets are numbered on from one loop to the next, so that a number that was kept for longer
//! than its loop is known to be of no packet any more.
//!
//! Unsafe code: the functions themselves, and the place in the VM where they find the batch.
#![allow(unsafe_code)]

mod library;
mod strings;

use std::ffi::{CStr, c_char, c_int};
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use como_core::batch::Batch;
use como_core::field::{Field, FieldValue};
use mlua::{AnyUserData, Function, Lua, Table, ffi};
use strings::LOOKS;
pub use strings::{MAGIC, WORK_MAX, looks};

use super::inplace::Use;
use crate::api::{Entry, entries};

/// What the functions say outside of a call that was given the packet.
const KEPT: &CStr =
    c"a packet is only valid in the call it is given to: keep the fields you need, not it";

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
        // to 16 bytes).
        let memory = unsafe {
            lua.exec_raw::<AnyUserData>((), |state| {
                current = ffi::lua_newuserdata(state, size_of::<Current>()).cast();
                current.write(Current::NONE);
            })?
        };
        let (objects, made) = (library::objects(lua)?, lua.create_table()?);
        let maker = Maker { lua, library, memory, objects, made };
        maker.plain(Use::Whole, whole)?;
        maker.plain(Use::Asked, asked)?;
        maker.plain(Use::Length, length)?;
        let rest = |entry: &&Entry| !looks(entry.topic, entry.name);
        for entry in entries().filter(|entry| entry.bytes_at().is_some()).filter(rest) {
            let called = (ptr::null(), library::call as _, (entry.topic, entry.name));
            maker.put(Use::Function(entry.topic, entry.name), called, library::pointer(entry))?;
        }
        for (topic, name, function) in LOOKS {
            let Ok(text) = name.to_str() else { continue };
            let called = (name.as_ptr(), function, (topic, text));
            maker.put(Use::Function(topic, text), called, mlua::Value::Boolean(false))?;
            if topic == "string" {
                maker.put(Use::Method(text), called, mlua::Value::Boolean(true))?;
            }
        }
        let functions = maker.made;
        functions.set_readonly(true);
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

/// Makes functions.
struct Maker<'a> {
    lua: &'a Lua,
    library: &'a Table,
    memory: AnyUserData,
    objects: Function,
    made: Table,
}

/// A function, what mistakes call it, and the topic and name of what the library has in its place.
type Called<'a> = (*const c_char, ffi::lua_CFunction, (&'a str, &'a str));

impl Maker<'_> {
    /// A function that stands for none of the library.
    fn plain(&self, used: Use, function: ffi::lua_CFunction) -> mlua::Result<()> {
        self.close(used, (ptr::null(), function), (mlua::Value::Nil, mlua::Value::Nil))
    }

    /// A function that stands for one of the library, with what it is to know.
    fn put(&self, used: Use, called: Called<'_>, about: mlua::Value) -> mlua::Result<()> {
        let (name, function, (topic, own)) = called;
        let own = self.library.raw_get::<Table>(topic)?.raw_get::<mlua::Value>(own)?;
        self.close(used, (name, function), (about, own))
    }

    fn close(
        &self,
        used: Use,
        (name, function): (*const c_char, ffi::lua_CFunction),
        (about, own): (mlua::Value, mlua::Value),
    ) -> mlua::Result<()> {
        let values = (&self.memory, about, own, &self.objects);
        // SAFETY: the four values lie on the stack; the name is none, or lives forever.
        let made = unsafe {
            self.lua.exec_raw::<Function>(values, |state| {
                ffi::lua_pushcclosured(state, function, name, 4);
            })?
        };
        self.made.raw_set(used.name(), made)
    }
}

// All functions below are called by the VM alone, with the upvalues that `Maker` gave them: where
// the batch is found, what the function is to know, what the library has of that name, and what
// makes objects. No error of the VM passes over anything that needs to be dropped.

/// The payload of the packet whose number is the argument at `at`, from 1.
///
/// SAFETY: what it gives lives as long as the call of the function that asks.
unsafe fn payload<'a>(state: *mut ffi::lua_State, at: c_int) -> Option<&'a [u8]> {
    // SAFETY: the upvalue is the memory that `Payloads::new` filled; what it points to is alive
    // while it is there.
    unsafe {
        let current = &mut *ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Current>();
        // Nothing there is no number, not 0.
        let given = ffi::lua_gettop(state) >= at;
        let number = if given { ffi::lua_tonumber(state, at) } else { f64::NAN };
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

unsafe fn push(state: *mut ffi::lua_State, bytes: &[u8]) {
    // SAFETY: the bytes are copied.
    unsafe { ffi::lua_pushlstring_(state, bytes.as_ptr().cast(), bytes.len()) }
}

/// The length of bytes, as strings count.
fn length_of(bytes: &[u8]) -> c_int {
    bytes.len().try_into().unwrap_or(c_int::MAX)
}

/// The payload as a string; nil where there is none.
unsafe extern "C-unwind" fn whole(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions.
    unsafe {
        match payload(state, 1) {
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
        match payload(state, 1) {
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
        match payload(state, 1) {
            Some(bytes) => ffi::lua_pushinteger_(state, length_of(bytes)),
            None => ffi::luaL_error(state, c"attempt to get length of a nil value".as_ptr()),
        }
    }
    1
}

/// Has the library's own function do it, of a string in place of the packet's number at `at`.
///
/// SAFETY: as of [`payload`].
unsafe fn through_string(state: *mut ffi::lua_State, at: c_int, bytes: Option<&[u8]>) -> c_int {
    // SAFETY: the function was given at least the packet's number, whose place the string takes.
    unsafe {
        match bytes {
            Some(bytes) => push(state, bytes),
            None => ffi::lua_pushnil(state),
        }
        ffi::lua_replace(state, at);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(3));
        ffi::lua_insert(state, 1);
        ffi::lua_call(state, ffi::lua_gettop(state) - 1, ffi::LUA_MULTRET);
        ffi::lua_gettop(state)
    }
}
