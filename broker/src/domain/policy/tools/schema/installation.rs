//! The installation file.

use serde_json::{Value, json};

use super::{NAME, document, duration, list, named, table};

pub(super) fn schema() -> Value {
    let uri = json!({ "type": "string", "maxLength": 512 });
    let issuer = table(
        "Who makes credentials of one kind.",
        json!({ "kind": { "enum": ["jwt"], "description": "What it makes." } }),
        &["kind"],
    );
    let ceiling = table(
        "What no policy exceeds in one environment.",
        json!({
            "max_ttl": duration("No credential of the environment lives longer."),
            "issuers": list("The only issuers of its credentials.", &json!({ "type": "string" })),
            "audiences": list("The only audiences of its credentials.", &uri),
        }),
        &[],
    );
    let root = table(
        "Facts that hold for a whole Taskpass installation, whatever a policy says.",
        json!({
            "max_ttl": duration("No credential lives longer."),
            "max_duration": duration("No job lives longer."),
            "forbidden_audiences": list("Audiences that no policy may name.", &uri),
            "allowed_audiences": list("The only audiences that policy may name.", &uri),
            "ceiling": named("What no policy exceeds in an environment.", NAME, &ceiling),
            "on_withdrawn_grant": {
                "enum": ["keep-jobs", "end-jobs"],
                "description": "What becomes of jobs when policy takes away what they were let in by.",
            },
            "issuer": named("Who makes credentials.", NAME, &issuer),
        }),
        &["max_ttl", "max_duration", "issuer"],
    );
    document("Taskpass installation", root, json!({}))
}
