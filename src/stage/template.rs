//! Fills `{{name}}` in a reply's body.

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text from outside: escaped where the body is JSON.
    Text(String),
    /// A number or JSON of our own making: put in as it is.
    Plain(String),
    /// No variable of ours: the braces stay as they are.
    Unknown,
}

/// Fills every `{{name}}`. `json` says that text stands inside JSON strings. `Err` is the first thing that the request
/// should have said and did not.
pub fn fill(
    template: &str,
    json: bool,
    mut value: impl FnMut(&str) -> Result<Value, String>,
) -> Result<String, String> {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, tail)) = after.split_once("}}") else {
            rest = &rest[before.len()..];
            break;
        };
        match value(name.trim())? {
            Value::Plain(text) => out.push_str(&text),
            Value::Text(text) if json => {
                let quoted = serde_json::Value::String(text).to_string();
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
            Value::Text(text) => out.push_str(&text),
            Value::Unknown => {
                out.push_str("{{");
                out.push_str(name);
                out.push_str("}}");
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, json: bool) -> Result<String, String> {
        fill(template, json, |name| match name {
            "n" => Ok(Value::Plain("5".into())),
            "text" => Ok(Value::Text("a\"b".into())),
            "missing" => Err("say it".into()),
            _ => Ok(Value::Unknown),
        })
    }

    #[test]
    fn names_are_filled_and_strangers_stay() {
        assert_eq!(filled("{\"a\":{{n}},\"b\":\"{{ n }}\"}", true).as_deref(), Ok("{\"a\":5,\"b\":\"5\"}"));
        assert_eq!(filled("{{what}} {{n}} {{n", true).as_deref(), Ok("{{what}} 5 {{n"));
        assert_eq!(filled("", true).as_deref(), Ok(""));
        assert_eq!(filled("{{missing}}", true), Err("say it".into()));
    }

    #[test]
    fn text_cannot_break_out_of_json() {
        assert_eq!(filled("\"{{text}}\"", true).as_deref(), Ok("\"a\\\"b\""));
        assert_eq!(filled("{{text}}", false).as_deref(), Ok("a\"b"));
    }
}
