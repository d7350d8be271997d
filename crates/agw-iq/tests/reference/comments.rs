//! The comments of a proto file, by the path of what they stand at.

use std::collections::BTreeMap;

use prost_types::FileDescriptorProto;

/// The comments of one file.
pub(crate) struct Comments(BTreeMap<Vec<i32>, String>);

/// Field numbers of descriptors, as paths name them (descriptor.proto).
pub(crate) mod part {
    pub(crate) const FILE_MESSAGE: i32 = 4;
    pub(crate) const FILE_ENUM: i32 = 5;
    pub(crate) const FILE_SERVICE: i32 = 6;
    pub(crate) const FILE_SYNTAX: i32 = 12;
    pub(crate) const MESSAGE_FIELD: i32 = 2;
    pub(crate) const ENUM_VALUE: i32 = 2;
    pub(crate) const SERVICE_METHOD: i32 = 2;
}

impl Comments {
    pub(crate) fn of(file: &FileDescriptorProto) -> Self {
        let locations = file.source_code_info.iter().flat_map(|info| &info.location);
        let comments = locations.filter_map(|location| {
            let detached = location.leading_detached_comments.iter().map(String::as_str);
            let text: Vec<&str> = detached.chain(location.leading_comments.as_deref()).collect();
            (!text.is_empty()).then(|| (location.path.clone(), text.join("\n")))
        });
        Self(comments.collect())
    }

    /// The comment as written, without the first blank of each line.
    pub(crate) fn at(&self, path: &[i32]) -> String {
        let text = self.0.get(path).map(String::as_str).unwrap_or_default();
        let line = |line: &str| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned();
        text.lines().map(line).collect::<Vec<_>>().join("\n").trim().to_owned()
    }

    /// The comment in one line, for the cell of a table.
    pub(crate) fn cell(&self, path: &[i32]) -> String {
        self.at(path).split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
    }
}

/// Prose, with what was set in columns kept as it is.
pub(crate) fn prose(text: &str) -> String {
    let mut lines = Vec::new();
    let mut in_columns = false;
    for line in text.lines() {
        let columns = line.starts_with("  ") && !is_continued_item(&lines);
        if columns != in_columns && (columns || !line.is_empty()) {
            lines.push("```".to_owned());
            in_columns = columns;
        }
        if line.starts_with("- ") && lines.last().is_some_and(|last| ends_paragraph(last)) {
            lines.push(String::new());
        }
        lines.push(line.to_owned());
    }
    if in_columns {
        lines.push("```".to_owned());
    }
    lines.join("\n")
}

fn is_continued_item(before: &[String]) -> bool {
    before
        .iter()
        .rev()
        .take_while(|line| !line.is_empty() && line.as_str() != "```")
        .any(|line| line.starts_with("- "))
}

fn ends_paragraph(line: &str) -> bool {
    !line.is_empty() && !line.starts_with("- ") && !line.starts_with("  ")
}
