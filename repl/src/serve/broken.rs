//! Answers that break off: the last thing in the body says why, and the connection ends before the
//! body does, so that clients notice.

use std::io::{self, Write};

use como_core::query::QueryError;
use como_core::render::Renderer;

/// Ends an answer that has begun, and says what went wrong: in the log, and where the format can
/// say so in the answer.
pub fn off(error: QueryError, renderer: &mut dyn Renderer, out: &mut dyn Write) -> io::Error {
    let why = match &error {
        // Nobody hears it.
        QueryError::Write(_) => return logged(error),
        // In the words of the module that failed, which is the one that was asked.
        QueryError::Run { why, .. } => why.clone(),
        error => crate::error::with_causes(error),
    };
    let broken = logged(error);
    say(&why, renderer, out).err().unwrap_or(broken)
}

/// Says why nothing more comes, where that is no mistake of anybody's.
pub fn ended(why: &str, renderer: &mut dyn Renderer, out: &mut dyn Write) -> io::Error {
    say(why, renderer, out).err().unwrap_or_else(|| io::Error::other(why.to_owned()))
}

fn say(why: &str, renderer: &mut dyn Renderer, out: &mut dyn Write) -> io::Result<()> {
    renderer.broken(why, out)?;
    out.flush()
}

/// What ends an answer early: the client has gone, or something went wrong here, which is logged.
pub fn logged(error: QueryError) -> io::Error {
    match error {
        QueryError::Write(error) => error,
        error => {
            tracing::warn!("an answer broke off: {}", crate::error::with_causes(&error));
            io::Error::other(error)
        }
    }
}
