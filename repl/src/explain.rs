//! `como explain`: what modules need, what sources offer, and whether the two go together.

use como_core::field::{Field, Fields};
use como_core::lookup::Lookups;
use como_core::module::{Grants, gives};
use como_core::source::{Description, Pace, Sampling, Treatment};
use como_core::supervisor::{Instance, Needs};
use serde_json::json;

use crate::cli::Explain;
use crate::error::{Failure, Result};
use crate::{catalogue, output, session};

/// Explains modules and sources; nothing runs. A module without a source that suits is a failure.
pub fn perform(args: &Explain) -> Result {
    let instances = catalogue::measured(&args.measure)?;
    let reaches: Vec<Reach> = instances.iter().map(Reach::of).collect();
    let needs = instances.into_iter().map(|instance| Needs::of(instance).map_err(session::refused));
    let needs = needs.collect::<Result<Vec<_>>>()?;
    // The sources are opened, so that what they say is what they would deliver.
    let sources = &args.measure.sources;
    let sources = if sources.is_empty() { Vec::new() } else { sources.open()? };
    let sources: Vec<Description> = sources.iter().map(|s| s.description().clone()).collect();
    if args.json {
        let modules = needs.iter().zip(&reaches);
        let modules = modules.map(|(needs, reach)| module_as_json(needs, reach, &sources));
        let modules: Vec<_> = modules.collect();
        let all: Vec<_> = sources.iter().map(source_as_json).collect();
        output::line(&json!({ "modules": modules, "sources": all }))?;
    } else {
        let lookups = args.measure.sources.tables.load()?;
        let modules = needs.iter().zip(&reaches);
        let modules = modules.map(|(needs, reach)| module(needs, reach, &sources, &lookups));
        let pages: Vec<String> = modules.chain(sources.iter().map(source)).collect();
        output::line(&pages.join("\n\n"))?;
    }
    verdict(&needs, &sources)
}

/// What a module may reach beyond its packets, and what it asks for.
struct Reach {
    grants: Grants,
    asks_for: Vec<&'static str>,
}

impl Reach {
    fn of(instance: &Instance) -> Self {
        Self { grants: instance.grants.clone(), asks_for: instance.kind.asks_for() }
    }

    /// What it asks for and is not granted.
    fn lacks(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.asks_for.iter().copied().filter(|grant| !self.grants.any(grant))
    }
}

/// Whether each module has a source that it can work on, where sources are named.
fn verdict(needs: &[Needs], sources: &[Description]) -> Result {
    let works = |needs: &&Needs| sources.iter().any(|source| needs.missing(source).is_empty());
    match needs.iter().find(|needs| !sources.is_empty() && !works(needs)) {
        Some(needs) => {
            let which = if sources.len() == 1 { "this source" } else { "any of these sources" };
            Err(Failure::new(format!("module `{}` cannot work on {which}", needs.instance)))
        }
        None => Ok(()),
    }
}

/// What a module needs, and what each source lacks of it.
fn module(needs: &Needs, reach: &Reach, sources: &[Description], lookups: &Lookups) -> String {
    let mut table = output::pairs();
    table.add_row(["module", &needs.instance]);
    table.add_row(["  filter", &needs.filter]);
    table.add_row(["  interval", &needs.interval.to_string()]);
    table.add_row(["  needs", &names(&needs.fields)]);
    if !needs.if_any.is_empty() {
        table.add_row(["  reads if there", &names(&needs.if_any)]);
    }
    if let Some(missing) = needs.missing_table(lookups) {
        table.add_row(["  ", &missing.to_string()]);
    }
    for subject in &needs.looks_up {
        let name = subject.name();
        let finds = match lookups.table(*subject) {
            Some(_) => format!("net.{name}, in the table given"),
            None => format!("net.{name}, which finds nothing without a table: --{name} FILE"),
        };
        table.add_row(["  looks up", &finds]);
    }
    for (grant, gives) in reach.grants.list() {
        table.add_row(["  is granted", &format!("{grant}: {gives}")]);
    }
    for grant in reach.lacks() {
        let what = format!("{}, without the grant for it: --allow {grant}", gives(grant));
        table.add_row(["  asks for", &what]);
    }
    for source in sources {
        let missing = needs.missing(source);
        let suits = match &missing[..] {
            [] => format!("works on {}", source.name),
            missing => {
                format!("cannot work on {}: it does not give {}", source.name, names(missing))
            }
        };
        table.add_row(["  ", &suits]);
    }
    output::text(table)
}

/// What a source offers.
fn source(source: &Description) -> String {
    let mut table = output::pairs();
    table.add_row(["source", &source.name]);
    let links: Vec<String> = source.links.iter().map(ToString::to_string).collect();
    let links =
        if links.is_empty() { "known when packets come".to_owned() } else { links.join(", ") };
    table.add_row(["  link types", &links]);
    table.add_row(["  timestamps", &format!("in steps of {}", source.resolution)]);
    table.add_row(["  packets", &kept(source)]);
    table.add_row(["  sampling", &sampling(source.sampling)]);
    if !source.lineage.is_empty() {
        let lineage: Vec<String> = source.lineage.iter().map(ToString::to_string).collect();
        table.add_row(["  lineage", &lineage.join(", then ")]);
    }
    table.add_row(["  come", pace(source.pace)]);
    table.add_row(["  fields", &offered(source.offers)]);
    output::text(table)
}

/// How much of each packet there is, in words.
fn kept(source: &Description) -> String {
    let by_agents = source.lineage.contains(&Treatment::CutByAgents);
    match source.snaplen {
        _ if source.is_of_flows() => "headers made from flow records".to_owned(),
        _ if !source.offers.has(Field::Payload) => "headers made from records".to_owned(),
        0 => "whole".to_owned(),
        bytes if by_agents => {
            format!("cut by the agents, at {bytes} bytes unless they were told otherwise")
        }
        bytes => format!("cut at {bytes} bytes"),
    }
}

/// How many packets there are of those there were, in words.
fn sampling(sampling: Sampling) -> String {
    match sampling {
        Sampling::None => "none: all packets but those counted as lost".to_owned(),
        Sampling::Unknown => "not known before packets say, if they do".to_owned(),
        known => known.to_string(),
    }
}

/// How packets come, in words.
fn pace(pace: Pace) -> &'static str {
    match pace {
        Pace::Stored => "as fast as they are taken",
        Pace::Stream => "as they happen; they wait when modules are slow",
        Pace::Live => "as they happen; shed and counted when modules are slow",
    }
}

/// The fields there are, or those there are not where these are fewer.
fn offered(set: Fields) -> String {
    let (offered, missing) = (fields(set), fields(Fields::ALL.but(set)));
    match missing.len() {
        0 => "all".to_owned(),
        few if few < offered.len() => format!("all but {}", grouped(set, &missing)),
        _ => names(&offered),
    }
}

/// Names of fields, those of which no one is in `set` by the prefix they share.
fn grouped(set: Fields, missing: &[Field]) -> String {
    let group = |field: &Field| {
        let (prefix, _) = field.name().split_once('.')?;
        let all = Fields::under(&format!("{prefix}."));
        fields(all).iter().all(|field| !set.has(*field)).then(|| format!("{prefix}.*"))
    };
    let mut names: Vec<String> = missing
        .iter()
        .map(|field| group(field).unwrap_or_else(|| field.name().to_owned()))
        .collect();
    names.dedup();
    names.join(" ")
}

fn fields(set: Fields) -> Vec<Field> {
    Field::ALL.iter().copied().filter(|field| set.has(*field)).collect()
}

fn names(fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
    if names.is_empty() { "nothing but that there are packets".to_owned() } else { names.join(" ") }
}

fn listed(fields: &[Field]) -> Vec<&'static str> {
    fields.iter().map(|field| field.name()).collect()
}

fn module_as_json(needs: &Needs, reach: &Reach, sources: &[Description]) -> serde_json::Value {
    let missing = sources
        .iter()
        .map(|source| json!({ "source": source.name, "missing": listed(&needs.missing(source)) }));
    json!({
        "name": needs.instance,
        "filter": needs.filter,
        "interval": needs.interval.to_string(),
        "needs": listed(&needs.fields),
        "reads": listed(&needs.if_any),
        "looks_up": needs.looks_up.iter().map(|subject| subject.name()).collect::<Vec<_>>(),
        "grants": reach.grants.list().into_iter().map(|(grant, _)| grant).collect::<Vec<_>>(),
        "asks_for": reach.asks_for,
        "sources": missing.collect::<Vec<_>>(),
    })
}

fn source_as_json(source: &Description) -> serde_json::Value {
    json!({
        "name": source.name,
        "links": source.links.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "resolution": source.resolution.to_string(),
        "snaplen": source.snaplen,
        "sampling": source.sampling.to_string(),
        "lineage": source.lineage.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "pace": format!("{:?}", source.pace).to_lowercase(),
        "fields": listed(&fields(source.offers)),
    })
}
