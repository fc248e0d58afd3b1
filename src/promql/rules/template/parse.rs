//! From tokens to the tree of a template.

use std::rc::Rc;

use super::functions;
use super::lex::{self, Token, What};
use super::tree::{Branch, Command, Node, Operand, Pipe, Tree, What as Value};

/// Why there is no tree.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    /// Go would refuse it too.
    Malformed(String),
    /// It may be right, but is not known here.
    Unknown(String),
}

impl From<String> for Refusal {
    fn from(why: String) -> Refusal {
        Refusal::Malformed(why)
    }
}

type Parsed<T> = Result<T, Refusal>;

/// Nesting beyond this is refused.
const MAX_DEPTH: usize = 100;

/// Reads a template.
pub(super) fn parse(text: &str) -> Parsed<Tree> {
    let tokens = lex::tokens(text)?;
    let variables = ["$", "$labels", "$externalLabels", "$externalURL", "$value"].map(str::to_owned).to_vec();
    let mut parser = Parser { text, tokens, place: 0, variables, loops: 0, depth: 0, tree: Tree::default() };
    let (body, end) = parser.list()?;
    match end {
        End::File => Ok(Tree { body, ..parser.tree }),
        end => malformed(format!("unexpected {{{{{}}}}}", end.word())),
    }
}

fn malformed<T>(why: impl Into<String>) -> Parsed<T> {
    Err(Refusal::Malformed(why.into()))
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    place: usize,
    /// Those that are known here, `$` included.
    variables: Vec<String>,
    /// How many loops this stands in.
    loops: usize,
    depth: usize,
    tree: Tree,
}

/// What ended a list of nodes.
#[derive(PartialEq)]
enum End {
    File,
    End,
    /// `else`, `else if …` or `else with …`
    Else(Option<&'static str>),
}

impl End {
    fn word(&self) -> &'static str {
        match self {
            End::File => "EOF",
            End::End => "end",
            End::Else(_) => "else",
        }
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&What> {
        self.tokens.get(self.place).map(|token| &token.what)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.place).cloned();
        self.place += 1;
        token
    }

    fn skip_space(&mut self) {
        while self.peek() == Some(&What::Space) {
            self.place += 1;
        }
    }

    /// The next token behind white space.
    fn peek_word(&mut self) -> Option<&What> {
        self.skip_space();
        self.peek()
    }

    fn close(&mut self, context: &str) -> Parsed<()> {
        match self.peek_word() {
            Some(What::Close) => {
                self.place += 1;
                Ok(())
            }
            other => {
                let other = show(other);
                malformed(format!("unexpected {other} in {context}"))
            }
        }
    }

    fn list(&mut self) -> Parsed<(Vec<Node>, End)> {
        self.deeper()?;
        let mut nodes = Vec::new();
        let known = self.variables.len();
        let end = loop {
            match self.next().map(|token| token.what) {
                None => break End::File,
                Some(What::Text(text)) => nodes.push(Node::Text(text)),
                Some(_) => match self.action()? {
                    Ok(node) => nodes.extend(node),
                    Err(end) => break end,
                },
            }
        };
        self.variables.truncate(known);
        self.depth -= 1;
        Ok((nodes, end))
    }

    /// What stands between the braces: a node, nothing, or the end of a list.
    fn action(&mut self) -> Parsed<Result<Option<Node>, End>> {
        let word = match self.peek_word() {
            Some(What::Word(word)) => word.clone(),
            _ => String::new(),
        };
        let keyword = ["if", "with", "range", "else", "end", "break", "continue", "define", "block", "template"];
        if keyword.contains(&word.as_str()) {
            self.place += 1;
        }
        Ok(match word.as_str() {
            "if" => Ok(Some(Node::If(self.branch("if")?))),
            "with" => Ok(Some(Node::With(self.branch("with")?))),
            "range" => Ok(Some(Node::Range(self.branch("range")?))),
            "end" => {
                self.close("end")?;
                Err(End::End)
            }
            "else" => {
                let chained = match self.peek_word() {
                    Some(What::Word(word)) if word == "if" => Some("if"),
                    Some(What::Word(word)) if word == "with" => Some("with"),
                    _ => None,
                };
                match chained {
                    Some(_) => self.place += 1,
                    None => self.close("else")?,
                }
                Err(End::Else(chained))
            }
            "break" | "continue" => {
                self.close(&word)?;
                if self.loops == 0 {
                    return malformed(format!("{{{{{word}}}}} outside {{{{range}}}}"));
                }
                Ok(Some(if word == "break" { Node::Break } else { Node::Continue }))
            }
            "define" | "block" => self.definition(word == "block").map(Ok)?,
            "template" => {
                let (name, at) = self.name("template clause")?;
                let pipe =
                    if self.peek_word() == Some(&What::Close) { None } else { Some(self.pipe("template clause")?) };
                self.close("template clause")?;
                Ok(Some(Node::Template { name, at, pipe }))
            }
            _ => {
                let pipe = self.pipe("command")?;
                self.close("command")?;
                Ok(Some(Node::Action(pipe)))
            }
        })
    }

    fn name(&mut self, context: &str) -> Parsed<(String, usize)> {
        self.skip_space();
        match self.next() {
            Some(Token { what: What::Quoted(name), at }) => Ok((name, at)),
            other => malformed(format!("unexpected {} in {context}", show(other.as_ref().map(|t| &t.what)))),
        }
    }

    fn definition(&mut self, is_block: bool) -> Parsed<Option<Node>> {
        let context = if is_block { "block clause" } else { "define clause" };
        let (name, at) = self.name(context)?;
        let pipe = if is_block { Some(self.pipe(context)?) } else { None };
        self.close(context)?;
        let outer = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let (body, end) = self.list()?;
        self.variables = outer;
        if end != End::End {
            return malformed(format!("unexpected {} in {context}", end.word()));
        }
        self.tree.defined.insert(name.clone(), body);
        Ok(is_block.then_some(Node::Template { name, at, pipe }))
    }

    fn branch(&mut self, keyword: &str) -> Parsed<Branch> {
        let known = self.variables.len();
        let pipe = self.pipe(keyword)?;
        self.close(keyword)?;
        self.loops += usize::from(keyword == "range");
        let (then, end) = self.list()?;
        self.loops -= usize::from(keyword == "range");
        let otherwise = match end {
            End::End => Vec::new(),
            End::Else(Some("if")) if keyword == "if" => vec![Node::If(self.chained("if")?)],
            End::Else(Some("with")) if keyword == "with" => vec![Node::With(self.chained("with")?)],
            End::Else(None) => match self.list()? {
                (otherwise, End::End) => otherwise,
                (_, end) => return malformed(format!("expected end; found {{{{{}}}}}", end.word())),
            },
            End::Else(_) => return malformed(format!("unexpected {{{{else}}}} in {keyword}")),
            End::File => return malformed("unexpected EOF".to_owned()),
        };
        self.variables.truncate(known);
        Ok(Branch { pipe, then, otherwise })
    }

    /// What stands behind `else` nests in what stands before it.
    fn chained(&mut self, keyword: &str) -> Parsed<Branch> {
        self.deeper()?;
        let branch = self.branch(keyword)?;
        self.depth -= 1;
        Ok(branch)
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { malformed(format!("it nests deeper than {MAX_DEPTH}")) } else { Ok(()) }
    }

    fn pipe(&mut self, context: &str) -> Parsed<Pipe> {
        self.deeper()?;
        let (variables, declares) = self.assigned(context)?;
        let mut commands = Vec::new();
        loop {
            match self.peek_word() {
                Some(What::Close | What::Symbol(")")) => break,
                _ => commands.push(self.command()?),
            }
        }
        if commands.is_empty() {
            return malformed(format!("missing value for {context}"));
        }
        for command in &commands[1..] {
            let first = &command.words[0];
            if matches!(
                first.what,
                Value::Bool(_) | Value::Dot | Value::Nil | Value::Int(_) | Value::Float(_) | Value::Text(_)
            ) {
                return malformed(format!("non executable command in pipeline stage: {}", first.written));
            }
        }
        if declares {
            self.variables.extend(variables.iter().cloned());
        }
        self.depth -= 1;
        Ok(Pipe { variables, declares, commands })
    }

    /// Variables before `:=` or `=`.
    fn assigned(&mut self, context: &str) -> Parsed<(Vec<String>, bool)> {
        self.skip_space();
        let start = self.place;
        let mut variables = Vec::new();
        while let Some(What::Variable(name)) = self.peek_word().cloned() {
            self.place += 1;
            variables.push(name);
            match self.peek_word() {
                Some(What::Symbol(",")) if context == "range" && variables.len() < 2 => self.place += 1,
                Some(What::Symbol(symbol @ (":=" | "="))) => {
                    let declares = *symbol == ":=";
                    self.place += 1;
                    if let (false, Some(name)) = (declares, variables.iter().find(|v| !self.variables.contains(v))) {
                        return malformed(format!("undefined variable {}", super::format::quoted(name)));
                    }
                    return Ok((variables, declares));
                }
                _ => break,
            }
        }
        self.place = start;
        Ok((Vec::new(), false))
    }

    fn command(&mut self) -> Parsed<Command> {
        let mut words = Vec::new();
        loop {
            self.skip_space();
            match self.peek() {
                Some(What::Symbol("|")) => {
                    self.place += 1;
                    if matches!(self.peek_word(), Some(What::Close | What::Symbol(")" | "|"))) {
                        return malformed("missing value for command");
                    }
                    break;
                }
                Some(What::Close | What::Symbol(")")) => break,
                _ => words.push(self.operand()?),
            }
            match self.peek() {
                Some(What::Space | What::Close | What::Symbol("|" | ")")) => {}
                other => {
                    let other = show(other);
                    return malformed(format!("unexpected {other} in operand"));
                }
            }
        }
        if words.is_empty() { malformed("empty command") } else { Ok(Command { words }) }
    }

    fn operand(&mut self) -> Parsed<Operand> {
        let Some(Token { at, what }) = self.next() else { return malformed("unclosed action") };
        let value = match what {
            What::Symbol(".") => Value::Dot,
            What::Field(name) => {
                Value::Fields(Box::new(Operand { at, written: ".".into(), what: Value::Dot }), vec![name.into()])
            }
            What::Variable(name) => {
                if !self.variables.contains(&name) {
                    return malformed(format!("undefined variable {}", super::format::quoted(&name)));
                }
                Value::Variable(name)
            }
            What::Quoted(text) => Value::Text(text.into()),
            What::Int(int) => Value::Int(int),
            What::Float(float) => Value::Float(float),
            What::Word(word) => match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "nil" => Value::Nil,
                _ if functions::is_known(&word) => Value::Function(word),
                _ => return Err(Refusal::Unknown(format!("`{word}` is no function that is known here"))),
            },
            What::Symbol("(") => {
                let pipe = self.pipe("parenthesized pipeline")?;
                match self.peek_word() {
                    Some(What::Symbol(")")) => self.place += 1,
                    _ => return malformed("unclosed left paren"),
                }
                Value::Pipe(Box::new(pipe))
            }
            other => return malformed(format!("unexpected {} in operand", show(Some(&other)))),
        };
        let mut operand = Operand { at, written: self.written(at), what: value };
        let mut fields: Vec<Rc<str>> = Vec::new();
        // Go counts from the second of several fields.
        let second = self.tokens.get(self.place).map_or(at, |token| token.at);
        while let Some(What::Field(name)) = self.peek() {
            fields.push(name.as_str().into());
            self.place += 1;
        }
        if fields.is_empty() {
            return Ok(operand);
        }
        match &mut operand.what {
            Value::Fields(_, own) => own.extend(fields),
            Value::Dot | Value::Variable(_) | Value::Pipe(_) | Value::Function(_) => {
                operand.what = Value::Fields(Box::new(operand.clone()), fields);
            }
            _ => return malformed(format!("unexpected . after term {}", super::format::quoted(&operand.written))),
        }
        (operand.at, operand.written) = (second, self.written(at));
        Ok(operand)
    }

    /// The text from this byte to the next token.
    fn written(&self, at: usize) -> Rc<str> {
        let end = self.tokens.get(self.place).map_or(self.text.len(), |token| token.at);
        self.text[at..end].into()
    }
}

fn show(what: Option<&What>) -> String {
    match what {
        None => "EOF".into(),
        Some(What::Text(_) | What::Open) => "text".into(),
        Some(What::Close) => "\"}}\"".into(),
        Some(What::Space) => "space".into(),
        Some(What::Word(word)) => format!("<{word}>"),
        Some(What::Field(name)) => format!("<.{name}>"),
        Some(What::Variable(name)) => format!("<{name}>"),
        Some(What::Quoted(text)) => super::format::quoted(text),
        Some(What::Int(int)) => format!("\"{int}\""),
        Some(What::Float(float)) => format!("\"{float}\""),
        Some(What::Symbol(symbol)) => format!("\"{symbol}\""),
    }
}
