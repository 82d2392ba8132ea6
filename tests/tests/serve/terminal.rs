//! What is asked of a monitor as a terminal shows it: as if its store were here.

use std::process::Command;

use como_tests::{Folder, binary};

use super::config;
use super::server::{Server, get};

/// Rows of several types, of which one is too long for a narrow terminal.
const SAYS: &str = "\
args = { interval = \"1s\" }
function init() return { n = 0 } end
function update(pkt, state) state.n += pkt.bytes end
function export(state)
  return { n = state.n, odd = 0 / 0, share = state.n / 7,
    text = \"a text that is much too long for so narrow a terminal\" }
end
function print(record) return \"in its own way\" end
";

const TOP: &str = "[[module]]\nname = \"top\"\nuse = \"topaddr\"\nargs = { interval = \"5s\" }\n";

/// The time of the traffic, and some before it.
const TIME: &str = "--time=2023-12-31T23:59:00Z:2024-01-01T00:00:20Z";

/// What a terminal of so many columns shows as the answer to a question, without what is said
/// beside it; nothing where no terminal can be made here.
fn shown(folder: &Folder, columns: u16, question: &[&str]) -> Option<String> {
    let quoted = question.iter().map(|word| format!(" '{word}'")).collect::<String>();
    let asked =
        format!("stty cols {columns}; exec '{}' query{quoted} 2> /dev/null", binary().display());
    let mut command = Command::new("script");
    command.args(["-qefc", &asked, "/dev/null"]).current_dir(folder.path());
    let ran = command.env("TERM", "xterm").env("NO_COLOR", "1").output().ok()?;
    Some(String::from_utf8(ran.stdout).expect("UTF-8").replace("\r\n", "\n"))
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn a_terminal_shows_the_same_of_a_monitor_as_of_its_store() {
    let folder = Folder::new();
    folder.write("says.lua", SAYS);
    let says = "[[module]]\nuse = \"says.lua\"\n";
    folder.write("como.toml", config("gen:packets=5000,duration=20s", &format!("{TOP}{says}")));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/top?time=:&wait=no", |body| body.contains("00:00:15Z"));
    server.until("/says?time=:&wait=no", |body| body.contains("own way"));
    let url = format!("http://{}", server.address());
    let questions: [&[&str]; 4] = [
        &["top", TIME],
        &["top", TIME, "--interval", "10s"],
        &["says", TIME],
        &["says", TIME, "--explain"],
    ];
    let ask = |place: [&str; 2]| -> Option<Vec<String>> {
        let ask = |question: &&[&str]| shown(&folder, 60, &[question, &place[..]].concat());
        questions.iter().map(ask).collect()
    };
    let Some(far) = ask(["--url", &url]) else {
        eprintln!("skipped: there is no `script` here");
        return;
    };
    assert_eq!(server.end(), 0);
    let near = ask(["--store", "store"]).expect("as before");
    assert_eq!(far[..3], near[..3]);
    // Amounts have their thousands apart, long texts are cut, and what is absent is a dash.
    let [top, _, says, explained] = &far[..] else { panic!("four answers") };
    assert!(top.contains(',') && top.contains("-- no source from 2023-12-31T23:59:00Z"), "{top}");
    assert!(says.contains("NaN") && says.contains("a text"), "{says}");
    let rows = says.lines().filter(|line| line.starts_with("2024-") || line.starts_with("ts "));
    assert!(rows.clone().count() > 19, "{says}");
    assert!(rows.clone().all(|row| row.chars().count() <= 60), "{says}");
    assert!(explained.starts_with("ts "), "{explained}");
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn what_is_said_beside_a_bar_stands_on_a_line_of_its_own() {
    let folder = Folder::new();
    let kept = "[[module]]\nname = \"kept\"\nuse = \"trace\"\nargs = { interval = \"1s\" }\n";
    folder.write("como.toml", config("gen:packets=5000,duration=20s", kept));
    let server = Server::start(&folder);
    server.until("/kept?time=:&wait=no", |body| body.contains("00:00:19Z"));
    assert_eq!(server.end(), 0);
    folder.write("torn.lua", SAYS.replace("state.n += pkt.bytes", "error(\"torn\")"));
    let asked =
        format!("'{}' query torn.lua --source kept --store store --time :", binary().display());
    let mut command = Command::new("script");
    command.args(["-qefc", &asked, "/dev/null"]).current_dir(folder.path());
    let Ok(ran) = command.env("TERM", "xterm").output() else {
        eprintln!("skipped: there is no `script` here");
        return;
    };
    let shown = String::from_utf8(ran.stdout).expect("UTF-8");
    assert!(shown.contains(" packets/s"), "there was a bar: {shown:?}");
    for said in [" WARN ", "from 1970-01-01T00:00:00Z on"] {
        let (before, _) = shown.split_once(said).expect(said);
        // Nothing of the bar: the line begins there, or was cleared.
        let is_clear = ["\n", "\u{1b}[2K"].iter().any(|end| before.ends_with(end));
        assert!(is_clear || before.is_empty(), "{said}: {shown:?}");
    }
}

#[test]
fn a_table_of_an_answer_that_breaks_off_ends_with_why() {
    let folder = Folder::new();
    folder.write("como.toml", config("gen:packets=2000,duration=20s", ""));
    let torn = SAYS.replace("function print", "function merge(a, b) error(\"torn\") end\n--");
    folder.write("modules/torn.lua", torn);
    let server = Server::start(&folder);
    server.until("/torn?time=:&wait=no", |body| body.lines().count() >= 19);
    let url = format!("http://{}", server.address());
    let asked = ["query", "torn", "--interval", "10s", "--format", "table", "--url", &url];
    let ran = folder.como(asked);
    assert!(ran.code == 1 && !ran.stdout.contains("error"), "{} {}", ran.stdout, ran.stderr);
    let error = ran.stderr.lines().find(|line| line.starts_with("error: "));
    assert!(error.is_some_and(|error| error.contains("broke off: ")), "{}", ran.stderr);
    assert!(ran.stderr.contains("torn"), "{}", ran.stderr);
    // What comes through in a format of its own is as the monitor sends it.
    let plain = folder.como(["query", "torn", "--format", "plain", "--url", &url]).ok();
    let sent = get(server.address(), "/torn?format=plain&wait=no").body;
    assert_eq!(plain.stdout, sent);
    assert_eq!(server.end(), 0);
}
