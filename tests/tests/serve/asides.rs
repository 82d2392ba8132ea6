//! Alerts, outputs and grants as their operator meets them.

use como_tests::Folder;

use super::config;
use super::server::{Server, get};

const SOURCE: &str = "gen:packets=5000,duration=10s,seed=3";

const WATCH: &str = "\
-- Watches.
args = { interval = \"2s\" }
outputs = { busy = { bytes = \"uint bytes\", at = \"text\" } }
local tcp = filter(\"tcp\")
function init(args, last) return { n = 0, first = last == nil } end
function update(pkt, state)
  if tcp(pkt) then state.n += pkt.bytes end
end
function export(state)
  if state.first then
    alert(\"critical\", \"first interval\", { bytes = state.n, names = file.read(\"names.txt\") })
  end
  output(\"busy\", { bytes = state.n, at = tostring(time.now() > 1.6e9) })
  return { bytes = state.n }
end
";

fn lines(body: &str) -> Vec<serde_json::Value> {
    body.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
}

#[test]
fn alerts_and_outputs_are_kept_shown_and_asked_for() {
    let folder = Folder::new();
    folder.write("watch.lua", WATCH);
    folder.write("lists/names.txt", "gateway");
    let lists = folder.path().canonicalize().expect("a folder").join("lists");
    let module = format!(
        "[[module]]\nuse = \"watch.lua\"\nallow = [\"clock\", \"file:{}\"]\n",
        lists.display()
    );
    folder.write("como.toml", config(SOURCE, &module));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/watch.busy?time=:&wait=no", |body| body.lines().count() == 5);
    let status: serde_json::Value =
        serde_json::from_str(&get(server.address(), "/status").body).expect("an object");
    let alert = &status["capture"]["alerts"][0];
    assert_eq!((&alert["module"], &alert["severity"]), (&"watch".into(), &"critical".into()));
    let task = &status["capture"]["tasks"][0];
    assert_eq!((&task["alerts"], &task["faults"]), (&1.into(), &0.into()), "{task}");

    let alerts = lines(&get(server.address(), "/alerts?time=:&wait=no").body);
    assert_eq!(alerts.len(), 1);
    assert_eq!(
        (&alerts[0]["module"], &alerts[0]["text"]),
        (&"watch".into(), &"first interval".into())
    );
    assert!(
        alerts[0]["fields"]
            .as_str()
            .is_some_and(|fields| fields.ends_with("\"names\":\"gateway\"}"))
    );
    let records = lines(&get(server.address(), "/watch?time=:&wait=no").body);
    let busy = lines(&get(server.address(), "/watch.busy?time=:&wait=no").body);
    for (record, row) in records.iter().zip(&busy) {
        assert_eq!((&record["bytes"], &row["at"]), (&row["bytes"], &"true".into()));
    }
    assert_eq!(server.end(), 0);
}

#[test]
fn a_grant_that_makes_no_sense_is_refused_and_what_lacks_one_is_told() {
    let folder = Folder::new();
    folder.write("watch.lua", WATCH);
    let module = |allow: &str| format!("[[module]]\nuse = \"watch.lua\"\nallow = [\"{allow}\"]\n");
    folder.write("como.toml", config(SOURCE, &module("clocks")));
    folder
        .como(["serve"])
        .refused(1, &["no grant `clocks`", "did you mean `clock`?", "como.toml:7"]);
    folder.write("como.toml", config(SOURCE, &module("clock")));
    let server = Server::start(&folder);
    let denied = "watch.lua:11: file.read: is not granted: the operator may add \
                  `allow = [\\\"file:/FOLDER\\\"]`";
    server.until("/status", |status| status.contains(denied) && status.contains("\"grants\":1"));
    assert_eq!(server.end(), 0);
    folder.write("como.toml", config(SOURCE, "[[module]]\nname = \"alerts\"\nuse = \"traffic\"\n"));
    folder.como(["serve"]).refused(1, &["`alerts` is where all modules' alerts are kept"]);
}

#[test]
fn outputs_stand_beside_the_records_of_a_run() {
    let folder = Folder::new();
    folder.write("watch.lua", WATCH.replace("file.read(\"names.txt\")", "1"));
    let ran = folder.como(["run", "watch.lua", "-s", SOURCE, "-q", "--allow", "clock"]).ok();
    let of = |name: &str| ran.ndjson().iter().filter(|line| line["module"] == name).count();
    assert_eq!((of("watch"), of("watch.busy")), (5, 5), "{}", ran.stdout);
    assert!(ran.stderr.contains("module `watch`: critical: first interval"), "{}", ran.stderr);
}
