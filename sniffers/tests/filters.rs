//! Filters over real captures, where the folder with them exists: what tcpdump counts, and what a
//! person means where tcpdump is blind.

use std::path::{Path, PathBuf};

use como_core::batch::Batch;
use como_core::filter::{Expr, Plan};
use como_core::source::{Chunk, Turn};
use serde_json::Value;

fn traces() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces");
    path.is_dir().then_some(path)
}

/// Everything a source delivers before it ends or fails, as batches.
fn batches(path: &Path) -> Vec<Batch> {
    let name = path.to_str().expect("UTF-8");
    let sources = como_sniffers::open(&format!("pcap:{name}")).expect("a capture");
    let mut batches = Vec::new();
    for mut source in sources {
        loop {
            let mut chunk = Chunk::default();
            let turn = source.next(&mut chunk);
            let mut batch = Batch::default();
            for region in &chunk.regions {
                batch.push_region(region.clone());
            }
            for (at, packet) in chunk.packets.iter().enumerate() {
                batch.push(*packet, chunk.weights.get(at).copied());
            }
            batches.push(batch);
            if !matches!(turn, Ok(Turn::More | Turn::Idle)) {
                break;
            }
        }
    }
    batches
}

/// How many packets each filter picks, all of them running together.
fn counts(filters: &[Expr], path: &Path) -> Vec<usize> {
    let mut plan = Plan::default();
    let slots: Vec<usize> = filters.iter().map(|expr| plan.add(expr)).collect();
    let mut counts = vec![0; slots.len()];
    for mut batch in batches(path) {
        batch.decode(plan.demand());
        plan.run(&mut batch);
        for (count, slot) in counts.iter_mut().zip(&slots) {
            *count += batch.pick(*slot).expect("a slot").count();
        }
    }
    counts
}

#[test]
#[expect(clippy::print_stderr, reason = "a test says why it is skipped")]
fn filters_select_what_tcpdump_selects() {
    let Some(root) = traces() else {
        eprintln!("skipped: no real captures beside the project");
        return;
    };
    let text = std::fs::read_to_string(root.join("filters.json")).expect("readable");
    let cases: Value = serde_json::from_str(&text).expect("json");
    let expressions = cases["expressions"].as_array().expect("a list");
    let mut wrong = Vec::new();
    let mut n_checked = 0;
    for (id, capture) in cases["captures"].as_object().expect("an object") {
        let mut asked = Vec::new();
        for case in expressions {
            let want = match (&case["counts"][id]["semantic"], &case["counts"][id]["bpf"]) {
                (Value::Null, Value::Null) => continue,
                (Value::Null, bpf) => bpf,
                (semantic, _) => semantic,
            };
            for text in [&case["expr"], &case["classic_como"]].into_iter().filter_map(Value::as_str)
            {
                match Expr::parse(text) {
                    Ok(expr) => asked.push((text, expr, want.as_u64().expect("a count"))),
                    Err(e) => wrong.push(format!("[{text}]: {e}")),
                }
            }
        }
        let exprs: Vec<Expr> = asked.iter().map(|(_, expr, _)| expr.clone()).collect();
        let path = root.join(capture["file"].as_str().expect("a name"));
        for ((text, _, want), got) in asked.iter().zip(counts(&exprs, &path)) {
            n_checked += 1;
            if got as u64 != *want {
                wrong.push(format!("[{text}] on {id}: {got}, not {want}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {n_checked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(n_checked > 500, "only {n_checked}");
    for case in cases["must_reject"].as_array().expect("a list") {
        let text = case["expr"].as_str().expect("a filter");
        assert!(Expr::parse(text).is_err(), "{text:?} is accepted");
    }
}
