//! Views: what is seen through one, and what is not.

use como_tests::Folder;
use serde_json::Value;

use super::server::{Server, get};
use super::sum;

const MODULES: &str = "[[module]]\nname = \"t\"\nuse = \"traffic\"\nargs = { interval = \"1s\" }\n\
    [[module]]\nuse = \"trace\"\n";

/// All of time, as it is stored.
const ALL: &str = "time=1970-01-01T00:00:00Z:&wait=no";

/// A monitor of traffic that has ended, with these views.
fn monitor(folder: &Folder, views: &str) -> Server {
    folder.write("como.toml", config(views));
    let server = Server::start(folder);
    server.until("/status", |status| status.contains("\"ended\":true"));
    // Records and packets reach the disk each in their own time.
    for stored in ["", "&source=trace"] {
        server.until(&format!("/t?{ALL}{stored}"), |body| sum(body, "packets") == 20_000);
    }
    server
}

fn config(views: &str) -> String {
    super::config("gen:packets=20000,duration=20s,seed=3", &format!("{MODULES}{views}"))
}

/// How many packets an instance says it has seen.
#[track_caller]
fn packets(server: &Server, url: &str) -> u64 {
    let reply = get(server.address(), url);
    assert_eq!(reply.status, 200, "{url}: {}", reply.body);
    sum(&reply.body, "packets")
}

#[track_caller]
fn refused(server: &Server, url: &str, status: u16, words: &str) {
    let reply = get(server.address(), url);
    assert_eq!(reply.status, status, "{url}: {}", reply.body);
    assert!(reply.body.contains(words), "{url}: {}", reply.body);
}

#[test]
fn a_view_is_of_its_packets_and_its_modules_alone() {
    let folder = Folder::new();
    let view = "[view.udp]\nfilter = \"udp\"\nmodules = [\"t\", \"topports\"]\n";
    let server = monitor(&folder, view);
    let udp = packets(&server, &format!("/t?{ALL}&filter=udp"));
    assert!(0 < udp && udp < 20_000);
    server.until(&format!("/udp/t?{ALL}"), |body| sum(body, "packets") == udp);
    let dns = packets(&server, &format!("/t?{ALL}&filter=udp%20and%20port%2053"));
    assert!(0 < dns && dns < udp);
    assert_eq!(packets(&server, &format!("/udp/t?{ALL}&filter=port%2053")), dns);
    assert_eq!(packets(&server, &format!("/udp?module=t&{ALL}&filter=tcp")), 0);
    assert!(packets(&server, &format!("/udp/topports?{ALL}")) > 0);
    // The streams are the view's own.
    assert_eq!(packets(&server, &format!("/udp:t?{ALL}")), udp);
    assert_eq!(packets(&server, &format!("/t?{ALL}")), 20_000);

    refused(&server, &format!("/udp/trace?{ALL}"), 404, "known are t, topports");
    refused(
        &server,
        &format!("/udp/t?{ALL}&filter=tcp)%20or%20(tcp"),
        400,
        "filter `tcp) or (tcp`",
    );
    refused(&server, &format!("/udp/t?{ALL}&source=trace"), 400, "`source` is not for a view");
    refused(&server, &format!("/udp/t?{ALL}&explain=yes"), 400, "`explain` is not for a view");
    refused(&server, "/tcp/t", 404, "there is nothing here");
    refused(&server, "/udp/udp/t", 404, "there is nothing here");

    let page = get(server.address(), "/udp").body;
    assert!(page.contains("href=\"/udp/topports?") && page.contains("/udp/status"), "{page}");
    assert!(!page.contains("trace"), "{page}");
    let status = get(server.address(), "/udp/status").body;
    let status: Value = serde_json::from_str(&status).expect("an object");
    let tasks = status["capture"]["tasks"].as_array().expect("a list");
    let names: Vec<&Value> = tasks.iter().map(|task| &task["name"]).collect();
    assert_eq!(names, ["t", "topports"], "{status}");
    assert_eq!(tasks[0]["filter"], "udp");
    let streams = status["store"]["streams"].as_object().expect("an object");
    assert!(streams.contains_key("t") && !streams.contains_key("trace"), "{status}");
    assert_eq!(server.end(), 0);
}

#[test]
fn a_view_over_a_source_runs_its_modules_when_they_are_asked() {
    let folder = Folder::new();
    let view = "[view.past]\npath = \"/web\"\nfilter = \"tcp\"\nsource = \"trace\"\n\
                modules = [\"t\", \"topports\", \"trace\"]\n";
    let server = monitor(&folder, view);
    let tcp = packets(&server, &format!("/t?{ALL}&filter=tcp"));
    assert!(0 < tcp && tcp < 20_000);
    assert_eq!(packets(&server, &format!("/web/t?{ALL}")), tcp);
    assert!(packets(&server, &format!("/web/topports?{ALL}&arg.n=3")) > 0);
    assert_eq!(packets(&server, &format!("/web/t?{ALL}&filter=udp")), 0);
    refused(&server, "/past/t", 404, "there is nothing here");

    let url = format!("http://{}/web/trace?{ALL}&format=pcap", server.address());
    let mut reply = ureq::get(&url).call().expect("an answer");
    folder.write("tcp.pcap", reply.body_mut().read_to_vec().expect("a capture"));
    let count = |filter: &str| {
        let args = ["run", "traffic", "-r", "tcp.pcap", "-q", "--format", "ndjson", filter];
        sum(&folder.como(args).ok().stdout, "packets")
    };
    assert_eq!((count("tcp"), count("not tcp")), (tcp, 0));
    assert_eq!(server.end(), 0);
}

#[test]
fn a_view_may_have_an_address_of_its_own_and_is_narrowed_while_it_is_open() {
    let folder = Folder::new();
    let view = |filter: &str| {
        format!("[view.udp]\nfilter = \"{filter}\"\nlisten = \"127.0.0.1:0\"\nmodules = [\"t\"]\n")
    };
    let server = monitor(&folder, &view("udp"));
    let status: Value = serde_json::from_str(&get(server.address(), "/status").body).expect("JSON");
    let own = status["views"][0]["listen"].as_str().expect("an address").parse();
    let own: std::net::SocketAddr = own.expect("an address");
    let url = format!("/t?{ALL}");
    server.until(&format!("/udp{url}"), |body| sum(body, "packets") > 0);
    let udp = sum(&get(own, &url).body, "packets");
    assert_eq!(udp, packets(&server, &format!("/t?{ALL}&filter=udp")));
    assert_eq!(get(own, "/trace").status, 404);
    assert!(get(own, "/").body.contains("href=\"/t?"));
    assert!(get(own, "/status").body.contains("\"view\":\"udp\""));

    // What was measured before it was narrowed is not the view's any more.
    folder.write("como.toml", config(&view("udp port 53")));
    server.hang_up();
    server.until("/status", |status| {
        status.matches("\"filter\":\"udp and (sport == 53").count() == 2
    });
    let dns = packets(&server, &format!("/t?{ALL}&filter=udp%20port%2053"));
    assert!(dns < udp);
    server.until(&format!("/udp{url}"), |body| sum(body, "packets") == dns);
    assert_eq!(sum(&get(own, &url).body, "packets"), dns);
    assert_eq!(server.end(), 0);
}

#[test]
fn a_view_takes_no_scripts_and_answers_from_its_own_records() {
    let folder = Folder::new();
    let view = "[view.udp]\nfilter = \"udp\"\nmodules = [\"traffic\"]\n";
    folder.write("como.toml", super::config("gen:packets=20000,duration=20s,seed=3", view));
    let server = Server::start(&folder);
    // No packets are kept: nothing else could answer.
    server.until(&format!("/udp/traffic?{ALL}"), |body| sum(body, "packets") > 0);
    server.until("/status", |status| status.contains("\"ended\":true"));
    refused(&server, &format!("/udp/traffic?{ALL}&filter=port%2053"), 400, "`traffic` measures");
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build();
    let post = ureq::Agent::from(agent).post(format!("http://{}/udp/query", server.address()));
    let post = post.header("Content-Type", "text/x-lua").send("value = { n = count() }");
    assert_eq!(post.expect("an answer").status(), 405);
    assert_eq!(server.end(), 0);
}
