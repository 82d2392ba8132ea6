//! Answers that break off: the last thing in the body says why, and the connection ends before the
//! body does, so that clients notice.

use std::io::{self, Write};

use como_core::query::QueryError;
use como_core::render::Renderer;

/// Ends an answer that has begun, and says what went wrong: in the log, and where the format can
/// say so in the answer.
pub fn off(error: QueryError, renderer: &mut dyn Renderer, out: &mut dyn Write) -> io::Error {
    let why = match error {
        QueryError::Write(error) if is_gone(&error) => return error,
        QueryError::Write(ref error) => error.to_string(),
        // In the words of the module that failed, which is the one that was asked.
        QueryError::Run { ref why, .. } => why.clone(),
        ref error => crate::error::with_causes(error),
    };
    let broken = logged(error);
    // Where a script is wrong, its line and what points into it follow.
    let why = why.lines().next().unwrap_or_default();
    let said = renderer.broken(why, out).and_then(|()| out.flush());
    said.err().unwrap_or(broken)
}

/// What ends an answer early: the client has gone, or something went wrong here, which is logged.
pub fn logged(error: QueryError) -> io::Error {
    match error {
        QueryError::Write(error) if is_gone(&error) => error,
        error => {
            tracing::warn!("an answer broke off: {}", crate::error::with_causes(&error));
            io::Error::other(error)
        }
    }
}

/// Whether the client has gone, so that nobody hears it.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::BrokenPipe
            | Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::NotConnected
            | Kind::TimedOut
            | Kind::WouldBlock
            | Kind::WriteZero
    )
}
