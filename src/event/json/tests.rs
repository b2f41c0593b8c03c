//! Held against `serde_json`: what it takes for JSON is JSON, with the same content.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

/// All there is in a text, names in order, numbers by their digits.
fn seen(reader: &mut Reader<'_>) -> Result<String, NotJson> {
    Ok(match reader.kind()? {
        Kind::Object => {
            let mut all = Vec::new();
            reader.members(|reader, name| {
                all.push(format!("{name:?}:{}", seen(reader)?));
                Ok(())
            })?;
            format!("{{{}}}", all.join(","))
        }
        Kind::Array => {
            let mut all = Vec::new();
            reader.elements(|reader| {
                all.push(seen(reader)?);
                Ok(())
            })?;
            format!("[{}]", all.join(","))
        }
        Kind::String => format!("{:?}", reader.string()?),
        _ => reader.skip()?.to_owned(),
    })
}

fn whole(text: &str) -> Result<String, NotJson> {
    let mut reader = Reader::new(text);
    let all = seen(&mut reader)?;
    reader.end()?;
    Ok(all)
}

fn holds(text: &str) -> Result<(), TestCaseError> {
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    prop_assert_eq!(value(text).is_ok(), is_json, "skipped: {}", text);
    prop_assert_eq!(whole(text).is_ok(), is_json, "read: {}", text);
    if is_json {
        prop_assert_eq!(value(text).unwrap(), text.trim_matches([' ', '\n', '\t', '\r']));
    }
    Ok(())
}

#[test]
fn everything_is_seen() {
    let text = " { \"a\\u00e9\" : [ 1.50 , -0 , { } , [ ] , \"\\n\" ] ,\r\n\t\"a\":null,\"a\":true,\"\":\"\"} ";
    assert_eq!(whole(text).unwrap(), r#"{"aé":[1.50,-0,{},[],"\n"],"a":null,"a":true,"":""}"#);
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        " ",
        "nul",
        "nulll",
        "truefalse",
        "{",
        "}",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":1]",
        "[1}",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12\"",
        "\"\u{1}\"",
        "\"\n\"",
        "01",
        "-",
        "1.",
        "+1",
        "'a'",
        "1 2",
        "{} {}",
        "\u{a0}1",
        "\u{feff}1",
        "[[[[",
        "{\"a\":[}",
        "NaN",
        "Infinity",
    ] {
        assert!(serde_json::from_str::<IgnoredAny>(text).is_err(), "{text:?}");
        assert_eq!((value(text), whole(text)), (Err(NotJson), Err(NotJson)), "{text:?}");
    }
}

#[test]
fn a_string_ends_at_its_own_quote_wherever_it_lies() {
    for length in 0..40 {
        for special in ["", "\\\"", "\\\\", "\\u00e9", "é", "\u{7f}", "😀"] {
            for at in 0..=length {
                let inner = format!("{}{special}{}", "x".repeat(at), "y".repeat(length - at));
                let text = format!("[\"{inner}\",\"z\"]");
                let expected: Vec<String> = serde_json::from_str(&text).unwrap();
                assert_eq!(whole(&text).unwrap(), format!("{expected:?}").replace(", ", ","));
                let control = format!("\"{inner}\u{1f}\"");
                assert_eq!(value(&control), Err(NotJson));
            }
        }
    }
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!("{}1{}", "[{\"a\":".repeat(500_000), "}]".repeat(500_000));
    assert_eq!(value(&deep), Ok(&deep[..]));
    assert_eq!(value(&deep[..deep.len() - 1]), Err(NotJson));
}

proptest! {
    #[test]
    fn any_text_is_json_or_not_as_serde_json_says(text: String, symbols in r#"[\[\]{}:," \\0-9eE.+\-ntrufalse]{0,24}"#) {
        holds(&text)?;
        holds(&symbols)?;
    }

    #[test]
    fn any_damage_is_noticed(at in 0usize..2_000, with in "[\\x00-\\x7f]|é") {
        let mut text = include_str!("../../../samples/VERIFICATION_COMPLETED.json").to_owned();
        let at = at % text.len();
        text.replace_range(at..=at, &with);
        holds(&text)?;
    }

    #[test]
    fn strings_say_what_serde_json_reads(said: String) {
        let text = serde_json::to_string(&said).unwrap();
        prop_assert_eq!(Reader::new(&text).string().unwrap(), said);
    }
}
