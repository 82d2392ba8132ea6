//! Waiting for a descriptor, so that nobody sits in a read for ever.
//!
//! Unsafe code: asking the system is a call into libc.
#![allow(unsafe_code)]

use std::os::fd::RawFd;
use std::time::Duration;

/// How long a source waits for its device in one turn.
pub const PATIENCE: Duration = Duration::from_millis(100);

/// Whether a read from `fd` would not block, after waiting up to `patience` for that.
pub fn readable(fd: RawFd, patience: Duration) -> bool {
    first_readable(&[fd], patience).is_some()
}

/// The first of `fds` a read from which would not block, after waiting up to `patience` for one.
pub fn first_readable(fds: &[RawFd], patience: Duration) -> Option<usize> {
    let patience_ms = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    let ask = |fd: &RawFd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 };
    let mut asked: Vec<libc::pollfd> = fds.iter().map(ask).collect();
    // SAFETY: as many valid pollfds as the count says. Who asks owns the files behind them; and a
    // descriptor that is not open is an answer, not an error.
    unsafe { libc::poll(asked.as_mut_ptr(), asked.len() as libc::nfds_t, patience_ms) };
    asked.iter().position(|asked| asked.revents != 0)
}

/// Has the system find out that the other end of a connection is gone, where it just vanished.
pub fn keep_alive(fd: RawFd) {
    let on: libc::c_int = 1;
    let len = size_of_val(&on) as libc::socklen_t;
    // SAFETY: the value is an int of that length, and is only read. A refusal does no harm.
    unsafe {
        let on = std::ptr::from_ref(&on).cast();
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, on, len);
    }
}

/// Asks for more room in a pipe, so that writer and reader wake each other less often: 90 instead
/// of 120 ns a packet. A pipe that stays as it is, and what is no pipe, does as well.
pub fn widen(fd: RawFd) {
    #[cfg(target_os = "linux")]
    // SAFETY: no memory is involved.
    unsafe {
        libc::fcntl(fd, libc::F_SETPIPE_SZ, 256 << 10);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = fd;
}
