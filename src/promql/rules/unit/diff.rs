//! What two lists of lines have in common, and what they have not.

/// A line of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// In both.
    Same(String),
    /// Only wanted.
    Wanted(String),
    /// Only found.
    Found(String),
}

/// Longer lists are told one after the other, without a search for what they share.
const MAX_LINES: usize = 2_000;

/// The shortest way from what was wanted to what was found.
pub fn diff(wanted: &[String], found: &[String]) -> Vec<Line> {
    if wanted.len().max(found.len()) > MAX_LINES {
        let wanted = wanted.iter().cloned().map(Line::Wanted);
        return wanted.chain(found.iter().cloned().map(Line::Found)).collect();
    }
    // `shared[i][j]`: how many lines the ends from `i` and from `j` have in common, in order.
    let mut shared = vec![vec![0u32; found.len() + 1]; wanted.len() + 1];
    for i in (0..wanted.len()).rev() {
        for j in (0..found.len()).rev() {
            shared[i][j] = match wanted[i] == found[j] {
                true => shared[i + 1][j + 1] + 1,
                false => shared[i + 1][j].max(shared[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < wanted.len() || j < found.len() {
        if i < wanted.len() && j < found.len() && wanted[i] == found[j] {
            lines.push(Line::Same(wanted[i].clone()));
            (i, j) = (i + 1, j + 1);
        } else if j == found.len() || (i < wanted.len() && shared[i + 1][j] >= shared[i][j + 1]) {
            lines.push(Line::Wanted(wanted[i].clone()));
            i += 1;
        } else {
            lines.push(Line::Found(found[j].clone()));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_is_found() {
        let lines = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let shown = |a: &str, b: &str| {
            let show = |line: &Line| match line {
                Line::Same(text) => format!(" {text}"),
                Line::Wanted(text) => format!("-{text}"),
                Line::Found(text) => format!("+{text}"),
            };
            diff(&lines(a), &lines(b)).iter().map(show).collect::<String>()
        };
        assert_eq!(shown("a b c", "a c d"), " a-b c+d");
        assert_eq!(shown("", "a"), "+a");
        assert_eq!(shown("a", ""), "-a");
        assert_eq!(shown("a b", "a b"), " a b");
        assert_eq!(shown("a", "b"), "-a+b");
    }
}
