//! What is kept of each packet, and what segments say was kept of those in them.

use std::io;
use std::path::Path;

use super::SNAPLEN_MAX;
use super::anonymize::Secret;
use super::index::Index;
use super::read::times;
use super::segments::{self, Segment};
use crate::filter::Expr;
use crate::packet::LinkType;
use crate::storage::{Window, pcapng};
use crate::time::Ts;

/// Where no more than so many bytes of a packet are kept nothing of IP is cut (RFC 791: 65,535
/// bytes with the header), as a capture is mostly told that is to be whole.
const WHOLE: u32 = 65_535;

/// How a section says that payload was cut; the number of bytes follows.
const PAYLOAD: &str = "payload cut to";

/// What is kept of each packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// At most so many bytes.
    pub snaplen: u32,
    /// So many bytes behind the headers, where the rest is cut: by who gives the packets, who knows
    /// where headers end. Here it is only written down.
    pub payload: Option<u32>,
    /// The key under which addresses are replaced, if they are.
    pub anonymize: Option<Secret>,
    /// The filter that picks the packets, which whoever gives them applies; empty where nobody
    /// says.
    pub filter: String,
}

impl Taken {
    /// All of each packet up to a length.
    pub fn whole(snaplen: u32) -> Self {
        Self { snaplen, payload: None, anonymize: None, filter: String::new() }
    }

    /// What is done to the packets, if anything.
    pub fn changed(&self) -> Option<String> {
        let cut = (self.snaplen < SNAPLEN_MAX).then(|| format!("cut at {} bytes", self.snaplen));
        let lineage = Some(self.lineage()).filter(|lineage| !lineage.is_empty());
        let parts: Vec<String> = cut.into_iter().chain(lineage).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// What was done to the packets, for whoever opens the capture; nothing where that is nothing.
    pub(super) fn lineage(&self) -> String {
        let cut = self.payload.map(|bytes| format!("{PAYLOAD} {bytes} bytes"));
        let replaced = self.anonymize.as_ref().map(
            |_| "addresses of IP and ARP replaced under a key (ipcrypt-pfx), prefixes preserved",
        );
        let parts = cut.into_iter().chain(replaced.map(str::to_owned));
        parts.collect::<Vec<_>>().join("; ")
    }
}

/// What was done to packets of some time before they were kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Treated {
    /// From the first to the last of them, as far as that is known.
    pub span: Option<Window>,
    /// At most so many bytes of each are left, if they were cut so.
    pub snaplen: Option<u32>,
    /// So many bytes behind the headers are left, if they were cut so.
    pub payload: Option<u32>,
    /// What else, in words; empty where that is nothing.
    pub told: String,
    /// What the packets begin with, as far as it is known.
    pub link: Option<LinkType>,
    /// The filter that picked them, where that is said.
    pub filter: Option<String>,
    /// Whether the run that kept them begins with them, and which that is, where it is said.
    pub(crate) begins: bool,
    pub(crate) run: Option<u64>,
}

impl Treated {
    /// What a segment says of its packets, which may grow if it is the newest; none where it is
    /// gone.
    fn of(segment: &Segment, is_newest: bool) -> io::Result<Option<Self>> {
        let Some((section, interface)) = segments::heads(segment.clone())? else { return Ok(None) };
        let (begins, run) = (pcapng::is_apart(&section), pcapng::run(&section));
        let mut treated = Self { begins, run, ..Self::default() };
        for part in pcapng::comment(&section).unwrap_or_default().split("; ") {
            let bytes = part.strip_prefix(PAYLOAD).and_then(|rest| rest.strip_suffix(" bytes"));
            match bytes.and_then(|bytes| bytes.trim().parse().ok()) {
                Some(bytes) => treated.payload = Some(bytes),
                None => treated.told.push_str(part),
            }
        }
        if !interface.is_empty() {
            treated.link = Some(pcapng::link(&interface));
            treated.filter = pcapng::filter(&interface).map(str::to_owned);
            let snaplen = pcapng::snaplen(&interface);
            treated.snaplen = (1..WHOLE).contains(&snaplen).then_some(snaplen);
        }
        let is_growing = is_newest && segment.span.is_none();
        // Of one that a kill left open all is there.
        let span = match is_growing {
            true => Index::read(&segment.index(), segment.number)?.span(),
            false => times(segment)?,
        };
        // More may follow than the index of one that grows knows of.
        let to = |last: Ts| if is_growing { Window::ALL.to } else { Ts(last.0.saturating_add(1)) };
        treated.span = span.map(|(from, last)| Window { from, to: to(last) });
        Ok(Some(treated))
    }

    /// Takes another in, if the same was done to its packets.
    fn join(&mut self, other: &Self) -> bool {
        let Self { span, begins, run, .. } = *self;
        let same = Self { span, begins, run, ..other.clone() } == *self;
        if same {
            let both = self.span.zip(other.span);
            self.span = both
                .map(|(one, two)| Window { from: one.from.min(two.from), to: one.to.max(two.to) });
        }
        same
    }
}

/// Those to which the same was done are one, also where others lie between their times.
pub fn joined(treated: &[Treated]) -> Vec<Treated> {
    let mut all: Vec<Treated> = Vec::new();
    for one in treated {
        if !all.last_mut().is_some_and(|known| known.join(one)) {
            all.push(one.clone());
        }
    }
    all
}

/// Whether the packets of a segment may be all that a filter picks.
pub(super) fn fits(segment: &Segment, asked: &Expr) -> bool {
    // What cannot be read is complained of when its packets are.
    let heads = segments::heads(segment.clone()).ok().flatten();
    let kept = heads.as_ref().and_then(|(_, interface)| pcapng::filter(interface));
    kept.is_none_or(|kept| asked.is_kept_by(kept))
}

/// What was done to the packets in a directory that touch a window by each run, as they were
/// stored.
pub fn treated(dir: &Path, window: Window) -> io::Result<Vec<Treated>> {
    let mut all: Vec<Treated> = Vec::new();
    let segments = segments::list(dir)?;
    let newest = segments.last().map(|segment| segment.number);
    for segment in segments.iter().filter(|segment| segment.touches(window)) {
        // What cannot be read is complained of when its packets are.
        let Ok(Some(treated)) = Treated::of(segment, Some(segment.number) == newest) else {
            continue;
        };
        let is_of = |known: &Treated| !treated.begins && known.run == treated.run;
        let goes_on = |known: &mut Treated| is_of(known) && known.join(&treated);
        if !all.last_mut().is_some_and(goes_on) {
            all.push(treated);
        }
    }
    Ok(all)
}
