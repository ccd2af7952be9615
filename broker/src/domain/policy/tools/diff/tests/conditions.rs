//! Edits of conditions, modes and guardrails.

use super::*;

const GRANT: &str = "max_live_jobs = 10";
const GUARDRAIL: &str = "@id(\"no-releases\")\nforbid (principal, action, resource) when { context.environment == \"dev\" };\n";

fn compiled(edit: &str, guardrail: &str) -> Policy {
    let text = POLICY.replacen(GRANT, &format!("{GRANT}\n{edit}"), 1);
    let files = [
        SourceFile::new("policy.toml", text.into_bytes()),
        SourceFile::new("all.cedar", guardrail.as_bytes()),
    ];
    Policy::compile(&files, &installation(INSTALLATION)).unwrap_or_else(|f| panic!("{f:#?}"))
}

fn lines(old: &Policy, new: &Policy) -> Vec<String> {
    let facts = installation(INSTALLATION);
    let side = |policy| Side {
        policy,
        installation: &facts,
    };
    diff(side(old), side(new))
        .changes
        .iter()
        .map(|change| format!("{} {}", change.direction, change.sentence()))
        .collect()
}

#[test]
fn conditions_modes_and_guardrails_are_effects() {
    let none = compiled("", "");
    let when = compiled("when = 'context.time.weekday < 6'", "");
    let other = compiled("when = 'context.time.weekday < 5'", "");
    let audit = compiled("mode = \"audit\"", "");
    let forbidden = compiled("", GUARDRAIL);
    let commented = compiled(
        "",
        &format!("// why\n{}", GUARDRAIL.replace(" when", "\n  when")),
    );
    let all = |old, new, expected: &str| {
        let lines = lines(old, new);
        assert!(
            !lines.is_empty() && lines.iter().all(|line| line.starts_with(expected)),
            "{expected}: {lines:#?}"
        );
    };
    all(&none, &when, "narrowed condition of credential");
    all(&when, &none, "widened condition of credential");
    all(&when, &other, "changed condition of credential");
    all(&none, &forbidden, "narrowed guardrail `no-releases`");
    all(&forbidden, &none, "widened guardrail `no-releases`");
    assert_eq!(lines(&forbidden, &commented), [""; 0]);
    let audited = lines(&none, &audit);
    assert!(
        audited
            .iter()
            .any(|line| line.starts_with("narrowed the task: loses")),
        "{audited:#?}"
    );
    assert!(
        audited.iter().any(|line| line.contains("audit mode")),
        "{audited:#?}"
    );
}
