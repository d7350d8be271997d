//! One version table: a package takes its dependencies from the root manifest.

/// What is wrong with the text of a package's manifest.
pub(super) fn check(package: &str, manifest: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut section = Section::Other;
    for line in manifest.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if line.starts_with('[') {
            section = section.next(line, package, &mut complaints);
            continue;
        }
        match &mut section {
            Section::List if is_entry(line) && !from_table(line) => {
                complaints.push(format!("{package}: `{line}` is not from the dependency table"));
            }
            Section::Single { from_table: found, .. } => *found |= from_table(line),
            Section::List | Section::Other => {}
        }
    }
    section.end(package, &mut complaints);
    complaints
}

/// Where in a manifest a line stands.
#[derive(Debug)]
enum Section {
    /// `[dependencies]` and its like.
    List,
    /// `[dependencies.NAME]` and its like.
    Single { name: String, from_table: bool },
    /// Anything else.
    Other,
}

impl Section {
    fn next(self, header: &str, package: &str, complaints: &mut Vec<String>) -> Self {
        self.end(package, complaints);
        let path = header.trim_matches(['[', ']']);
        let parts: Vec<&str> = path.rsplitn(3, '.').collect();
        match parts.as_slice() {
            [last, ..] if last.ends_with("dependencies") => Self::List,
            [last, before, ..] if before.ends_with("dependencies") => {
                Self::Single { name: (*last).to_owned(), from_table: false }
            }
            _ => Self::Other,
        }
    }

    fn end(self, package: &str, complaints: &mut Vec<String>) {
        if let Self::Single { name, from_table: false } = self {
            complaints.push(format!("{package}: `{name}` is not from the dependency table"));
        }
    }
}

/// Whether a line begins an entry, unlike the second line of a list of features.
fn is_entry(line: &str) -> bool {
    let name_end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    name_end.is_some_and(|end| {
        end > 0 && line.get(end..).is_some_and(|rest| rest.trim_start().starts_with('='))
    })
}

fn from_table(line: &str) -> bool {
    let spaceless: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    spaceless.contains("workspace=true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_dependency_table_pass() {
        let manifest = "[package]\nversion = \"1\"\n[dependencies]\naes.workspace = true\n\
                        rand = { workspace = true, features = [\n  \"std\",\n] }\n\
                        [dev-dependencies.hex]\nworkspace = true\n";
        assert_eq!(check("a", manifest), Vec::<String>::new());
    }

    #[test]
    fn a_version_outside_the_table_is_refused_wherever_it_stands() {
        let table = [
            ("[dependencies]\naes = \"0.9\"\n", "aes = \"0.9\""),
            ("[target.'cfg(unix)'.dependencies]\naes = \"0.9\"\n", "aes = \"0.9\""),
            ("[dev-dependencies]\nb = { path = \"../b\" }\n", "b = { path = \"../b\" }"),
            ("[build-dependencies.aes]\nversion = \"0.9\"\n[lints]\n", "aes"),
            ("[dependencies.aes]\nversion = \"0.9\"\n", "aes"),
        ];
        for (manifest, named) in table {
            let expected = format!("a: `{named}` is not from the dependency table");
            assert_eq!(check("a", manifest), [expected], "{manifest}");
        }
    }
}
