//! `como modules`: what is shipped, what each measures, what may be set on it.

use como_core::module::{ArgSpec, Manifest};
use serde_json::json;

use crate::catalogue::{self, Pick};
use crate::cli::Modules;
use crate::error::Result;
use crate::output;

/// Lists all modules, or shows some with their arguments.
pub fn perform(args: &Modules) -> Result {
    let pick = |name: &String| Ok(Pick { name: name.clone(), kind: catalogue::find(name)? });
    let picks: Vec<Pick> = match &args.names[..] {
        [] => catalogue::shipped()?,
        names => names.iter().map(pick).collect::<Result<_>>()?,
    };
    if args.json {
        for pick in &picks {
            output::line(&as_json(pick))?;
        }
        return Ok(());
    }
    if args.names.is_empty() {
        let mut table = output::list(["MODULE", "LANGUAGE", "MEASURES"]);
        for Pick { name, kind } in &picks {
            table.add_row([name, kind.manifest().language, &kind.manifest().doc]);
        }
        return output::line(&output::text(table));
    }
    let pages: Vec<String> = picks.iter().map(|pick| page(pick.kind.manifest())).collect();
    output::line(&pages.join("\n\n"))
}

/// One module with its arguments.
fn page(manifest: &Manifest) -> String {
    let mut page = format!("{}: {} ({})\n", manifest.name, manifest.doc, manifest.language);
    if !manifest.filter.is_empty() {
        page += &format!("for packets: {}\n", manifest.filter);
    }
    let mut table = output::list(["ARGUMENT", "DEFAULT", "MEANING"]);
    for arg in &manifest.args {
        table.add_row([&arg.name, &arg.default.to_string(), &arg.doc]);
    }
    page += &output::text(table);
    page
}

fn as_json(pick: &Pick) -> serde_json::Value {
    let manifest = pick.kind.manifest();
    let arg = |arg: &ArgSpec| {
        let default = arg.default.to_string();
        json!({ "name": arg.name, "default": default, "doc": arg.doc })
    };
    json!({
        "name": pick.name,
        "language": manifest.language,
        "doc": manifest.doc,
        "filter": manifest.filter,
        "args": manifest.args.iter().map(arg).collect::<Vec<_>>(),
    })
}
