//! What a user calls modules and their arguments, and what comes of it.

use super::*;
use como_core::module::{ArgSpec, Manifest, Setup, Started};
use como_core::record::Value;

struct Paper(Manifest);

impl Kind for Paper {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn start(&self, _: &Setup) -> std::result::Result<Started, ModuleError> {
        Err(ModuleError::File { file: "paper".into(), why: "it never runs".into() })
    }
}

fn pick(name: &str, args: &[(&str, Value)]) -> Pick {
    let args = args.iter().map(|(name, value)| ArgSpec::new(name, value.clone())).collect();
    let manifest = Manifest { name: name.into(), args, ..Manifest::default() };
    Pick { name: name.into(), kind: Arc::new(Paper(manifest.with_interval())) }
}

#[track_caller]
fn check(texts: &[&str], want: std::result::Result<&[&[(&str, &str)]], &str>) {
    let picks =
        [pick("top", &[("n", Value::Uint(20))]), pick("flows", &[("use-src", Value::Bool(true))])];
    let texts: Vec<String> = texts.iter().map(|t| (*t).to_owned()).collect();
    match (assign(&picks, &texts), want) {
        (Ok(all), Ok(want)) => {
            for (args, want) in all.iter().zip(want) {
                let args: Vec<_> = args.iter().collect();
                let want: Vec<_> = want.iter().map(|(n, v)| (*n, Value::from(*v))).collect();
                let want: Vec<_> = want.iter().map(|(n, v)| (*n, v)).collect();
                assert_eq!(args, want);
            }
        }
        (Err(failure), Err(want)) => assert_eq!(failure.to_string().trim_end(), want),
        (got, want) => panic!("{got:?}, wanted {want:?}"),
    }
}

#[test]
fn an_argument_goes_to_every_module_that_has_it() {
    check(&["interval=5s"], Ok(&[&[("interval", "5s")], &[("interval", "5s")]]));
    check(&["n=5", "use_src=no"], Ok(&[&[("n", "5")], &[("use_src", "no")]]));
}

#[test]
fn an_argument_with_a_name_goes_there_alone() {
    check(&["flows.interval=5s"], Ok(&[&[], &[("interval", "5s")]]));
    check(
        &["flow.interval=5s"],
        Err("error: argument `flow.interval=5s`: no `flow` runs here\nhint: running: top, flows"),
    );
}

#[test]
fn an_argument_that_none_has_is_refused_with_the_nearest() {
    check(
        &["intervall=5s"],
        Err("error: module `top` has no argument `intervall`\nhint: did you mean `interval`?"),
    );
    check(&["n"], Err("error: argument `n`: write name=value"));
    check(&["n=x"], Err("error: argument `n` of module `top`: `x` is not a whole number"));
}

#[test]
fn scripts_are_told_from_shipped_modules() {
    assert!(is_path("top.lua") && is_path("./top") && !is_path("topaddr"));
    assert_eq!(stem("a/top.lua"), "top");
    assert_eq!(stem("topaddr"), "topaddr");
}
