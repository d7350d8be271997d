//! The page: calls first, then the messages of each file in the order in which they are written.

use std::fmt::Write as _;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, ServiceDescriptorProto,
};

use super::comments::{Comments, part, prose};

/// In the order of the page; a message has its name in one of them only.
const PACKAGES: [&str; 2] = ["agw.iq.v1", "agw.alg.v1"];

const HEAD: &str = "# API reference: `agw.iq.v1` and `agw.alg.v1`

Generated from the proto files beside this page by `cargo xtask reference`; a test keeps the two the same. How a
controller uses it, flow by flow, is in [GUIDE.md](GUIDE.md) and [ALG.md](ALG.md), whole programs in
[CONTROLLER.md](CONTROLLER.md).
";

/// The whole page.
pub(crate) fn render(set: &FileDescriptorSet) -> String {
    let mut page = HEAD.to_owned();
    for package in PACKAGES {
        let files = set.file.iter().filter(|file| file.package() == package);
        let (services, others): (Vec<_>, Vec<_>) = files.partition(|file| !file.service.is_empty());
        for file in services.into_iter().chain(others) {
            push_file(&mut page, file);
        }
    }
    page
}

/// What has no comment, by name.
pub(crate) fn undescribed(set: &FileDescriptorSet) -> Vec<String> {
    let page = render(set);
    page.lines()
        .filter(|line| line.starts_with("| `") && line.ends_with("|  |"))
        .map(ToOwned::to_owned)
        .collect()
}

fn push_file(page: &mut String, file: &FileDescriptorProto) {
    let comments = Comments::of(file);
    let name = file.name().rsplit('/').next().unwrap_or_default();
    let about = prose(&comments.at(&[part::FILE_SYNTAX]));
    let _ = write!(page, "\n## {name}\n\n{about}\n");
    for (place, service) in (0..).zip(&file.service) {
        push_service(page, service, &comments, place);
    }
    for (place, message) in (0..).zip(&file.message_type) {
        push_message(page, message, &comments, &[part::FILE_MESSAGE, place]);
    }
    for (place, choice) in (0..).zip(&file.enum_type) {
        push_enum(page, choice, &comments, &[part::FILE_ENUM, place]);
    }
}

fn push_service(page: &mut String, service: &ServiceDescriptorProto, from: &Comments, place: i32) {
    let path = [part::FILE_SERVICE, place];
    let _ = write!(page, "\n### {}\n\n{}\n\n", service.name(), prose(&from.at(&path)));
    page.push_str("| call | request | answer | what it does |\n|---|---|---|---|\n");
    for (place, method) in (0..).zip(&service.method) {
        let stream = |is: bool| if is { "stream of " } else { "" };
        let _ = writeln!(
            page,
            "| `{}` | {}{} | {}{} | {} |",
            method.name(),
            stream(method.client_streaming()),
            reference(method.input_type()),
            stream(method.server_streaming()),
            reference(method.output_type()),
            from.cell(&[&path[..], &[part::SERVICE_METHOD, place]].concat()),
        );
    }
}

fn push_message(page: &mut String, message: &DescriptorProto, from: &Comments, path: &[i32]) {
    let _ = write!(page, "\n### {}\n\n{}\n", message.name(), prose(&from.at(path)));
    if message.field.is_empty() {
        return;
    }
    page.push_str("\n| field | number | type | meaning |\n|---|---:|---|---|\n");
    for (place, field) in (0..).zip(&message.field) {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            field.name(),
            field.number(),
            kind(field, message),
            from.cell(&[path, &[part::MESSAGE_FIELD, place]].concat()),
        );
    }
}

fn push_enum(page: &mut String, choice: &EnumDescriptorProto, from: &Comments, path: &[i32]) {
    let _ = write!(page, "\n### {}\n\n{}\n", choice.name(), prose(&from.at(path)));
    page.push_str("\n| value | number | meaning |\n|---|---:|---|\n");
    for (place, value) in (0..).zip(&choice.value) {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} |",
            value.name(),
            value.number(),
            from.cell(&[path, &[part::ENUM_VALUE, place]].concat()),
        );
    }
}

fn kind(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    let name = if matches!(field.r#type(), Type::Message | Type::Enum) {
        reference(field.type_name())
    } else {
        field.r#type().as_str_name().trim_start_matches("TYPE_").to_lowercase()
    };
    let choice = field.oneof_index.and_then(|place| message.oneof_decl.get(place as usize));
    match (field.label(), field.proto3_optional(), choice) {
        (Label::Repeated, ..) => format!("list of {name}"),
        (_, true, _) => format!("{name}, optional"),
        (_, false, Some(choice)) => format!("{name}, one of `{}`", choice.name()),
        (_, false, None) => name,
    }
}

/// A link to a message of this page, or the name of one from elsewhere.
fn reference(full: &str) -> String {
    let full = full.trim_start_matches('.');
    match PACKAGES.iter().find_map(|package| full.strip_prefix(package)) {
        Some(own) => {
            let own = own.trim_start_matches('.');
            format!("[{own}](#{})", own.to_lowercase())
        }
        None => format!("`{full}`"),
    }
}
