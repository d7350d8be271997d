//! `cargo xtask spec`: requirements, and the code and tests that quote them.
//!
//! The citations read like duvet's, so that its users feel at home; the checker is our own
//! because the few rules that we need are a few screens, and duvet is another two minutes of
//! building on every fresh machine. The texts and their rules are in `tests/spec/README.md`.

mod citation;
mod clauses;
mod exceptions;
mod report;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::sources;
use crate::workspace::Workspace;
use citation::Citation;
use clauses::Document;
use report::Report;
use text::Text;

/// Where the requirement texts stand, from the root of the workspace.
const FOLDER: &str = "tests/spec";

/// Where documents stand clause by clause.
const CLAUSES: &str = "tests/spec/clauses";

/// Files of that folder that hold no requirements.
const NOT_TEXTS: &[&str] = &["README.md", "exceptions.md"];

/// How to report.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Fail on a requirement that is neither tested nor excepted.
    #[arg(long)]
    strict: bool,
    /// List every requirement that is neither tested nor excepted.
    #[arg(long)]
    open: bool,
}

/// Checks every quotation and counts what is cited and tested.
///
/// # Errors
///
/// On a broken quotation or exception; with `--strict`, on a requirement left open.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let root = workspace.root();
    let texts = read_texts(&root.join(FOLDER))?;
    let (citations, mut complaints) = read_citations(root)?;
    let exceptions_text = sources::read(&root.join(FOLDER).join("exceptions.md"))?;
    let (exceptions, broken) = exceptions::read(&exceptions_text);
    complaints.extend(broken);
    complaints.extend(citations.iter().filter_map(|citation| citation.complaint(&texts)));
    complaints.extend(exceptions.iter().filter_map(|exception| exception.complaint(&texts)));
    let (documents, malformed) = read_documents(&root.join(CLAUSES))?;
    complaints.extend(malformed);
    complaints.extend(documents.iter().flat_map(|document| document.complaints(&texts)));
    if !complaints.is_empty() {
        bail!("{} complaints:\n  {}", complaints.len(), complaints.join("\n  "));
    }
    conclude(&Report::new(&texts, &citations, &exceptions), &documents, options)
}

/// Checks every quotation; the step of the test command.
///
/// # Errors
///
/// On a broken quotation or exception.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    run(workspace, &Options { strict: false, open: false })
}

fn conclude(report: &Report, documents: &[Document], options: &Options) -> anyhow::Result<()> {
    println!("{report}\n{}", Document::head());
    documents.iter().for_each(|document| println!("{}", document.line(report)));
    let mut open = report.open();
    open.extend(documents.iter().flat_map(|document| document.open(report)));
    if options.open || options.strict {
        for requirement in &open {
            println!("open: {requirement}");
        }
    }
    if options.strict && !open.is_empty() {
        bail!("{} requirements are neither tested nor excepted", open.len());
    }
    Ok(())
}

fn read_texts(folder: &Path) -> anyhow::Result<BTreeMap<String, Text>> {
    let pages = read_pages(folder)?;
    Ok(pages.into_iter().map(|(name, page)| (name, Text::parse(&page))).collect())
}

/// The documents clause by clause, and what is malformed in them.
fn read_documents(folder: &Path) -> anyhow::Result<(Vec<Document>, Vec<String>)> {
    let pages = read_pages(folder)?;
    let (documents, malformed): (_, Vec<_>) =
        pages.iter().map(|(name, page)| Document::parse(name, page)).unzip();
    Ok((documents, malformed.concat()))
}

/// The Markdown files of a folder by their names.
fn read_pages(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut pages = BTreeMap::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".md") && !NOT_TEXTS.contains(&name.as_str()) {
            pages.insert(name, sources::read(&path)?);
        }
    }
    Ok(pages)
}

/// The citations of every source file but this checker's own, which holds broken examples.
fn read_citations(root: &Path) -> anyhow::Result<(Vec<Citation>, Vec<String>)> {
    let mut citations = Vec::new();
    let mut complaints = Vec::new();
    for source in sources::rust_files(root)? {
        if !source.path.starts_with("crates/xtask") {
            let (found, broken) = citation::read(&source);
            citations.extend(found);
            complaints.extend(broken);
        }
    }
    Ok((citations, complaints))
}
