//! JSON Schema of the files, for editors that know TOML.
//!
//! The dialect is draft-07, and only with keywords that mean the same since draft-04, for editors differ in what
//! they know. A schema tells keys, types and shapes; what needs the whole policy is told by a check.

mod installation;
mod policy;
mod test;

use serde_json::{Map, Value, json};

/// Which files a schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Policy files.
    Policy,
    /// The installation file.
    Installation,
    /// Tests beside a policy.
    Test,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Policy, Self::Installation, Self::Test];

    /// Its name: `policy`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Installation => "installation",
            Self::Test => "test",
        }
    }
}

/// The schema of one kind of files.
pub fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Policy => policy::schema(),
        Kind::Installation => installation::schema(),
        Kind::Test => test::schema(),
    }
}

/// A whole schema: a table, and what is used in several places.
fn document(title: &str, table: Value, definitions: Value) -> Value {
    let mut document = Map::new();
    document.insert(
        "$schema".into(),
        "http://json-schema.org/draft-07/schema#".into(),
    );
    document.insert("title".into(), title.into());
    if let Value::Object(table) = table {
        document.extend(table);
    }
    document.insert("definitions".into(), definitions);
    Value::Object(document)
}

/// A table with these keys and no others.
fn table(description: &str, properties: Value, required: &[&str]) -> Value {
    let mut table = Map::new();
    table.insert("type".into(), "object".into());
    table.insert("description".into(), description.into());
    table.insert("properties".into(), properties);
    table.insert("additionalProperties".into(), false.into());
    // In draft-04, a list of required keys is not empty.
    if !required.is_empty() {
        table.insert("required".into(), json!(required));
    }
    Value::Object(table)
}

/// A table whose keys are names that the operator gives.
fn named(description: &str, name: &str, value: &Value) -> Value {
    json!({
        "type": "object",
        "description": description,
        "patternProperties": { name: value },
        "additionalProperties": false,
    })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 512, "description": description })
}

fn duration(description: &str) -> Value {
    json!({
        "type": "string",
        "pattern": "^([0-9]+[dhms]){1,4}$",
        "description": format!("{description} Numbers with the units d, h, m, s, as in 1h30m."),
    })
}

fn one_or_more(description: &str, item: &Value) -> Value {
    json!({
        "description": description,
        "anyOf": [item, { "type": "array", "minItems": 1, "items": item }],
    })
}

fn list(description: &str, item: &Value) -> Value {
    json!({ "type": "array", "description": description, "items": item })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

/// `[a-z0-9-]{1,64}`.
const NAME: &str = "^[a-z0-9-]{1,64}$";
const TASK_NAME: &str = "^[a-z0-9-]+(/[a-z0-9-]+)*$";
const PARAMETER_NAME: &str = "^[a-z0-9_-]{1,64}$";

/// What policies and tests have in common.
fn name_definition() -> Value {
    json!({ "type": "string", "pattern": NAME })
}

fn workload_definition() -> Value {
    json!({
        "type": "string",
        "maxLength": 2048,
        "pattern": "^spiffe://[a-z0-9._-]+(/([A-Za-z0-9._-]+|\\*))*(/\\*\\*|/([A-Za-z0-9._-]+|\\*))$",
        "description": "A SPIFFE ID with a literal trust domain; * is one segment, ** at the end is the rest.",
    })
}
