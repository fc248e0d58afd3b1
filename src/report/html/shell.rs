//! What every page has: one file that needs nothing from anywhere, a banner, sections with a way to each, a foot.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{SCRIPT, STYLE};

/// A part of a page: its anchor, its name, what is in it.
pub(in crate::report) type Section<T> = (T, T, Option<Markup>);

/// Puts a page together; sections with nothing in them are left out. `tone` is the class of a verdict.
pub(in crate::report) fn shell<T: AsRef<str>>(
    title: &str,
    tone: &str,
    banner: Markup,
    sections: Vec<Section<T>>,
    foot: &str,
) -> String {
    let sections: Vec<(&str, &str, &Markup)> =
        sections.iter().filter_map(|(id, name, of)| Some((id.as_ref(), name.as_ref(), of.as_ref()?))).collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Whatever slipped in could not speak to anybody.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body class=(tone) {
                header { (banner) }
                nav aria-label="Sections" { @for (id, name, _) in &sections { a href={ "#" (id) } { (name) } " " } }
                main {
                    @for (id, name, section) in &sections {
                        section id=(id) { h2 { (name) } (section) }
                    }
                }
                footer { (foot) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}
