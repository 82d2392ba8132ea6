//! The harness of the end-to-end tests: finds the command, runs it, keeps its files apart.
//!
//! The command under test is the one built beside the tests
//! (`target/PROFILE/como`). It is built when missing, not when old.
//!
//! Unsafe code: ending a child by SIGTERM is a call into libc.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What one run of the command left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Exit code; -1 where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// The lines of standard output as JSON values.
    #[track_caller]
    pub fn ndjson(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON: {e}: {line}"))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// Asserts success and returns itself.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    /// Asserts failure in the way every failure should look: the exit code, nothing on standard
    /// output, and one message on standard error that holds each of `words`.
    #[track_caller]
    pub fn refused(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert_eq!(self.stdout, "", "data on standard output although it failed");
        let errors = self.stderr.lines().filter(|line| line.starts_with("error")).count();
        assert_eq!(errors, 1, "one message: {}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing in: {}", self.stderr);
        }
    }
}

/// The path of the command under test.
pub fn binary() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let test = std::env::current_exe().expect("a test knows its own path");
        let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/test");
        let path = profile.join(format!("como{}", std::env::consts::EXE_SUFFIX));
        if !path.exists() {
            build(profile);
        }
        path
    })
}

fn build(profile: &Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "como"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.file_name() == Some(OsStr::new("release")) {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the command does not build");
}

/// A run of the command in the making, in a folder of its own.
pub struct Como {
    command: Command,
    input: Vec<u8>,
}

impl Como {
    /// The command with arguments, in `folder`; colours off, no configuration from outside.
    pub fn new<S: AsRef<OsStr>>(folder: &Folder, args: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new(binary());
        command.args(args).current_dir(folder.path());
        command.env_remove("COMO_CONFIG").env_remove("RUST_LOG").env("NO_COLOR", "1");
        command.env("HOME", folder.path()).env_remove("XDG_STATE_HOME").env("COLUMNS", "100");
        Self { command, input: Vec::new() }
    }

    /// What it reads from standard input.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Ran {
        let out = self.output();
        Ran {
            code: out.status.code().unwrap_or(-1),
            stdout: String::from_utf8(out.stdout).expect("UTF-8 on standard output"),
            stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        }
    }

    /// Runs it to its end, successfully, for the bytes it writes.
    pub fn run_bytes(self) -> Vec<u8> {
        let out = self.output();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    }

    fn output(mut self) -> Output {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the command starts");
        let mut stdin = child.stdin.take().expect("a pipe was asked for");
        let input = self.input;
        // Written beside the reading, so that neither side waits for the other; a command that
        // stops reading early is its own affair.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let out = child.wait_with_output().expect("the command ends");
        writer.join().expect("the writer does not panic");
        out
    }

    /// The command itself, for tests that start it and talk to it while it runs.
    pub fn into_command(self) -> Command {
        self.command
    }
}

/// A temporary folder that goes with the test.
pub struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    /// A new, empty one.
    #[expect(clippy::new_without_default, reason = "it makes a folder on disk")]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into it and returns its path.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
        std::fs::write(&path, bytes).expect("a file in a temporary folder");
        path
    }

    /// Runs the command in it.
    pub fn como<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Como::new(self, args).run()
    }
}

/// A `como serve` in the making of a store, or to ask.
pub struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    /// Starts it in a folder with a `como.toml`, and waits until its sources have ended.
    pub fn start(command: &Path, folder: &Folder) -> Self {
        let mut command = Command::new(command);
        command.arg("serve").current_dir(folder.path()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let mut talk = BufReader::new(child.stderr.take().expect("a pipe was asked for"));
        let (mut said, mut line) = (String::new(), String::new());
        let url = loop {
            line.clear();
            assert!(talk.read_line(&mut line).expect("UTF-8") > 0, "it ended: {said}");
            said += &line;
            if let Some((_, address)) = line.trim_end().rsplit_once("http://") {
                break format!("http://{address}");
            }
        };
        // What it says later is read away, so that it never waits for us.
        std::thread::spawn(move || std::io::copy(&mut talk, &mut std::io::sink()));
        let serving = Self { child, url };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !serving.status().is_some_and(|status| status.contains("\"ended\":true")) {
            assert!(Instant::now() < deadline, "its sources do not end");
            std::thread::yield_now();
        }
        serving
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn status(&self) -> Option<String> {
        let url = format!("{}/status", self.url);
        ureq::get(&url).call().ok()?.body_mut().read_to_string().ok()
    }

    /// Ends it as an operator would: all is stored.
    #[expect(unsafe_code, reason = "the standard library sends no signal but SIGKILL")]
    pub fn end(mut self) {
        // SAFETY: a signal to a child that has not been waited for, so that its number is its own.
        let sent = unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        assert_eq!(sent, 0, "it runs");
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Ended already, mostly; after a failed assertion it must not stay.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder of real captures beside the project, where there is one.
pub fn traces() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let path = workspace.parent()?.join("shared/traces");
    path.is_dir().then_some(path)
}
