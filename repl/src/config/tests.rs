//! The configuration, line by line: what it means, and how its mistakes are told.

use como_core::record::Value;

use super::*;
use crate::init::TEMPLATE;

fn read(text: &str) -> Result<Config> {
    Reader { origin: "como.toml", text, folder: Path::new("/etc/como") }.config()
}

#[track_caller]
fn check_error(text: &str, want: &str) {
    match read(text) {
        Ok(config) => panic!("{text} was accepted: {config:?}"),
        Err(failure) => assert_eq!(failure.to_string().trim_end(), want),
    }
}

#[test]
fn an_empty_file_has_the_defaults() {
    let config = read("").expect("valid");
    assert_eq!(config.modules, Path::new("/etc/como/modules"));
    assert_eq!(config.store, Path::new("/etc/como/store"));
    assert_eq!(config.listen.to_string(), LISTEN_DEFAULT);
    assert_eq!(config.limits, Limits::default());
    assert_eq!((config.streamsize, config.workers), (STREAMSIZE_DEFAULT, 0));
    assert_eq!(config.retain, FOREVER);
}

#[test]
fn an_instance_has_all_it_is_given() {
    let text = r#"
        [[module]]
        name = "top destinations"
        use = "topaddr"
        filter = "tcp"
        args = { n = 20, interval = "300s" }
        streamsize = "5GB"
        retain = "30d"
        [[module]]
        use = "mine/count.lua"
    "#;
    let config = read(text).expect("valid");
    let [top, count] = &config.instances[..] else { panic!("two instances") };
    assert_eq!((&*top.name, &*top.module, &*top.filter), ("top destinations", "topaddr", "tcp"));
    assert_eq!(top.args.get("n"), Some(&Value::Int(20)));
    assert_eq!(top.streamsize, Some(5_000_000_000));
    assert_eq!((top.retain, count.retain), (Some(Span::from_secs(30 * 86_400)), None));
    assert_eq!((&*count.name, &*count.module), ("count", "/etc/como/mine/count.lua"));
}

#[test]
fn the_template_is_valid_and_its_comments_are_the_defaults() {
    let plain = read(TEMPLATE).expect("the template is valid");
    let is_key = |line: &str| {
        line.strip_prefix('#').is_some_and(|l| l.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    let all: Vec<&str> =
        TEMPLATE.lines().map(|line| if is_key(line) { &line[1..] } else { line }).collect();
    let set = read(&all.join("\n")).expect("valid with every key set");
    assert_eq!(set.instances[0].streamsize, Some(STREAMSIZE_DEFAULT));
    assert_eq!(set.instances[0].retain, Some(FOREVER));
    let plain = Config { instances: Vec::new(), ..plain };
    let places = plain.places.clone();
    assert_eq!(Config { instances: Vec::new(), places, ..set }, plain);
}

#[test]
fn the_template_describes_every_key() {
    let sections = [
        "",
        "[[source]]\n",
        "[capture]\n",
        "[[module]]\n",
        "[store]\n",
        "[http]\n",
        "[limits]\n",
        "[view.web]\n",
    ];
    for section in sections {
        let error = toml::from_str::<file::File>(&format!("{section}zzz = 1")).expect_err("zzz");
        let (_, known) = unknown_key(error.message()).expect("an unknown key");
        assert!(!known.is_empty());
        let (_, rest) = TEMPLATE.split_once(section).expect("each section is shown");
        for key in known {
            let shown = |line: &str| {
                let line = line.trim_start_matches(['#', '[', ' ']);
                line.strip_prefix(key).is_some_and(|l| l.starts_with([' ', ']', '.']))
            };
            assert!(rest.lines().any(shown), "{section}{key} is not described");
        }
    }
}

#[test]
fn an_unknown_key_is_underlined_and_the_nearest_named() {
    check_error(
        "[http]\nlisten_on = \"x\"\n",
        "error: unknown key `listen_on`\n  como.toml:2\n  listen_on = \"x\"\n  ^^^^^^^^^\n\
         hint: did you mean `listen`?",
    );
    check_error(
        "colour = 1\n",
        "error: unknown key `colour`\n  como.toml:1\n  colour = 1\n  ^^^^^^\n\
         hint: known here: modules, source, capture, module, store, http, lookup, limits, view",
    );
}

#[test]
fn a_mistake_in_a_value_is_underlined() {
    check_error(
        "[store]\nstreamsize = \"5 apples\"\n",
        "error: `5 apples` is not a size: write a number and one of B kB MB GB TB KiB MiB GiB TiB, \
         as in `5GB`\n  como.toml:2\n  streamsize = \"5 apples\"\n               ^^^^^^^^^^",
    );
    check_error(
        "[http]\nlisten = \"44444\"",
        "error: `44444` is not an address and a port, as in `127.0.0.1:44444`\n  como.toml:2\n  \
         listen = \"44444\"\n           ^^^^^^^",
    );
}

#[test]
fn a_mistake_in_a_filter_is_underlined_where_it_stands() {
    check_error(
        "[[module]]\nuse = \"a\"\nfilter = \"tcp and prot\"\n",
        "error: unknown word `prot`\n  como.toml:3\n  filter = \"tcp and prot\"\
         \n                    ^^^^\nhint: did you mean `port`?",
    );
}

#[test]
fn a_mistake_in_the_syntax_is_underlined() {
    let failure = read("[[module]\nname = 1").expect_err("no TOML").to_string();
    assert!(failure.contains("como.toml:1"), "{failure}");
    let failure = read("[[module]]\nname = \"a\"\n").expect_err("no use").to_string();
    assert!(failure.contains("missing key `use`"), "{failure}");
}

#[test]
fn records_are_kept_for_a_span_or_for_ever() {
    let config = read("[store]\nretain = \"30d\"\n").expect("valid");
    assert_eq!(config.retain, Span::from_secs(30 * 86_400));
    check_error(
        "[store]\nretain = \"0s\"\n",
        "error: nothing would be kept: at least 1s\n  como.toml:2\n  retain = \"0s\"\n           \
            ^^^^",
    );
}

#[test]
fn wires_are_merged_within_a_window_that_is_a_span() {
    assert_eq!(read("").expect("valid").window, Span(10_000_000));
    let config = read("[capture]\nwindow = \"250ms\"\n").expect("valid");
    assert_eq!(config.window, Span(250_000_000));
    let failure = read("[capture]\nwindow = \"soon\"\n").expect_err("no span").to_string();
    assert!(failure.contains("como.toml:2"), "{failure}");
}

#[test]
fn a_module_may_run_on_demand_only_and_scripts_be_taken_from_others() {
    let config = read("").expect("valid");
    assert_eq!(config.scripts, Scripts::Loopback);
    let config = read("[http]\nscripts = \"any\"\n").expect("valid");
    assert_eq!(config.scripts, Scripts::Any);
    let module = |rest: &str| read(&format!("[[module]]\nuse = \"a\"\n{rest}")).expect("valid");
    assert!(!module("").instances[0].on_demand);
    assert!(!module("running = \"always\"").instances[0].on_demand);
    assert!(module("running = \"on-demand\"").instances[0].on_demand);
    check_error(
        "[[module]]\nuse = \"a\"\nrunning = \"on-demand\"\nbackfill = \"1h\"\n",
        "error: a module on demand has no backfill\n  como.toml:4\n  backfill = \"1h\"\n  \
         \x20          ^^^^\nhint: a question runs it over what is stored: leave it out",
    );
    check_error(
        "[http]\nscripts = \"all\"\n",
        "error: `all` is none of the words here\n  como.toml:2\n  scripts = \"all\"\n            \
         ^^^^^\nhint: write \"loopback\" or \"none\" or \"any\"",
    );
}

#[test]
fn two_instances_of_one_name_are_refused() {
    check_error(
        "[[module]]\nuse = \"traffic\"\n[[module]]\nuse = \"traffic\"\n",
        "error: two modules are called `traffic`\n  como.toml:4\n  use = \"traffic\"\n        \
         ^^^^^^^^^\nhint: give each a `name` of its own",
    );
}

#[test]
fn a_list_is_no_argument() {
    check_error(
        "[[module]]\nuse = \"a\"\nargs = { n = [1] }\n",
        "error: argument `n` of module `a` is array\n  como.toml:3\n  args = { n = [1] }\
         \n               ^^^\nhint: arguments are texts, numbers, true or false",
    );
}

#[test]
fn names_that_no_path_leads_to_are_refused() {
    for (name, why) in [
        ("status", "`/status` is taken already"),
        ("alerts", "`alerts` is where all modules' alerts are kept"),
        ("a/b", "`a/b` cannot name a module"),
        ("a\\u001b", "cannot name a module"),
    ] {
        let text = format!("[[module]]\nuse = \"traffic\"\nname = \"{name}\"\n");
        let failure = read(&text).expect_err("taken").to_string();
        assert!(failure.contains(why) && failure.contains("como.toml:3"), "{failure}");
    }
}

#[test]
fn the_own_machine_has_a_name_and_no_other_is_looked_up() {
    let config = read("[http]\nlisten = \"localhost:44444\"\n").expect("valid");
    assert!(config.listen.ip().is_loopback() && config.listen.port() == 44444);
    check_error(
        "[http]\nlisten = \"elsewhere:1\"\n",
        "error: `elsewhere:1` is not an address and a port, as in `127.0.0.1:44444`\n  \
         como.toml:2\n  listen = \"elsewhere:1\"\n           ^^^^^^^^^^^^^",
    );
}

#[test]
fn limits_that_nothing_could_run_within_are_refused() {
    for (key, value, least) in
        [("rows", "0", "1"), ("call", "\"0s\"", "1ms"), ("memory", "\"1B\"", "1MiB")]
    {
        let (line, under) = (format!("{key} = {value}"), "^".repeat(value.len()));
        let spaces = " ".repeat(line.len() - value.len());
        check_error(
            &format!("[limits]\n{line}\n"),
            &format!(
                "error: too little: at least {least}\n  como.toml:2\n  {line}\n  {spaces}{under}"
            ),
        );
    }
}

#[test]
fn more_workers_than_find_room_are_refused() {
    check_error(
        "[limits]\nworkers = 20000\n",
        "error: too many threads: at most 1024\n  como.toml:2\n  workers = 20000\n            \
            ^^^^^",
    );
    assert_eq!(read("[limits]\nworkers = 1024\n").expect("valid").workers, 1024);
}

#[test]
fn paths_of_sources_start_at_the_folder_of_the_file() {
    let text = "[[source]]\nuse = \"a.pcap\"\n[[source]]\nuse = \"live:eth0\"\n\
                [[source]]\nuse = \"/b.pcap\"\n";
    let folder = Path::new("etc");
    let read = Reader { origin: "etc/como.toml", text, folder }.config().expect("valid");
    assert_eq!(read.sources, ["etc/a.pcap", "live:eth0", "/b.pcap"]);
}

#[test]
fn rollups_are_read_and_mistakes_in_them_underlined() {
    let module = |rollup: &str| format!("[[module]]\nuse = \"traffic\"\nrollup = {rollup}\n");
    let config = read(&module("[\"1m:7d\", \"1h:1y\", \"1d:forever\"]")).expect("valid");
    let shown: Vec<_> = config.instances[0].rollups.iter().map(|r| (r.len, r.age)).collect();
    let hours = |hours: u64| Span::from_secs(hours * 3600);
    let kept = [(Span::from_secs(60), Some(hours(7 * 24))), (hours(1), Some(hours(365 * 24)))];
    assert_eq!(shown, [kept[0], kept[1], (hours(24), None)]);
    for (wrong, why) in [
        ("[\"1m\"]", "`1m` is no rollup"),
        ("[\"x:7d\"]", "`x:7d` is no rollup"),
        ("[\"1h:1m\"]", "nothing would be kept"),
        ("[\"1h:1d\", \"1m:1d\"]", "not longer than those before"),
    ] {
        let failure = read(&module(wrong)).expect_err("wrong").to_string();
        assert!(failure.contains(why) && failure.contains("como.toml:3"), "{failure}");
    }
    let twin = "[[module]]\nuse = \"traffic\"\nname = \"traffic@1m\"\n";
    let failure = read(&(module("[\"1m:7d\"]") + twin)).expect_err("wrong").to_string();
    assert!(failure.contains("the name of a rollup of `traffic`"), "{failure}");
}

#[test]
fn a_view_has_instances_of_its_own_with_both_filters() {
    let text = r#"
        [[module]]
        name = "top"
        use = "topaddr"
        filter = "ip"
        args = { n = 3 }
        [view.web]
        filter = "tcp port 80 or tcp port 443"
        modules = ["top", "traffic"]
        [view.past]
        path = "/yesterday"
        modules = ["top"]
        source = "trace"
    "#;
    let config = read(text).expect("valid");
    let names: Vec<&str> = config.instances.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(names, ["top", "past:top", "web:top", "web:traffic"]);
    let [_, past, top, traffic] = &config.instances[..] else { panic!("four") };
    assert_eq!((&*top.module, top.args.get("n")), ("topaddr", Some(&Value::Int(3))));
    assert!(top.filter.contains("ip and") && !traffic.filter.contains("ip and"), "{}", top.filter);
    assert_eq!((past.on_demand, top.on_demand), (true, false));
    let paths: Vec<&str> = config.views.iter().map(|view| view.path.as_str()).collect();
    assert_eq!(paths, ["yesterday", "web"]);
}

#[test]
fn a_mistake_in_a_view_is_told() {
    let check = |view: &str, want: &str| {
        let text = format!("[[module]]\nuse = \"traffic\"\n{view}");
        let error = read(&text).expect_err("a mistake").to_string();
        assert!(error.contains(want), "{error}");
    };
    check("[view.a]\n", "view `a` has no modules");
    check("[view.a]\nmodules = [\"trafic\"]\n", "did you mean `traffic`?");
    check("[view.a]\nmodules = [\"traffic\"]\nfilter = \"tcp and\"\n", "^");
    check("[view.a]\nmodules = [\"traffic\"]\npath = \"a/b\"\n", "no path of one part");
    check("[view.traffic]\nmodules = [\"traffic\"]\n", "`/traffic` is taken already");
    check("[view.status]\nmodules = [\"traffic\"]\n", "`/status` is taken already");
    check("[view.\"a b\"]\nmodules = [\"traffic\"]\n", "`a b` cannot name a view");
    check("[view.a]\nmodule = [\"traffic\"]\n", "did you mean `modules`?");
    let listening = |name: &str, listen: &str| {
        format!("[view.{name}]\nmodules = [\"traffic\"]\nlisten = \"{listen}\"\n")
    };
    check(&listening("a", LISTEN_DEFAULT), "[http] listens on 127.0.0.1:44444 already");
    let twins = ["a", "b"].map(|name| listening(name, "127.0.0.1:5")).concat();
    check(&twins, "[view.a] listens on 127.0.0.1:5 already");
    let own = ["a", "b"].map(|name| listening(name, "127.0.0.1:0")).concat();
    assert!(read(&format!("[[module]]\nuse = \"traffic\"\n{own}")).is_ok());
}

#[test]
fn what_leaves_no_room_and_what_no_folder_can_be_called_is_refused() {
    let check = |text: &str, want: Option<&str>| {
        let error = read(text).err().map(|failure| failure.to_string());
        match want {
            Some(want) => assert!(error.as_ref().is_some_and(|e| e.contains(want)), "{error:?}"),
            None => assert_eq!(error, None),
        }
    };
    let module =
        |name: &str, size: &str| format!("[[module]]\nuse = \"{name}\"\nstreamsize = \"{size}\"\n");
    check(&module("traffic", "0"), Some("too little: at least 1B"));
    check(&module("traffic", "1"), None);
    check(&module("trace", "1"), Some("too little: at least 4MiB"));
    check(&module("trace", "4MiB"), None);
    let all = "[store]\nstreamsize = \"1MB\"\n";
    check(&format!("[[module]]\nuse = \"trace\"\n{all}"), Some("too little: at least 4MiB"));
    check(&format!("[[module]]\nuse = \"traffic\"\n{all}"), None);
    let name = "x".repeat(300);
    let long = "a name of 300 bytes: a module's has at most 200";
    check(&format!("[[module]]\nuse = \"traffic\"\nname = \"{name}\"\n"), Some(long));
    let view = format!("[view.{name}]\nmodules = [\"traffic\"]\n");
    check(&view, Some("a name of 308 bytes"));
}
