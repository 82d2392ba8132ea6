//! Stops a Lua script whose time is up.
//!
//! An interrupt that is always armed costs 67 to 210 ns a packet, because Luau
//! calls it at every loop and every call. So none is armed: only when a call has
//! used up its time does the watchdog write the interrupt into that VM. Luau then
//! raises an error at the next safepoint, and again at each one after it, until
//! the host's call returns; so `pcall` cannot swallow it.
//!
//! Unsafe code: mlua has no door to the raw callback from another thread, as its
//! own blocks while a call runs. What makes this sound stands at each place.
#![allow(unsafe_code)]

use std::ops::Deref;

use mlua::{Lua, ffi};

use crate::watch;

/// Watches the calls into one VM.
pub struct Watch {
    watch: watch::Watch,
    // Keeps the VM, and so its callbacks, alive as long as this.
    _lua: Lua,
}

/// The callbacks of a VM.
struct Callbacks(*mut ffi::lua_Callbacks);

// SAFETY: they are only followed while a call is watched, or when it ends, by one thread at a
// time; and a watched call borrows what keeps the VM alive.
unsafe impl Send for Callbacks {}
// SAFETY: the same.
unsafe impl Sync for Callbacks {}

impl Callbacks {
    fn interrupt(&self, stops: bool) {
        // SAFETY: the VM is alive; Luau allows this one field to be set while it runs in another
        // thread, and reads it whole.
        let place = unsafe { std::ptr::addr_of_mut!((*self.0).interrupt) };
        // SAFETY: the same.
        unsafe { place.write_volatile(if stops { Some(stop) } else { None }) };
    }
}

impl Deref for Watch {
    type Target = watch::Watch;

    fn deref(&self) -> &watch::Watch {
        &self.watch
    }
}

impl Watch {
    /// Watches `lua` from now on.
    pub fn new(lua: &Lua) -> Self {
        let state = lua.exec_raw_lua(|raw| raw.state());
        // SAFETY: the state is alive, and the callbacks live in its VM as long as it does.
        let callbacks = Callbacks(unsafe { ffi::lua_callbacks(state) });
        let watch = watch::Watch::new(move |stops| callbacks.interrupt(stops));
        Self { watch, _lua: lua.clone() }
    }
}

/// What Luau calls at each safepoint once the time is up.
unsafe extern "C-unwind" fn stop(state: *mut ffi::lua_State, gc: std::ffi::c_int) {
    // The collector may not be left by an error; the next safepoint will do.
    if gc < 0 {
        // SAFETY: Luau calls this where an error may be raised, with the state that runs.
        unsafe { ffi::luaL_error(state, c"stopped".as_ptr()) };
    }
}
