//! Constants and `args` that a function changes.
//!
//! What the top level named, functions find as copies: Rhai lets them change those, and nothing
//! comes of it. Tables are no copies, and change.

use rhai::{AST, ASTNode, Dynamic, Expr, Position, Stmt};

use super::keyed::Keyed;
use crate::host::view::View;

/// Methods that change what they are called on.
const CHANGING: [&str; 20] = [
    "append",
    "chop",
    "clear",
    "crop",
    "dedup",
    "drain",
    "fill_with",
    "insert",
    "make_lower",
    "make_upper",
    "mixin",
    "pad",
    "pop",
    "push",
    "remove",
    "replace",
    "reverse",
    "shift",
    "sort",
    "truncate",
];

/// The names of `held` that functions try to change, and where.
pub(super) fn changed(ast: &AST, held: &[(String, Dynamic)]) -> Vec<(String, Position)> {
    let mut found: Vec<(String, Position)> = Vec::new();
    let is_copy = |name: &str| {
        let shared = |value: &Dynamic| value.is::<Keyed>() || value.is::<View>();
        name == "args" || held.iter().any(|(known, value)| known == name && !shared(value))
    };
    ast.clone_functions_only().walk(&mut |path: &[ASTNode]| {
        let changed = match path.last() {
            Some(ASTNode::Stmt(Stmt::Assignment(set))) => root(&set.1.lhs),
            Some(ASTNode::Expr(expr @ Expr::Dot(..))) if changes(expr) => root(expr),
            _ => None,
        };
        let new = changed
            .filter(|(name, at)| is_copy(name) && !found.iter().any(|(_, known)| known == at));
        found.extend(new);
        true
    });
    found
}

/// The name at the beginning of a chain of fields and places, unless it is one of the function's
/// own.
fn root(expr: &Expr) -> Option<(String, Position)> {
    match expr {
        Expr::Variable(named, short, at) if short.is_none() && named.0.is_none() => {
            Some((named.1.to_string(), *at))
        }
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => root(&parts.lhs),
        _ => None,
    }
}

/// Whether a chain ends in a method that changes what it is called on.
fn changes(expr: &Expr) -> bool {
    match expr {
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => changes(&parts.rhs),
        Expr::MethodCall(call, _) => CHANGING.contains(&call.name.as_str()),
        _ => false,
    }
}
