//! Where reading goes on behind a place that is no Lua, or no Rhai: at the next function that
//! begins a line.

use super::Language;

/// The text from the first function that begins a line behind `line` on, with as many empty lines
/// before it as there are lines; and in which line that is.
pub fn resumed(text: &str, language: Language, line: u32) -> Option<(String, u32)> {
    let words: &[&str] = match language {
        Language::Lua => &["function ", "local function "],
        Language::Rhai => &["fn ", "private fn "],
    };
    let mut start = 0;
    for (number, one) in (1u32..).zip(text.split_inclusive('\n')) {
        if number > line && words.iter().any(|word| one.starts_with(word)) {
            let before = "\n".repeat(number.saturating_sub(1) as usize);
            return Some((before + &text[start..], number));
        }
        start += one.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_goes_on_at_the_next_function_in_its_own_line() {
        let lua =
            "function a() ) end\n  function b() end\nlocal function c()\nend\nfunction d() end";
        let resumed = |line| resumed(lua, Language::Lua, line);
        let (rest, line) = resumed(1).expect("a function");
        assert_eq!((&*rest, line), ("\n\nlocal function c()\nend\nfunction d() end", 3));
        assert_eq!(resumed(3).map(|(_, line)| line), Some(5));
        assert_eq!(resumed(5), None);
        let rhai = "fn a() { ) }\nfn b() {}\n";
        assert_eq!(super::resumed(rhai, Language::Rhai, 1), Some(("\nfn b() {}\n".into(), 2)));
    }
}
