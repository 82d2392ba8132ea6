//! Measuring one run: CPU time of all its threads, and its peak anonymous memory.
//!
//! Unsafe code: waiting for a child and for what it has used is a call into libc.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::case::Case;

/// What one run cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// User and system CPU time, in seconds, with that of the children it waited for.
    pub cpu_seconds: f64,
    /// The most anonymous memory seen, in bytes; files it maps are not its own.
    pub anonymous_bytes: u64,
}

/// Runs a case once with its output thrown away. Its memory is looked at only if it is `watched`:
/// that costs a tenth of the time of a short run, of one with several threads more than of others.
pub fn run(case: &Case, watched: bool) -> Result<Cost> {
    let mut child = Command::new(&case.program)
        .args(&case.args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start `{}`", case.program))?;
    let pid = child.id();
    let mut anonymous_bytes = 0;
    let options = if watched { libc::WNOHANG } else { 0 };
    loop {
        if watched {
            anonymous_bytes = anonymous_bytes.max(anonymous(pid) + of_children(pid));
        }
        if let Some((status, cpu_seconds)) = reap(pid, options)? {
            if !status.success() {
                bail!("`{} {}` ended with {status}", case.program, case.args.join(" "));
            }
            // It has been waited for; this only releases the handle.
            let _ = child.try_wait();
            return Ok(Cost { cpu_seconds, anonymous_bytes });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The child's anonymous resident memory now; 0 once it is gone.
fn anonymous(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:"));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// The anonymous memory of what the child started itself, as a shell does; of no further ones.
fn of_children(pid: u32) -> u64 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(anonymous).sum()
}

/// The status and CPU seconds of a child that has ended; with `WNOHANG` among the options of
/// `wait4` none as long as it runs.
#[allow(unsafe_code)]
pub fn reap(pid: u32, options: i32) -> Result<Option<(ExitStatus, f64)>> {
    let mut status = 0;
    // SAFETY: `rusage` is plain data for which all zeros is a value, and both pointers are to
    // locals that outlive the call. The standard library's `wait` does not report usage.
    let (waited, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let waited = libc::wait4(pid as libc::pid_t, &mut status, options, &mut usage);
        (waited, usage)
    };
    match waited {
        0 => Ok(None),
        -1 => Err(std::io::Error::last_os_error()).context("wait4"),
        _ => {
            let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
            let cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
            Ok(Some((ExitStatus::from_raw(status), cpu)))
        }
    }
}
