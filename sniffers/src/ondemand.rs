//! `ondemand`: what an instance recorded, as packets again.
//!
//! The work is [`como_core::replay`]'s; here a text becomes a question to it.
//! Stores and modules are the assembler's: it knows which store is open
//! already, and where the module is that made the records.

use std::path::Path;
use std::sync::Arc;

use como_core::module::Replay;
use como_core::nearest::nearest;
use como_core::query::Times;
use como_core::replay::{OnDemand, Replayer};
use como_core::source::{Source, SourceError};
use como_core::storage::{RecordStore, Stream, Window};

use crate::spec::{Kind, Opens, OptionDoc, Options};

/// Replayed records, as `como sniffers` shows them.
pub const KIND: Kind = Kind {
    name: "ondemand",
    usage: "ondemand:STORE,module=NAME",
    doc: "The records that an instance keeps in a store, replayed: packets that stand for what was \
          counted, with the fields that the records say.",
    offers: "the fields that the records say, counts as weight; times of an interval's length",
    options: &[
        OptionDoc { name: "module", default: "none", doc: "The instance." },
        OptionDoc {
            name: "time",
            default: "all",
            doc: "Whose records, as in a query: A:B, where 0 is the end of what is stored.",
        },
        OptionDoc {
            name: "use",
            default: "as stored",
            doc: "The module that made them, a script's path, where it is not found by its name.",
        },
    ],
    opens: Opens::Each(|text, around| Ok(vec![open(text, around.past)?])),
};

/// Where the past is found.
pub trait Past {
    /// The store in a directory.
    fn store(&self, dir: &Path) -> Result<Arc<dyn RecordStore>, String>;

    /// The own way of the module that made a stream's records to turn them into packets, where it
    /// has one. `module` names it where the user did.
    fn replay(
        &self,
        dir: &Path,
        stream: &Stream,
        module: Option<&str>,
    ) -> Result<Option<Box<dyn Replay>>, String>;
}

/// No past.
pub struct Nowhere;

impl Past for Nowhere {
    fn store(&self, _: &Path) -> Result<Arc<dyn RecordStore>, String> {
        Err("there is no store here".to_owned())
    }

    fn replay(
        &self,
        _: &Path,
        _: &Stream,
        _: Option<&str>,
    ) -> Result<Option<Box<dyn Replay>>, String> {
        Ok(None)
    }
}

/// Opens `STORE,option=value,...`.
pub fn open(text: &str, past: &dyn Past) -> Result<Box<dyn Source>, SourceError> {
    let (dir, options) = Options::behind(&KIND, text)?;
    let Some(module) = options.given("module") else {
        return Err(options.wrong("no module is named: add `module=NAME`".to_owned()));
    };
    let times = options.given("time").map(Times::parse).transpose();
    let times = times.map_err(|error| options.wrong(error.to_string()))?;
    let name = format!("{}:{text}", KIND.name);
    let fails = |why: String| SourceError::Device { name: format!("`{name}`"), why };
    let dir = Path::new(dir);
    let store = past.store(dir).map_err(fails)?;
    let stream = store.stream(module).map_err(|error| fails(error.to_string()))?;
    let Some(stream) = stream else {
        let known = store.streams().map_err(|error| fails(error.to_string()))?;
        let known: Vec<&str> = known.iter().map(|stream| stream.name.as_str()).collect();
        let hint = match nearest(module, known.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("known are {}", known.join(", ")),
        };
        return Err(fails(format!("nothing is stored of `{module}`: {hint}")));
    };
    let window = match times {
        Some(times) => times
            .resolve(stream.end.unwrap_or_default())
            .map_err(|error| options.wrong(error.to_string()))?,
        None => Window::ALL,
    };
    let own = past.replay(dir, &stream, options.given("use")).map_err(fails)?;
    let source = OnDemand::open(name.clone(), store, stream, window, Replayer::new(own));
    Ok(Box::new(source.map_err(|error| fails(error.to_string()))?))
}

#[cfg(test)]
mod tests {
    use como_core::field::Field;
    use como_core::packet::Known;
    use como_core::record::{Column, Output, Records, Schema, Type};
    use como_core::source::{Chunk, Turn};
    use como_core::storage::{About, MemoryStore, Writer};
    use como_core::time::{Span, Ts};

    use super::*;

    /// A store with three records of `a`, at 10, 15 and 20 seconds.
    struct Three(Arc<MemoryStore>);

    impl Past for Three {
        fn store(&self, dir: &Path) -> Result<Arc<dyn RecordStore>, String> {
            let known = dir == Path::new("here");
            if known { Ok(self.0.clone()) } else { Err("there is no store".to_owned()) }
        }

        fn replay(
            &self,
            _: &Path,
            _: &Stream,
            _: Option<&str>,
        ) -> Result<Option<Box<dyn Replay>>, String> {
            Ok(None)
        }
    }

    fn three() -> Three {
        let store = Arc::new(MemoryStore::default());
        let columns = [("to", Type::Uint, "dport"), ("n", Type::Uint, "count()")];
        let columns = columns.into_iter().chain([("b", Type::Uint, "sum(\"len\")")]);
        let columns = columns.map(|(name, ty, of)| Column::new(name, ty).of(of));
        let mut records = Records::empty(Arc::new(Schema::new(columns)), Span::from_secs(5));
        for at in [10, 15, 20] {
            records.push(Ts::new(at, 0), [at.into(), 2u64.into(), 300u64.into()]);
        }
        let mut writer = Writer::new(store.clone(), "node", 1);
        writer.open("a", About::default()).expect("memory");
        writer.write("a", Output::Records(records)).expect("memory");
        writer.commit().expect("memory");
        Three(store)
    }

    /// The seconds of the packets.
    #[track_caller]
    fn check(text: &str, want: &[u64]) {
        let mut source = open(text, &three()).expect("a source");
        let mut chunk = Chunk::default();
        source.next(&mut chunk).expect("a turn");
        let seconds = chunk.packets.iter().map(|packet| packet.ts.parts().0);
        assert_eq!(seconds.collect::<Vec<_>>(), want);
        let packet = chunk.packets[0];
        assert_eq!((packet.wire_len, Known::of(packet.marks)), (150, Some(Known::DPORT)));
    }

    #[track_caller]
    fn refused(text: &str, want: &str) {
        let error = open(text, &three()).err().expect("refused").to_string();
        assert!(error.contains(want), "{error}");
    }

    #[test]
    fn a_window_of_records_becomes_packets() {
        check("here,module=a", &[10, 15, 20]);
        check("here,module=a,time=-10s:0", &[15, 20]);
        check("here,module=a,time=12:20", &[15]);
    }

    #[test]
    fn a_window_without_records_is_empty_and_described_all_the_same() {
        let mut source = open("here,module=a,time=1000:", &three()).expect("a source");
        assert_eq!(source.next(&mut Chunk::default()).expect("a turn"), Turn::End);
        assert!(!source.description().offers.has(Field::IpSrc));
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        refused("here", "add `module=NAME`");
        refused("here,module=b", "nothing is stored of `b`: known are a");
        refused("there,module=a", "`ondemand:there,module=a`: there is no store");
        refused("here,module=a,time=soon", "no `:` between");
        assert!(open("here,module=a", &Nowhere).is_err());
    }
}
