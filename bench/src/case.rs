//! One case: a command that reads the trace once.

use std::path::Path;

/// A command and what it is called in the table.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it measures.
    pub name: String,
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
}

impl Case {
    /// A command by its name in the table.
    pub fn new(name: &str, program: &str, args: &[&str]) -> Self {
        let args = args.iter().map(|a| (*a).to_owned()).collect();
        Self { name: name.to_owned(), program: program.to_owned(), args }
    }
}

/// The ten modules that run together: name in the table, module, its argument if it takes one.
pub const TEN: [(&str, &str, &str); 10] = [
    ("traffic", "traffic", ""),
    ("protocol", "protocol", ""),
    ("ethtypes", "ethtypes", ""),
    ("by_src", "topaddr", "use-src=true"),
    ("by_dst", "topaddr", ""),
    ("topports", "topports", ""),
    ("tuple", "tuple", ""),
    ("flowcount", "flowcount", ""),
    ("apps", "apps", ""),
    ("sessions", "sessions", ""),
];

/// The word that has this program itself do the work by hand.
pub const BY_HAND: &str = "byhand";

/// A loop that does nothing but the work of a module: see [`crate::byhand`].
pub fn by_hand(trace: &str) -> std::io::Result<Vec<Case>> {
    let program = std::env::current_exe()?.display().to_string();
    let keys = [("none", "traffic"), ("dst", "topaddr"), ("flow", "tuple")];
    let case =
        |(key, module)| Case::new(&format!("{module} by hand"), &program, &[BY_HAND, key, trace]);
    Ok(keys.map(case).into())
}

/// Our own cases: reading alone, the figures that are promised, the ten alone and together.
pub fn como(binary: &str, trace: &str, scripts: &Path, scratch: &Path) -> Vec<Case> {
    let script = |name: &str| scripts.join(name).display().to_string();
    let run = |name: &str, module: &str, args: &[&str]| {
        let mut all = vec!["run", module, "-r", trace, "--format", "ndjson"];
        all.extend(args);
        Case::new(name, binary, &all)
    };
    let top = ["-a", "n=20", "-a", "interval=5s"];
    let packets = scratch.join("packets.pcapng").display().to_string();
    let mut cases = vec![
        run("como reading", &script("reading.lua"), &[]),
        run("como traffic (basic)", "traffic", &[]),
        run("como topaddr declared (cpu)", "topaddr", &top),
        run("como topaddr native", "topaddr-native", &top),
        run("como topaddr Lua update", &script("topaddr_update.lua"), &top),
        run("como topaddr Rhai update", &script("topaddr_update.rhai"), &top),
        run("como tuple", "tuple", &[]),
        run("como trace to disk (io)", "trace", &["-w", &packets]),
    ];
    for (name, module, arg) in TEN {
        let args: &[&str] = if arg.is_empty() { &[] } else { &["-a", arg] };
        cases.push(run(&format!("one of ten: {name}"), module, args));
    }
    cases.push(together(binary, trace));
    cases
}

fn together(binary: &str, trace: &str) -> Case {
    let names: Vec<String> =
        TEN.iter().map(|(name, module, _)| format!("{name}={module}")).collect();
    let mut args = vec!["run".to_owned(), names.join(",")];
    for (name, _, arg) in TEN.iter().filter(|(_, _, arg)| !arg.is_empty()) {
        args.extend(["-a".to_owned(), format!("{name}.{arg}")]);
    }
    args.extend(["-r", trace, "--format", "ndjson"].map(str::to_owned));
    let name = "como ten together".to_owned();
    Case { name, program: binary.to_owned(), args }
}

/// The tools beside ours; those that are not installed are left out.
pub fn peers(trace: &str, scratch: &Path) -> Vec<Case> {
    let all = [
        Case::new("cat", "cat", &[trace]),
        Case::new("tcpdump --count ip", "tcpdump", &["-r", trace, "--count", "ip"]),
        Case::new("tcpdump -w", "tcpdump", &["-r", trace, "-w", "/dev/null"]),
        Case::new("tshark -q", "tshark", &["-r", trace, "-q", "-z", "io,stat,5"]),
        Case::new("softflowd", "softflowd", &["-r", trace, "-D"]),
    ];
    let all = all.into_iter().filter(|c| is_installed(&c.program));
    all.chain(flow_records(trace, scratch)).collect()
}

/// Flow records of the trace, kept in files, and the top destinations out of them: two programs,
/// and their time together.
fn flow_records(trace: &str, scratch: &Path) -> Option<Case> {
    let dir = scratch.join("flows").display().to_string();
    let script = "rm -rf \"$2\" && mkdir \"$2\" && nfpcapd -t 3600 -r \"$1\" -w \"$2\" \
                  && nfdump -R \"$2\" -s dstip/bytes -n 20";
    let case = Case::new("nfpcapd, then nfdump -s dstip", "sh", &["-c", script, "sh", trace, &dir]);
    (is_installed("nfpcapd") && is_installed("nfdump")).then_some(case)
}

/// Whether a program is found where programs are.
pub fn is_installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&paths).chain(system).any(|dir| dir.join(program).is_file())
}
