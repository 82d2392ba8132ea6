//! Payloads: the bytes behind a packet's headers, for a loop of the driver.
//!
//! A function that the VM calls as one of its own, and that answers with a string: a fifth of what
//! a closure of the binding costs, which other values that are seldom asked for come through.
//!
//! Unsafe code: the function itself, and the place in the VM where it finds the batch.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use como_core::batch::Batch;
use como_core::field::{Field, FieldValue};
use mlua::{Function, Lua, ffi};

/// What the function says outside of a call that was given packets.
const KEPT: &std::ffi::CStr =
    c"a packet is only valid in the call it is given to: keep the fields you need, not it";

/// What a loop runs over; null outside of one.
#[repr(C)]
struct Current {
    batch: *const Batch,
    places: *const usize,
    len: usize,
}

impl Current {
    const NONE: Self = Self { batch: ptr::null(), places: ptr::null(), len: 0 };
}

/// The function of one VM.
pub struct Payloads {
    function: Function,
    // In memory of the VM that lives as long as the function.
    current: *mut Current,
}

// SAFETY: the memory belongs to a function that is held here, and is only used by the thread that
// has the VM.
unsafe impl Send for Payloads {}

impl Payloads {
    /// Makes the function.
    pub fn new(lua: &Lua) -> mlua::Result<Self> {
        let mut current = ptr::null_mut::<Current>();
        // SAFETY: the memory is large and aligned enough for what is written there (Luau aligns it
        // to 16 bytes), and the function that is left on the stack keeps it.
        let function = unsafe {
            lua.exec_raw::<Function>((), |state| {
                current = ffi::lua_newuserdata(state, size_of::<Current>()).cast();
                current.write(Current::NONE);
                ffi::lua_pushcclosure(state, give, 1);
            })?
        };
        Ok(Self { function, current })
    }

    /// The function: of the packet at a place among those of the loop, its payload.
    pub fn function(&self) -> &Function {
        &self.function
    }

    /// Has the function know the batch of a loop, and where in it the packets are, while `call` runs.
    pub fn within<R>(&self, batch: &Batch, places: &[usize], call: impl FnOnce() -> R) -> R {
        struct Ends(*mut Current);
        impl Drop for Ends {
            fn drop(&mut self) {
                // SAFETY: as below.
                unsafe { self.0.write(Current::NONE) };
            }
        }
        let current = Current { batch, places: places.as_ptr(), len: places.len() };
        // SAFETY: the VM is that of the script whose module this is a part of, and so outlives
        // `self`; in it the function is held here, and holds the memory. What the memory points to
        // outlives the call, at whose end it is forgotten.
        unsafe { self.current.write(current) };
        let _ends = Ends(self.current);
        call()
    }
}

/// The payload of the packet at the place given, nil where it has none.
unsafe extern "C-unwind" fn give(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the upvalue is the memory that `Payloads::new` filled; what it points to is alive
    // while it is there. Nothing that an error of the VM would pass over needs to be dropped.
    unsafe {
        let current = &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Current>();
        let Some(batch) = current.batch.as_ref() else {
            ffi::luaL_error(state, KEPT.as_ptr());
        };
        let places = std::slice::from_raw_parts(current.places, current.len);
        // A number that is none, or below zero, is no place but the first.
        let at = places.get(ffi::lua_tonumber(state, 1) as usize);
        let value = catch_unwind(AssertUnwindSafe(|| batch.value(*at?, Field::Payload)));
        match value {
            Ok(Some(FieldValue::Bytes(bytes))) => {
                ffi::lua_pushlstring(state, bytes.as_ptr().cast(), bytes.len());
            }
            Ok(_) => ffi::lua_pushnil(state),
            Err(panic) => {
                drop(panic);
                ffi::luaL_error(state, c"a payload cannot be read: please report this".as_ptr());
            }
        }
    }
    1
}
