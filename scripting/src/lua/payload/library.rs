//! Functions of the library that take bytes: `dns.qname(pkt.payload)`, `tls.sni(pkt.payload)`.
//!
//! One function of the VM's own kind stands for all of them but those of [`super::strings`],
//! whatever the table of the library ([`crate::api`]) has. It gives the bytes as they lie in the
//! batch to the same function that a string would go to. Where that complains, or is given what is
//! neither a number, a text nor a truth value, the library's own is called with a string, and says
//! what it says.
//!
//! Unsafe code: it is a function of the VM's own kind, which finds its arguments on the stack.

use std::cell::RefCell;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use como_core::record::Value;
use mlua::{Function, LightUserData, Lua, ffi};

use super::{payload, push, through_string};
use crate::api::{Entry, TEXT_BYTES_MAX};
use crate::lua::convert;

/// The most arguments of a function that is called so.
const ARGUMENTS_MAX: usize = 4;

thread_local! {
    /// What was answered last, until the VM has it: an error of the VM passes over nothing that
    /// needs to be dropped.
    static ANSWER: RefCell<Value> = const { RefCell::new(Value::Null) };
}

/// What makes an object of the last answer, where it is one.
pub fn objects(lua: &Lua) -> mlua::Result<Function> {
    lua.create_function(|lua, ()| convert::lua_of(lua, &ANSWER.take()))
}

/// What [`call`] knows its function by.
pub fn pointer(entry: &'static Entry) -> mlua::Value {
    mlua::Value::LightUserData(LightUserData(ptr::from_ref(entry).cast_mut().cast()))
}

/// Calls a function of the library.
pub unsafe extern "C-unwind" fn call(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as of all these functions; the second upvalue is what `pointer` made.
    unsafe {
        let entry = ffi::lua_touserdata(state, ffi::lua_upvalueindex(2)).cast::<Entry>();
        let entry: &'static Entry = &*entry;
        let at = entry.bytes_at().unwrap_or_default();
        let place = at as c_int + 1;
        let found = payload(state, place);
        match found.and_then(|bytes| answer(state, (entry, at), bytes)) {
            None => return through_string(state, place, found),
            // What follows raises no error.
            Some(Value::Null) => ffi::lua_pushnil(state),
            Some(Value::Bool(x)) => ffi::lua_pushboolean(state, c_int::from(x)),
            Some(Value::Uint(x)) => ffi::lua_pushnumber(state, x as f64),
            Some(Value::Int(x)) => ffi::lua_pushnumber(state, x as f64),
            Some(Value::Float(x)) => ffi::lua_pushnumber(state, x),
            Some(answer) => {
                ANSWER.set(answer);
                push_answer(state);
            }
        }
        1
    }
}

/// What the function answers, where it does not complain.
///
/// SAFETY: as of [`payload`].
unsafe fn answer(
    state: *mut ffi::lua_State,
    (entry, at): (&Entry, usize),
    bytes: &[u8],
) -> Option<Value> {
    // SAFETY: nothing here raises an error of the VM.
    let len = usize::try_from(unsafe { ffi::lua_gettop(state) }).ok()?;
    let mut given = [const { Value::Null }; ARGUMENTS_MAX];
    let given = given.get_mut(..len)?;
    for (i, value) in given.iter_mut().enumerate() {
        if i == at {
            *value = Entry::ELSEWHERE;
        // SAFETY: as above.
        } else if !unsafe { argument(state, i as c_int + 1, value) } {
            return None;
        }
    }
    catch_unwind(AssertUnwindSafe(|| entry.run_of(bytes, given).ok())).ok()?
}

/// Reads one of the arguments, as [`convert::argument`] would, if it is a plain value.
///
/// SAFETY: there is one at `at`.
unsafe fn argument(state: *mut ffi::lua_State, at: c_int, value: &mut Value) -> bool {
    // SAFETY: none of these raises an error; the text lies on the stack meanwhile.
    unsafe {
        match ffi::lua_type(state, at) {
            ffi::LUA_TNIL => {}
            ffi::LUA_TBOOLEAN => *value = Value::Bool(ffi::lua_toboolean(state, at) != 0),
            ffi::LUA_TNUMBER => *value = convert::number(ffi::lua_tonumber(state, at)),
            ffi::LUA_TSTRING => {
                let mut len = 0;
                let text = ffi::lua_tolstring(state, at, &raw mut len);
                if len > TEXT_BYTES_MAX {
                    return false;
                }
                *value = convert::text(std::slice::from_raw_parts(text.cast::<u8>(), len));
            }
            _ => return false,
        }
    }
    true
}

/// Leaves the last answer on the stack: a text, or what is an object.
///
/// SAFETY: as of all these functions.
unsafe fn push_answer(state: *mut ffi::lua_State) {
    // SAFETY: nobody else looks at the answer meanwhile.
    unsafe {
        match &*ANSWER.with(RefCell::as_ptr) {
            Value::Text(text) => push(state, text.as_bytes()),
            Value::Bytes(bytes) => push(state, bytes),
            _ => {
                ffi::lua_pushvalue(state, ffi::lua_upvalueindex(4));
                ffi::lua_call(state, 0, 1);
            }
        }
    }
}
