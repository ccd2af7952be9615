//! Tests beside a policy.

use serde_json::{Value, json};
use taskpass_proto::reason::Reason;

use super::{
    PARAMETER_NAME, document, duration, list, name_definition, named, reference, table, text,
};
use crate::domain::policy::read::REASONS;

pub(super) fn schema() -> Value {
    let root = table(
        "Tests of a Taskpass policy.",
        json!({
            "test": list("One request each.", &reference("test")),
            "table": list("One request a row.", &reference("table")),
        }),
        &[],
    );
    let definitions = json!({
        "name": name_definition(),
        "test": table(
            "One request, and what should come out.",
            json!({
                "name": text("What it is called."),
                "given": reference("given"),
                "expect": reference("expect"),
            }),
            &["name", "given", "expect"],
        ),
        "table": rows(),
        "given": given(),
        "expect": expect(),
        "reason": { "enum": REASONS.map(Reason::code) },
    });
    document("Taskpass policy tests", root, definitions)
}

fn rows() -> Value {
    let column = json!({
        "type": "string",
        "pattern": "^(workload|task|credentials|time|expect|params\\.[a-z0-9_-]{1,64})$",
    });
    let row = json!({ "type": "array", "items": {} });
    table(
        "One request a row.",
        json!({
            "name": text("What it is called."),
            "given": reference("given"),
            "columns": list("What the values of a row are.", &column),
            "rows": list("One value for each column; [] for none.", &row),
        }),
        &["name", "columns", "rows"],
    )
}

fn given() -> Value {
    let scalar = json!({ "type": ["string", "integer", "boolean"] });
    let nothing = json!({ "type": "array", "maxItems": 0 });
    let parameter = json!({ "anyOf": [scalar, nothing] });
    let asked = table(
        "A credential, narrower than it is granted.",
        json!({
            "scopes": list("The scopes.", &json!({ "type": "string" })),
            "lifetime": duration("How long it should live."),
        }),
        &[],
    );
    table(
        "The request.",
        json!({
            "workload": {
                "type": "string",
                "pattern": "^spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+)+$",
                "description": "The SPIFFE ID of the workload that asks.",
            },
            "task": { "type": "string", "description": "The task that it asks for." },
            "time": {
                "type": "string",
                "format": "date-time",
                "description": "When it asks; midnight of 1970-01-01, a Thursday, unless it is said.",
            },
            "job": table(
                "Where in its life the job is.",
                json!({
                    "age": duration("How long it has been open."),
                    "generation": count("The generation of the credential: 2 when it is renewed once."),
                }),
                &[],
            ),
            "risk": table(
                "What is known against the workload.",
                json!({ "exposed": { "type": "boolean" }, "elevated": { "type": "boolean" } }),
                &[],
            ),
            "reported": table(
                "What only the agent says.",
                json!({
                    "host": { "type": "string" },
                    "uid": count("User id."),
                    "gid": count("Group id."),
                    "pid": count("Process id."),
                    "executable": { "type": "string" },
                }),
                &[],
            ),
            "params": named("The parameters.", PARAMETER_NAME, &parameter),
            "credentials": {
                "description": "The credentials asked for; without it, all that are granted.",
                "anyOf": [
                    { "type": "array", "items": { "type": "string" } },
                    { "type": "object", "additionalProperties": asked },
                ],
            },
        }),
        &[],
    )
}

fn count(what: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX, "description": what })
}

fn expect() -> Value {
    let credential = table(
        "What a credential should be; what is not said may be anything.",
        json!({
            "scopes": list("Exactly these scopes.", &json!({ "type": "string" })),
            "ttl": duration("Exactly this lifetime."),
            "audience": text("Exactly this audience, by its URI."),
        }),
        &[],
    );
    let allow = table(
        "Exactly these credentials.",
        json!({
            "allow": {
                "anyOf": [
                    { "type": "array", "minItems": 1, "items": { "type": "string" } },
                    { "type": "object", "minProperties": 1, "additionalProperties": credential },
                ],
            },
        }),
        &["allow"],
    );
    let deny = table(
        "A denial.",
        json!({
            "deny": {
                "anyOf": [
                    reference("reason"),
                    table(
                        "A denial, with a text of its explanation.",
                        json!({ "reason": reference("reason"), "because": text("The text.") }),
                        &["reason"],
                    ),
                ],
            },
        }),
        &["deny"],
    );
    json!({
        "description": "What should come out: allow and the credentials, or deny and the reason.",
        "anyOf": [
            { "type": "string", "pattern": "^ *(allow( +[a-z0-9-]+)+|deny +[A-Z_]+) *$" },
            allow,
            deny,
        ],
    })
}
