//! What of a configuration only a start takes: whether it would, and what of it is not what runs.

use std::path::Path;

use como_core::source::SourceError;
use rustix::fs::{Access, access};

use super::{cannot, views};
use crate::config::Config;
use crate::error::Result;

/// Refuses what the next start would, as far as that tells while another monitor runs. What runs
/// is well: an interface that is away just now is none that cannot be.
pub(super) fn check(new: &Config, running: &Config) -> Result {
    let fresh = new.sources.iter().filter(|text| !running.sources.contains(text));
    for text in fresh {
        let wrong = |error: SourceError| new.places.of_source(&new.sources, error);
        como_sniffers::check(text).map_err(wrong)?;
    }
    for dir in [&new.modules, &new.store] {
        made(dir)?;
    }
    Ok(())
}

/// Makes a folder, as a start does, that can be written in.
fn made(dir: &Path) -> Result {
    std::fs::create_dir_all(dir).map_err(|e| cannot("make", dir, &e))?;
    let may_write = access(dir, Access::WRITE_OK | Access::EXEC_OK);
    may_write.map_err(|e| cannot("write in", dir, &e.into()))
}

/// What a start would change of what runs, by its keys.
pub(super) fn differing(new: &Config, running: &Config) -> Vec<&'static str> {
    let addresses = |c: &Config| views::addresses(&c.views);
    let (a, b) = (new, running);
    let all = [
        ("[[source]]", a.sources != b.sources),
        ("`modules`", a.modules != b.modules),
        ("`window` of [capture]", a.window != b.window),
        ("`dir` of [store]", a.store != b.store),
        ("`streamsize` of [store]", a.streamsize != b.streamsize),
        ("`retain` of [store]", a.retain != b.retain),
        ("`again` of [store]", a.again != b.again),
        ("`listen` of [http]", a.listen != b.listen),
        ("`scripts` of [http]", a.scripts != b.scripts),
        ("`listen` of views", addresses(a) != addresses(b)),
        ("`workers` of [limits]", a.workers != b.workers),
    ];
    all.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration in a folder of its own.
    fn read(folder: &Path, text: &str) -> Config {
        let path = folder.join("como.toml");
        std::fs::write(&path, text).expect("a file");
        Config::read(&path).expect("a configuration")
    }

    #[test]
    fn what_a_start_would_refuse_is_refused_and_what_runs_is_not() {
        let home = tempfile::tempdir().expect("a folder");
        let source = |text: &str| format!("[[source]]\nuse = \"{text}\"\n");
        let running = read(home.path(), &source("live:away0"));
        for (text, want) in [
            (source("bogus:eth0"), "there is no kind of source called `bogus`"),
            (source("gen:rate=abc"), "`rate=abc` must be a number"),
            (source("/nonexist.pcap"), "cannot open `/nonexist.pcap`"),
            (source("live:nosuch0"), "nosuch0: there is no such interface"),
            ("[store]\ndir = \"/proc/x\"\n".to_owned(), "cannot make `/proc/x`"),
        ] {
            let new = read(home.path(), &text);
            let refused = check(&new, &running).expect_err("refused").to_string();
            assert!(refused.contains(want), "{refused}");
            assert_eq!(refused.contains("como.toml:2"), text.contains("source"), "{refused}");
        }
        check(&running, &running).expect("it runs");
        check(&read(home.path(), &source("gen:packets=5")), &running).expect("good");
    }

    #[test]
    fn what_waits_for_a_restart_is_named_by_its_keys() {
        let home = tempfile::tempdir().expect("a folder");
        let running = read(home.path(), "");
        let differing = |text: &str| differing(&read(home.path(), text), &running).join(", ");
        assert_eq!(differing(""), "");
        assert_eq!(differing("[[module]]\nuse = \"traffic\"\n[limits]\nrows = 5\n"), "");
        assert_eq!(
            differing(
                "[[source]]\nuse = \"gen:packets=5\"\n[store]\ndir = \"s\"\nretain = \"1d\"\n"
            ),
            "[[source]], `dir` of [store], `retain` of [store]"
        );
    }
}
