//! What a name means that was not put with a packet: a field that was not foreseen, a layer.

use std::collections::HashMap;
use std::sync::LazyLock;

use como_core::field::Field;

use crate::flow;
use crate::scan::{LAYERS, TS_NS};

/// What a packet's missing name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A field that was not foreseen.
    Field(Field),
    /// The exact time.
    TsNs,
    /// The flow it belongs to.
    Flow,
    /// A layer, by how it is marked.
    Layer(u32),
    /// The flags of the IP header, which are no field by themselves.
    IpFlags,
}

/// What each name means, made once: a script may ask for every packet.
static MEANT: LazyLock<HashMap<String, Missing>> = LazyLock::new(|| {
    let layers = LAYERS.iter();
    let layers = layers.map(|(layer, mark)| ((*layer).to_owned(), Missing::Layer(*mark)));
    let fields = Field::ALL.iter().map(|field| (field.name().to_owned(), Missing::Field(*field)));
    let others =
        [(TS_NS, Missing::TsNs), (flow::NAME, Missing::Flow), ("ip.flags", Missing::IpFlags)];
    let others = others.into_iter().map(|(name, missing)| (name.to_owned(), missing));
    layers.chain(fields).chain(others).collect()
});

/// What `name` means, read of a packet.
pub fn missing(name: &str) -> Option<Missing> {
    MEANT.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_field() {
        for field in Field::ALL {
            assert_eq!(missing(field.name()), Some(Missing::Field(*field)));
        }
        assert_eq!(missing("tcp"), Some(Missing::Layer(como_core::packet::Layers::TCP)));
        assert_eq!(missing("nothing"), None);
    }
}
