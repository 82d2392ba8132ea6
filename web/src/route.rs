//! What a URL asks for.
//!
//! `/status`, `/NAME?...` and `/?module=NAME&...`, as the original had them; and a
//! script posted to `/query?...`, which stands where a module's name would.

use std::fmt::Write as _;

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use crate::{Answer, Door, Refusal, Script};

/// The most parameters a query may have.
const PARAMETERS_MAX: usize = 64;

/// Answers a request for `url`, the path and query of a request line.
pub fn answer(url: &str, door: &dyn Door) -> Result<Answer, Refusal> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let parameters = parameters(query)?;
    let name = decode(path.strip_prefix('/').unwrap_or(path))?;
    let (part, rest) = name.split_once('/').unwrap_or((&name, ""));
    match door.behind(part).filter(|_| !part.is_empty()) {
        Some(door) => found(rest, parameters, &*door, part),
        None => found(&name, parameters, door, ""),
    }
}

/// The answer of a door, which stands behind the part `base` of the path.
fn found(
    name: &str,
    mut parameters: Vec<(String, String)>,
    door: &dyn Door,
    base: &str,
) -> Result<Answer, Refusal> {
    match name {
        "status" => match parameters.first() {
            Some((key, _)) => Err(bad(format!("unknown parameter `{key}`: the status has none"))),
            None => Ok(text("application/json", door.status())),
        },
        "" => match parameters.iter().position(|(key, _)| key == "module") {
            Some(at) => {
                let (_, module) = parameters.remove(at);
                door.query(&module, &parameters)
            }
            None if parameters.is_empty() => {
                Ok(text("text/html; charset=utf-8", front_page(door, base)))
            }
            None => Err(bad("which module? write /NAME?... or /?module=NAME&...")),
        },
        name if name.contains('/') => {
            Err(Refusal::new(404, "Not Found", "there is nothing here; / lists what there is"))
        }
        name => door.query(name, &parameters),
    }
}

/// Answers a request for `url` with a script in place of a module.
pub fn posted(url: &str, script: Script, door: &dyn Door) -> Result<Answer, Refusal> {
    let (_, query) = url.split_once('?').unwrap_or((url, ""));
    let mut parameters = parameters(query)?;
    if let Some(at) = parameters.iter().position(|(key, _)| key == "lang") {
        let (said, is) = (parameters.remove(at).1, script.language.name());
        if !said.eq_ignore_ascii_case(is) {
            return Err(bad(format!("`lang` is `{said}`, and the Content-Type says {is}")));
        }
    }
    door.script(script, &parameters)
}

fn text(mime: &str, body: String) -> Answer {
    let body = Box::new(move |out: &mut dyn std::io::Write| out.write_all(body.as_bytes()));
    Answer { mime: mime.to_owned(), sources: None, missed: None, run: None, body }
}

fn bad(text: impl Into<String>) -> Refusal {
    Refusal::new(400, "Bad Request", text)
}

fn parameters(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    let pieces = query.split('&').filter(|p| !p.is_empty());
    let mut parameters: Vec<(String, String)> = Vec::new();
    for piece in pieces {
        let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
        let (key, value) = (decode(key)?, decode(&value.replace('+', "%20"))?);
        if parameters.iter().any(|(k, _)| *k == key) {
            return Err(bad(format!("`{key}` is given twice")));
        }
        if parameters.len() == PARAMETERS_MAX {
            return Err(bad(format!("a query has at most {PARAMETERS_MAX} parameters")));
        }
        parameters.push((key, value));
    }
    Ok(parameters)
}

fn decode(text: &str) -> Result<String, Refusal> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| bad(format!("`{text}` is not UTF-8 once decoded")))?;
    if decoded.chars().any(char::is_control) {
        return Err(bad(format!("`{text}` holds a control character")));
    }
    Ok(decoded.into_owned())
}

fn front_page(door: &dyn Door, base: &str) -> String {
    let encoded =
        |part: &str| utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC).to_string();
    let base = if base.is_empty() { String::new() } else { format!("/{}", encoded(base)) };
    let mut page = format!(
        "<!doctype html><meta charset=utf-8><title>como</title>\
         <style>body{{font:16px/1.5 sans-serif;margin:2em;max-width:50em}}\
         td{{padding:.2em 1em .2em 0;vertical-align:top}}</style>\
         <h1>como</h1><p><a href=\"{base}/status\">status</a></p><table>",
    );
    for (name, doc) in door.modules() {
        let link = encoded(&name);
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "<tr><td><a href=\"{base}/{link}?time=-5m:0&amp;wait=no&amp;format=html\">{}</a><td>{}",
            escape(&name),
            escape(&doc)
        );
    }
    page + "</table>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with what it was asked.
    struct Echo;

    impl Door for Echo {
        fn status(&self) -> String {
            "{}".to_owned()
        }

        fn modules(&self) -> Vec<(String, String)> {
            vec![("a<b".to_owned(), "x & y".to_owned())]
        }

        fn query(&self, module: &str, parameters: &[(String, String)]) -> Result<Answer, Refusal> {
            let pairs: Vec<String> = parameters.iter().map(|(k, v)| format!("{k}={v}")).collect();
            Ok(text("text/plain", format!("{module}: {}", pairs.join(" "))))
        }

        fn script(&self, script: Script, all: &[(String, String)]) -> Result<Answer, Refusal> {
            self.query(&script.text, all)
        }
    }

    #[track_caller]
    fn check(url: &str, want: Result<&str, u16>) {
        check_answer(url, answer(url, &Echo), want);
    }

    #[track_caller]
    fn check_answer(url: &str, answer: Result<Answer, Refusal>, want: Result<&str, u16>) {
        let got = answer.map(|answer| {
            let mut body = Vec::new();
            (answer.body)(&mut body).expect("memory");
            String::from_utf8(body).expect("text")
        });
        assert_eq!(got.as_deref().map_err(|r| r.status), want, "{url}");
    }

    #[test]
    fn a_script_stands_in_the_place_of_a_module() {
        let lua = |url: &str, want| {
            let script = Script { language: crate::Language::Lua, text: "n = 1".to_owned() };
            check_answer(url, posted(url, script, &Echo), want);
        };
        lua("/query?time=-1h:0&format=csv", Ok("n = 1: time=-1h:0 format=csv"));
        lua("/query?lang=Lua&time=:", Ok("n = 1: time=:"));
        lua("/query", Ok("n = 1: "));
        lua("/query?lang=rhai", Err(400));
        lua("/query?x=1&x=2", Err(400));
    }

    #[test]
    fn a_module_is_named_by_path_or_by_parameter() {
        check("/traffic?time=-5m:0", Ok("traffic: time=-5m:0"));
        check("/?module=top%20talkers&time=-5m:0&wait=no", Ok("top talkers: time=-5m:0 wait=no"));
        check("/a?filter=tcp+and%20port%2080", Ok("a: filter=tcp and port 80"));
        check("/status", Ok("{}"));
        check("/status?", Ok("{}"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_reason() {
        check("/a?x=1&x=2", Err(400));
        check("/status?x=1", Err(400));
        check("/%00", Err(400));
        check("/%ff", Err(400));
        check("/?time=-5m:0", Err(400));
        check("/../etc/passwd", Err(404));
        check("/..%2fetc", Err(404));
        let many: String = (0..100).map(|i| format!("&p{i}=1")).collect();
        check(&format!("/a?{many}"), Err(400));
    }

    #[test]
    fn the_front_page_escapes_what_it_shows() {
        let page = front_page(&Echo, "");
        assert!(page.contains("a&lt;b") && page.contains("x &amp; y") && !page.contains("a<b"));
    }
}
