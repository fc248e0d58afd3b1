use super::*;
use proptest::prelude::*;

fn both(paths: &[&str], body: &[u8]) -> [Option<Vec<Option<String>>>; 2] {
    let parsed: Vec<JsonPath> = paths.iter().map(|p| JsonPath::parse(p).expect("a path")).collect();
    let picker = |straight: bool| {
        let mut wanted = Paths::default();
        for path in &parsed {
            wanted.slot(path);
        }
        let mut picker = wanted.picker();
        assert!(picker.tree.is_some(), "{paths:?} lead straight down");
        picker.tree = picker.tree.filter(|_| straight);
        picker
    };
    [true, false].map(|straight| {
        let picker = picker(straight);
        let picks = picker.read(body)?;
        Some((0..paths.len()).map(|slot| picks.get(slot).map(|p| format!("{p:?}"))).collect())
    })
}

#[test]
fn picks_are_what_the_paths_find_in_the_document() {
    let paths = ["$.a", "$.b.c", "$['b']['d e']", "$.list[1].x", "$.n", "$.u", "$.v", "$.w", "$.z"];
    for body in [
        r#"{"a":"x","b":{"c":-1,"d e":1.5},"list":[0,{"x":[1,{"y":null}]}],"n":null,"u":18446744073709551615,"v":true,"w":{"k":[]},"z":"ä\n"}"#,
        r#"{"a":"x","a":2,"b":{"c":1},"b":{}}"#,
        r#"{"b":"through a scalar","list":{"1":2}}"#,
        r#"[]"#,
        r#""text""#,
        r#"{"a":1} trailing"#,
        r#"{"a":1"#,
        r#"{"skipped":[1,2,tru],"a":1}"#,
        "",
    ] {
        let [straight, whole] = both(&paths, body.as_bytes());
        assert_eq!(straight, whole, "{body}");
    }
}

#[test]
fn a_body_that_is_no_text_is_no_json_though_nothing_is_picked_of_that_part() {
    let body = b"{\"a\":1,\"skipped\":\"\xff\"}";
    let [straight, whole] = both(&["$.a"], body);
    assert_eq!((straight, whole), (None, None));
}

#[test]
fn other_paths_are_looked_up_in_the_document() {
    for path in ["$..a", "$.a[-1]", "$.a[*]", "$.a[0:2]", "$.list[?@.x > 1]"] {
        assert_eq!(steps(&JsonPath::parse(path).expect("a path").to_string()), None, "{path}");
    }
    let mut paths = Paths::default();
    let slot = paths.slot(&JsonPath::parse("$..deep").expect("a path"));
    let picker = paths.picker();
    assert!(picker.read(br#"{"a":{"deep":7}}"#).is_some_and(|p| p.get(slot).is_some_and(|v| v.is("7"))));
    let mut within = Paths::default();
    for path in ["$.a", "$.a.b"] {
        within.slot(&JsonPath::parse(path).expect("a path"));
    }
    let picks = within.picker();
    assert_eq!(picks.tree, None);
    let picks = picks.read(br#"{"a":{"b":1}}"#).expect("JSON");
    assert!(picks.get(0).is_some_and(|v| v.is(r#"{"b":1}"#)) && picks.get(1).is_some_and(|v| v.is("1")));
}

proptest! {
    #[test]
    fn picks_agree_on_any_document(body in "[{}\\[\\]\",:a-c0-9. ]{0,40}") {
        let [straight, whole] = both(&["$.a", "$.b.c", "$.c[0]"], body.as_bytes());
        prop_assert_eq!(straight, whole);
    }

    #[test]
    fn picks_agree_on_any_valid_document(body in "\\{(\"[abc]\":(1|\"x\"|\\{\"c\":2\\}|\\[3,4\\]|null),){0,4}\"z\":0\\}") {
        let [straight, whole] = both(&["$.a", "$.b.c", "$.c[0]"], body.as_bytes());
        prop_assert!(whole.is_some());
        prop_assert_eq!(straight, whole);
    }
}
