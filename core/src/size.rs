//! Sizes as people write them: `5GB`, `64MiB`, `4096`.

/// Units, longest name first where one ends with another.
const UNITS: [(&str, u64); 9] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("b", 1),
];

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a size: write a number and one of B kB MB GB TB KiB MiB GiB TiB, as in `5GB`"
)]
pub struct SizeError(String);

/// The bytes in `5GB` (powers of ten), `64MiB` (of two) or `4096`; case does not matter.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let fail = || SizeError(text.to_owned());
    let lower = text.trim().to_ascii_lowercase();
    let unit = UNITS.iter().find_map(|(name, scale)| Some((lower.strip_suffix(name)?, *scale)));
    let (number, scale) = unit.unwrap_or((&lower, 1));
    let number = number.trim_end();
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(fail());
    }
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(scale).ok_or_else(fail);
    }
    let bytes = number.parse::<f64>().map_err(|_| fail())? * scale as f64;
    if bytes.is_finite() && bytes < u64::MAX as f64 { Ok(bytes as u64) } else { Err(fail()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_they_are_written() {
        let check = |text: &str, bytes: u64| assert_eq!(parse(text), Ok(bytes), "{text}");
        check("4096", 4096);
        check("5GB", 5_000_000_000);
        check("64 MiB", 64 << 20);
        check("1.5kb", 1500);
        check("7b", 7);
    }

    #[test]
    fn what_is_no_size_says_so() {
        for text in ["", "GB", "-1GB", "5XB", "99999999TB", "infb", "1e999"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
