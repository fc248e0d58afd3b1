//! A terminal, as far as the program makes use of one: what is printed goes in, what somebody sees comes out, and what has
//! scrolled away above.

/// A window of so many rows and columns, and all that has left it at the top.
pub struct Screen {
    rows: Vec<Vec<char>>,
    columns: usize,
    at: (usize, usize), // row and column
    wraps: bool,        // the last column is written: what comes next begins a row
    gone: Vec<String>,
    /// Colours that were asked for, by their codes.
    pub colours: Vec<String>,
    /// Whether the cursor is seen.
    pub cursor: bool,
}

impl Screen {
    /// An empty one.
    pub fn new(rows: usize, columns: usize) -> Screen {
        let rows = vec![vec![' '; columns]; rows];
        Screen { rows, columns, at: (0, 0), wraps: false, gone: Vec::new(), colours: Vec::new(), cursor: true }
    }

    /// Takes what a program printed. What is not known is an error: nothing may be on the screen that nobody expects.
    pub fn print(&mut self, text: &str) -> Result<(), String> {
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\r' => (self.at.1, self.wraps) = (0, false),
                '\n' => self.down(),
                '\u{1b}' => {
                    if rest.next() != Some('[') {
                        return Err("an escape that is no control sequence".into());
                    }
                    let mut parameters = String::new();
                    let last = loop {
                        match rest.next() {
                            Some(c) if c.is_ascii_digit() || matches!(c, ';' | '?') => parameters.push(c),
                            Some(c) => break c,
                            None => return Err("a control sequence without an end".into()),
                        }
                    };
                    self.control(&parameters, last)?;
                }
                c if c.is_control() => return Err(format!("{c:?} on the screen")),
                c => self.write(c),
            }
        }
        Ok(())
    }

    fn control(&mut self, parameters: &str, last: char) -> Result<(), String> {
        let n = parameters.parse().unwrap_or(1).max(1);
        match (parameters, last) {
            (_, 'A') => self.at.0 = self.at.0.saturating_sub(n),
            (_, 'B') => self.at.0 = (self.at.0 + n).min(self.rows.len() - 1),
            (_, 'C') => self.at.1 = (self.at.1 + n).min(self.columns - 1),
            (_, 'D') => self.at.1 = self.at.1.saturating_sub(n),
            (_, 'G') => self.at.1 = (n - 1).min(self.columns - 1),
            ("2", 'K') => self.rows[self.at.0].fill(' '),
            ("" | "0", 'K') => self.rows[self.at.0][self.at.1..].fill(' '),
            ("" | "0", 'J') => {
                self.rows[self.at.0][self.at.1..].fill(' ');
                self.rows[self.at.0 + 1..].iter_mut().for_each(|row| row.fill(' '));
            }
            (_, 'm') => self.colours.push(parameters.to_owned()),
            ("?25", 'l' | 'h') => self.cursor = last == 'h',
            _ => return Err(format!("the control sequence {parameters:?} {last:?}")),
        }
        self.wraps = false;
        Ok(())
    }

    fn write(&mut self, c: char) {
        if self.wraps {
            self.at.1 = 0;
            self.down();
        }
        self.rows[self.at.0][self.at.1] = c;
        self.wraps = self.at.1 + 1 == self.columns;
        self.at.1 = (self.at.1 + 1).min(self.columns - 1);
    }

    fn down(&mut self) {
        self.wraps = false;
        if self.at.0 + 1 < self.rows.len() {
            self.at.0 += 1;
        } else {
            let first = self.rows.remove(0);
            self.gone.push(first.into_iter().collect::<String>().trim_end().to_owned());
            self.rows.push(vec![' '; self.columns]);
        }
    }

    /// Makes the window another size, as one that cuts what does not fit any more: below the cursor first, then at the top.
    pub fn resize(&mut self, rows: usize, columns: usize) {
        for row in &mut self.rows {
            row.resize(columns, ' ');
        }
        while self.rows.len() > rows {
            if self.at.0 + 1 < self.rows.len() {
                self.rows.pop();
                continue;
            }
            let first = self.rows.remove(0);
            self.gone.push(first.into_iter().collect::<String>().trim_end().to_owned());
            self.at.0 -= 1;
        }
        self.rows.resize(rows, vec![' '; columns]);
        self.columns = columns;
        self.at = (self.at.0.min(rows - 1), self.at.1.min(columns - 1));
        self.wraps = false;
    }

    /// What is seen, line by line.
    pub fn seen(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect()
    }

    /// What has scrolled away, and what is seen.
    pub fn all(&self) -> Vec<String> {
        self.gone.iter().cloned().chain(self.seen()).collect()
    }

    /// What has scrolled away.
    pub fn gone(&self) -> &[String] {
        &self.gone
    }
}
