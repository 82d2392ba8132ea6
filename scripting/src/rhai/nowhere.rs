//! Names in a script's functions that are nowhere: what is called or read there fails when it is
//! reached, and only then.
//!
//! The parser knows the variables of a function, the engine its own functions. What may be a
//! function in a map (`t.each(x)`, where some text gives an `each` to something) is left alone.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, LazyLock};

use como_core::module::ModuleError;
use como_core::nearest::nearest;
use rhai::{AST, ASTNode, Dynamic, Expr, FnCallExpr, Position, Stmt};

use super::engine::{RESERVED_MARK, engine};
use super::script::{Opened, Source};
use super::watch::Watch;
use super::words;
use crate::api;
use crate::declare::Script;
use crate::host::{Means, Reach};
use crate::library::{Library, is_shipped};
use crate::mistakes::TOLD_MAX;
use crate::scan::tokens::{Shape, Token, tokens};
use crate::scan::{Language, given, is_behind_dot};

/// With how many arguments a function is called, by its name.
type Functions = BTreeMap<String, Vec<usize>>;

/// What is called without being registered.
const OF_THE_LANGUAGE: [&str; 8] =
    ["Fn", "call", "debug", "is_def_fn", "is_def_var", "is_shared", "require", "type_of"];

/// The functions that every script finds.
static NATIVE: LazyLock<Functions> = LazyLock::new(|| {
    let means = Means::default();
    let host = Arc::new(Reach::new("", &means));
    let engine = engine(&host, &means.limits, &Arc::new(Watch::new()));
    let described =
        |info: rhai::FuncInfo<'_>| Some((info.metadata.name.to_string(), info.metadata.num_params));
    let mut found = Functions::new();
    for (name, params) in engine.collect_fn_metadata(None, described, true) {
        found.entry(name).or_default().push(params);
    }
    found
});

impl Source {
    /// What functions of the script, and of libraries of its own, call and read that is nowhere.
    /// The top level gave the names in `held`.
    pub fn nowhere(&self, opened: &Opened, held: &[(String, Dynamic)]) -> Vec<ModuleError> {
        let asts = std::iter::once(&opened.ast).chain(&opened.libraries);
        let mut functions = Functions::new();
        for function in asts.flat_map(AST::iter_fn_def) {
            let name = function.name.trim_end_matches(RESERVED_MARK);
            functions.entry(name.to_owned()).or_default().push(function.params.len());
        }
        let own = self.libraries.iter().zip(&opened.libraries);
        let own = own.filter(|(library, _)| !is_shipped(&library.file));
        let libraries = own.map(|(Library { name, file, text }, ast)| {
            (Script { file, name, language: Language::Rhai, text }, ast)
        });
        let mut wrong = Vec::new();
        for (script, ast) in std::iter::once((self.script(), &opened.ast)).chain(libraries) {
            let mut names =
                Names { source: self, script, held, functions: &functions, words: None };
            wrong.extend(names.nowhere(ast));
        }
        wrong.truncate(TOLD_MAX);
        wrong
    }
}

/// The names that there are where one text is looked at.
struct Names<'a> {
    source: &'a Source,
    script: Script<'a>,
    held: &'a [(String, Dynamic)],
    /// Those of the script and of all libraries.
    functions: &'a Functions,
    /// What the texts give to anything: looked for only where something is to be found.
    words: Option<HashSet<String>>,
}

impl Names<'_> {
    fn nowhere(&mut self, ast: &AST) -> Vec<ModuleError> {
        let mut found: Vec<(Position, String)> = Vec::new();
        // What is called of a name that is nowhere.
        let mut behind: Vec<Position> = Vec::new();
        ast.clone_functions_only().walk(&mut |path: &[ASTNode]| {
            let wrong = match path.last() {
                Some(ASTNode::Expr(Expr::Dot(pair, ..))) => called(&pair.lhs, &pair.rhs)
                    .filter(|(name, ..)| self.variable(name).is_some())
                    .and_then(|(name, at, method, of)| {
                        behind.push(of);
                        Some((at, member(name, method)?))
                    }),
                Some(ASTNode::Expr(Expr::Variable(named, short, at)))
                    if short.is_none() && named.0.is_none() =>
                {
                    self.variable(&named.1).map(|message| (*at, message))
                }
                Some(
                    ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at)),
                ) => self.call(call, false).map(|message| (*at, message)),
                Some(ASTNode::Expr(Expr::MethodCall(_, at))) if behind.contains(at) => None,
                Some(ASTNode::Expr(Expr::MethodCall(call, at))) => {
                    self.call(call, true).map(|message| (*at, message))
                }
                _ => None,
            };
            found.extend(wrong.filter(|(at, _)| !found.iter().any(|(known, _)| known == at)));
            found.len() < TOLD_MAX
        });
        let told = |(at, message): (Position, String)| {
            let line = at.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
            self.script.mistake_near(line, at.position(), message).into()
        };
        // Functions come in no order that means anything.
        found.sort_by_key(|(at, _)| (at.line(), at.position()));
        found.into_iter().map(told).collect()
    }

    /// What to say of a name that is read, and no variable of the function.
    fn variable(&mut self, name: &str) -> Option<String> {
        let known = name == "args" || self.held.iter().any(|(held, _)| held == name);
        if known {
            return None;
        }
        if self.is_given(name) {
            return Some(format!(
                "there is no `{name}` in this function; a function, named or not, sees its \
                 parameters, `args` and what the top level has set"
            ));
        }
        let held = self.held.iter().map(|(name, _)| name.as_str());
        Some(words::joined(crate::absent::unknown("name ", name, held.chain(["args"]))))
    }

    /// What to say of a call that no function is for.
    fn call(&mut self, call: &FnCallExpr, method: bool) -> Option<String> {
        let name = call.name.trim_end_matches(RESERVED_MARK);
        let (given, native) = (call.args.len(), call.args.len() + usize::from(method));
        let is_word = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if call.op_token.is_some() || !is_word || OF_THE_LANGUAGE.contains(&name) {
            return None;
        }
        let of = |functions: &Functions, name: &str, n| {
            functions.get(name).map(|known| known.contains(&n))
        };
        let ours = of(&NATIVE, &call.name, native);
        let theirs = of(self.functions, name, given);
        if ours == Some(true) || theirs == Some(true) || self.is_given(name) {
            return None;
        }
        if ours.is_none() && theirs.is_none() {
            let own: Vec<String> = self.functions.keys().cloned().collect();
            return Some(words::no_function(name, &own));
        }
        let plural = if given == 1 { "argument" } else { "arguments" };
        let what = format!("`{}` does not take {given} {plural}", words::shown(name));
        Some(words::joined((what, words::called(name))))
    }

    /// Whether some text gives that name to anything: to a variable, or to what a map holds.
    fn is_given(&mut self, name: &str) -> bool {
        let source = self.source;
        let words = self.words.get_or_insert_with(|| source.texts().flat_map(given_in).collect());
        words.contains(name)
    }
}

/// The variable that what is called behind the dot is called of, both with their places.
fn called<'a>(of: &'a Expr, rest: &'a Expr) -> Option<(&'a str, Position, &'a str, Position)> {
    match (of, first(rest)) {
        (Expr::Variable(named, short, at), Expr::MethodCall(call, called))
            if short.is_none() && named.0.is_none() =>
        {
            Some((&named.1, *at, &call.name, *called))
        }
        _ => None,
    }
}

/// What stands first in a chain of names and calls.
fn first(chain: &Expr) -> &Expr {
    match chain {
        Expr::Dot(pair, ..) | Expr::Index(pair, ..) => first(&pair.lhs),
        other => other,
    }
}

/// What to say where a topic of the library has nothing of that name.
fn member(topic: &str, name: &str) -> Option<String> {
    let members = || api::entries().filter(|entry| entry.topic == topic).map(|entry| entry.name);
    members().next()?;
    let near = nearest(name, members()).map(|near| format!("did you mean `{topic}.{near}`?"));
    Some(words::joined((format!("`{topic}` has no `{name}`"), near)))
}

/// The names that a text gives to variables and to entries of maps, and those it has as texts.
fn given_in(text: &str) -> Vec<String> {
    let tokens = tokens(text, Language::Rhai);
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.is(text));
    let entry = |(at, token): (usize, &Token<'_>)| {
        let set = is_behind_dot(&tokens, at) && is(at + 1, "=");
        let named = token.shape == Shape::Text || is(at + 1, ":") || set;
        token.name().filter(|_| named).map(str::to_owned)
    };
    let entries: Vec<String> = tokens.iter().enumerate().filter_map(entry).collect();
    // A function of that name has another number of parameters.
    let functions: HashSet<usize> = (1..tokens.len()).filter(|at| is(at - 1, "fn")).collect();
    let functions: HashSet<&str> = functions.into_iter().map(|at| tokens[at].text).collect();
    let given = given(&tokens).into_iter().filter(|name| !functions.contains(name));
    given.map(str::to_owned).chain(entries).collect()
}

#[cfg(test)]
mod tests;
