//! `como modules`: what is shipped, what each measures, what may be set on it.

use como_core::module::Manifest;
use serde_json::json;

use crate::catalogue;
use crate::cli::Modules;
use crate::error::Result;
use crate::output;

/// Lists all modules, or shows some with their arguments.
pub fn perform(args: &Modules) -> Result {
    let kinds = match &args.names[..] {
        [] => catalogue::shipped(),
        names => names.iter().map(|name| catalogue::find(name)).collect::<Result<_>>()?,
    };
    let manifests: Vec<&Manifest> = kinds.iter().map(|kind| kind.manifest()).collect();
    if args.json {
        for manifest in manifests {
            output::line(&as_json(manifest))?;
        }
    } else if args.names.is_empty() {
        let mut table = output::list(["MODULE", "LANGUAGE", "MEASURES"]);
        for manifest in manifests {
            table.add_row([&manifest.name, manifest.language, &manifest.doc]);
        }
        output::line(&output::text(table))?;
    } else {
        let pages: Vec<String> = manifests.into_iter().map(page).collect();
        output::line(&pages.join("\n\n"))?;
    }
    Ok(())
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

fn as_json(manifest: &Manifest) -> serde_json::Value {
    let arg = |arg: &como_core::module::ArgSpec| json!({ "name": arg.name, "default": arg.default.to_string(), "doc": arg.doc });
    json!({
        "name": manifest.name,
        "language": manifest.language,
        "doc": manifest.doc,
        "filter": manifest.filter,
        "args": manifest.args.iter().map(arg).collect::<Vec<_>>(),
    })
}
