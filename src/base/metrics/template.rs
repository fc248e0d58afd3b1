//! How metrics must be called: `{service}_{subsystem}_{name}_{unit}`, or any other text with these words in it.

use regex::Regex;

/// What `{unit}` takes: base units, `total` for plain counts, `info` for facts, and money.
const UNITS: &[&str] = &[
    "seconds", "bytes", "ratio", "celsius", "meters", "volts", "amperes", "joules", "grams", "watts", "hertz", "total",
    "info", "usd", "eur", "usdt", "usdc", "sol", "lamports",
];

/// A template of names.
#[derive(Debug, Clone)]
pub struct Template {
    text: String,
    service: Option<String>,
    regex: Regex,
}

impl PartialEq for Template {
    fn eq(&self, other: &Template) -> bool {
        (&self.text, &self.service) == (&other.text, &other.service)
    }
}

impl Template {
    /// Reads a template. Beside its words it may hold letters, digits and `_`; what stands in `[` and `]` may be missing.
    /// `{service}` is the given name, or any one word; `{subsystem}` is one word, `{name}` one or more, `{unit}` a unit.
    /// The error says what is wrong and what to write.
    pub fn new(text: &str, service: Option<&str>) -> Result<Template, String> {
        const WORD: &str = "[a-z][a-z0-9]*";
        let mut pattern = String::from("^");
        let mut rest = text;
        let mut open = false;
        while let Some(c) = rest.chars().next() {
            let mut length = c.len_utf8();
            match c {
                '{' => {
                    let end = rest.find('}').ok_or_else(|| format!("`{text}`: a `{{` without its `}}`: close it"))?;
                    match &rest[1..end] {
                        "service" => match service {
                            Some(service) => pattern.push_str(&regex::escape(service)),
                            None => pattern.push_str(WORD),
                        },
                        "subsystem" => pattern.push_str(WORD),
                        "name" => pattern.push_str("[a-z][a-z0-9]*(?:_[a-z0-9]+)*"),
                        "unit" => pattern.push_str(&format!("(?:{})(?:_total)?", UNITS.join("|"))),
                        word => {
                            return Err(format!(
                                "`{{{word}}}` stands for nothing: write {{service}}, {{subsystem}}, {{name}} or {{unit}}"
                            ));
                        }
                    }
                    length = end + 1;
                }
                '[' if !open => {
                    open = true;
                    pattern.push_str("(?:");
                }
                ']' if open => {
                    open = false;
                    pattern.push_str(")?");
                }
                '[' | ']' => return Err(format!("`{text}`: `[` and `]` come in pairs, not within each other")),
                c if c.is_ascii_alphanumeric() || c == '_' || c == ':' => pattern.push(c),
                c => return Err(format!("`{text}`: `{c}` stands in no name of a metric: take it out")),
            }
            rest = &rest[length..];
        }
        if open {
            return Err(format!("`{text}`: a `[` without its `]`: close it"));
        }
        if !text.contains('{') {
            return Err(format!("`{text}` is one name: write a template, such as {{service}}_{{name}}_{{unit}}"));
        }
        pattern.push('$');
        let regex = Regex::new(&pattern).map_err(|why| format!("`{text}`: {why}"))?;
        Ok(Template { text: text.into(), service: service.map(str::to_owned), regex })
    }

    /// Whether a metric is called so.
    pub fn fits(&self, name: &str) -> bool {
        self.regex.is_match(name)
    }

    /// As it is written, with the service in it where that is known.
    pub fn text(&self) -> String {
        match &self.service {
            Some(service) => self.text.replace("{service}", service),
            None => self.text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_or_do_not() {
        let whole = Template::new("{service}_{subsystem}_{name}_{unit}", None).expect("a template");
        for name in ["quote_cache_check_duration_seconds", "a_b_c_total", "a_b_c_bytes_total", "a_b_pnl_usd"] {
            assert!(whole.fits(name), "{name}");
        }
        for name in
            ["quote_seconds", "quote_cache_seconds", "quote_cache_check_ms", "Quote_cache_check_seconds", "a_b_c_"]
        {
            assert!(!whole.fits(name), "{name}");
        }
        let named = Template::new("{service}_{name}[_{unit}]", Some("order_execution")).expect("a template");
        assert!(named.fits("order_execution_orders_total") && named.fits("order_execution_state"));
        assert!(!named.fits("risk_manager_orders_total"));
        assert_eq!(named.text(), "order_execution_{name}[_{unit}]");
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (text, part) in [
            ("{service", "close it"),
            ("{server}_x", "stands for nothing"),
            ("quotes_total", "one name"),
            ("{name}[_{unit}", "close it"),
            ("{name}]", "pairs"),
            ("{name}-{unit}", "no name of a metric"),
        ] {
            let why = Template::new(text, None).expect_err(text);
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
