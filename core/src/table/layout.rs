//! Layouts: a declared key and value, checked against the fields there are.
//!
//! Everything that can be decided before the first packet is decided here: the
//! type of each column, what must be decoded, and how rows are found.

use std::sync::Arc;

use super::aggregate::{Aggregate, Function};
use super::error::{DeclareError, field_named};
use super::key::{KeyColumn, field_type};
use super::rows::Full;
use super::state::kept;
use crate::field::{Demand, Field, Id, Kind};
use crate::record::{self, Schema, Type};

/// One column of a table's value.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueColumn {
    /// Its name in records.
    pub name: String,
    /// What it computes.
    pub aggregate: Aggregate,
}

/// What an aggregate works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The packets themselves.
    Packets,
    /// A field of each packet.
    Field(Field),
    /// The five values that make a flow.
    Flow,
    /// A column of the interval's table, by its place among the values.
    Column(usize),
}

/// The fields of a flow, in the order of its name: the five-tuple.
pub const FLOW: [Field; 5] =
    [Field::IpSrc, Field::IpDst, Field::IpProto, Field::Sport, Field::Dport];

/// A value column, resolved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub name: String,
    pub aggregate: Aggregate,
    pub of: Of,
    pub ty: Type,
    /// In a long-term table, the column whose state is merged into this one.
    pub merges: Option<usize>,
}

/// How the row of a packet is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// There is one row.
    One,
    /// The whole key follows from an interned id.
    Id(Id),
    /// A number of at most 16 bits.
    Direct(Field),
    /// Ids and numbers, packed into one number of so many bits.
    Packed(Vec<Part>, u32),
    /// By the values themselves.
    Values,
}

/// One piece of a packed key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub field: Field,
    pub id: Option<Id>,
    pub bits: u32,
    pub or_zero: bool,
}

/// A checked key and value.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub(super) key: Vec<KeyColumn>,
    pub(super) values: Vec<Column>,
    pub(super) plan: Plan,
    /// Whether packets of different ids may share a row.
    pub(super) derived: bool,
    /// Whether records say for how many keys each row stands.
    pub(super) says_one_in: bool,
    /// Which values do not merge, but by their states.
    pub(super) stateful: Vec<bool>,
    schema: Arc<Schema>,
}

/// Bits of an interned id in a packed key; the interner hands out fewer.
pub const ID_BITS: u32 = 20;

impl Layout {
    /// Checks the declaration of an interval's table.
    pub fn new(key: &[KeyColumn], value: &[ValueColumn], full: Full) -> Result<Self, DeclareError> {
        if key.is_empty() && value.is_empty() {
            return Err(DeclareError::Nothing);
        }
        let key = with_ports_of_flows(key);
        let values = value.iter().map(resolve).collect::<Result<Vec<_>, _>>()?;
        let layout = Self::checked(key.clone(), values, plan(&key))?;
        match full {
            // A sample of the keys does not hold what was counted.
            Full::Sample => layout.with_one_in(),
            _ => Ok(layout.vouched()),
        }
    }

    /// Checks the declaration of a long-term table that rows of `table` are folded into.
    /// What is left empty, key or value, is declared like `table`'s.
    pub fn long(
        key: &[KeyColumn],
        value: &[ValueColumn],
        table: &Self,
    ) -> Result<Self, DeclareError> {
        let key = if key.is_empty() { table.key.clone() } else { key.to_vec() };
        let same = |column: &Column| ValueColumn {
            name: column.name.clone(),
            aggregate: column.aggregate.clone(),
        };
        let value = match value {
            [] => table.values.iter().map(same).collect(),
            value => value.to_vec(),
        };
        for column in &key {
            if table.key_source(column).is_none() {
                return Err(DeclareError::Long(format!(
                    "key `{}`: the interval's key has no column of that field",
                    column.name
                )));
            }
        }
        let values = value.iter().map(|v| resolve_long(v, table)).collect::<Result<Vec<_>, _>>()?;
        Self::checked(key, values, Plan::Values)
    }

    fn checked(key: Vec<KeyColumn>, values: Vec<Column>, plan: Plan) -> Result<Self, DeclareError> {
        let mut names: Vec<&str> =
            key.iter().map(|k| &*k.name).chain(values.iter().map(|v| &*v.name)).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
            return Err(DeclareError::Twice(twice[0].to_owned()));
        }
        let derived = match &plan {
            Plan::Id(Id::Flow) => key.iter().any(|k| k.mask.is_some()),
            Plan::Id(_) => key.iter().all(|k| k.mask.is_some()),
            Plan::Packed(..) => key.iter().any(|k| k.mask.is_some()),
            Plan::One | Plan::Direct(_) => false,
            Plan::Values => true,
        };
        let columns = key
            .iter()
            .map(|k| record::Column::new(&*k.name, k.ty()))
            .chain(values.iter().map(|v| record::Column::new(&*v.name, v.ty).unit(unit(v))));
        let schema = Arc::new(Schema::new(columns));
        let stateful = vec![false; values.len()];
        Ok(Self { key, values, plan, derived, says_one_in: false, stateful, schema })
    }

    /// The same, with columns that say what they hold of their interval's packets.
    fn vouched(mut self) -> Self {
        let key = self.key.iter().map(KeyColumn::text);
        let value = self.values.iter().map(|v| v.aggregate.text());
        let columns = self.schema.columns.iter().cloned().zip(key.chain(value));
        self.schema = Arc::new(Schema::new(columns.map(|(column, of)| column.of(of))));
        let values = kept(&self.schema).into_iter().skip(self.key.len());
        self.stateful = values.map(|column| column.is_some()).collect();
        self
    }

    /// The same with a last column `one_in`: how many keys each row's key stands for.
    fn with_one_in(mut self) -> Result<Self, DeclareError> {
        if self.position("one_in").is_some() {
            return Err(DeclareError::Twice("one_in".into()));
        }
        let column = record::Column::new("one_in", Type::Uint);
        let columns = self.schema.columns.iter().cloned().chain([column]);
        self.schema = Arc::new(Schema::new(columns));
        self.says_one_in = true;
        Ok(self)
    }

    /// The columns of its rows as records: key, then value.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// What must be decoded for it.
    pub fn demand(&self) -> Demand {
        let mut demand = self.key.iter().fold(Demand::NONE, |d, k| match k.or_zero {
            true => d.field_if_any(k.field),
            false => d.field(k.field).keyed(k.field),
        });
        match &self.plan {
            Plan::Id(id) => demand = demand.id(*id),
            Plan::Packed(parts, _) => {
                demand = parts.iter().filter_map(|p| p.id).fold(demand, Demand::id);
            }
            Plan::One | Plan::Direct(_) | Plan::Values => {}
        }
        for value in &self.values {
            demand = match value.of {
                Of::Field(field) if value.aggregate.function.adds_up() => demand.summed(field),
                Of::Field(field) => demand.field(field),
                Of::Flow => FLOW.into_iter().fold(demand, Demand::field),
                Of::Packets | Of::Column(_) => demand,
            };
        }
        demand
    }

    /// The key column that a long-term key column is filled from: of its name, or of its field.
    pub(super) fn key_source(&self, column: &KeyColumn) -> Option<usize> {
        let fits = |k: &&KeyColumn| k.field == column.field;
        let named = self.key.iter().position(|k| k.name == column.name && fits(&k));
        named.or_else(|| self.key.iter().position(|k| fits(&k)))
    }

    /// Whether there is one row, always.
    pub fn is_unkeyed(&self) -> bool {
        self.key.is_empty()
    }

    /// Where the column called `name` stands, key columns first.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.schema.position(name)
    }
}

/// Ports of protocols that have none are 0 in a key that holds the whole five-tuple.
fn with_ports_of_flows(key: &[KeyColumn]) -> Vec<KeyColumn> {
    let whole = FLOW.iter().all(|f| key.iter().any(|k| k.field == *f));
    let is_port = |k: &KeyColumn| matches!(k.field, Field::Sport | Field::Dport);
    key.iter()
        .map(|k| KeyColumn { or_zero: k.or_zero || whole && is_port(k), ..k.clone() })
        .collect()
}

fn plan(key: &[KeyColumn]) -> Plan {
    let all = |field: Field| key.iter().all(|k| k.field == field);
    match key {
        [] => return Plan::One,
        _ if all(Field::IpSrc) => return Plan::Id(Id::Src),
        _ if all(Field::IpDst) => return Plan::Id(Id::Dst),
        [one] if bits(one.field) <= 16 => return Plan::Direct(one.field),
        _ => {}
    }
    let is_flow = FLOW.iter().all(|f| key.iter().any(|k| k.field == *f))
        && key.iter().all(|k| FLOW.contains(&k.field));
    if is_flow {
        return Plan::Id(Id::Flow);
    }
    let mut parts: Vec<Part> = Vec::new();
    for column in key {
        if let Some(part) = parts.iter_mut().find(|p| p.field == column.field) {
            part.or_zero &= column.or_zero;
        } else {
            let id = match column.field {
                Field::IpSrc => Some(Id::Src),
                Field::IpDst => Some(Id::Dst),
                _ => None,
            };
            let bits = bits(column.field);
            parts.push(Part { field: column.field, id, bits, or_zero: column.or_zero });
        }
    }
    match parts.iter().map(|p| p.bits).sum() {
        sum @ 0..=128 => Plan::Packed(parts, sum),
        _ => Plan::Values,
    }
}

/// How many bits the field's values, or the ids in their place, are known to fit in.
pub(super) fn bits(field: Field) -> u32 {
    match field {
        Field::IpProto
        | Field::IpVersion
        | Field::IpTtl
        | Field::IpTos
        | Field::IcmpType
        | Field::IcmpCode
        | Field::Icmp6Type
        | Field::Icmp6Code
        | Field::VlanPriority
        | Field::VlanDepth
        | Field::MplsDepth => 8,
        Field::Sport
        | Field::Dport
        | Field::TcpSport
        | Field::TcpDport
        | Field::UdpSport
        | Field::UdpDport
        | Field::SctpSport
        | Field::SctpDport
        | Field::EthType
        | Field::VlanId
        | Field::PppoeSession
        | Field::ArpOp
        | Field::IpId
        | Field::TcpFlags
        | Field::TcpWindow
        | Field::Source
        | Field::Link => 16,
        _ => match field.kind() {
            Kind::Bool => 1,
            Kind::Uint | Kind::Int | Kind::Code => 32,
            Kind::Addr if matches!(field, Field::IpSrc | Field::IpDst) => ID_BITS,
            // No id stands for it, and the value is too wide to be packed.
            Kind::Addr => 129,
            Kind::CommunityId => 160,
            Kind::Mac | Kind::Big | Kind::Bytes => 64,
        },
    }
}

pub(super) fn resolve(column: &ValueColumn) -> Result<Column, DeclareError> {
    let Aggregate { function, of } = &column.aggregate;
    let of = match (of.as_str(), function) {
        ("", _) => Of::Packets,
        ("flow", Function::Distinct | Function::TopK { .. } | Function::Bitmap { .. }) => Of::Flow,
        (name, _) => Of::Field(field_named(&column.name, name)?),
    };
    let ty = match of {
        Of::Field(field) => result(*function, field_type(field)),
        _ => result(*function, Type::Uint),
    };
    let aggregate = column.aggregate.clone();
    match ty {
        Ok(ty) => Ok(Column { name: column.name.clone(), aggregate, of, ty, merges: None }),
        Err(why) => Err(DeclareError::Value { column: column.name.clone(), why }),
    }
}

fn resolve_long(column: &ValueColumn, table: &Layout) -> Result<Column, DeclareError> {
    let fail = |why: String| Err(DeclareError::Long(format!("value `{}`: {why}", column.name)));
    let Aggregate { function, of } = &column.aggregate;
    if *function == Function::Rate {
        return fail("a rate is of one interval and cannot be kept longer".into());
    }
    let name = column.name.clone();
    let aggregate = column.aggregate.clone();
    if let Some(at) = table.values.iter().position(|v| v.name == *of) {
        return match (table.values[at].ty, result(*function, Type::Uint)) {
            (Type::Uint, Ok(ty)) => {
                Ok(Column { name, aggregate, of: Of::Column(at), ty, merges: None })
            }
            _ => fail(format!("column `{of}` holds no whole numbers")),
        };
    }
    let same = |v: &&Column| v.aggregate == column.aggregate;
    let named = table.values.iter().position(|v| v.name == column.name && same(&v));
    match named.or_else(|| table.values.iter().position(|v| same(&v))) {
        Some(at) => {
            let from = &table.values[at];
            Ok(Column { name, aggregate, of: from.of, ty: from.ty, merges: Some(at) })
        }
        None => fail(format!("`value` has neither this `{}` nor a column `{of}`", function.name())),
    }
}

/// The type of an aggregate over values of type `ty`, or why it makes none.
fn result(function: Function, ty: Type) -> Result<Type, String> {
    let number = matches!(ty, Type::Uint | Type::Bool);
    let wanted = match ty {
        Type::Int => "numbers without a sign",
        Type::Bytes => "values, not bytes",
        Type::Time => "numbers, not instants",
        Type::Text => "numbers, not text",
        _ => "numbers",
    };
    match function {
        Function::Count | Function::Sum if number => Ok(Type::Uint),
        Function::Min | Function::Max if number || matches!(ty, Type::Time | Type::Int) => Ok(ty),
        Function::Mean | Function::Var | Function::Ewma(_) if ty == Type::Int => Ok(Type::Float),
        Function::Mean
        | Function::Var
        | Function::Quantile(_)
        | Function::Ewma(_)
        | Function::Rate
            if number =>
        {
            Ok(Type::Float)
        }
        Function::First | Function::Last if !matches!(ty, Type::Bytes | Type::Text) => Ok(ty),
        Function::Distinct | Function::Bitmap { .. } if ty != Type::Bytes => Ok(Type::Uint),
        Function::TopK { .. } if ty != Type::Bytes => Ok(Type::Text),
        _ => Err(format!("`{}` works on {wanted}", function.name())),
    }
}

fn unit(value: &Column) -> &'static str {
    let bytes = matches!(value.of, Of::Field(Field::Len | Field::Bytes | Field::CapLen));
    match value.aggregate.function {
        Function::Count => "packets",
        Function::Rate if bytes => "bytes/s",
        Function::Rate if value.of == Of::Packets => "packets/s",
        Function::Sum
        | Function::Min
        | Function::Max
        | Function::Mean
        | Function::Quantile(_)
        | Function::First
        | Function::Last
        | Function::Ewma(_)
            if bytes =>
        {
            "bytes"
        }
        _ => "",
    }
}
