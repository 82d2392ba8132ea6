//! Filters as programs that a socket takes, for who captures without libpcap.

use libc::sock_filter;
use pcap::{Capture, Linktype};

/// The instruction that ends a program with a constant: how much of the packet to keep.
const RET_K: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Compiles a tcpdump expression for Ethernet; an empty one accepts everything. Of what it accepts
/// the kernel keeps `snaplen` bytes.
pub fn compile(bpf: &str, snaplen: u32) -> Result<Vec<sock_filter>, pcap::Error> {
    let capture = Capture::dead(Linktype::ETHERNET)?;
    // Not optimized, for the reason given where `live` pushes its filter.
    let program = capture.compile(bpf, false)?;
    // An instruction shows its numbers only as text: code, jumps if true and false, constant.
    let read = |text: String| {
        let mut numbers = text.split(' ').map(|n| n.parse::<u32>().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        let (code, jt, jf, k) = (next() as u16, next() as u8, next() as u8, next());
        let k = if code == RET_K && k > 0 { snaplen } else { k };
        sock_filter { code, jt, jf, k }
    };
    Ok(program.get_instructions().iter().map(|i| read(i.to_string())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bpf: &str, want: &[(u16, u8, u8, u32)]) {
        let program = compile(bpf, 96).expect("a filter");
        let program: Vec<_> = program.iter().map(|i| (i.code, i.jt, i.jf, i.k)).collect();
        assert_eq!(program, want, "{bpf}");
    }

    #[test]
    fn what_is_accepted_is_kept_as_far_as_wanted() {
        check("", &[(6, 0, 0, 96)]);
        // Load the type, compare it, keep 96 bytes or none.
        check("ip", &[(40, 0, 0, 12), (21, 0, 1, 0x800), (6, 0, 0, 96), (6, 0, 0, 0)]);
        assert!(compile("no such thing", 96).is_err());
    }
}
