//! Schemas: the names, types, units and meanings of a record's columns.

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// Yes or no.
    Bool,
    /// A number that is never negative.
    Uint,
    /// A number.
    Int,
    /// A number with a fraction.
    Float,
    /// An IP address of either family.
    Addr,
    /// A link-layer address.
    Mac,
    /// Text.
    Text,
    /// Bytes of a module's own making.
    Bytes,
    /// An instant.
    Time,
}

impl Type {
    /// Every type.
    pub const ALL: [Type; 9] = [
        Self::Bool,
        Self::Uint,
        Self::Int,
        Self::Float,
        Self::Addr,
        Self::Mac,
        Self::Text,
        Self::Bytes,
        Self::Time,
    ];

    /// Its name in scripts and schemas.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Uint => "uint",
            Self::Int => "int",
            Self::Float => "float",
            Self::Addr => "addr",
            Self::Mac => "mac",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Time => "time",
        }
    }

    /// The type called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }
}

/// One column of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Column {
    /// Its name, the same in every format.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// `bytes`, `packets`, `seconds`...; empty where there is none.
    #[serde(default)]
    pub unit: String,
    /// One line for a reader; may be empty.
    #[serde(default)]
    pub doc: String,
    /// What it holds of the packets of its interval, as a module declares it: `ip.dst/24`,
    /// `count()`. Empty where nobody vouches for that: then no packet is made of it again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
}

impl Column {
    /// A column without unit or description.
    pub fn new(name: impl Into<String>, ty: Type) -> Self {
        Self { name: name.into(), ty, unit: String::new(), doc: String::new(), of: String::new() }
    }

    /// The same with a unit.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// The same, holding what a module would declare so.
    pub fn of(mut self, of: impl Into<String>) -> Self {
        self.of = of.into();
        self
    }
}

/// The columns of a module's records, beside the time every record has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Schema {
    /// In the order they are shown.
    pub columns: Vec<Column>,
}

impl Schema {
    /// A schema of these columns.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect() }
    }

    /// Where the column called `name` stands.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// A number that two schemas share only if their names and types are the same, and what they
    /// hold, where that is stated.
    ///
    /// FNV-1a over these in order: part of the storage format, so it never changes.
    pub fn hash(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut eat = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for column in &self.columns {
            eat(column.name.as_bytes());
            eat(&[0]);
            eat(column.ty.name().as_bytes());
            eat(&[0]);
            if !column.of.is_empty() {
                eat(column.of.as_bytes());
                eat(&[1]);
            }
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tells_names_types_and_order_apart() {
        let a = Column::new("a", Type::Uint);
        let b = Column::new("b", Type::Uint);
        let hash = |columns: &[&Column]| Schema::new(columns.iter().map(|c| (*c).clone())).hash();
        assert_ne!(hash(&[&a, &b]), hash(&[&b, &a]));
        assert_ne!(hash(&[&a]), hash(&[&Column::new("a", Type::Int)]));
        assert_ne!(hash(&[&a]), hash(&[&a.clone().of("count()")]));
        assert_eq!(hash(&[&a]), hash(&[&a.clone().unit("bytes")]));
    }

    #[test]
    fn every_type_is_found_by_its_name() {
        for ty in Type::ALL {
            assert_eq!(Type::named(ty.name()), Some(ty));
        }
    }
}
