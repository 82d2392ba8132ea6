//! `como sniffers`: the kinds of sources, their options, and this machine's interfaces.

use como_sniffers::{Kind, OptionDoc};
use serde_json::json;

use crate::cli::Sniffers;
use crate::error::Result;
use crate::output;

/// Lists the kinds of sources, and the interfaces to capture from.
pub fn perform(args: &Sniffers) -> Result {
    if args.json {
        for kind in como_sniffers::list() {
            output::line(&as_json(kind))?;
        }
        return Ok(());
    }
    let mut pages: Vec<String> = como_sniffers::list().iter().map(page).collect();
    let OptionDoc { name, default, doc } = como_sniffers::ANY;
    pages.push(format!("any source\n  {name} [{default}]: {doc}"));
    pages.push(match como_sniffers::interfaces() {
        names if names.is_empty() => "interfaces: none is visible; try it with sudo".to_owned(),
        names => format!("interfaces: {}", names.join(" ")),
    });
    output::line(&pages.join("\n\n"))?;
    Ok(())
}

fn page(kind: &Kind) -> String {
    let mut page = format!("{}\n  {}\n  Offers {}.\n", kind.usage, kind.doc, kind.offers);
    if !kind.options.is_empty() {
        let mut table = output::list(["  OPTION", "DEFAULT", "MEANING"]);
        for option in kind.options {
            table.add_row([&format!("  {}", option.name), option.default, option.doc]);
        }
        page += &output::text(table);
    }
    page.trim_end().to_owned()
}

fn as_json(kind: &Kind) -> serde_json::Value {
    let option = |option: &OptionDoc| {
        let OptionDoc { name, default, doc } = option;
        json!({ "name": name, "default": default, "doc": doc })
    };
    json!({
        "name": kind.name,
        "usage": kind.usage,
        "doc": kind.doc,
        "offers": kind.offers,
        "options": kind.options.iter().chain([&como_sniffers::ANY]).map(option).collect::<Vec<_>>(),
    })
}
