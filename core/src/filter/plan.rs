//! The shared plan: all running filters, each question asked once per batch.
//!
//! Filters become steps; equal parts of different filters are one step. A step
//! is evaluated for a whole batch, column by column, into a bitmap; a step that
//! only one filter uses is asked only about the packets still in doubt there.

mod kernel;
mod test;

use std::collections::HashMap;

use crate::batch::Batch;
use crate::field::Demand;
use crate::selection::Selection;

use super::expr::{Expr, Node};
use super::push;
use test::Test;

/// All running tasks' filters, evaluated together.
///
/// Slots are stable: adding or removing one filter moves no other. In steady
/// state [`Plan::run`] allocates nothing.
#[derive(Debug, Default)]
pub struct Plan {
    slots: Vec<Option<Expr>>,
    // Which step answers for each slot; as long as `slots`.
    roots: Vec<usize>,
    // Invariant: a step only refers to steps before it.
    steps: Vec<Step>,
    memo: Vec<Memo>,
    demand: Demand,
    batches: u64,
}

/// One part of the filters.
#[derive(Debug)]
struct Step {
    what: What,
    /// How many filters and steps use it.
    uses: u32,
}

#[derive(Debug)]
enum What {
    All,
    None,
    Not(usize),
    And(Vec<usize>),
    Or(Vec<usize>),
    Test(Test),
}

/// What a step that several use came to, for the batch it was last asked about.
#[derive(Debug)]
struct Memo {
    batch: u64,
    picked: Selection,
}

impl Plan {
    /// Adds a filter and returns the slot its picks are found in, until it is removed.
    pub fn add(&mut self, expr: &Expr) -> usize {
        let slot = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        self.slots.resize_with(self.slots.len().max(slot + 1), || None);
        self.slots[slot] = Some(expr.clone());
        self.build();
        slot
    }

    /// Frees a slot. Its number is given to a filter added later; till then it picks nothing.
    pub fn remove(&mut self, slot: usize) {
        if let Some(taken) = self.slots.get_mut(slot) {
            *taken = None;
            self.build();
        }
    }

    /// The columns the filters read.
    pub fn demand(&self) -> Demand {
        self.demand
    }

    /// A tcpdump expression that accepts at least what any of the filters does, for the kernel;
    /// `None` where it could drop nothing.
    pub fn bpf(&self) -> Option<String> {
        push::bpf(self.slots.iter().flatten())
    }

    /// Fills the batch's picks, slot by slot. The batch has been decoded for [`Plan::demand`].
    pub fn run(&mut self, batch: &mut Batch) {
        let mut picks = batch.take_picks();
        self.select(batch, &mut picks);
        batch.set_picks(picks);
    }

    /// Fills `picks` with what each slot's filter picks of a batch, which has been decoded for
    /// [`Plan::demand`].
    pub fn select(&mut self, batch: &Batch, picks: &mut Vec<Selection>) {
        picks.clear();
        self.batches += 1;
        let run = Run { plan: &self.steps, batch, now: self.batches };
        picks.extend(self.roots.iter().map(|root| run.eval(&mut self.memo, *root, None)));
    }

    /// Makes the steps anew from the filters there are.
    fn build(&mut self) {
        let mut builder = Builder::default();
        self.roots.clear();
        for slot in &self.slots {
            let root = match slot {
                Some(expr) => {
                    builder.note_demand(&expr.0);
                    builder.step(&expr.0)
                }
                None => builder.step(&Node::None),
            };
            self.roots.push(root);
        }
        self.steps = builder.steps;
        self.demand = builder.demand;
        self.memo.clear();
        self.memo.resize_with(self.steps.len(), || Memo { batch: 0, picked: Selection::none(0) });
        self.batches = 0;
    }
}

/// Collects steps, equal ones once.
#[derive(Default)]
struct Builder {
    steps: Vec<Step>,
    places: HashMap<Node, usize>,
    demand: Demand,
}

impl Builder {
    /// Notes what the terms of a filter ask for; what only guards them asks for nothing else.
    fn note_demand(&mut self, node: &Node) {
        match node {
            Node::All | Node::None => {}
            Node::And(parts) | Node::Or(parts) => {
                parts.iter().for_each(|part| self.note_demand(part));
            }
            Node::Leaf { term, .. } => {
                self.demand = self.demand.and(Test::of(term).0.demand());
            }
        }
    }

    fn step(&mut self, node: &Node) -> usize {
        if let Some(at) = self.places.get(node) {
            self.steps[*at].uses += 1;
            return *at;
        }
        let what = match node {
            Node::All => What::All,
            Node::None => What::None,
            Node::And(parts) => What::And(parts.iter().map(|part| self.step(part)).collect()),
            Node::Or(parts) => What::Or(parts.iter().map(|part| self.step(part)).collect()),
            Node::Leaf { term, negated: true } => {
                What::Not(self.step(&Node::Leaf { term: term.clone(), negated: false }))
            }
            Node::Leaf { term, .. } => {
                let (test, needs) = Test::of(term);
                if needs == 0 {
                    What::Test(test)
                } else {
                    // What is read packet by packet is asked only where there is a chance.
                    let guard = self.step(&Expr::found(needs).0);
                    self.steps.push(Step { what: What::Test(test), uses: 1 });
                    What::And(vec![guard, self.steps.len() - 1])
                }
            }
        };
        self.steps.push(Step { what, uses: 1 });
        self.places.insert(node.clone(), self.steps.len() - 1);
        self.steps.len() - 1
    }
}

/// One batch going through the steps.
#[derive(Clone, Copy)]
struct Run<'a> {
    plan: &'a [Step],
    batch: &'a Batch,
    now: u64,
}

impl Run<'_> {
    /// The packets a step accepts. Only those `within` are right; others may be either.
    ///
    /// Recursion is as deep as filters may nest.
    fn eval(self, memo: &mut [Memo], at: usize, within: Option<&Selection>) -> Selection {
        let step = &self.plan[at];
        if step.uses == 1 {
            return self.work(memo, &step.what, within);
        }
        if memo[at].batch != self.now {
            memo[at].picked = self.work(memo, &step.what, None);
            memo[at].batch = self.now;
        }
        memo[at].picked.clone()
    }

    fn work(self, memo: &mut [Memo], what: &What, within: Option<&Selection>) -> Selection {
        let len = self.batch.len();
        let whole = || within.cloned().unwrap_or_else(|| Selection::all(len));
        match what {
            What::All => Selection::all(len),
            What::None => Selection::none(len),
            What::Test(test) => test.run(self.batch, within),
            What::Not(of) => {
                let mut picked = self.eval(memo, *of, within);
                picked.invert();
                picked
            }
            What::And(parts) => {
                let mut left = whole();
                for (nth, part) in parts.iter().enumerate() {
                    let asked = if nth == 0 { within } else { Some(&left) };
                    let picked = self.eval(memo, *part, asked);
                    left.and(&picked);
                    if left.is_empty() {
                        break;
                    }
                }
                left
            }
            What::Or(parts) => {
                let mut picked = Selection::none(len);
                let mut open = whole();
                for (nth, part) in parts.iter().enumerate() {
                    let asked = if nth == 0 { within } else { Some(&open) };
                    let mut more = self.eval(memo, *part, asked);
                    picked.or(&more);
                    more.invert();
                    open.and(&more);
                    if open.is_empty() {
                        break;
                    }
                }
                picked
            }
        }
    }
}

#[cfg(test)]
mod tests;
