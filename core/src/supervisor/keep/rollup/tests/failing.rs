//! A module's own `merge` that fails.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::module::Fault;

/// Fails at each row, and counts how often.
struct Failing(Arc<AtomicU64>);

impl Merge for Failing {
    fn key(&self) -> &[String] {
        &[]
    }

    fn merge(
        &mut self,
        _: Interval,
        _: &Schema,
        _: &[Value],
        _: &[Value],
    ) -> Result<Vec<Value>, Fault> {
        self.0.fetch_add(1, Relaxed);
        Err(Fault::new("no"))
    }
}

#[test]
fn a_merge_that_keeps_failing_is_not_tried_again_until_its_module_is_deployed_again() {
    let store = Arc::new(MemoryStore::default());
    let mut keeper = keeper(&store, 1);
    let calls = Arc::new(AtomicU64::new(0));
    let failing = calls.clone();
    keeper.rollups.write().merger = Some(Arc::new(move |_: &str| -> Option<Box<dyn Merge>> {
        Some(Box::new(Failing(failing.clone())))
    }));
    run(&mut keeper, 0..100);
    assert_eq!(calls.load(Relaxed), u64::from(FAULTS_MAX));
    let why = keeper.keeping().read().not_rolled_up["a@10s"].clone();
    assert!(why.contains("no, and keeps failing: not tried again until the module"), "{why}");
    // What was not made is made once it can be.
    keeper.rollups.write().merger = None;
    keeper.begin("a", "traffic", "").expect("a memory store opens");
    run(&mut keeper, 100..101);
    keeper.end().expect("a memory store commits");
    assert_eq!(stored(&store, "a@10s")[1..], sums(10..100, 10));
}

/// Fails at the first row of each hundred seconds that it is given, and adds up the others.
struct Stumbling(Arc<AtomicU64>);

impl Merge for Stumbling {
    fn key(&self) -> &[String] {
        &[]
    }

    fn merge(
        &mut self,
        interval: Interval,
        _: &Schema,
        _: &[Value],
        _: &[Value],
    ) -> Result<Vec<Value>, Fault> {
        let hundred = interval.start().parts().0 / 100 + 1;
        match self.0.fetch_max(hundred, Relaxed) < hundred {
            true => Err(Fault::new("no")),
            false => Ok(vec![Value::Uint(1)]),
        }
    }
}

#[test]
fn a_merge_that_fails_now_and_then_goes_on_also_where_all_is_cut() {
    let store = Arc::new(MemoryStore::default());
    let mut keeper = keeper(&store, 1);
    let stumbled = Arc::<AtomicU64>::default();
    keeper.rollups.write().merger = Some(Arc::new(move |_: &str| -> Option<Box<dyn Merge>> {
        Some(Box::new(Stumbling(stumbled.clone())))
    }));
    let hundreds = 2 * u64::from(FAULTS_MAX);
    for sec in 0..100 * hundreds {
        let Output::Records(mut records) = seconds(sec..sec + 1) else { panic!("records") };
        records.cut = true;
        keeper.accept("a", Output::Records(records)).expect("a memory store takes");
        keeper.closed("a", Ts::new(sec + 1, 0));
        keeper.commit().expect("a memory store commits");
    }
    keeper.end().expect("a memory store commits");
    assert_eq!(stored(&store, "a@10s").len() as u64, 10 * hundreds);
}
