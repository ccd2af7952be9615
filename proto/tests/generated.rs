//! The generated code and the descriptor set are what the `.proto` files say, and the contract only grows.
//!
//! After a change of a `.proto` file: `TASKPASS_REGENERATE=1 cargo test -p taskpass-proto`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// Messages with a secret print themselves without it.
const SECRET: [&str; 4] = [
    ".taskpass.v1.Holder",
    ".taskpass.v1.IssuedCredential",
    ".taskpass.v1.IntrospectRequest",
    ".taskpass.v1.JwtSvidProof",
];

#[test]
fn generated_code_is_what_the_proto_files_say() {
    let descriptors = compile();
    let out = tempfile::tempdir().unwrap();
    let mut prost = prost_build::Config::new();
    prost.skip_debug(SECRET).btree_map(["."]);
    tonic_prost_build::configure()
        .out_dir(out.path())
        .compile_fds_with_config(descriptors.clone(), prost)
        .unwrap();
    let code = fs::read_to_string(out.path().join("taskpass.v1.rs")).unwrap();
    let committed = root().join("src/gen/taskpass.v1.rs");
    if regenerate() {
        fs::write(&committed, &code).unwrap();
    }
    assert!(
        fs::read_to_string(committed).unwrap() == code,
        "stale: see the head of this test"
    );
}

#[test]
fn the_contract_only_grows() {
    let committed = root().join("src/gen/taskpass.v1.binpb");
    let now = compile();
    let then = fs::read(&committed)
        .map(|bytes| FileDescriptorSet::decode(bytes.as_slice()).unwrap())
        .unwrap_or_default();
    let (then, names) = (index(&then), index(&now));
    for (name, shape) in &then {
        assert_eq!(
            names.get(name),
            Some(shape),
            "`{name}` was changed or removed"
        );
    }
    if regenerate() {
        fs::write(&committed, now.encode_to_vec()).unwrap();
    }
    assert_eq!(
        fs::read(committed).unwrap(),
        now.encode_to_vec(),
        "stale: see the head of this test"
    );
}

/// Everything that a peer depends on, by its full name: fields by number, enum values, methods.
fn index(set: &FileDescriptorSet) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for file in set
        .file
        .iter()
        .filter(|file| file.package() == "taskpass.v1")
    {
        index_file(file, &mut names);
    }
    names
}

fn index_file(file: &FileDescriptorProto, names: &mut BTreeMap<String, String>) {
    for message in &file.message_type {
        index_message("", message, names);
    }
    for values in &file.enum_type {
        for value in &values.value {
            names.insert(
                format!("{}.{}", values.name(), value.name()),
                value.number().to_string(),
            );
        }
    }
    for service in &file.service {
        for method in &service.method {
            let shape = format!(
                "{} {} -> {} {}",
                method.client_streaming(),
                method.input_type(),
                method.server_streaming(),
                method.output_type()
            );
            names.insert(format!("{}.{}", service.name(), method.name()), shape);
        }
    }
}

fn index_message(within: &str, message: &DescriptorProto, names: &mut BTreeMap<String, String>) {
    let path = format!("{within}{}", message.name());
    for field in &message.field {
        let shape = format!(
            "{} {:?} {:?} {} {:?}",
            field.name(),
            Label::try_from(field.label.unwrap_or_default()),
            Type::try_from(field.r#type.unwrap_or_default()),
            field.type_name(),
            field.oneof_index,
        );
        names.insert(format!("{path}#{}", field.number()), shape);
    }
    for nested in &message.nested_type {
        index_message(&format!("{path}."), nested, names);
    }
}

fn compile() -> FileDescriptorSet {
    let files = ["reasons", "common", "broker", "admin"].map(|f| format!("taskpass/v1/{f}.proto"));
    protox::compile(files, [root()]).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[allow(
    clippy::disallowed_methods,
    reason = "a switch for the person who changes the contract"
)]
fn regenerate() -> bool {
    std::env::var_os("TASKPASS_REGENERATE").is_some()
}
