//! The name that was probably meant, for messages that say so. One rule for every door.

/// Longer names are no slips of one another, and to compare them takes long.
const BYTES_MAX: usize = 100;

/// The one of `known` that is closest to `name`, if one is close enough to be meant: a third of
/// the letters may differ, at most three, and never all of a short name.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > BYTES_MAX {
        return None;
    }
    let name = name.to_lowercase();
    let len = name.chars().count();
    let most = len.div_ceil(3).min(3);
    let known = known.into_iter().filter(|k| k.len() <= BYTES_MAX);
    let measured = known.map(|k| (strsim::osa_distance(&name, &k.to_lowercase()), k));
    let close = measured.filter(|(far, k)| *far <= most && *far < len.min(k.chars().count()));
    close.min().map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, want: Option<&str>) {
        assert_eq!(nearest(name, ["tuple", "topaddr", "csv", "or", "n"]), want);
    }

    #[test]
    fn only_close_names_are_suggested() {
        check("topadr", Some("topaddr"));
        check("cvs", Some("csv"));
        check("TUPLE", Some("tuple"));
        check("colour", None);
        check("by", None);
        check("x", None);
        check("", None);
    }

    #[test]
    fn long_names_are_not_compared() {
        let long = "a".repeat(BYTES_MAX);
        assert_eq!(nearest(&long[1..], [&*long]), Some(&*long));
        let longer = "a".repeat(1 << 24);
        assert_eq!(nearest(&longer, [&*longer, &longer[1..], &*long]), None);
        assert_eq!(nearest(&long, [&longer[1..]]), None);
    }
}
