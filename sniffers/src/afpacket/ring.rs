//! A packet socket and the ring of blocks that it shares with the kernel (TPACKET_V3).
//!
//! Unsafe code: the ring is memory that the kernel writes while we look at other
//! parts of it, so each block belongs to one side at a time, and a word in it
//! says to which (`Documentation/networking/packet_mmap.rst`). That word is only
//! ever touched as an atomic; the bytes of a block are only shown while it is
//! ours. The rest is calls into libc for which the standard library has no name.
#![allow(unsafe_code)]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{c_int, c_void};
use memmap2::{MmapOptions, MmapRaw};

use super::frames::SIGNAL_BYTES;

/// Where the word that says whose a block is lies in it: `block_status`.
const STATUS: usize = 8;

/// The least room a packet takes in a block; the kernel wants to be told some number.
const FRAME_BYTES: u32 = 2048;

/// How large a ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes in a block, a power of two and whole pages.
    pub block_bytes: u32,
    /// How many blocks.
    pub blocks: u32,
    /// How long the kernel keeps a block that is not full.
    pub timeout_ms: u32,
}

/// What the kernel refused.
#[derive(Debug)]
pub struct Refused {
    /// What was asked of it: `open a packet socket`.
    pub what: &'static str,
    /// Its answer.
    pub error: io::Error,
}

/// Says what it was that failed.
fn tried<T>(what: &'static str, result: io::Result<T>) -> Result<T, Refused> {
    result.map_err(|error| Refused { what, error })
}

/// A socket that listens to one interface, and its ring.
pub struct Ring {
    // Invariant: `shape.blocks` blocks of `shape.block_bytes` each.
    blocks: MmapRaw,
    shape: Shape,
    // Which block comes next. Invariant: below `shape.blocks`.
    at: u32,
    socket: OwnedFd,
    interface: c_int,
}

impl Ring {
    /// Makes a socket and its ring. Nothing arrives before it listens.
    pub fn new(shape: Shape) -> Result<Self, Refused> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: no memory is involved. Protocol 0 is none: the socket hears nothing yet.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
        if fd < 0 {
            return tried("open a packet socket", Err(io::Error::last_os_error()));
        }
        // SAFETY: just opened, and nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let version = libc::tpacket_versions::TPACKET_V3 as c_int;
        tried("choose the ring's layout", set(&socket, libc::PACKET_VERSION, &version))?;
        let request = libc::tpacket_req3 {
            tp_block_size: shape.block_bytes,
            tp_block_nr: shape.blocks,
            tp_frame_size: FRAME_BYTES,
            tp_frame_nr: (shape.block_bytes / FRAME_BYTES).saturating_mul(shape.blocks),
            tp_retire_blk_tov: shape.timeout_ms,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        tried("make the ring", set(&socket, libc::PACKET_RX_RING, &request))?;
        let len = shape.block_bytes as usize * shape.blocks as usize;
        let blocks = tried("map the ring", MmapOptions::new().len(len).map_raw(&socket))?;
        Ok(Self { blocks, shape, at: 0, socket, interface: 0 })
    }

    /// Listens to the interface of this number; what `program` rejects does not arrive. In a
    /// fan-out group packets are divided among its rings: those of the group's mode, joined by
    /// its number or, without one, newly founded. Returns the number.
    pub fn listen(
        &mut self,
        interface: u32,
        program: &[libc::sock_filter],
        fanout: Option<(u32, Option<u16>)>,
    ) -> Result<Option<u16>, Refused> {
        // What arrives between listening and joining would arrive in other rings, too.
        let nothing = libc::sock_filter { code: libc::BPF_RET as u16, jt: 0, jf: 0, k: 0 };
        tried("set a filter", self.attach(&[nothing]))?;
        self.interface = c_int::try_from(interface).unwrap_or(0);
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
            sll_ifindex: self.interface,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the address is of the length given and outlives the call.
        let done = unsafe { libc::bind(self.fd(), (&raw const address).cast(), len) };
        let bound = if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
        tried("listen", bound)?;
        // Listening to an interface that is down succeeds, and fails a moment later.
        tried("listen", self.error())?;
        let group = match fanout {
            Some((mode, group)) => Some(tried("join the other rings", self.join(mode, group))?),
            None => None,
        };
        tried("set the filter", self.attach(program))?;
        Ok(group)
    }

    fn join(&self, mode: u32, group: Option<u16>) -> io::Result<u16> {
        let wanted = match group {
            Some(group) => mode << 16 | u32::from(group),
            None => (mode | libc::PACKET_FANOUT_FLAG_UNIQUEID) << 16,
        };
        set(&self.socket, libc::PACKET_FANOUT, &wanted)?;
        // The number is the lower half.
        get(&self.socket, libc::SOL_PACKET, libc::PACKET_FANOUT).map(|[answer]| answer as u16)
    }

    /// Sees packets for other hosts as well, as long as the ring is there.
    pub fn see_all(&self) -> Result<(), Refused> {
        let wish = libc::packet_mreq {
            mr_ifindex: self.interface,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        tried("see packets for other hosts", set(&self.socket, libc::PACKET_ADD_MEMBERSHIP, &wish))
    }

    /// Has the kernel leave out what this machine sends; one older than 4.20 does not.
    pub fn skip_outgoing(&self) {
        let _ = set(&self.socket, libc::PACKET_IGNORE_OUTGOING, &1_i32);
    }

    /// Takes this filter in place of the one before, in one step. What is in the ring stays.
    pub fn attach(&self, program: &[libc::sock_filter]) -> io::Result<()> {
        let Ok(len) = u16::try_from(program.len()) else {
            return Err(io::ErrorKind::ArgumentListTooLong.into());
        };
        // The kernel copies the program and does not write to it.
        let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
        set_at(&self.socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// The kind of interface, as ARP numbers them (ARPHRD_*).
    pub fn hardware(&self) -> Result<u16, Refused> {
        // SAFETY: plain data of which all zeros is a value.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        let mut len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: both outlive the call, and the length is that of the address.
        let done = unsafe { libc::getsockname(self.fd(), (&raw mut address).cast(), &raw mut len) };
        let known =
            if done == 0 { Ok(address.sll_hatype) } else { Err(io::Error::last_os_error()) };
        tried("ask for the kind of interface", known)
    }

    /// How many packets found no room in the ring since this was last asked.
    pub fn drops(&self) -> u64 {
        // `tpacket_stats_v3`: packets, drops, how often the ring was full.
        let counts = get(&self.socket, libc::SOL_PACKET, libc::PACKET_STATISTICS);
        counts.map_or(0, |[_, drops, _]| u64::from(drops))
    }

    /// What has gone wrong since this was last asked.
    pub fn error(&self) -> io::Result<()> {
        match get(&self.socket, libc::SOL_SOCKET, libc::SO_ERROR)? {
            [0] => Ok(()),
            [code] => Err(io::Error::from_raw_os_error(code.cast_signed())),
        }
    }

    /// The socket, to wait for.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// The next block, all but its first [`SIGNAL_BYTES`], once the kernel has filled it.
    pub fn block(&self) -> Option<&[u8]> {
        // Acquire: what the kernel wrote before it signalled is seen.
        if self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        let start = self.start() + SIGNAL_BYTES;
        let len = self.shape.block_bytes as usize - SIGNAL_BYTES;
        // SAFETY: within the map, which lives as long as `self`, and initialised, because the
        // kernel hands out zeroed pages. The block is ours, so the kernel does not write to it
        // until `release`, which nobody can call while the slice lives; the word that signals is
        // not part of it.
        Some(unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().add(start), len) })
    }

    /// Gives the block back to the kernel and goes on to the one behind it. Without a block of
    /// ours there is nothing to give.
    pub fn release(&mut self) {
        if self.block().is_none() {
            return;
        }
        // Release: what was read has been read before the kernel may write again.
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.at = (self.at + 1) % self.shape.blocks;
    }

    fn start(&self) -> usize {
        self.at as usize * self.shape.block_bytes as usize
    }

    /// The word that says whose the next block is.
    fn status(&self) -> &AtomicU32 {
        // SAFETY: within the map, which lives as long as `self`; aligned, because blocks are whole
        // pages. We touch it through this reference only, and the kernel by single stores, which
        // is what atomics are for.
        unsafe { AtomicU32::from_ptr(self.blocks.as_mut_ptr().add(self.start() + STATUS).cast()) }
    }
}

/// Sets an option of packet sockets.
fn set<T: Copy>(socket: &OwnedFd, name: c_int, value: &T) -> io::Result<()> {
    set_at(socket, libc::SOL_PACKET, name, value)
}

/// Sets an option of a socket.
fn set_at<T: Copy>(socket: &OwnedFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let len = size_of::<T>() as libc::socklen_t;
    let value: *const c_void = (&raw const *value).cast();
    // SAFETY: the value is of the length given and outlives the call. A filter's program, which is
    // behind a pointer in it, is borrowed by the caller for as long, with its true length.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value, len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads an option of a socket that is one or a few numbers.
fn get<const N: usize>(socket: &OwnedFd, level: c_int, name: c_int) -> io::Result<[u32; N]> {
    let mut numbers = [0; N];
    let mut len = size_of::<[u32; N]>() as libc::socklen_t;
    let to: *mut c_void = (&raw mut numbers).cast();
    // SAFETY: both outlive the call, and the kernel writes no more than the length given.
    let done = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, to, &raw mut len) };
    if done == 0 { Ok(numbers) } else { Err(io::Error::last_os_error()) }
}
