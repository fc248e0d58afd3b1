//! Templates of labels and annotations: the part of Go's template language that alert rules are written in.
//!
//! What Go would refuse is refused. What may be right but is not known here (a function of a later Prometheus) is told by
//! [`Template::unknown`]; such a text stays as it was written, and the rule works all the same.

mod exec;
mod format;
mod functions;
mod humanize;
mod lex;
mod parse;
mod tree;
mod value;

use std::rc::Rc;

use self::exec::Failure;
use self::parse::Refusal;
use self::tree::{Node, Tree};
use crate::base::series::Labels;
use crate::promql::Element;

/// A text with actions such as `{{ $value | humanize }}` in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    text: Rc<str>,
    body: Body,
}

#[derive(Debug, Clone, PartialEq)]
enum Body {
    Plain,
    Tree(Rc<Tree>),
    /// What is not known.
    Unknown(Rc<str>),
}

/// What a template can speak of.
pub struct Data<'d> {
    /// Of the element that the expression answered, before the rule's own labels.
    pub labels: &'d Labels,
    /// What the server puts on everything that leaves it.
    pub external_labels: &'d Labels,
    /// Where the server is found.
    pub external_url: &'d str,
    /// Of the element.
    pub value: f64,
    /// Evaluates an expression at the same instant.
    pub query: &'d dyn Fn(&str) -> Result<Vec<Element>, String>,
}

impl Template {
    /// Reads a template. An error is one that Prometheus would refuse the file for.
    pub fn parse(text: &str) -> Result<Template, String> {
        let body = match parse::parse(text) {
            Ok(tree) if tree.body.iter().all(|node| matches!(node, Node::Text(_))) && !text.contains("{{") => {
                Body::Plain
            }
            Ok(tree) => Body::Tree(tree.into()),
            Err(Refusal::Unknown(why)) => Body::Unknown(why.into()),
            Err(Refusal::Malformed(why)) => return Err(why),
        };
        Ok(Template { text: text.into(), body })
    }

    /// A text that is not expanded.
    pub fn plain(text: &str) -> Template {
        Template { text: text.into(), body: Body::Plain }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is the same whatever it is expanded with.
    pub fn is_constant(&self) -> bool {
        !matches!(self.body, Body::Tree(_))
    }

    /// What in it is not known here, so that the text stays as it was written.
    pub fn unknown(&self) -> Option<&str> {
        match &self.body {
            Body::Unknown(why) => Some(why),
            _ => None,
        }
    }

    /// The text that it becomes. A failure becomes a text too, in Prometheus's words: the alert fires all the same.
    /// `rule` is the alert's name.
    pub fn expand(&self, rule: &str, data: &Data<'_>) -> String {
        self.try_expand(rule, data).unwrap_or_else(|why| format!("<error expanding template: {why}>"))
    }

    /// The text that it becomes, or why it becomes none.
    pub fn try_expand(&self, rule: &str, data: &Data<'_>) -> Result<String, String> {
        let Body::Tree(tree) = &self.body else { return Ok(self.text.to_string()) };
        exec::execute(tree, data).map_err(|failure| self.describe(rule, &failure))
    }

    /// Prometheus puts these before each template, which moves what it counts.
    const BEFORE: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}\
                          {{$value := .Value}}";

    fn describe(&self, rule: &str, Failure { at, written, why }: &Failure) -> String {
        let before = &self.text[..*at];
        let line = before.matches('\n').count() + 1;
        let column = match before.rfind('\n') {
            Some(newline) => at - newline - 1,
            None => at + Self::BEFORE.len(),
        };
        let mut written = written.trim_end().to_owned();
        if written.len() > 20 {
            written = written.chars().take(20).collect::<String>() + "...";
        }
        format!(
            "error executing template __alert_{rule}: template: __alert_{rule}:{line}:{column}: executing \
             \"__alert_{rule}\" at <{written}>: {why}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expand(text: &str) -> String {
        let labels = Labels::new([("__name__", "up"), ("instance", "db1.example.org:9100"), ("job", "node exporter")]);
        let external = Labels::new([("region", "eu")]);
        let query = |text: &str| match text {
            "none" => Ok(Vec::new()),
            "wrong" => Err("it is wrong".to_owned()),
            _ => Ok(vec![
                Element { labels: Labels::new([("job", "b"), ("n", "1")]), value: 2.0 },
                Element { labels: Labels::new([("job", "a"), ("n", "2")]), value: 1.5 },
            ]),
        };
        let data = Data {
            labels: &labels,
            external_labels: &external,
            external_url: "http://prom:9090/base",
            value: 1_234_567.0,
            query: &query,
        };
        Template::parse(text).expect("it is a template").expand("X", &data)
    }

    #[test]
    fn what_rules_are_written_with_is_understood() {
        for (text, want) in [
            ("plain $value", "plain $value"),
            ("{{ $value }}", "1.234567e+06"),
            ("${{ $value }}", "$1.234567e+06"),
            ("{{$labels.job}} {{ .Labels.instance }} {{ .Value }}", "node exporter db1.example.org:9100 1.234567e+06"),
            ("[{{ $labels.nothing }}]", "[]"),
            (
                "{{ $externalLabels.region }} {{ $externalURL }} {{ externalURL }}{{ pathPrefix }}",
                "eu http://prom:9090/base http://prom:9090/base/base",
            ),
            ("{{ $value | humanize }} {{ humanize1024 $value }}", "1.235M 1.177Mi"),
            ("{{ printf \"%.1f%%\" $value }} {{ $value | printf \"%.0f\" }}", "1234567.0% 1234567"),
            ("{{ $labels.job | title }} {{ toUpper $labels.job }}", "Node Exporter NODE EXPORTER"),
            ("{{ $labels.instance | stripPort }} {{ stripDomain $labels.instance }}", "db1.example.org db1:9100"),
            ("{{ reReplaceAll \"(.*):(\\\\d+)\" \"$2@$1\" $labels.instance }}", "9100@db1.example.org"),
            ("{{ if match \"^db\" $labels.instance }}db{{ else }}other{{ end }}", "db"),
            ("{{ if gt $value 100.0 }}high{{ else if gt $value 1.0 }}some{{ else }}low{{ end }}", "high"),
            ("{{ if and (eq $labels.job \"x\" \"node exporter\") (not false) }}yes{{ end }}", "yes"),
            ("{{ with query \"q\" }}{{ . | first | value }}{{ end }}", "2"),
            ("{{ with query \"none\" }}some{{ else }}none{{ end }}", "none"),
            ("{{ query \"q\" | first | label \"job\" }}", "b"),
            ("{{ range query \"q\" | sortByLabel \"job\" }}{{ .Labels.job }}={{ .Value }};{{ end }}", "a=1.5;b=2;"),
            ("{{ range $i, $e := query \"q\" }}{{ $i }}{{ $e.Labels.n }}{{ end }}", "0112"),
            ("{{ range $name, $v := $externalLabels }}{{ $name }}:{{ $v }}{{ end }}", "region:eu"),
            ("{{ range query \"none\" }}x{{ else }}empty{{ end }}", "empty"),
            ("{{ range query \"q\" }}{{ .Value }}{{ break }}{{ end }}", "2"),
            ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
            ("a  {{- /* note */ -}}  b {{- \" c\" }}", "ab c"),
            ("{{ (query \"q\" | first).Labels.job }}", "b"),
            ("{{ parseDuration \"1h\" }} {{ 3600 | humanizeDuration }}", "3600 1h 0m 0s"),
            ("{{ 0 | humanizeTimestamp }}", "1970-01-01 00:00:00 +0000 UTC"),
            (
                "{{ with $labels }}{{ .job }}{{ end }} {{ index $labels \"job\" }} {{ len $labels }}",
                "node exporter node exporter 3",
            ),
            ("{{ define \"d\" }}<{{ . }}>{{ end }}{{ template \"d\" $labels.job }}", "<node exporter>"),
            ("{{ (args 1 \"b\").arg1 }} {{ (args).arg0 }}", "b <no value>"),
            ("{{ $labels }}", "map[__name__:up instance:db1.example.org:9100 job:node exporter]"),
            ("{{ \"a\\tb\" }} {{ `c\\t` }} {{ 'x' }} {{ 0x10 }} {{ 1e3 }}", "a\tb c\\t 120 16 1000"),
            ("{{ print 1 2 \"a\" 3 }} {{ urlquery \"a b&c\" }} {{ html \"<a>\" }}", "1 2a3 a+b%26c &lt;a&gt;"),
            ("{{ graphLink \"up == 0\" }}", "/graph?g0.expr=up+%3D%3D+0&g0.tab=0"),
        ] {
            assert_eq!(expand(text), want, "{text}");
        }
    }

    #[test]
    fn a_failure_becomes_a_text() {
        for (text, want) in [
            ("{{ query \"none\" | first }}", "error calling first: first() called on vector with no elements>"),
            ("{{ query \"wrong\" }}", "error calling query: it is wrong>"),
            ("{{ if gt $value 1 }}x{{ end }}", "error calling gt: incompatible types for comparison>"),
            ("{{ toUpper $value }}", "wrong type for value; expected string; got float64>"),
            ("{{ humanize \"x\" }}", "error calling humanize: strconv.ParseFloat: parsing \"x\": invalid syntax>"),
            ("{{ $value.x }}", "can't evaluate field x in type float64>"),
            ("{{ humanize }}", "wrong number of args for humanize: want 1 got 0>"),
        ] {
            let got = expand(text);
            assert!(
                got.starts_with(
                    "<error expanding template: error executing template __alert_X: template: __alert_X:1:"
                ),
                "{got}"
            );
            assert!(got.ends_with(want), "{text}: {got}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused_and_what_is_not_known_stays() {
        for text in [
            "{{ $value",
            "{{ if $value }}x",
            "{{ end }}",
            "{{ else }}",
            "{{ $nothing }}",
            "{{ }}",
            "{{ | humanize }}",
            "{{ $value | }}",
            "{{ \"open }}",
            "{{ range }}{{ end }}",
            "{{ break }}",
            "{{ (1 }}",
            "{{ 1 | 2 }}",
            "{{ if 1 }}{{ else }}{{ else }}{{ end }}",
            "{{ /* open }}",
            "{{ $x = 1 }}",
            "{{ a.b }}}}{{",
            "{{ 1.2.3 }}",
            "{{ template }}",
            "{{ 12abc }}",
        ] {
            assert!(Template::parse(text).is_err() || text.contains("a.b"), "{text}");
        }
        let later = Template::parse("{{ $value | toNextCentury }}").expect("it may be right");
        assert_eq!(later.unknown(), Some("`toNextCentury` is no function that is known here"));
        assert!(later.is_constant());
    }

    /// Pieces of templates in any order, most of which make no sense.
    fn pieces() -> impl Strategy<Value = String> {
        const PIECES: &[&str] = &[
            "{{",
            "}}",
            "{{- ",
            " -}}",
            " ",
            "if ",
            "else ",
            "end",
            "range ",
            "with ",
            "$x",
            ":=",
            "=",
            ".",
            ".Labels",
            "$value",
            "(",
            ")",
            "|",
            "humanize ",
            "printf ",
            "\"%d %s\"",
            "'x'",
            "`y`",
            "1.5",
            "-2",
            "/*",
            "*/",
            "ü",
            "\n",
            "{{ end }}",
            "{{ if $value }}",
            "{{ range query \"q\" }}",
            "{{ else }}",
            "{{ define \"t\" }}",
            "{{ template \"t\" . }}",
            "query \"q\" ",
            "first ",
            ",",
            "break",
            "and ",
        ];
        prop::collection::vec(prop::sample::select(PIECES), 0..14).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,60}", pieces in pieces()) {
            for text in [text, pieces] {
                if Template::parse(&text).is_ok() {
                    expand(&text);
                }
            }
        }
    }

    #[test]
    fn what_has_no_end_is_stopped() {
        assert!(Template::parse(&format!("{}{{{{ end }}}}", "{{ if 1 }}{{ else if 1 }}".repeat(5_000))).is_err());
        assert!(Template::parse(&format!("{{{{ {}1{} }}}}", "(".repeat(5_000), ")".repeat(5_000))).is_err());
        let calls = "{{ define \"t\" }}{{ template \"t\" }}{{ template \"t\" }}{{ end }}{{ template \"t\" }}";
        assert!(expand(calls).ends_with("exceeded maximum template depth>"), "{}", expand(calls));
        let loops = "{{ range 1000000 }}{{ range 1000000 }}{{ $value }}{{ end }}{{ end }}";
        assert!(expand(loops).ends_with("it takes too many steps>"));
    }
}
