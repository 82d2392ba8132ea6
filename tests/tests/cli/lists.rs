//! `como modules` and `como sniffers`: what there is, and what may be set on it.

use como_tests::Folder;

#[test]
fn the_shipped_modules_are_listed() {
    let folder = Folder::new();
    let listed = folder.como(["modules"]).ok().stdout;
    let shipped =
        ["traffic", "protocol", "ethtypes", "topaddr", "topports", "tuple", "flowcount", "apps"];
    for name in shipped.into_iter().chain(["trace", "sessions", "syn"]) {
        let line = |line: &&str| line.split_whitespace().next() == Some(name);
        assert!(listed.lines().any(|l| line(&l)), "{name} is missing in: {listed}");
        let page = folder.como(["modules", name]).ok().stdout;
        assert!(page.contains("interval"), "{page}");
    }
    let languages: std::collections::BTreeSet<String> = folder
        .como(["modules", "--json"])
        .ok()
        .ndjson()
        .iter()
        .map(|module| module["language"].as_str().expect("a language").to_owned())
        .collect();
    assert!(languages.iter().eq(["lua", "rhai", "rust"]), "{languages:?}");
}

#[test]
fn an_unknown_module_names_the_nearest() {
    let folder = Folder::new();
    let words = ["there is no module `topadr`", "did you mean `topaddr`?"];
    folder.como(["modules", "topadr"]).refused(2, &words);
}

#[test]
fn the_kinds_of_sources_are_listed() {
    let folder = Folder::new();
    let listed = folder.como(["sniffers"]).ok().stdout;
    for kind in ["pcap", "live", "gen"] {
        assert!(listed.contains(kind), "{kind} is missing in: {listed}");
    }
    assert_eq!(listed.contains("\nafpacket:"), cfg!(target_os = "linux"), "{listed}");
    assert!(listed.contains("\ninterfaces: "), "{listed}");
    let kinds = folder.como(["sniffers", "--json"]).ok().ndjson();
    assert!(kinds.len() >= 10, "{kinds:?}");
    for kind in kinds {
        assert!(kind["offers"].as_str().is_some_and(|offers| offers.len() > 20), "{kind}");
        let options = kind["options"].as_array().expect("options");
        assert!(options.iter().any(|option| option["name"] == "decap"), "{kind}");
    }
}
