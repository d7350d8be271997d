//! `agwctl contexts diff`.

use std::path::Path;

use agw_iq::pb;

use crate::call_file::read;
use crate::cli::Reach;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::DiffView;

pub(crate) async fn run(file: &Path, reach: &Reach, output: Output) -> Result<(), Failure> {
    let list = parse(&file.display().to_string(), &read(file)?)?;
    let gateway = Connection::open(reach).await?;
    let listed = list.len();
    let (differences, compared) =
        gateway.ask("contexts diff", |client| client.compare(list)).await?;
    let diff = DiffView::new(differences, compared, listed);
    output.show(&diff, DiffView::tables)?;
    if diff.is_empty() { Ok(()) } else { Err(Failure::differs()) }
}

/// Reads a list: a context id a line and, after a blank, its correlation id.
fn parse(name: &str, text: &str) -> Result<Vec<pb::ContextName>, Failure> {
    let mut list = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (id, correlation) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let place = || format!("{name}: line {}", number + 1);
        let context_id = id.parse().ok().filter(|&id| id > 0);
        let context_id =
            context_id.ok_or_else(|| Failure::usage(place(), "a context id is 1 to 4294967295"))?;
        let correlation_id = correlation.trim().to_owned();
        list.push(pb::ContextName { context_id, correlation_id });
    }
    list.sort_by_key(|name| name.context_id);
    if let Some(twice) = list.windows(2).find_map(|pair| match pair {
        [a, b] if a.context_id == b.context_id => Some(a.context_id),
        _ => None,
    }) {
        return Err(Failure::usage(name, format!("context {twice} stands in it twice")));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_context_a_line_and_its_correlation_if_it_has_one() {
        let list = parse("list", "# mine\n9 call-9\n\n 3\n").unwrap();
        let told: Vec<_> =
            list.iter().map(|name| (name.context_id, name.correlation_id.as_str())).collect();
        assert_eq!(told, [(3, ""), (9, "call-9")]);
    }

    #[test]
    fn what_is_no_list_is_refused_by_its_line() {
        for (text, refusal) in [
            ("1\ncall-1", "list: line 2: a context id is 1 to 4294967295"),
            ("0", "list: line 1: a context id is 1 to 4294967295"),
            ("4\n5\n4 x", "list: context 4 stands in it twice"),
        ] {
            assert_eq!(parse("list", text).unwrap_err().to_string(), refusal);
        }
    }
}
