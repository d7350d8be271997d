//! The API reference `proto/REFERENCE.md` is the proto, readable: generated from its descriptors.
//!
//! `cargo xtask reference` writes it; this test fails where it is not what the proto says now.

mod comments;
mod page;

use std::path::PathBuf;

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// Asks for the file to be written in place of compared.
const WRITE: &str = "AGW_WRITE_REFERENCE";

#[test]
fn the_reference_says_what_the_proto_says() {
    let set = FileDescriptorSet::decode(agw_iq::FILE_DESCRIPTOR_SET).unwrap();
    let page = page::render(&set);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto/REFERENCE.md");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, page).unwrap();
        return;
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    let differs = page.lines().zip(written.lines()).find(|(now, then)| now != then);
    assert!(
        page == written,
        "proto/REFERENCE.md is old, `cargo xtask reference` writes it; first difference: {differs:?}"
    );
}

#[test]
fn everything_in_the_reference_is_described() {
    let set = FileDescriptorSet::decode(agw_iq::FILE_DESCRIPTOR_SET).unwrap();
    let missing = page::undescribed(&set);
    assert!(missing.is_empty(), "without a comment: {missing:?}");
}

/// The page links to messages by their names alone.
#[test]
fn no_two_messages_have_the_same_name() {
    let set = FileDescriptorSet::decode(agw_iq::FILE_DESCRIPTOR_SET).unwrap();
    let ours = set.file.iter().filter(|file| file.package().starts_with("agw."));
    let names = ours.flat_map(|file| {
        let messages = file.message_type.iter().map(prost_types::DescriptorProto::name);
        messages.chain(file.enum_type.iter().map(prost_types::EnumDescriptorProto::name))
    });
    let mut names: Vec<&str> = names.collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
