//! A `return` at the top level of a script, where there is nothing to return to.

use como_core::module::ModuleError;
use rhai::{ASTFlags, ASTNode, Position, Stmt};

use super::fault::line;
use crate::declare::Script;
use crate::mistakes::RETURNED;

/// What is wrong with a statement of the top level, or one in it, that returns.
pub(super) fn early(statement: &Stmt, script: &Script<'_>) -> Option<ModuleError> {
    let at = returned(statement)?;
    Some(script.mistake_near(line(at), at.position(), RETURNED).into())
}

/// Where a statement returns. Functions in it are no part of it.
fn returned(statement: &Stmt) -> Option<Position> {
    let mut found = None;
    statement.walk(&mut Vec::new(), &mut |path: &[ASTNode<'_>]| {
        if let Some(ASTNode::Stmt(Stmt::Return(_, flags, at))) = path.last() {
            // What is thrown is marked so.
            found = (!flags.contains(ASTFlags::BREAK)).then_some(*at);
        }
        found.is_none()
    });
    found
}
