//! Where in its text a configuration says what, for mistakes that only running tells: a module
//! that there is not, an argument that it does not take, a source that does not open.

use std::collections::BTreeMap;
use std::ops::Range;

use como_core::module::ArgError;
use como_core::source::SourceError;
use como_core::supervisor::AttachError;
use como_core::time::Span;

use crate::error::Failure;

/// The text of a configuration, and where its parts stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places {
    pub(super) origin: String,
    pub(super) text: String,
    /// In the order of the sources.
    pub(super) sources: Vec<Range<usize>>,
    /// By the name of the instance.
    pub(super) instances: BTreeMap<String, Instance>,
    /// By the name of the view: what it is over.
    pub(super) views: BTreeMap<String, Range<usize>>,
}

/// Where the parts of an instance stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Instance {
    /// Its name, or what it is named by.
    pub name: Range<usize>,
    /// What it uses.
    pub module: Range<usize>,
    /// Names and values of its arguments.
    pub args: BTreeMap<String, (Range<usize>, Range<usize>)>,
    /// Its rollups, by their intervals.
    pub rollups: BTreeMap<Span, Range<usize>>,
    /// Whether packets are compressed.
    pub compress: Option<Range<usize>>,
    /// The key under which addresses are replaced.
    pub anonymize: Option<Range<usize>>,
}

impl Instance {
    /// The argument that is wrong.
    pub fn arg(&self, error: &ArgError) -> Range<usize> {
        let same = |a: &str, b: &str| a.replace('-', "_") == b.replace('-', "_");
        let find = |name: &str| self.args.iter().find(|(known, _)| same(known, name));
        let found = match error {
            ArgError::Unknown { name, .. } => find(name).map(|(_, (name, _))| name),
            ArgError::IllTyped { name, .. } => find(name).map(|(_, (_, value))| value),
            _ => None,
        };
        found.unwrap_or(&self.module).clone()
    }
}

impl Places {
    /// The parts of an instance.
    pub fn instance(&self, name: &str) -> Instance {
        self.instances.get(name).cloned().unwrap_or_default()
    }

    /// A mistake in the configuration, however it was found, with its place: unless it is in a
    /// script, and has one of its own.
    pub fn at(&self, at: Range<usize>, failure: Failure) -> Failure {
        failure.within(&self.origin, &self.text, at)
    }

    /// Why an instance was not started.
    pub fn of_instance(&self, error: AttachError) -> Failure {
        let at = match &error {
            AttachError::Lacks { instance, .. }
            | AttachError::Table { instance, .. }
            | AttachError::Scattered { instance, .. }
            | AttachError::Filter { instance, .. } => Some(self.instance(instance).module),
            AttachError::Rollup { instance, len, .. } => {
                self.instance(instance).rollups.remove(len)
            }
            _ => None,
        };
        let failure = crate::session::refused(error);
        match at {
            Some(at) => self.at(at, failure),
            None => failure,
        }
    }

    /// Why one of the sources was not opened; `texts` are all of them.
    pub fn of_source(&self, texts: &[String], error: SourceError) -> Failure {
        let at = self.sources.get(blamed(texts, &error).unwrap_or(usize::MAX)).cloned();
        let failure = crate::sources::wrong(error);
        match at {
            Some(at) => self.at(at, failure),
            None => failure.in_file(),
        }
    }

    /// Where a view says what it is over.
    pub fn of_view(&self, name: &str) -> Option<Range<usize>> {
        self.views.get(name).cloned()
    }
}

/// The one of several sources of which an error tells.
fn blamed(texts: &[String], error: &SourceError) -> Option<usize> {
    let name = match error {
        SourceError::Spec { text, .. } => text,
        SourceError::Io { name, .. }
        | SourceError::Format { name, .. }
        | SourceError::Link { name, .. }
        | SourceError::Device { name, .. } => name,
        _ => return None,
    };
    let only = (texts.len() == 1).then_some(0);
    let same = || texts.iter().position(|text| text == name);
    // Options stand behind a name, and the kind before it.
    let within = || texts.iter().position(|text| text.contains(name.as_str()));
    only.or_else(same).or_else(within)
}
