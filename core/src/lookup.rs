//! Look-ups: what a table knows of an address, as a number.
//!
//! A table is loaded once, before or while a monitor runs, into a [`Trie`];
//! capture reads it when a column of its fields is asked for. What no table
//! knows is absent, like a field of a header that a packet lacks.

pub mod trie;

use std::sync::Arc;

use crate::addr::Addr;
use crate::field::Field;
pub use trie::{PREFIXES_MAX, STEPS_MAX, TooMany, Trie, TrieBuilder, WALKS};

/// What may be looked up of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The number of the autonomous system that announces it.
    Asn,
    /// The country it is in, as a [`crate::field::Code`] is kept.
    Country,
}

impl Subject {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Asn, Self::Country];

    /// Its name in configurations and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asn => "asn",
            Self::Country => "country",
        }
    }

    /// What must be looked up for a field, and whether of the destination; none for the fields
    /// that are read from the packet alone.
    pub const fn of(field: Field) -> Option<(Self, bool)> {
        match field {
            Field::SrcAsn => Some((Self::Asn, false)),
            Field::DstAsn => Some((Self::Asn, true)),
            Field::SrcCountry => Some((Self::Country, false)),
            Field::DstCountry => Some((Self::Country, true)),
            _ => None,
        }
    }
}

/// The tables there are, at most one for each subject.
#[derive(Clone, Debug, Default)]
pub struct Lookups {
    tables: [Option<Arc<Trie>>; Subject::ALL.len()],
}

impl Lookups {
    /// The same with a table for `subject`.
    pub fn with(mut self, subject: Subject, table: Arc<Trie>) -> Self {
        self.tables[subject as usize] = Some(table);
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(Option::is_none)
    }

    /// The table for `subject`, if there is one.
    pub fn table(&self, subject: Subject) -> Option<&Arc<Trie>> {
        self.tables[subject as usize].as_ref()
    }

    /// What the table for `subject` knows of `addr`.
    #[inline]
    pub fn get(&self, subject: Subject, addr: Addr) -> Option<u32> {
        self.tables[subject as usize].as_ref()?.get(addr)
    }

    /// The first of `fields` for which there is no table.
    pub fn lacks(&self, fields: impl IntoIterator<Item = Field>) -> Option<MissingTable> {
        fields.into_iter().find_map(|field| {
            let (subject, _) = Subject::of(field)?;
            self.table(subject).is_none().then_some(MissingTable { field, subject })
        })
    }
}

/// A field is asked for that no table serves. Nothing that runs is disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is looked up in a table, and none is configured: give one with --{name} FILE, or as \
     {name} = \"FILE\" under [lookup] in como.toml",
    .field.name(),
    name = .subject.name()
)]
pub struct MissingTable {
    /// The field.
    pub field: Field,
    /// What its table is about.
    pub subject: Subject,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_without_a_table_is_named_with_what_to_do() {
        let missing = Lookups::default().lacks([Field::IpSrc, Field::DstAsn]);
        let missing = missing.expect("there is no table").to_string();
        assert!(missing.starts_with("`dst.asn` is looked up in a table"), "{missing}");
        assert!(missing.contains("--asn FILE"), "{missing}");
        let asn = Lookups::default().with(Subject::Asn, Arc::default());
        assert_eq!(asn.lacks([Field::IpSrc, Field::DstAsn]), None);
    }

    #[test]
    fn every_subject_stands_at_its_place() {
        assert!(Subject::ALL.iter().enumerate().all(|(at, subject)| *subject as usize == at));
    }
}
