//! Policy files.

use serde_json::{Value, json};

use super::{
    NAME, PARAMETER_NAME, TASK_NAME, document, duration, list, name_definition, named, one_or_more,
    reference, table, text, workload_definition,
};

pub(super) fn schema() -> Value {
    let root = table(
        "A Taskpass policy file.",
        json!({
            "task": named("Named kinds of work.", TASK_NAME, &reference("task")),
            "credential": named("What a job can be handed.", NAME, &reference("credential")),
            "environment": named("Where workloads belong.", NAME, &reference("environment")),
            "audience": named("Whom tokens are for.", NAME, &reference("audience")),
            "identity": named("Who stands behind workloads.", NAME, &reference("identity")),
        }),
        &[],
    );
    let definitions = json!({
        "name": name_definition(),
        "workload": workload_definition(),
        "task": task(),
        "grant": grant(),
        "parameter": parameter(),
        "credential": credential(),
        "environment": environment(),
        "audience": audience(),
        "identity": identity(),
    });
    document("Taskpass policy", root, definitions)
}

fn task() -> Value {
    table(
        "A named kind of work.",
        json!({
            "owner": text("Who answers for it."),
            "purpose": text("What it is for."),
            "max_duration": duration("No job lives longer."),
            "params": named("What a request may say.", PARAMETER_NAME, &reference("parameter")),
            "grant": list("Who may do it, with which credentials.", &reference("grant")),
        }),
        &["owner", "purpose"],
    )
}

fn grant() -> Value {
    let credentials = json!({
        "type": "array",
        "minItems": 1,
        "maxItems": 32,
        "uniqueItems": true,
        "items": reference("name"),
        "description": "The credentials that it gives.",
    });
    table(
        "These workloads may do the task.",
        json!({
            "workload": one_or_more("Who may do it.", &reference("workload")),
            "credentials": credentials,
            "max_ttl": duration("No credential of this grant lives longer."),
            "when": condition("It applies only while this holds: a Cedar expression."),
            "unless": condition("It does not apply while this holds: a Cedar expression."),
            "mode": {
                "enum": ["enforce", "audit"],
                "description": "`audit`: lets nothing through, and records what it would have.",
            },
            "max_live_jobs": {
                "type": "integer",
                "minimum": 1,
                "maximum": u32::MAX,
                "description": "How many of these jobs one workload may have open; 100 unless said.",
            },
        }),
        &["workload", "credentials"],
    )
}

fn condition(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": description })
}

/// Each type with the keys that go with it.
fn parameter() -> Value {
    let optional = json!({ "type": "boolean", "description": "Whether it may be left out." });
    let of = |kinds: &[&str], more: Value, required: &[&str]| {
        let mut properties = json!({ "type": { "enum": kinds }, "optional": optional });
        if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
            all.extend(more);
        }
        table("What a parameter may be.", properties, required)
    };
    let pattern = json!({
        "type": "string",
        "maxLength": 512,
        "description": "A regular expression that the whole value matches.",
    });
    let values = json!({
        "type": "array",
        "minItems": 1,
        "maxItems": 1024,
        "uniqueItems": true,
        "items": { "type": "string" },
        "description": "The values that it may have.",
    });
    json!({
        "oneOf": [
            of(&["token", "path", "text"], json!({ "pattern": pattern }), &["type"]),
            of(&["boolean"], json!({}), &["type"]),
            of(&["one_of"], json!({ "values": values }), &["type", "values"]),
            of(
                &["integer"],
                json!({ "min": { "type": "integer" }, "max": { "type": "integer" } }),
                &["type", "min", "max"],
            ),
        ],
    })
}

/// Names with a fixed meaning are refused too; they are too many to be listed here.
fn claims() -> Value {
    let text = json!({ "type": "string", "minLength": 1, "maxLength": 256 });
    json!({
        "type": "object",
        "maxProperties": 16,
        "propertyNames": { "pattern": "^[A-Za-z][A-Za-z0-9_.:/-]{0,127}$" },
        "additionalProperties": {
            "anyOf": [
                text,
                { "type": "boolean" },
                { "type": "integer" },
                { "type": "array", "maxItems": 32, "items": text },
            ],
        },
        "description": "More claims of its tokens; ${params.NAME} is filled in to texts.",
    })
}

fn credential() -> Value {
    let scope = json!({ "type": "string", "pattern": "^[!#-\\[\\]-~]{1,256}$" });
    table(
        "What a job can be handed.",
        json!({
            "issuer": reference("name"),
            "audience": reference("name"),
            "scopes": list("Each one RFC 6749 scope-token; ${params.NAME} is filled in.", &scope),
            "algorithm": {
                "enum": ["ES256", "RS256"],
                "description": "How its tokens are signed; ES256 unless said.",
            },
            "shape": {
                "enum": ["access-token", "jwt-svid"],
                "description": "What its tokens say that they are; access tokens (RFC 9068) unless said.",
            },
            "claims": claims(),
            "ttl": duration("How long it lives."),
            "environment": reference("name"),
        }),
        &["issuer", "audience", "scopes", "ttl", "environment"],
    )
}

fn environment() -> Value {
    table(
        "Where workloads belong. A workload of two environments gets the credentials of neither.",
        json!({ "workloads": one_or_more("Its workloads.", &reference("workload")) }),
        &["workloads"],
    )
}

fn audience() -> Value {
    let uri = json!({
        "type": "string",
        "maxLength": 512,
        "pattern": "^[^ \"<>\\\\]*:[^ \"<>\\\\]*$",
        "description": "As it stands in tokens.",
    });
    table(
        "Whom tokens are for.",
        json!({
            "uri": uri,
            "verifiers": list("Who may ask whether a token is still good.", &reference("workload")),
        }),
        &["uri"],
    )
}

fn identity() -> Value {
    table(
        "Who stands behind workloads.",
        json!({
            "workload": one_or_more("Which workloads.", &reference("workload")),
            "kind": { "enum": ["service", "person", "agent"], "description": "What they are." },
            "owner": text("Who answers for them."),
            "tools": list("The tools that an agent may use.", &reference("name")),
        }),
        &["workload", "kind", "owner"],
    )
}
