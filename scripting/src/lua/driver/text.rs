//! The text that stands behind a script: its loops over a batch.

use std::fmt::Write;

use super::{CALLED, Driver};
use crate::lua::inplace::FUNCTIONS;

impl Driver<'_> {
    /// All of it: a function that makes the loops, then what the script calls `update` and `check`,
    /// then its filters.
    pub(super) fn text(&self) -> String {
        let mut text = String::from("return (function(__H, __G, __P, __O");
        for at in 0..self.fields.len() {
            let _ = write!(text, ", __b{at}");
        }
        for at in 0..self.reads.layers.len() {
            let _ = write!(text, ", __l{at}");
        }
        for at in 0..self.reads.filters.len() {
            let _ = write!(text, ", __m{at}");
        }
        text.push_str(")\n");
        if self.looks() {
            let _ = writeln!(text, "{FUNCTIONS} = __P");
        }
        text.push_str("local __at = 0\nlocal function __place() return __at end\n");
        if self.fetches {
            text.push_str("local __A, __V, __K, __F = __G.open, __G.values, __G.packet, {");
            for name in self.names().filter(|_| !self.direct) {
                let _ = write!(text, "[\"{name}\"] = true, ");
            }
            text.push_str("}\n");
        }
        for (name, called) in CALLED.into_iter().zip(self.called) {
            let _ = writeln!(text, "local __{name}_all, __{name}_mixed");
            if called {
                self.run(&mut text, name, false);
                self.run(&mut text, name, true);
            }
            let _ = writeln!(
                text,
                "local function __{name}(m, ...)\n\
                 if m then __{name}_mixed(...) else __{name}_all(...) end\nend"
            );
        }
        let given = [0, 1].map(|at| if self.called[at] { CALLED[at] } else { "nil" });
        let _ = write!(text, "return __update, __check, __place\nend), {}, {{", given.join(", "));
        text + self.reads.filters.join(", ").as_str() + "}"
    }

    /// One loop. With `mixed`, some packets lack some value, which then reads as nil.
    fn run(&self, text: &mut String, name: &str, mixed: bool) {
        let which = if mixed { "mixed" } else { "all" };
        let _ = writeln!(
            text,
            "function __{name}_{which}(__from: number, __n: number, __s, __first: number, __get)"
        );
        if self.fetches {
            text.push_str("__G.begin(__get, __place, __F)\n");
        }
        text.push_str("for __i = __from, __n - 1 do\n__at = __i\n");
        self.open(text);
        if self.places {
            text.push_str("__como_at = __i\n");
        }
        let values = self.values(text, mixed);
        let arguments = match self.direct {
            true => {
                let here = self.looks().then(|| "__first + __i, ".to_owned());
                here.into_iter().chain(values.iter().map(|value| format!("{value}, "))).collect()
            }
            false => {
                self.put(text, &values);
                String::new()
            }
        };
        let _ = match name == "update" {
            true => writeln!(text, "update({arguments}__p, __s)"),
            false => {
                let call = format!("check({arguments}__p, __s)");
                writeln!(text, "__como_set8(__O, __i, if {call} then 1 else 0)")
            }
        };
        let finish = if self.fetches { "__G.finish()\n" } else { "" };
        let _ = writeln!(text, "end\n{finish}end");
    }

    /// Makes what stands for the packet, where something must.
    fn open(&self, text: &mut String) {
        text.push_str(match self.fetches {
            false => "local __p = nil\n",
            true => {
                "local __p: any = __como_new({}, __K)\n\
                 __A.packet, __A.made = __p, nil\n"
            }
        });
    }

    /// The values of what [`Self::names`] names, as expressions.
    fn values(&self, text: &mut String, mixed: bool) -> Vec<String> {
        let mut values: Vec<String> =
            (0..self.fields.len()).map(|at| self.value(text, at, mixed)).collect();
        for at in 0..self.reads.layers.len() {
            values.push(match mixed {
                true => format!("if __como_u8(__l{at}, __i) ~= 0 then true else nil"),
                false => "true".to_owned(),
            });
        }
        let filters = 0..self.reads.filters.len();
        values.extend(filters.map(|at| format!("__como_u8(__m{at}, __i) ~= 0")));
        values
    }

    /// One field's value, as an expression.
    fn value(&self, text: &mut String, at: usize, mixed: bool) -> String {
        let field = self.fields[at];
        match mixed {
            _ if field.is_wide() => format!("__H[__como_u32(__b{at}, __i * 4)]"),
            false if field.is_bool() => format!("__como_f64(__b{at}, __i * 8) == 1"),
            false => format!("__como_f64(__b{at}, __i * 8)"),
            true => {
                let _ = writeln!(text, "local __v{at} = __como_f64(__b{at}, __i * 8)");
                let there = if field.is_bool() { " == 1" } else { "" };
                format!("if __v{at} == __v{at} then __v{at}{there} else nil")
            }
        }
    }

    /// Puts the values where the packet's are read.
    fn put(&self, text: &mut String, values: &[String]) {
        for (name, value) in self.names().zip(values) {
            let _ = writeln!(text, "__V[\"{name}\"] = {value}");
        }
    }
}
