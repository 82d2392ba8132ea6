//! For tests: a pair of virtual interfaces in a network namespace of the test's own.
//!
//! Unsafe code: entering that namespace is a call into libc; it holds for the thread alone.
#![allow(unsafe_code)]

use std::process::Command;
use std::time::{Duration, Instant};

use como_core::source::{Chunk, Counts, Source};
use pcap::{Active, Capture};

use crate::generate::Generator;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `test` in a thread that has a network of its own: `como0` and `como1`, one wire.
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
pub fn with_wire(test: fn()) {
    std::thread::spawn(move || {
        // SAFETY: no memory is involved; the thread is ours and ends with the test.
        let alone = unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0;
        if alone && lay() {
            test();
        } else {
            eprintln!("skipped: no right to make a network namespace, or no `ip` command");
        }
    })
    .join()
    .expect("the test passes");
}

/// Makes the pair of interfaces; whether that worked.
pub fn lay() -> bool {
    // Without IPv6 nobody says anything on a new interface; a system without it needs not be told.
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    ip("link add como0 type veth peer name como1")
        && ip("link set como0 up")
        && ip("link set como1 up")
}

/// Makes `tun9`, which carries bare IP from 10.8.0.1, as long as what is returned is kept.
#[cfg(target_os = "linux")]
pub fn tunnel() -> Option<std::fs::File> {
    use std::os::fd::AsRawFd;

    let file = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun").ok()?;
    // SAFETY: plain data of which all zeros is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"tun9") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the request outlives the call, which reads name and flags and writes the name.
    let done = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) };
    (done == 0 && ip("addr add 10.8.0.1/24 dev tun9") && ip("link set tun9 up")).then_some(file)
}

/// Runs `ip` with these words; whether it did what they say.
pub fn ip(args: &str) -> bool {
    Command::new("ip").args(args.split(' ')).output().is_ok_and(|o| o.status.success())
}

/// Something to send frames into an interface with.
pub fn sender(device: &str) -> Capture<Active> {
    Capture::from_device(device).expect("a device").open().expect("a sender")
}

/// Sends frames into `como0`, to come out of `como1`.
pub fn send<F: AsRef<[u8]>>(frames: &[F]) {
    let mut sender = sender("como0");
    for frame in frames {
        sender.sendpacket(frame.as_ref()).expect("sent");
    }
}

/// The frames of generated traffic.
pub fn frames(options: &str) -> Vec<Vec<u8>> {
    let mut source = Generator::open(options).expect("options");
    let mut chunk = Chunk::default();
    source.next(&mut chunk).expect("a chunk");
    bytes(&chunk)
}

/// The captured bytes of a chunk's packets.
pub fn bytes(chunk: &Chunk) -> Vec<Vec<u8>> {
    let of = |p: &como_core::packet::Packet| {
        let region = (*chunk.regions[usize::from(p.region)]).as_ref();
        region[p.offset as usize..][..p.cap_len as usize].to_vec()
    };
    chunk.packets.iter().map(of).collect()
}

/// What came out of a source.
#[derive(Debug, Default)]
pub struct Heard {
    /// Captured bytes of each packet.
    pub frames: Vec<Vec<u8>>,
    /// Its length on the wire.
    pub wire_lens: Vec<u32>,
    /// When.
    pub times: Vec<u64>,
    /// What was counted.
    pub counts: Counts,
}

impl Heard {
    /// Takes one turn of a source; whether packets came.
    #[track_caller]
    pub fn turn(&mut self, source: &mut dyn Source) -> bool {
        let mut chunk = Chunk::default();
        source.next(&mut chunk).expect("a turn");
        self.counts.add(chunk.counts);
        self.wire_lens.extend(chunk.packets.iter().map(|p| p.wire_len));
        self.times.extend(chunk.packets.iter().map(|p| p.ts.0));
        self.frames.extend(bytes(&chunk));
        !chunk.packets.is_empty()
    }

    /// Takes turns until `enough`, which must come to pass.
    #[track_caller]
    pub fn until(&mut self, source: &mut dyn Source, enough: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !enough(self) {
            assert!(Instant::now() < deadline, "{} packets, {:?}", self.frames.len(), self.counts);
            self.turn(source);
        }
    }
}

/// What a source gives until so many packets have come or are known lost, and nothing follows.
#[track_caller]
pub fn hear(source: &mut dyn Source, n_packets: usize) -> Heard {
    let mut heard = Heard::default();
    let count = |h: &Heard| h.frames.len() as u64 + h.counts.dropped;
    heard.until(source, |h| count(h) >= n_packets as u64);
    while heard.turn(source) {}
    heard
}
