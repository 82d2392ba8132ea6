//! `como gen`: generated traffic into a pcap file.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use como_core::source::{Chunk, Source, Turn};
use como_sniffers::file::{Step, Writer};

use crate::cli::Gen;
use crate::error::{Failure, Result, say, with_causes};
use crate::output::table::thousands;
use crate::sources;

/// Writes the file, or to standard output.
pub fn perform(args: &Gen) -> Result {
    let sources = sources::open([format!("gen:{}", args.settings.join(","))])?;
    if args.write == Path::new("-") {
        if io::stdout().is_terminal() {
            let failure = Failure::usage("a capture is not for a terminal");
            return Err(failure.hint("como gen -w FILE, or a pipe behind it"));
        }
        return write(sources, io::stdout()).map(|_| ());
    }
    let name = args.write.display();
    let file = File::create(&args.write)
        .map_err(|error| Failure::new(format!("cannot write `{name}`: {}", with_causes(&error))))?;
    let packets = write(sources, file)?;
    say(&format!("wrote {} packets to {name}", thousands(&packets.to_string())));
    Ok(())
}

fn write(sources: Vec<Box<dyn Source>>, out: impl Write) -> Result<u64> {
    let mut writer = Writer::new(out, Step::Nanos);
    let mut chunk = Chunk::default();
    let mut packets = 0;
    for mut source in sources {
        loop {
            chunk.clear();
            let turn = source.next(&mut chunk)?;
            writer.chunk(&chunk)?;
            packets += chunk.packets.len() as u64;
            if turn == Turn::End {
                break;
            }
        }
    }
    writer.finish()?;
    Ok(packets)
}
