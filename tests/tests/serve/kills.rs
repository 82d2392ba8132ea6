//! Kills under load: of what a monitor keeps, records, rollups and packets, nothing is damaged.

use como_tests::Folder;

use super::config;
use super::server::{Server, get};

const MODULES: &str = "\
[[module]]
name = \"t\"
use = \"traffic\"
args = { interval = \"10ms\" }
rollup = [\"100ms:1d\"]
[[module]]
name = \"flows\"
use = \"tuple\"
args = { interval = \"100ms\" }
[[module]]
name = \"kept\"
use = \"trace\"
args = { interval = \"100ms\" }
streamsize = \"20MB\"
compress = true
";

#[test]
fn what_kills_leave_is_whole_and_goes_on() {
    let rounds = if std::env::var_os("COMO_SOAK").is_some() { 100 } else { 8 };
    let folder = Folder::new();
    folder.write("como.toml", config("gen:rate=20000,duration=3600s,pace=true", MODULES));
    let mut before = 0;
    for round in 0..rounds {
        let server = Server::start(&folder);
        let rows = |status: &str, stream: &str| -> u64 {
            let status: serde_json::Value = serde_json::from_str(status).expect("a status");
            status["store"]["streams"][stream]["rows"].as_u64().unwrap_or(0)
        };
        // At another moment each time: some while the first segment is begun, some much later.
        server.until("/status", |status| rows(status, "t") > (round * 13 % 40));
        let seen = rows(&get(server.address(), "/status").body, "t");
        server.kill();
        let ran = folder.como(["store", "verify", "--json"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "round {round}: {}", ran.stderr);
        let listed = folder.como(["store", "ls"]).ok().ndjson();
        let row = listed.iter().find(|row| row["stream"] == "t").expect("a stream");
        let there = row["records"].as_u64().unwrap_or(0);
        assert!(there >= before + seen, "round {round}: {there} of {before} and {seen}");
        before = there;
    }
    let server = Server::start(&folder);
    server.until("/t@100ms?time=-1s:&wait=no", |body| body.lines().count() > 3);
    assert_eq!(server.end(), 0);
    folder.como(["store", "verify"]).ok();
}
