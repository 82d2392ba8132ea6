//! One monitor as the source of another.

use como_tests::Folder;

use super::server::{Server, get};
use super::{TRAFFIC, config, sum};

#[test]
fn a_monitor_says_the_same_of_the_packets_another_keeps() {
    let keeps = "[[module]]\nname = \"kept\"\nuse = \"trace\"\nargs = { interval = \"1s\" }\n";
    let first = Folder::new();
    let more = format!("{TRAFFIC}{keeps}");
    first.write("como.toml", config("gen:packets=5000,duration=10s,seed=3", &more));
    let first = Server::start(&first);
    first.until("/status", |status| status.contains("\"ended\":true"));
    let all = "/t?time=2024-01-01T00:00:00Z:2024-01-01T00:00:10Z&wait=no";
    first.until(all, |body| sum(body, "packets") == 5000);

    let second = Folder::new();
    let source = format!("como:http://{}/kept,since=", first.address());
    second.write("como.toml", config(&source, TRAFFIC));
    let second = Server::start(&second);
    // The last interval stays open: nothing says that no more will come.
    let closed = "/t?time=2024-01-01T00:00:00Z:2024-01-01T00:00:09Z&wait=no";
    let records = |server: &Server| get(server.address(), closed).body;
    let packets = sum(&records(&first), "packets");
    second.until(closed, |body| sum(body, "packets") == packets);
    assert_eq!(records(&second), records(&first));
    assert_eq!(second.end(), 0);
    assert_eq!(first.end(), 0);
}
