use super::*;

/// Records found, with `!` before a refused one; at the end how it broke.
fn split(mut splitter: Splitter, text: &str, piece: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut show = |piece: Piece<'_>| match piece {
        Piece::Record(bytes) => found.push(String::from_utf8_lossy(bytes).into_owned()),
        Piece::Refused(refused) => found.push(format!("!{:?} {}", refused.reason, refused.length)),
    };
    for bytes in text.as_bytes().chunks(piece) {
        let mut at = 0;
        loop {
            match splitter.next(bytes, &mut at) {
                Ok(Some(piece)) => show(piece),
                Ok(None) => break,
                Err(broken) => {
                    found.push(format!("{broken:?}"));
                    return found;
                }
            }
        }
        assert_eq!(at, bytes.len());
    }
    match splitter.finish() {
        Ok(Some(piece)) => show(piece),
        Ok(None) => {}
        Err(broken) => found.push(format!("{broken:?}")),
    }
    found
}

/// The same, whatever the pieces.
fn check(splitter: fn() -> Splitter, text: &str, want: &[&str]) {
    for piece in [1, 2, 3, 7, text.len().max(1)] {
        assert_eq!(
            split(splitter(), text, piece),
            want,
            "{text} in pieces of {piece}"
        );
    }
}

#[test]
fn an_array_is_split_at_its_elements() {
    check(Splitter::array, "", &[]);
    check(Splitter::array, " [ ] \n", &[]);
    check(
        Splitter::array,
        r#"[{"a":[1,{}]}, {"b":"]},\"{"} ]"#,
        &[r#"{"a":[1,{}]}"#, r#"{"b":"]},\"{"}"#],
    );
    check(
        Splitter::array,
        r#"[1,"x",null,[2],{}]"#,
        &["1", r#""x""#, "null", "[2]", "{}"],
    );
    check(Splitter::array, "[}:]", &["}:"]);
}

#[test]
fn a_broken_array_is_told() {
    check(Splitter::array, "[", &["Cut"]);
    check(Splitter::array, r#"[{"a":1},{"b"#, &[r#"{"a":1}"#, "Cut"]);
    check(Splitter::array, r#"[{"a":1}"#, &[r#"{"a":1}"#, "Cut"]);
    let html = split(Splitter::array(), "<html>", 6);
    assert_eq!(html, [format!("{:?}", Broken::Garbage(b"<html>".to_vec()))]);
    assert_eq!(split(Splitter::array(), "[]x", 3).len(), 1);
}

#[test]
fn records_one_after_the_other_are_split() {
    check(
        Splitter::stream,
        "{\"a\":1}\n{\"b\":2}\r\n\n{\"c\":3}",
        &["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"],
    );
    check(
        Splitter::stream,
        "{\"a\":1}{\"b\":2}",
        &["{\"a\":1}", "{\"b\":2}"],
    );
    check(
        Splitter::stream,
        "{\n\"a\":1\n}\n{\n\"b\":2}",
        &["{\n\"a\":1\n}", "{\n\"b\":2}"],
    );
    check(
        Splitter::stream,
        "[{}]\n[{\"a\":1}]\n",
        &["{}", "{\"a\":1}"],
    );
}

#[test]
fn a_broken_line_costs_itself_alone() {
    check(
        Splitter::stream,
        "{\"a\":1}\n{\"b\": \"x\n{\"c\":{\n17\n}}\n{\"d\":4}\n{\"e",
        &[
            "{\"a\":1}",
            "{\"b\": \"x",
            "{\"c\":{",
            "17",
            "}}",
            "{\"d\":4}",
            "{\"e",
        ],
    );
    check(
        Splitter::stream,
        "oops\n{\"a\":1}\n",
        &["oops", "{\"a\":1}"],
    );
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_record() {
    check(Splitter::array, "\u{feff}[1]", &["1"]);
    check(Splitter::stream, "\u{feff}[1]", &["1"]);
    check(Splitter::stream, "\u{feff}{}\n{}\n", &["{}", "{}"]);
    check(Splitter::stream, "\u{feff}\r\noops\n{}", &["oops", "{}"]);
    // Elsewhere, and what only begins like one, is kept.
    check(Splitter::stream, "{}\n\u{feff}{}\n", &["{}", "\u{feff}{}"]);
    check(Splitter::stream, "\u{fec0}\n{}\n", &["\u{fec0}", "{}"]);
    check(Splitter::stream, "\u{feff}", &[]);
}

#[test]
fn what_is_too_deep_or_too_long_is_counted_and_not_held() {
    let deep = format!("[{}{},{{}}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        split(Splitter::array(), &deep, 4096),
        ["!TooDeep 200000", "{}"]
    );
    let limit = "[".repeat(MAX_DEPTH as usize) + &"]".repeat(MAX_DEPTH as usize);
    assert_eq!(split(Splitter::array(), &format!("[{limit}]"), 64), [limit]);
    let long = format!("[\"{}\",{{}}]", "x".repeat(MAX_RECORD));
    for piece in [65_536, long.len()] {
        let found = split(Splitter::array(), &long, piece);
        assert_eq!(
            found,
            [format!("!TooLong {}", MAX_RECORD + 2), "{}".to_owned()]
        );
    }
}

#[test]
fn a_refused_record_keeps_its_head_and_hash() {
    let text = format!("{}{}", "[".repeat(70_000), "]".repeat(70_000));
    let mut splitter = Splitter::array();
    let (mut at, input) = (0, format!("[{{}},{text}]"));
    splitter.next(input.as_bytes(), &mut at).unwrap();
    let Ok(Some(Piece::Refused(refused))) = splitter.next(input.as_bytes(), &mut at) else {
        panic!("not refused")
    };
    assert_eq!(refused.head.len(), KEPT);
    assert_eq!(refused.sha256, <[u8; 32]>::from(Sha256::digest(&text)));
}
