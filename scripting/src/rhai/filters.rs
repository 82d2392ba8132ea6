//! Filters as scripts hold them: `const WEB = filter("tcp port 80")`, and `WEB.match(pkt)`.
//!
//! Where a callback plainly asks of its own packet, nothing here is called: the answer is a
//! variable that the loop sets ([`super::body`]).

use std::sync::Arc;

use rhai::{Dynamic, Engine, EvalAltResult};

use super::packet::Packet;
use super::words::named;
use crate::host::Reach;

type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// A filter in a script's hands.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// Its number among those of the script.
    pub number: usize,
    host: Arc<Reach>,
}

/// Registers `filter` and what is asked of one.
pub(super) fn register(engine: &mut Engine, host: &Arc<Reach>) {
    let host = host.clone();
    engine
        .register_type_with_name::<Filter>("Filter")
        .register_fn("filter", move |text: &str| -> Fallible<Filter> {
            Ok(Filter { number: host.filter(text)?, host: host.clone() })
        })
        .register_fn("match", |filter: &mut Filter, packet: Packet| packet.matches(filter.number))
        .register_fn("match", |_: &mut Filter, other: Dynamic| -> Fallible<bool> {
            let other = named(&other);
            Err(format!("a filter matches the packet that update or check was given, not {other}")
                .into())
        })
        .register_fn("to_string", shown)
        .register_fn("to_debug", shown);
}

fn shown(filter: &mut Filter) -> String {
    filter.host.filters.lock().text(filter.number).to_owned()
}
