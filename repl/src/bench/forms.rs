//! The forms of a module: native, declared, computed in Lua, computed in Rhai.

use std::path::Path;
use std::sync::Arc;

use como_core::module::Kind;
use como_scripting::scan::Language;

use crate::catalogue;
use crate::error::Result;

macro_rules! scripts {
    ($($module:literal: $what:literal $file:literal)*) => {
        &[$(($module, $what, $file, include_str!(concat!("../../../bench/scripts/", $file)))),*]
    };
}

/// The shipped modules computed by hand, as one would write what cannot be declared: the module,
/// how it computes, the file and its text.
const BY_HAND: &[(&str, &str, &str, &str)] = scripts! {
    "syn": "check and update" "syn_update.lua"
    "syn": "check and update" "syn_update.rhai"
    "topaddr": "update" "topaddr_update.lua"
    "topaddr": "update" "topaddr_update.rhai"
    "topaddr": "table in update" "topaddr_table.lua"
    "topaddr": "table in update" "topaddr_table.rhai"
    "traffic": "update" "traffic_update.lua"
    "traffic": "update" "traffic_update.rhai"
    "tuple": "update" "tuple_update.lua"
    "tuple": "update by pkt.flow" "tuple_flow.lua"
    "tuple": "update by pkt.flow" "tuple_flow.rhai"
    "tuple": "table in update" "tuple_table.lua"
    "tuple": "table in update" "tuple_table.rhai"
};

/// One form of a module.
pub struct Form {
    /// What it is called in the table.
    pub name: String,
    /// Whether the others are measured by it.
    pub is_native: bool,
    /// The module.
    pub kind: Arc<dyn Kind>,
}

/// The shipped modules that count packets, by name.
pub fn names() -> Vec<String> {
    let shipped = como_scripting::shipped::shipped().map(|(name, ..)| catalogue::stem(name));
    let mut names: Vec<String> = shipped.filter(|name| name != "trace").collect();
    names.dedup();
    names
}

/// All forms of a module that there are, the native one first.
///
/// Those of a shipped module; or a script with its sibling in the other language, and a native
/// module called as it is with `-native` behind it.
pub fn of(name: &str) -> Result<Vec<Form>> {
    let stem = catalogue::stem(name);
    let mut forms = Vec::new();
    let twin = format!("{stem}-native");
    let kinds = como_modules::kinds();
    forms.extend(kinds.into_iter().filter(|kind| kind.manifest().name == twin).map(native));
    if catalogue::is_path(name) {
        for ending in ["lua", "luau", "rhai"] {
            let path = Path::new(name).with_extension(ending);
            if path.is_file() || path == Path::new(name) {
                let kind = catalogue::load(&path)?;
                let text = como_scripting::read(&path)?;
                forms.push(script(&path.display().to_string(), &text, kind, None));
            }
        }
        return Ok(forms);
    }
    let before = forms.len();
    for (_, file, text) in como_scripting::shipped::shipped() {
        if catalogue::stem(file) == stem {
            forms.push(script(file, text, load(file, text)?, None));
        }
    }
    if forms.len() == before {
        // Not shipped as a script: native alone, or a name that nobody knows.
        let kind = catalogue::find(name)?;
        return Ok(vec![native(kind)]);
    }
    for (_, what, file, text) in BY_HAND.iter().filter(|(module, ..)| *module == stem) {
        forms.push(script(file, text, load(file, text)?, Some(what)));
    }
    Ok(forms)
}

fn load(file: &str, text: &str) -> Result<Arc<dyn Kind>> {
    como_scripting::load_text(file, text).map_err(|error| catalogue::refused(&error))
}

fn native(kind: Arc<dyn Kind>) -> Form {
    Form { name: "native".into(), is_native: true, kind }
}

/// A script's form: what it computes by itself, or `what`, and its language.
fn script(file: &str, text: &str, kind: Arc<dyn Kind>, what: Option<&str>) -> Form {
    let language = match Language::of(file) {
        Some(Language::Rhai) => "Rhai",
        _ => "Lua",
    };
    let computed = Language::of(file).and_then(|l| como_scripting::scan::computes(text, l));
    let what = what.or(computed).unwrap_or("declared");
    Form { name: format!("{what}, {language}"), is_native: false, kind }
}
