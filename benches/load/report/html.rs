//! A page: one file with its style and its plots in it, and nothing fetched from elsewhere.

use super::svg::STYLES;

const STYLE: &str = include_str!("style.css");

/// A page that is being written.
pub(crate) struct Page {
    title: String,
    body: String,
}

/// How something is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// To be kept in mind.
    Warn,
    /// Not as it should be.
    Bad,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A cell of a table.
pub(crate) struct Cell {
    text: String,
    small: Option<String>,
    tone: Option<Tone>,
    is_text: bool,
}

impl Cell {
    /// A figure.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), small: None, tone: None, is_text: false }
    }

    /// Words.
    pub(crate) fn words(text: impl Into<String>) -> Self {
        Self { is_text: true, ..Self::new(text) }
    }

    /// With a second line.
    pub(crate) fn small(self, small: impl Into<String>) -> Self {
        Self { small: Some(small.into()), ..self }
    }

    /// In a colour.
    pub(crate) fn tone(self, tone: Option<Tone>) -> Self {
        Self { tone, ..self }
    }

    fn write(&self, body: &mut String) {
        let classes = [self.is_text.then_some("text"), self.tone.map(Tone::class)];
        let classes: Vec<_> = classes.into_iter().flatten().collect();
        match classes.is_empty() {
            true => body.push_str("<td>"),
            false => body.push_str(&format!("<td class=\"{}\">", classes.join(" "))),
        }
        body.push_str(&escape(&self.text));
        if let Some(small) = &self.small {
            body.push_str(&format!("<small>{}</small>", escape(small)));
        }
        body.push_str("</td>");
    }
}

/// A row of a table.
pub(crate) enum Row {
    /// Cells.
    Cells(Vec<Cell>),
    /// Cells that sum up what is above.
    Total(Vec<Cell>),
    /// What the rows below have in common.
    Section(String),
}

impl Page {
    /// Begins a page.
    pub(crate) fn new(title: &str, subtitle: &str) -> Self {
        let (heading, subtitle) = (escape(title), escape(subtitle));
        let body = format!("<h1>{heading}</h1>\n<p class=\"sub\">{subtitle}</p>\n");
        Self { title: title.to_owned(), body }
    }

    /// Begins a section.
    pub(crate) fn section(&mut self, title: &str) {
        self.push(&format!("<h2>{}</h2>\n", escape(title)));
    }

    /// Begins a part of a section.
    pub(crate) fn part(&mut self, title: &str) {
        self.push(&format!("<h3>{}</h3>\n", escape(title)));
    }

    /// Says something in passing.
    pub(crate) fn note(&mut self, text: &str) {
        self.push(&format!("<p class=\"note\">{}</p>\n", escape(text)));
    }

    /// Says what must not be missed.
    pub(crate) fn verdict(&mut self, tone: Tone, title: &str, items: &[String]) {
        let (class, title) = (tone.class(), escape(title));
        self.push(&format!("<div class=\"verdict {class}\"><strong>{title}</strong>"));
        if !items.is_empty() {
            let items: String =
                items.iter().map(|item| format!("<li>{}</li>", escape(item))).collect();
            self.push(&format!("<ul>{items}</ul>"));
        }
        self.push("</div>\n");
    }

    /// Shows figures in large.
    pub(crate) fn tiles(&mut self, tiles: &[(String, String)]) {
        let tile = |(value, what): &(String, String)| {
            format!(
                "<div class=\"tile\"><b>{}</b><span>{}</span></div>",
                escape(value),
                escape(what)
            )
        };
        let tiles: String = tiles.iter().map(tile).collect();
        self.push(&format!("<div class=\"tiles\">{tiles}</div>\n"));
    }

    /// Names the colours.
    pub(crate) fn keys(&mut self, names: &[String]) {
        let key = |(style, name): (usize, &String)| {
            format!("<li><span class=\"key s{}\"></span>{}</li>", style % STYLES, escape(name))
        };
        let keys: String = names.iter().enumerate().map(key).collect();
        self.push(&format!("<ul class=\"keys\">{keys}</ul>\n"));
    }

    /// Shows a plot, which is SVG as it stands.
    pub(crate) fn figure(&mut self, svg: &str, caption: &str) {
        let caption = match caption {
            "" => String::new(),
            text => format!("<figcaption>{}</figcaption>", escape(text)),
        };
        self.push(&format!("<figure>\n{svg}{caption}</figure>\n"));
    }

    /// Shows a table; without a head if that is empty.
    pub(crate) fn table(&mut self, head: &[String], rows: &[Row]) {
        self.push("<div class=\"wide\"><table>\n");
        if !head.is_empty() {
            let cells: String = head
                .iter()
                .map(|text| format!("<th scope=\"col\">{}</th>", escape(text)))
                .collect();
            self.push(&format!("<thead><tr>{cells}</tr></thead>\n"));
        }
        self.push("<tbody>\n");
        let width = head.len().max(1);
        for row in rows {
            match row {
                Row::Section(title) => self.push(&format!(
                    "<tr class=\"section\"><td colspan=\"{width}\">{}</td></tr>\n",
                    escape(title)
                )),
                Row::Cells(cells) => self.row("<tr>", cells),
                Row::Total(cells) => self.row("<tr class=\"total\">", cells),
            }
        }
        self.push("</tbody></table></div>\n");
    }

    /// Shows text as it was typed.
    pub(crate) fn verbatim(&mut self, text: &str) {
        self.push(&format!("<pre><code>{}</code></pre>\n", escape(text)));
    }

    /// The page.
    pub(crate) fn finish(self) -> String {
        let Self { title, body } = self;
        let (title, version) = (escape(&title), env!("CARGO_PKG_VERSION"));
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}\
             <footer>Written by agw-load {version}.</footer>\n</body>\n</html>\n"
        )
    }

    fn row(&mut self, begin: &str, cells: &[Cell]) {
        self.push(begin);
        for cell in cells {
            cell.write(&mut self.body);
        }
        self.push("</tr>\n");
    }

    fn push(&mut self, text: &str) {
        self.body.push_str(text);
    }
}

/// Text as it may stand in a page, also in an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Every element is closed, in order, as XML wants it.
#[cfg(test)]
pub(crate) fn check_nesting(page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>").unwrap();
    let (head, rest) = body.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let mut open: Vec<&str> = Vec::new();
    for piece in [head, rest].iter().flat_map(|text| text.split('<').skip(1)) {
        let (tag, text) = piece.split_once('>').expect("a tag that does not end");
        assert!(!text.contains('>'), "an unescaped > after {tag}");
        let name = tag.split([' ', '\n', '/']).find(|part| !part.is_empty()).unwrap();
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed out of order");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} stay open");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escape("a<b>&\"c\""), "a&lt;b&gt;&amp;&quot;c&quot;");
    }
}
