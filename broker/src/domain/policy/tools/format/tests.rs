//! Forms of many texts.

use proptest::prelude::*;

use toml_parser::lexer::TokenKind;

use super::*;
use crate::domain::policy::tools::diff::{Side, diff};
use crate::domain::policy::{Installation, Policy, SourceFile};

/// The canonical form, which is its own.
fn formed(text: &str) -> String {
    let once = format(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(format(&once).as_ref(), Ok(&once), "not stable");
    once
}

#[test]
fn one_form_for_every_way_of_writing() {
    let long = format!("\"{}\"", "a".repeat(60));
    let table = [
        ("", String::new()),
        ("\n\n", String::new()),
        ("\u{feff}a=1", "a = 1\n".into()),
        ("a  =   1 #c", "a = 1 #c\n".into()),
        ("\ta=1\r\n\r\n\r\nb=2\r\n", "a = 1\n\nb = 2\n".into()),
        (
            "a='x'\nb='\"'\nc=\"\\u00e4\"",
            "a = \"x\"\nb = '\"'\nc = \"\\u00e4\"\n".into(),
        ),
        ("\"a\".'b' . \"c/d\" = 1", "a.b.\"c/d\" = 1\n".into()),
        (
            "[ a . 'b' ] # c\n\nx=1\n[[ a . c ]]\ny=1",
            "[a.b] # c\nx = 1\n\n[[a.c]]\ny = 1\n".into(),
        ),
        ("a=1\n# about b\n[b]", "a = 1\n\n# about b\n[b]\n".into()),
        ("a=1\n# alone\n\n[b]", "a = 1\n# alone\n\n[b]\n".into()),
        (
            "# file\n\n# about b\n[b]\n\n# in b\nx=1",
            "# file\n\n# about b\n[b]\n# in b\nx = 1\n".into(),
        ),
        ("a=[1,2 ,\n 3,]", "a = [1, 2, 3]\n".into()),
        (
            "a=[ ]\nb={ }\nc={x=1,'y'.z=[1]}",
            "a = []\nb = {}\nc = { x = 1, y.z = [1] }\n".into(),
        ),
        (
            "a=[1, # one\n# two\n2\n]",
            "a = [\n  1, # one\n  # two\n  2,\n]\n".into(),
        ),
        (
            "a={ x=1,\n y=[\n2,\n],\n}",
            "a = { x = 1, y = [2] }\n".into(),
        ),
        // No table gets a line break of its own.
        (
            "a={ x=[1, # one\n2], y='b' }",
            "a = { x=[1, # one\n2], y='b' }\n".into(),
        ),
        (
            "a=[{ x=[1, # one\n2] }, # two\n{y='b'}]",
            "a = [\n  { x=[1, # one\n2] }, # two\n  { y = \"b\" },\n]\n".into(),
        ),
        ("a=[[1,2],[3]]", "a = [\n  [1, 2],\n  [3],\n]\n".into()),
        (
            "a=1979-05-27 07:32:00.5 \nb=1.5e3\nc=-inf",
            "a = 1979-05-27 07:32:00.5\nb = 1.5e3\nc = -inf\n".into(),
        ),
        (
            "a='''\n x \n'''\nb=\"\"\"y\"\"\"",
            "a = '''\n x \n'''\nb = \"\"\"y\"\"\"\n".into(),
        ),
        (
            &format!("a=[[{long},{long}],[]]"),
            format!("a = [\n  [{long}, {long}],\n  [],\n]\n"),
        ),
        (
            &format!("a=[{long},{long}]"),
            format!("a = [\n  {long},\n  {long},\n]\n"),
        ),
    ];
    for (text, expected) in table {
        assert_eq!(formed(text), expected, "{text:?}");
    }
}

#[test]
fn what_is_no_toml_is_left_alone_with_its_line() {
    let error = format("a = 1\nb = \n").unwrap_err();
    assert!(
        matches!(error, NotFormatted::Malformed { line: 2, .. }),
        "{error}"
    );
    assert!(format("a = 1\na = 2\n").is_err());
    let deep = format!("a = {}{}", "[".repeat(5000), "]".repeat(5000));
    assert!(super::format(&deep).is_err());
}

const EXAMPLES: [&str; 4] = [
    include_str!("../../../../../../examples/policy/agent-tools.toml"),
    include_str!("../../../../../../examples/policy/ci.toml"),
    include_str!("../../../../../../examples/policy/deploy-docs.toml"),
    include_str!("../../../../../../examples/policy/shared.toml"),
];

#[test]
fn the_examples_are_in_form() {
    for text in EXAMPLES {
        assert_eq!(formed(text), text);
    }
}

#[test]
fn a_policy_in_form_does_what_it_did() {
    let installation = include_str!("../../../../../../examples/installation.toml");
    let installation = SourceFile::new("installation.toml", installation.as_bytes());
    let installation = Installation::parse(&installation).unwrap();
    let compiled = |change: &dyn Fn(&str) -> String| {
        let file = |text: &&str| SourceFile::new("a.toml", change(text).into_bytes());
        let files: Vec<_> = EXAMPLES.iter().map(file).collect();
        Policy::compile(&files, &installation).unwrap()
    };
    let untidy = |text: &str| text.replace(" = ", "   =").replace("[\"", "[\n  \"");
    let (before, after) = (compiled(&untidy), compiled(&|text| formed(&untidy(text))));
    let side = |policy| Side {
        policy,
        installation: &installation,
    };
    assert!(diff(side(&before), side(&after)).is_none());
}

const PIECES: [&str; 30] = [
    "a",
    "b.c",
    "\"d/e\"",
    "'f'",
    " = ",
    "=",
    "1",
    "1.5",
    "-0x1f",
    "true",
    "\"x # y\"",
    "'\\'",
    "'''\n'''",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ",",
    "\n",
    "\r\n",
    "\n\n",
    "# c",
    " #d  \n",
    "[t]\n",
    "[[u]]\n",
    "[t . v]\n",
    " ",
    "\t",
    "1979-05-27 07:32:00",
];

proptest! {
    #[test]
    fn the_form_of_any_text_says_the_same_and_is_its_own(
        pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..30),
    ) {
        let text = pieces.concat();
        let formed = format(&text);
        prop_assert_ne!(&formed, &Err(NotFormatted::Unfaithful), "{:?}", text);
        if let Ok(formed) = formed {
            let (before, after) = (parse(&text).unwrap(), parse(&formed).unwrap());
            prop_assert_eq!(before, after);
            prop_assert_eq!(format(&formed), Ok(formed));
        }
    }

    #[test]
    fn values_of_any_shape_say_the_same(
        value in value_text(),
        comment in "( # [a-z]{0,4})?",
    ) {
        let text = format!("k = {value}{comment}\n[t]\n");
        if parse(&text).is_ok() {
            let formed = formed(&text);
            prop_assert_eq!(parse(&text), parse(&formed));
        }
    }

    #[test]
    fn what_readers_of_toml_1_0_read_they_still_read(
        value in value_text(),
    ) {
        let text = format!("k = {value}\n[t]\n");
        if parse(&text).is_ok() {
            let (before, after) = (breaks_in_tables(&text), breaks_in_tables(&formed(&text)));
            prop_assert!(after <= before, "{}", formed(&text));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,60}") {
        let _ = format(&text);
    }
}

/// How many line breaks and last commas inline tables have outside of the arrays and texts in them.
fn breaks_in_tables(text: &str) -> usize {
    let mut tokens = Tokens::new(text);
    let mut open = Vec::new();
    let mut is_behind_comma = false;
    let mut found = 0;
    loop {
        let (kind, _) = tokens.next();
        let is_in_table = open.last() == Some(&TokenKind::LeftCurlyBracket);
        match kind {
            TokenKind::LeftCurlyBracket | TokenKind::LeftSquareBracket => open.push(kind),
            TokenKind::RightCurlyBracket | TokenKind::RightSquareBracket => {
                found += usize::from(is_in_table && is_behind_comma);
                open.pop();
            }
            TokenKind::Newline | TokenKind::Comment => found += usize::from(is_in_table),
            TokenKind::Eof => return found,
            _ => {}
        }
        is_behind_comma = kind == TokenKind::Comma;
    }
}

/// Values with blanks, line breaks and comments wherever they may be.
fn value_text() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("1".to_owned()),
        Just("1.5".to_owned()),
        Just("'x'".to_owned()),
        Just("\"a\\\"b # c\"".to_owned()),
        Just("1979-05-27 07:32:00Z".to_owned()),
        Just("\"\"\"\n ] \"\"\"".to_owned()),
        "[a-z ]{30,60}".prop_map(|text| format!("\"{text}\"")),
    ];
    let gap = prop_oneof![
        Just(""),
        Just(" "),
        Just("\n"),
        Just(" # c\n"),
        Just("\n# c\n\n"),
    ];
    scalar.prop_recursive(4, 24, 4, move |inner| {
        let item = (gap.clone(), inner.clone(), gap.clone());
        let array = proptest::collection::vec(item, 0..4).prop_map(|items| {
            let items: Vec<_> = items.iter().map(|(a, b, c)| format!("{a}{b}{c}")).collect();
            format!("[{}]", items.join(","))
        });
        let pair = ("[a-z]{3}", inner);
        let table = proptest::collection::vec(pair, 0..3).prop_map(|pairs| {
            let pairs: Vec<_> = pairs
                .iter()
                .enumerate()
                .map(|(n, (k, v))| format!(" {k}{n}= {v}"))
                .collect();
            format!("{{{}}}", pairs.join(","))
        });
        prop_oneof![array, table]
    })
}
