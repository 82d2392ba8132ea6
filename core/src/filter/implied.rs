//! Whether a filter passes nothing that another does not: what is stored of the wider one then
//! serves who asks for the narrower.

use super::expr::{Expr, Node};
use super::term::Term;

/// How many pairs of parts are compared; what takes more counts as not known.
const STEPS_MAX: u32 = 1 << 16;

impl Expr {
    /// Whether every packet that it passes passes `other` too, as far as their forms tell: `true`
    /// is sure, `false` may only not be known.
    pub fn implies(&self, other: &Self) -> bool {
        let mut steps = STEPS_MAX;
        implies(&self.0, &other.0, &mut steps)
    }

    /// Whether all that it passes was kept by who kept what `filter` passes. A text that is no
    /// longer understood may be any filter.
    pub fn is_kept_by(&self, filter: &str) -> bool {
        matches!(filter, "" | "all") || Self::parse(filter).is_ok_and(|all| self.implies(&all))
    }
}

/// Recursion is as deep as both filters nest together.
fn implies(a: &Node, b: &Node, steps: &mut u32) -> bool {
    let Some(left) = steps.checked_sub(1) else { return false };
    *steps = left;
    match (a, b) {
        (Node::None, _) | (_, Node::All) => true,
        _ if a == b => true,
        (Node::Or(parts), _) => parts.iter().all(|part| implies(part, b, steps)),
        (_, Node::And(parts)) => parts.iter().all(|part| implies(a, part, steps)),
        (Node::And(parts), _) if parts.iter().any(|part| implies(part, b, steps)) => true,
        (_, Node::Or(parts)) => parts.iter().any(|part| implies(a, part, steps)),
        (Node::Leaf { term: x, negated: false }, Node::Leaf { term: y, negated: false }) => {
            is_within(x, y)
        }
        (Node::Leaf { term: x, negated: true }, Node::Leaf { term: y, negated: true }) => {
            is_within(y, x)
        }
        _ => false,
    }
}

/// Whether a term is true wherever `x` is: one about the same thing, which allows for more.
fn is_within(x: &Term, y: &Term) -> bool {
    match (x, y) {
        (Term::Found(x), Term::Found(y)) => x & !y == 0,
        (Term::Number { key: x, mask: m, set: a }, Term::Number { key: y, mask: n, set: b }) => {
            x == y && m == n && a.minus(b).is_empty()
        }
        (Term::Address { key: x, set: a }, Term::Address { key: y, set: b }) => {
            x == y && a.minus(b).is_empty()
        }
        _ => x == y,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(narrow: &str, wide: &str, want: bool) {
        let parsed = |text| Expr::parse(text).expect("a filter");
        assert_eq!(parsed(narrow).implies(&parsed(wide)), want, "{narrow} => {wide}");
    }

    #[test]
    fn what_asks_for_more_is_narrower() {
        check("tcp", "", true);
        check("", "tcp", false);
        check("tcp", "tcp", true);
        check("tcp and port 80", "tcp", true);
        check("tcp", "tcp and port 80", false);
        check("tcp dst port 80", "tcp and port 80", true);
        check("udp", "tcp", false);
        check("not tcp", "tcp", false);
    }

    #[test]
    fn each_of_several_must_be_narrower() {
        check("tcp or udp", "tcp", false);
        check("tcp", "tcp or udp", true);
        check("(tcp and port 80) or (udp and port 53)", "tcp or udp", true);
        check("tcp and (port 80 or port 443)", "tcp and port 80", false);
        check("tcp port 80 and host 10.0.0.1", "tcp and host 10.0.0.1", true);
    }

    #[test]
    fn values_within_others_are_narrower() {
        check("src net 10.1.0.0/16", "src net 10.0.0.0/8", true);
        check("src net 10.0.0.0/8", "src net 10.1.0.0/16", false);
        check("ip.ttl < 5", "ip.ttl < 10", true);
        check("not ip.ttl < 10", "not ip.ttl < 5", true);
        check("not ip.ttl < 5", "not ip.ttl < 10", false);
        check("dst host 10.1.2.3", "src host 10.1.2.3", false);
    }

    #[test]
    fn filters_that_nest_deep_are_given_up_in_time() {
        let deep = |port: u32| {
            (0..90).fold(format!("port {port}"), |inner, n| {
                let (join, other) = if n % 2 == 0 { ("and", "src") } else { ("or", "dst") };
                format!("({inner} {join} {other} port {n})")
            })
        };
        check(&deep(80), &deep(443), false);
    }
}
