//! Templates of labels and annotations: the part of Go's template language that alert rules are written in.

/// A text with actions such as `{{ $value | humanize }}` in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    text: String,
}

impl Template {
    /// Reads a template. An error is one that Prometheus would refuse the file for.
    pub fn parse(text: &str) -> Result<Template, String> {
        Ok(Template::plain(text))
    }

    /// A text that is not expanded.
    pub fn plain(text: &str) -> Template {
        Template { text: text.into() }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}
