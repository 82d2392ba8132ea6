//! `como gen`: generated traffic into a pcap file.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use como_core::source::{Chunk, Source, Turn};
use como_sniffers::file::{LAST, Step, Writer};
use como_sniffers::generate::Generator;

use crate::cli::Gen;
use crate::error::{Failure, Result, say, with_causes};
use crate::output::table::thousands;
use crate::sources;

/// Writes the file, or to standard output.
pub fn perform(args: &Gen) -> Result {
    let source = Generator::open(&args.settings.join(",")).map_err(sources::wrong)?;
    fits(&source)?;
    if args.write == Path::new("-") {
        if io::stdout().is_terminal() {
            let failure = Failure::usage("a capture is not for a terminal");
            return Err(failure.hint("como gen -w FILE, or a pipe behind it"));
        }
        return write(source, io::stdout()).map(|_| ());
    }
    let name = args.write.display();
    let file = File::create(&args.write)
        .map_err(|error| Failure::new(format!("cannot write `{name}`: {}", with_causes(&error))))?;
    let packets = write(source, file)?;
    say(&format!("wrote {} packets to {name}", thousands(&packets.to_string())));
    Ok(())
}

/// Refuses what would break off on its way, before a file is touched.
fn fits(source: &Generator) -> Result {
    let until = source.until();
    match until > LAST {
        true => Err(Failure::usage(format!("packets until {until} do not go into a pcap file"))
            .hint(format!("it counts seconds until {LAST}: an earlier `start`, less `duration`"))),
        false => Ok(()),
    }
}

fn write(mut source: Generator, out: impl Write) -> Result<u64> {
    let mut writer = Writer::new(out, Step::Nanos);
    let mut chunk = Chunk::default();
    let mut packets = 0;
    loop {
        chunk.clear();
        let turn = source.next(&mut chunk)?;
        writer.chunk(&chunk)?;
        packets += chunk.packets.len() as u64;
        if turn == Turn::End {
            break;
        }
    }
    writer.finish()?;
    Ok(packets)
}
