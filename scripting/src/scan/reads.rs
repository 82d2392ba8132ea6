//! What of a packet a script reads, and where.

use std::ops::Range;

use como_core::field::{Demand, Field, Id};

/// A place in the text where a packet is read: `pkt.ip.dst`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// From the packet's name to the end of the field's, in bytes.
    pub at: Range<usize>,
    /// The packet's name.
    pub packet: String,
    /// What is read.
    pub read: Read,
}

/// What is read of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// A field.
    Field(Field),
    /// Whether it has a layer.
    Layer(&'static str),
    /// Whether it matches the filter with this number among [`Reads::filters`].
    Filter(usize),
    /// The flow it belongs to.
    Flow,
    /// A field of a layer that was taken off the packet: `ip.src`.
    Inner(Field),
    /// It is added to a core table: `t:add(pkt)`.
    Added,
}

/// What a script's `update` and `check` read of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The fields, each once, in table order.
    pub fields: Vec<Field>,
    /// The layers asked for as a whole: `if pkt.tcp then`.
    pub layers: Vec<&'static str>,
    /// Names of filters that the top level compiles, which the packet may be matched with.
    pub filters: Vec<String>,
    /// Whether it reads the exact time.
    pub ts_ns: bool,
    /// Whether it reads the flow.
    pub flow: bool,
    /// Whether every use of the packet was understood. If not, others may follow.
    pub complete: bool,
    /// Where the text reads a field or asks for a layer, in order.
    pub spots: Vec<Spot>,
    /// Whether what a packet is called is given to something else as well.
    pub shadowed: bool,
    /// Whether only `update` and `check` have a parameter called as the packet is, and nothing
    /// else calls them.
    pub contained: bool,
    /// Behind which bytes of the text parameters of functions begin that packets are given to, and
    /// what these are called with.
    pub helpers: Vec<usize>,
    /// Names read of a packet that no field has, with their lines.
    pub unknown: Vec<(String, u32)>,
    /// Where it would write into a packet: `pkt.len`, where `pkt.len = 3` stands.
    pub written: Vec<Range<usize>>,
    /// Where the length of a payload is asked for as that of a text is not: `p.len`.
    pub lengths: Vec<Range<usize>>,
    /// Where a packet would be the key of a table: `t[pkt]`.
    pub keys: Vec<Range<usize>>,
    /// Lines in which an address is compared with a quoted text.
    pub texts: Vec<u32>,
}

impl Reads {
    /// The columns and ids to prepare.
    pub fn demand(&self) -> Demand {
        let mut demand = self.fields.iter().fold(Demand::NONE, |demand, field| match field {
            Field::IpSrc => demand.id(Id::Src),
            Field::IpDst => demand.id(Id::Dst),
            field => demand.field(*field),
        });
        if self.flow {
            demand = demand.id(Id::Flow);
        }
        if !self.complete || !self.layers.is_empty() {
            demand = demand.layers();
        }
        if !self.complete {
            demand = demand.singly().deep();
        }
        demand
    }

    /// Whether packets are added to tables that the script makes.
    pub fn adds(&self) -> bool {
        self.spots.iter().any(|spot| spot.read == Read::Added)
    }

    /// A field is read.
    pub(super) fn field(&mut self, field: Field) {
        if let Err(at) = self.fields.binary_search(&field) {
            self.fields.insert(at, field);
        }
    }

    /// A layer is asked for as a whole.
    pub(super) fn layer(&mut self, name: &'static str) {
        if !self.layers.contains(&name) {
            self.layers.push(name);
        }
    }
}
