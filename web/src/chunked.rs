//! A body whose length is not known beforehand: chunked transfer coding (RFC 9112, section 7.1).

use std::io::Write;

/// Bytes gathered before they are sent as one chunk.
const CHUNK: usize = 16 * 1024;

/// Sends what is written to it in chunks. Without [`Chunked::finish`] the client sees that the
/// answer was cut short.
pub struct Chunked<W: Write> {
    inner: W,
    pending: Vec<u8>,
}

impl<W: Write> Chunked<W> {
    /// A body on `inner`, to which the headers have been written.
    pub fn new(inner: W) -> Self {
        Self { inner, pending: Vec::with_capacity(CHUNK) }
    }

    /// Sends what is left and the end of the body.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.send()?;
        self.inner.write_all(b"0\r\n\r\n")?;
        self.inner.flush()
    }

    fn send(&mut self) -> std::io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        write!(self.inner, "{:x}\r\n", self.pending.len())?;
        self.inner.write_all(&self.pending)?;
        self.inner.write_all(b"\r\n")?;
        self.pending.clear();
        Ok(())
    }
}

impl<W: Write> Write for Chunked<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= CHUNK {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.send()?;
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_reads_as_rfc_9112_wants_it() {
        let mut sent = Vec::new();
        let mut body = Chunked::new(&mut sent);
        body.write_all(b"hello ").expect("memory");
        body.write_all(b"world").expect("memory");
        body.flush().expect("memory");
        body.finish().expect("memory");
        assert_eq!(sent, b"b\r\nhello world\r\n0\r\n\r\n");
    }
}
