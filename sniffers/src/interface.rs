//! Network interfaces: whether one is there and up, and what to do when it goes and comes back.
//!
//! Unsafe code: Linux tells of an interface through `ioctl`, which is a call into libc. Elsewhere
//! nothing is known, and an interface is taken to be well until capture fails.
#![allow(unsafe_code)]

use std::time::Instant;

use como_core::source::{Counts, SourceError, with_causes};

use crate::ready::PATIENCE;

/// An interface as the system has it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number, which no later interface of the same name has.
    pub index: u32,
    /// Whether it is up.
    pub is_up: bool,
}

/// The interface of this name, if there is one.
#[cfg(target_os = "linux")]
pub fn find(name: &str) -> Option<Interface> {
    use std::os::fd::AsRawFd;

    // Any socket does to ask.
    let socket = std::os::unix::net::UnixDatagram::unbound().ok()?;
    // SAFETY: plain data of which all zeros is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    // SAFETY: both requests read the name, which ends in a zero, and write within `request`, each
    // the member of the union that is read behind it.
    unsafe {
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request) != 0 {
            return None;
        }
        let is_up = i32::from(request.ifr_ifru.ifru_flags) & libc::IFF_UP != 0;
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFINDEX as _, &raw mut request) != 0 {
            return None;
        }
        let index = u32::try_from(request.ifr_ifru.ifru_ifindex).ok()?;
        Some(Interface { index, is_up })
    }
}

/// The interface of this name; not known here.
#[cfg(not(target_os = "linux"))]
pub fn find(_: &str) -> Option<Interface> {
    None
}

/// What has become of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is as it was.
    Well,
    /// It is down or away.
    Lost,
    /// It was down and is up again; what was opened on it is still good.
    Up,
    /// It was away: what is there now must be opened anew.
    Anew,
}

/// Follows the interface that a source listens to, and tells the user.
#[derive(Debug)]
pub struct Watch {
    name: String,
    // None where the system knows no such interface (`any`, a capture card).
    index: Option<u32>,
    is_lost: bool,
    is_away: bool,
    looked: Instant,
    // Why it could not be opened anew when last tried.
    why_not: String,
}

impl Watch {
    /// Follows an interface that has just been opened.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            index: find(name).map(|interface| interface.index),
            is_lost: false,
            is_away: false,
            looked: Instant::now(),
            why_not: String::new(),
        }
    }

    /// Looks, at most every 100 ms: for a source to which nothing comes.
    pub fn look(&mut self) -> State {
        if self.looked.elapsed() < PATIENCE {
            return if self.is_lost { State::Lost } else { State::Well };
        }
        self.looked = Instant::now();
        let now = find(&self.name);
        if self.index.is_some() && now.is_none_or(|now| !now.is_up || Some(now.index) != self.index)
        {
            self.lose();
        }
        let is_up = now.map_or(self.index.is_none(), |now| now.is_up);
        match (self.is_lost, is_up) {
            (false, _) => State::Well,
            (true, false) => State::Lost,
            (true, true) if self.is_away => State::Anew,
            (true, true) => State::Up,
        }
    }

    /// Whether a failure to capture is the interface's: it is down or away, or the words say so.
    pub fn explains(&self, failure: &str) -> bool {
        let says = ["went down", "disappeared"].iter().any(|words| failure.contains(words));
        let is_well = |now: Interface| now.is_up && Some(now.index) == self.index;
        says || (self.index.is_some() && !find(&self.name).is_some_and(is_well))
    }

    /// Notes that nothing will come from it for now.
    pub fn lose(&mut self) {
        self.is_away |= find(&self.name).is_none_or(|now| Some(now.index) != self.index);
        if !self.is_lost {
            let what = if self.is_away { "is gone" } else { "went down" };
            tracing::warn!("{}: the interface {what}: waiting for it to come back", self.name);
        }
        self.is_lost = true;
    }

    /// Whether what was opened on it is no good any more.
    pub fn is_away(&self) -> bool {
        self.is_away
    }

    /// Notes that it is there but could not be opened, and tells why when that is news.
    pub fn fail(&mut self, error: &SourceError) {
        let why = with_causes(error);
        if why != self.why_not {
            tracing::warn!("{why}: trying again");
            self.why_not = why;
        }
    }

    /// Notes that it is being listened to again, and counts that.
    pub fn back(&mut self) -> Counts {
        tracing::warn!("{}: the interface is back", self.name);
        *self = Self::new(&self.name);
        Counts { reopened: 1, ..Counts::default() }
    }
}
