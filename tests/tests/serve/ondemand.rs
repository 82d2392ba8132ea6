//! Modules that run only when they are asked.

use como_tests::Folder;

use super::config;
use super::rerun::{MODULES, SOURCE, ran};
use super::server::{Server, get};

const ASLEEP: &str = "\
[[module]]
name = \"busy ports\"
use = \"topports\"
args = { n = 5, interval = \"2s\" }
running = \"on-demand\"
";

#[test]
fn a_module_on_demand_is_listed_and_runs_when_it_is_asked() {
    let folder = Folder::new();
    folder.write("como.toml", config(SOURCE, &format!("{MODULES}{ASLEEP}")));
    let server = Server::start(&folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    server.until("/kept?time=:&wait=no", |body| body.contains("00:00:05Z"));
    let status: serde_json::Value =
        serde_json::from_str(&get(server.address(), "/status").body).expect("an object");
    let asleep = &status["on_demand"][0];
    assert_eq!((&asleep["name"], &asleep["module"]), (&"busy ports".into(), &"topports".into()));
    assert_eq!(asleep["running"], "on-demand");
    let tasks = status["capture"]["tasks"].as_array().expect("a list");
    assert!(tasks.iter().all(|task| task["name"] != "busy ports"), "{tasks:?}");
    assert!(get(server.address(), "/").body.contains("runs on demand"));

    let two = ["topports", "-a", "interval=2s", "-a", "n=5"];
    let answer = get(server.address(), "/busy%20ports?time=:&wait=no");
    assert_eq!((answer.status, answer.body), (200, ran(&folder, &two).stdout));
    let fewer = get(server.address(), "/busy%20ports?time=:&wait=no&arg.n=1");
    assert_eq!(fewer.body, ran(&folder, &[&two[..], &["-a", "n=1"]].concat()).stdout);

    // It is woken, and put to sleep again.
    folder.write(
        "como.toml",
        config(SOURCE, &format!("{MODULES}{}", ASLEEP.replace("on-demand", "always"))),
    );
    server.hang_up();
    server.until("/status", |s| s.contains("\"on_demand\":[]") && s.contains("busy ports"));
    folder.write("como.toml", config(SOURCE, &format!("{MODULES}{ASLEEP}")));
    server.hang_up();
    server.until("/status", |s| s.contains("\"running\":\"on-demand\""));
    let answer = get(server.address(), "/busy%20ports?time=:&wait=no");
    assert_eq!(answer.body, ran(&folder, &two).stdout);
    assert_eq!(server.end(), 0);
}

#[test]
fn a_module_on_demand_that_could_not_run_is_refused_at_the_start() {
    let folder = Folder::new();
    folder.write("como.toml", config(SOURCE, &ASLEEP.replace("n = 5", "m = 5")));
    folder.como(["serve"]).refused(1, &["`m`", "topports"]);
}
