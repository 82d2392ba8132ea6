//! What a Lua script keeps where it must not: names of the top level that a callback changes.
//!
//! Only `state` and core tables survive a change or a move of the module; what
//! a function remembers in a name around it is lost then. Rhai has no such names,
//! and globals cannot be changed at all. Read from the text: a name that hides
//! behind another is missed, and nothing right is blamed.

use std::ops::Range;

use como_scripting::declare::Callback;
use como_scripting::scan::Language;
use como_scripting::scan::tokens::{Shape, Token, tokens};

/// Where callbacks change what the top level declares `local`.
pub fn kept(script: &str) -> Vec<Range<usize>> {
    let tokens = tokens(script, Language::Lua);
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        blocks: vec![Block::default()],
        ifs: Vec::new(),
        loop_names: Vec::new(),
        found: Vec::new(),
    };
    while reader.at < tokens.len() {
        reader.step();
    }
    reader.found
}

/// What is open at a place, and the names declared in it.
#[derive(Default)]
struct Block<'a> {
    names: Vec<&'a str>,
    /// Whether it is the body of a function, and then whether that is a callback.
    function: Option<bool>,
    /// Whether it is a branch of an `if`.
    branch: bool,
}

struct Reader<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
    blocks: Vec<Block<'a>>,
    /// The `if`s that are open: whether each is an expression, which has no `end`.
    ifs: Vec<bool>,
    /// Names of a `for` whose `do` is still to come.
    loop_names: Vec<&'a str>,
    found: Vec<Range<usize>>,
}

impl<'a> Reader<'_, 'a> {
    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(text))
    }

    fn word(&self, at: usize) -> Option<&'a str> {
        self.tokens.get(at).filter(|token| token.shape == Shape::Word).map(|token| token.text)
    }

    fn open(&mut self, names: Vec<&'a str>) {
        self.blocks.push(Block { names, ..Block::default() });
    }

    fn close(&mut self) {
        // The top level stays, however many `end`s a text has.
        if self.blocks.len() > 1
            && let Some(block) = self.blocks.pop()
            && block.branch
        {
            self.ifs.pop();
        }
    }

    fn declare(&mut self, names: Vec<&'a str>) {
        if let Some(block) = self.blocks.last_mut() {
            block.names.extend(names);
        }
    }

    fn step(&mut self) {
        let at = self.at;
        self.at += 1;
        let Some(word) = self.word(at) else { return };
        match word {
            "function" => self.function(at),
            "local" if self.is(at + 1, "function") => {
                self.declare(self.word(at + 2).into_iter().collect());
            }
            "local" => {
                let names = self.names(at + 1);
                self.declare(names);
            }
            "for" => self.loop_names = self.names(at + 1),
            "do" => {
                let names = std::mem::take(&mut self.loop_names);
                self.open(names);
            }
            "repeat" => self.open(Vec::new()),
            "if" => self.ifs.push(at > 0 && !self.begins(at)),
            "then" if self.ifs.last() == Some(&false) => self.branch(),
            "elseif" if self.ifs.last() == Some(&false) => self.unbranch(),
            "else" if self.ifs.last() == Some(&false) => {
                self.unbranch();
                self.branch();
            }
            "else" => drop(self.ifs.pop()),
            "end" | "until" => self.close(),
            _ if self.begins(at) => self.statement(at),
            _ => {}
        }
    }

    fn branch(&mut self) {
        self.blocks.push(Block { branch: true, ..Block::default() });
    }

    /// Ends a branch of an `if` that goes on.
    fn unbranch(&mut self) {
        if self.blocks.last().is_some_and(|block| block.branch) {
            self.blocks.pop();
        }
    }

    /// A function's name and parameters; its body is a block.
    fn function(&mut self, at: usize) {
        let name = self.word(at + 1).filter(|_| self.is(at + 2, "("));
        let top = self.blocks.len() == 1;
        let callback = top && Callback::ALL.iter().any(|c| Some(c.name()) == name);
        while self.at < self.tokens.len() && !self.is(self.at, "(") {
            self.at += 1;
        }
        let names = self.names(self.at + 1);
        let inherited = self.blocks.iter().any(|block| block.function == Some(true));
        self.blocks.push(Block { names, function: Some(callback || inherited), branch: false });
    }

    /// Names with commas between, and perhaps types; moves behind them.
    fn names(&mut self, from: usize) -> Vec<&'a str> {
        let mut names = Vec::new();
        self.at = from;
        while let Some(name) = self.word(self.at) {
            names.push(name);
            self.at += 1;
            if self.is(self.at, ":") {
                while self.at < self.tokens.len()
                    && ![",", "=", ")", "in"].iter().any(|end| self.is(self.at, end))
                {
                    self.at += 1;
                }
            }
            if !self.is(self.at, ",") {
                break;
            }
            self.at += 1;
        }
        names
    }

    /// Whether a statement begins here, by what stands before.
    fn begins(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1).and_then(|at| self.tokens.get(at)) else {
            return true;
        };
        match before.shape {
            Shape::Mark => [")", "]", "}", ";"].contains(&before.text),
            Shape::Word => {
                // Behind the `then` or `else` of an expression goes its value.
                let inside = self.ifs.last() == Some(&true) && before.text == "then";
                !inside
                    && !["return", "and", "or", "not", "in", "if", "while", "until", "elseif"]
                        .contains(&before.text)
            }
            Shape::Number | Shape::Text => true,
        }
    }

    /// `name = ..`, `name.field += ..`, `a, b[k] = ..`, `table.insert(name, ..)`.
    fn statement(&mut self, at: usize) {
        let mut targets = vec![at];
        let mut next = self.behind(at);
        while self.is(next, ",") && self.word(next + 1).is_some() {
            targets.push(next + 1);
            next = self.behind(next + 1);
        }
        while self.tokens.get(next).is_some_and(|t| "+-*/%^.".contains(t.text)) {
            next += 1;
        }
        let inserts = self.is(at, "table")
            && ["insert", "remove", "clear"].iter().any(|call| self.is(at + 2, call));
        if inserts && self.is(at + 3, "(") {
            targets = vec![at + 4];
        } else if !self.is(next, "=") || self.is(next + 1, "=") {
            return;
        }
        for target in targets {
            if let Some(name) = self.word(target).filter(|name| self.is_kept(name))
                && let Some(token) = self.tokens.get(target)
            {
                self.found.push(token.at..token.at + name.len());
            }
        }
    }

    /// The place behind a name with its fields and indices.
    fn behind(&self, at: usize) -> usize {
        let mut next = at + 1;
        loop {
            if self.is(next, ".") && self.word(next + 1).is_some() {
                next += 2;
            } else if self.is(next, "[") {
                let mut open = 0;
                while let Some(token) = self.tokens.get(next) {
                    open += i32::from(token.is("[")) - i32::from(token.is("]"));
                    next += 1;
                    if open == 0 {
                        break;
                    }
                }
            } else {
                return next;
            }
        }
    }

    /// Whether a name is the top level's own, seen from inside a callback.
    fn is_kept(&self, name: &str) -> bool {
        let Some(function) = self.blocks.iter().position(|block| block.function.is_some()) else {
            return false;
        };
        let declared = self.blocks.iter().rposition(|block| block.names.contains(&name));
        let called = self.blocks.get(function).is_some_and(|block| block.function == Some(true));
        called && declared.is_some_and(|block| block < function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, want: &[&str]) {
        let found: Vec<&str> = kept(script).into_iter().map(|at| &script[at]).collect();
        assert_eq!(found, want, "{script}");
    }

    #[test]
    fn what_a_callback_remembers_outside_its_state_is_found() {
        check("local n = 0\nfunction update(pkt, s) n = n + 1 end", &["n"]);
        check(
            "local n, seen = 0, {}\nfunction update(p) n += 1 seen[p.len] = true end",
            &["n", "seen"],
        );
        check(
            "local all = {}\nfunction export(t) table.insert(all, 1) all.last = 2 end",
            &["all", "all"],
        );
        check(
            "local n: number = 0\nfunction update(p)\n  if p.tcp then\
             \n    for _ = 1, 2 do n = 1 end\n  else local m = 1 m = 2 end\nend",
            &["n"],
        );
        check(
            "local a, b = 1, 2\nfunction check(p)\n  local x = if p.tcp then 1 else 2\n  a, b = x, \
                a\nend",
            &["a", "b"],
        );
    }

    #[test]
    fn what_is_a_functions_own_is_left_alone() {
        check("function update(pkt, state) state.n = (state.n or 0) + 1 end", &[]);
        check("local n = 0\nfunction update(pkt, n) n = 1 end", &[]);
        check("local n = 0\nfunction update(pkt, s) local n = 2 n = 3 end", &[]);
        check(
            "local class = {}\nfor p = 1, 9 do class[p] = 'low' end\nfunction update(p) end",
            &[],
        );
        check("local n = 1\nfunction export(t) return { n = n, m = n == 1 } end", &[]);
        check("local n = 1\nlocal function add(x) n = x end\nadd(2)", &[]);
        check(
            "local n = 1\nn = 2\nfunction export(t)\n  local f = function(n) n = 1 end\nend\nn = 3",
            &[],
        );
        check("end end local n = 1 function update( n = ", &[]);
    }
}
