//! The trace's flows as softflowd exports them, in a capture of the export packets.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::Made;
use super::pcap::{ETHERNET, Writer};
use crate::case::is_installed;

/// When the captures say the packets came: after all the flows they tell of.
const TIME: u32 = 4_000_000_000;

/// The versions of NetFlow: name of the row, softflowd's number.
const VERSIONS: [(&str, &str); 3] =
    [("netflow v5", "5"), ("netflow v9", "9"), ("netflow IPFIX", "10")];

/// One capture for each version; none where softflowd is not installed.
pub fn exports(trace: &Path, scratch: &Path) -> Result<Vec<Made>> {
    if !is_installed("softflowd") {
        return Ok(Vec::new());
    }
    let export = |(name, version): (&'static str, &str)| {
        let file = scratch.join(format!("exports-{version}.pcap"));
        write(trace, version, &file)?;
        Ok(Made::new(name, "netflow", &file))
    };
    VERSIONS.into_iter().map(export).collect()
}

fn write(trace: &Path, version: &str, out: &Path) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    let to = socket.local_addr()?.to_string();
    let mut softflowd = Command::new("softflowd")
        .args(["-n", &to, "-v", version, "-d", "-A", "milli", "-r"])
        .arg(trace)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start `softflowd`")?;
    let mut writer = Writer::create(out, ETHERNET, trace)?;
    let mut datagram = vec![0; 65_536];
    let mut sent = 0;
    while let Some(len) = receive(&socket, &mut datagram, &mut softflowd)? {
        writer.put_datagram([TIME + sent / 1_000, sent % 1_000], 2055, &datagram[..len])?;
        sent += 1;
    }
    writer.finish()
}

/// The next datagram's length; none once the sender has ended and everything is read.
fn receive(socket: &UdpSocket, datagram: &mut [u8], sender: &mut Child) -> Result<Option<usize>> {
    loop {
        // Asked first: what it sent before it ended is then there to be read.
        let has_ended = sender.try_wait()?.is_some();
        match socket.recv(datagram) {
            Ok(len) => return Ok(Some(len)),
            Err(late) if matches!(late.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if has_ended {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}
