//! Templates: what the records of one set look like, made ready for reading.
//!
//! A template may claim anything. One is only kept if it is as long as it says,
//! its records take at least a byte, and it has a sensible number of fields; so
//! a record is always read in time proportional to its bytes.

use como_core::time::Ts;

use super::element::Element;

/// The length that says that each record has its own (RFC 7011, 7).
const VARIABLE: u16 = u16::MAX;

/// Fields of one template.
const FIELDS_MAX: usize = 1024;

/// Sets with lower numbers hold templates, or are reserved.
pub const DATA_MIN: u16 = 256;

/// Which of the two formats with templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NetFlow v9, RFC 3954.
    V9,
    /// IPFIX, RFC 7011.
    Ipfix,
}

/// One field of a record, or several that are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is.
    pub element: Element,
    /// How many bytes it has, or [`VARIABLE`].
    len: u16,
}

/// What is read from the records of one template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    steps: Box<[Step]>,
    // The length of a record without its variable fields' content; never 0.
    least: usize,
    is_fixed: bool,
    /// Whether its records are about the exporter, not about flows.
    pub is_options: bool,
    /// Whether its records say from where to where, and how much.
    pub is_flow: bool,
    /// When it was last received.
    pub learned: Ts,
}

/// Why a set of templates ends: each is a reason to count it as undecodable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable;

/// Reads the next template of a set, with its number, from `set`, which then starts behind it.
/// `None` at the end of the set. A withdrawal, which UDP does not have, is passed over.
pub fn next(
    set: &mut &[u8],
    format: Format,
    is_options: bool,
    now: Ts,
) -> Result<Option<(u16, Template)>, Unusable> {
    loop {
        let Some(id) = number(set, 0).filter(|id| *id != 0) else { return Ok(None) };
        let Some(count) = number(set, 2) else { return Ok(None) };
        if count == 0 && !(is_options && format == Format::V9) {
            *set = set.get(4..).unwrap_or_default();
            continue;
        }
        if id < DATA_MIN {
            return Err(Unusable);
        }
        let (fields, header) = match (format, is_options) {
            (_, false) => (usize::from(count), 4),
            (Format::Ipfix, true) => (usize::from(count), 6),
            // Lengths of the scope and of the other fields in bytes.
            (Format::V9, true) => {
                let others = number(set, 4).ok_or(Unusable)?;
                ((usize::from(count) + usize::from(others)) / 4, 6)
            }
        };
        if fields > FIELDS_MAX {
            return Err(Unusable);
        }
        let mut rest = set.get(header..).ok_or(Unusable)?;
        let scope = if is_options && format == Format::V9 { usize::from(count) / 4 } else { 0 };
        let template = read(&mut rest, format, fields, scope).ok_or(Unusable)?;
        *set = rest;
        let is_flow = template.is_flow && !is_options;
        return Ok(Some((id, Template { is_options, is_flow, learned: now, ..template })));
    }
}

/// Reads `fields` field descriptions, of which v9 numbers the first `scope` differently.
fn read(rest: &mut &[u8], format: Format, fields: usize, scope: usize) -> Option<Template> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut least, mut is_fixed) = (0, true);
    for nth in 0..fields {
        let (mut element, len) = (number(rest, 0)?, number(rest, 2)?);
        *rest = rest.get(4..)?;
        let mut enterprise = 0;
        if format == Format::Ipfix && element & 0x8000 != 0 {
            element &= 0x7fff;
            enterprise = u32::from(number(rest, 0)?) << 16 | u32::from(number(rest, 2)?);
            *rest = rest.get(4..)?;
        }
        let is_variable = len == VARIABLE;
        // Only IPFIX has variable lengths, and no record is as long as this.
        if is_variable && format == Format::V9 {
            return None;
        }
        is_fixed &= !is_variable;
        least += if is_variable { 1 } else { usize::from(len) };
        let element = match is_variable || nth < scope {
            true => Element::Skip,
            false => Element::of(enterprise, element, len),
        };
        match steps.last_mut() {
            _ if len == 0 => {}
            // Skipped together, unless that could be mistaken for a variable length.
            Some(Step { element: Element::Skip, len: before })
                if element == Element::Skip
                    && !is_variable
                    && *before != VARIABLE
                    && before.checked_add(len).is_some_and(|sum| sum != VARIABLE) =>
            {
                *before += len;
            }
            _ => steps.push(Step { element, len }),
        }
    }
    if least == 0 {
        return None;
    }
    let has = |is: fn(Element) -> bool| steps.iter().any(|step| is(step.element));
    let is_flow = has(Element::is_addr) && has(Element::is_counter);
    let (is_options, learned) = (false, Ts(0));
    Some(Template { steps: steps.into(), least, is_fixed, is_options, is_flow, learned })
}

impl Template {
    /// How many fields are read or skipped: what it takes to keep.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// How many records a set of `len` bytes holds, if they are all of one length.
    pub fn records_in(&self, len: usize) -> Option<usize> {
        self.is_fixed.then(|| len / self.least)
    }

    /// Reads one record from `rest`, which then starts behind it, calling `visit` with every field
    /// that means something. `None` where what is left is no whole record.
    #[inline]
    pub fn read<'a>(
        &self,
        rest: &mut &'a [u8],
        mut visit: impl FnMut(Element, &'a [u8]),
    ) -> Option<()> {
        if self.is_fixed {
            let (mut record, behind) = rest.split_at_checked(self.least)?;
            for step in &self.steps {
                let (field, next) = record.split_at_checked(usize::from(step.len))?;
                record = next;
                if step.element != Element::Skip {
                    visit(step.element, field);
                }
            }
            *rest = behind;
            return Some(());
        }
        if rest.len() < self.least {
            return None;
        }
        let mut record = *rest;
        for step in &self.steps {
            let len = match step.len {
                VARIABLE => variable_len(&mut record)?,
                len => usize::from(len),
            };
            let (field, next) = record.split_at_checked(len)?;
            record = next;
            if step.element != Element::Skip {
                visit(step.element, field);
            }
        }
        *rest = record;
        Some(())
    }
}

/// The length that a field of variable length starts with: one byte, or 255 and two more.
fn variable_len(record: &mut &[u8]) -> Option<usize> {
    let (len, behind) = match *record {
        [255, a, b, behind @ ..] => (usize::from(u16::from_be_bytes([*a, *b])), behind),
        [255, ..] | [] => return None,
        [len, behind @ ..] => (usize::from(*len), behind),
    };
    *record = behind;
    Some(len)
}

/// The 16-bit number at `at`, if it is there.
pub fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_be_bytes(*b))
}

#[cfg(test)]
mod tests;
