//! The reference of all options as a Markdown page, made of the list.

use std::fmt::Write as _;

use super::field::Field;
use super::list::{FIELDS, GROUPS};

/// The longest line of the page.
const WIDTH: usize = 120;

/// What stands before the options.
const BEFORE: &str = r#"# Configuration

Everything that can be set about a job is an option with a name, a type, a range and a default. This page lists all of
them. It is made of the same list as `JobOptions` and the command line; a test compares both.

## Three ways to set an option

In code, by a method of `JobOptions`, or by its name:

```rust
use std::time::Duration;
use millstream::prelude::*;

let options = JobOptions::new()
    .checkpoint_interval(Duration::from_millis(500))
    .set("memory.state", "256MiB")?;
# let _ = options;
# Ok::<(), millstream::Error>(())
```

On the command line, by a flag where the option has one, or by `--set`:

```text
word_count --checkpoint-interval 500ms --set memory.state=256MiB --set restart.policy=none
```

The command line wins over code, whatever was said first, and code wins over defaults. `JobOptions::settings` lists all
options with the values that they have, and says where each value comes from.

A name that is no option is an error that says which name is nearest. A value out of range is an error that names the
option, the value and the range: on the command line at once, in code when the job is started.

## Types

| type | is written as |
| --- | --- |
| count | a whole number, like `1024` or `1_000_000` |
| bytes | a whole number with a unit: `B`, `KiB`, `MiB`, `GiB`, `TiB`, `kB`, `MB`, `GB` or `TB`; bytes without one |
| decimal | a number like `1.5` |
| time | numbers with units, like `500ms`, `10s` or `1h 30min` |
| switch | `true` or `false`; as a flag, its name alone is `true` |
| path | a file or directory |
| choice | one of the words in its range |

Some options have a word for no value, like `off`; their range names it.
"#;

/// The reference of all options, in Markdown: the page `docs/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = BEFORE.to_owned();
    for (group, heading) in GROUPS {
        let _ = write!(page, "\n## {heading}\n");
        for field in FIELDS.iter().filter(|field| field.group() == *group) {
            entry(&mut page, field);
        }
    }
    page
}

/// Adds what there is to know of one option.
fn entry(page: &mut String, field: &Field) {
    let of = if field.unit().is_empty() { String::new() } else { format!(" of {}", field.unit()) };
    let flag = field.flag().map(|flag| format!(" Flag: `--{flag}`.")).unwrap_or_default();
    let method = if field.method() == "set" { String::new() } else { format!(" In code: `{}`.", field.method()) };
    let secret = if field.is_secret() { " Its value is never shown." } else { "" };
    let facts = format!(
        "Type: {}{of}, {}. Default: `{}`.{flag}{method}{secret}",
        field.type_name(),
        field.range(),
        field.default()
    );
    let _ = write!(page, "\n### `{}`\n\n{}\n\n{}\n", field.name(), wrapped(&facts), wrapped(field.doc()));
}

/// `text` in lines that are not too long.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is a line to begin with");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= WIDTH {
            let _ = write!(last, " {word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_in_the_guides_is_the_reference() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
        if std::env::var_os("MILLSTREAM_ACCEPT").is_some() {
            std::fs::write(file, reference()).expect("the page can be written");
        }
        let page = std::fs::read_to_string(file).unwrap_or_default();
        assert!(page == reference(), "docs/configuration.md is old: run this test with MILLSTREAM_ACCEPT=1");
    }

    #[test]
    fn lines_are_not_too_long() {
        let long = reference().lines().filter(|line| line.chars().count() > WIDTH).count();
        assert_eq!(long, 0);
    }

    #[test]
    fn every_option_names_the_method_that_sets_it() {
        let methods = include_str!("../runtime/options.rs");
        for field in FIELDS {
            assert!(methods.contains(&format!("pub fn {}(", field.method())), "{}: {}", field.name(), field.method());
        }
    }
}
