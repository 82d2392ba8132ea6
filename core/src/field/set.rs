//! Sets of fields: what a source offers, and what a task cannot do without.

use super::Field;

/// Some of the fields there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    bits: u128,
}

impl Fields {
    /// None of them.
    pub const NONE: Self = Self { bits: 0 };

    /// All of them: what a source offers whose packets are as they were sent.
    pub const ALL: Self = Self { bits: u128::MAX };

    /// These.
    pub const fn of(fields: &[Field]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < fields.len() {
            bits |= 1 << fields[at] as u8;
            at += 1;
        }
        Self { bits }
    }

    /// Whether a field is among them.
    pub const fn has(self, field: Field) -> bool {
        self.bits >> field as u8 & 1 == 1
    }

    /// Those of either set.
    pub const fn and(self, other: Self) -> Self {
        Self { bits: self.bits | other.bits }
    }

    /// Those whose names begin so.
    pub fn under(prefix: &str) -> Self {
        let named = Field::ALL.iter().filter(|field| field.name().starts_with(prefix));
        named.fold(Self::NONE, |all, field| all.and(Self::of(&[*field])))
    }

    /// Those that every packet has which has this one, itself included: a protocol's fields come
    /// with those of the header before it.
    pub fn with(field: Field) -> Self {
        const IP: Fields = Fields::of(&[Field::IpVersion, Field::IpSrc, Field::IpDst]);
        let (name, own) = (field.name(), Self::of(&[field]));
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        if begins(&["tcp.", "udp.", "icmp.", "sctp."]) || matches!(name, "sport" | "dport") {
            return own.and(IP).and(Self::of(&[Field::IpProto]));
        }
        if begins(&["ip."]) { own.and(IP) } else { own }
    }

    /// Those in both sets.
    pub const fn common(self, other: Self) -> Self {
        Self { bits: self.bits & other.bits }
    }

    /// Those that are not in `other`.
    pub const fn but(self, other: Self) -> Self {
        Self { bits: self.bits & !other.bits }
    }

    /// Whether all of `other` are among them.
    pub const fn covers(self, other: Self) -> bool {
        other.bits & !self.bits == 0
    }

    /// Those that are not in `other`, in table order.
    pub fn without(self, other: Self) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(move |field| self.has(*field) && !other.has(*field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_it_was_made_of() {
        let set = Fields::of(&[Field::IpSrc, Field::Payload]).and(Fields::of(&[Field::Len]));
        let has = Field::ALL.iter().copied().filter(|field| set.has(*field));
        assert!(has.eq([Field::Len, Field::IpSrc, Field::Payload]));
        assert!(set.without(Fields::of(&[Field::IpSrc])).eq([Field::Len, Field::Payload]));
        assert_eq!(Fields::NONE.without(Fields::NONE).count(), 0);
        assert_eq!(set.without(Fields::ALL).count(), 0);
        assert!(Fields::ALL.covers(set) && set.covers(Fields::NONE) && !set.covers(Fields::ALL));
        let less = Fields::ALL.but(Fields::under("wlan."));
        assert!(less.has(Field::RadioSignal) && !less.has(Field::WlanSsid));
    }
}
