//! The sample policy of `taskpass dev`: it grants to the workload that local callers are.

use std::fs;

use taskpass_identity::SpiffeId;

use crate::demo;
use crate::stage::{Stage, StageError};

/// The line that says whom the sample grants to.
const GRANTEE: &str = "workload = ";

/// Writes the sample policy, unless there is one that somebody has edited.
pub(super) fn write(stage: &Stage, workload: &SpiffeId) -> Result<(), StageError> {
    let (policy, installation) = demo::sample_policy();
    let path = stage.folder().join("policy/policy.toml");
    let policy = granting_to(&policy, workload);
    match fs::read_to_string(&path) {
        Ok(before) if is_sample(&before, &policy) => stage.replace_policy(&policy)?,
        _ => {}
    }
    stage.write_policy(&policy, installation)
}

fn granting_to(policy: &str, workload: &SpiffeId) -> String {
    let line = |line: &str| {
        if line.starts_with(GRANTEE) {
            format!("{GRANTEE}\"{workload}\"\n")
        } else {
            format!("{line}\n")
        }
    };
    policy.lines().map(line).collect()
}

/// Whether two policies are the same but for whom they grant to.
fn is_sample(text: &str, sample: &str) -> bool {
    let rest = |text: &str| -> Vec<String> {
        let kept = text.lines().filter(|line| !line.starts_with(GRANTEE));
        kept.map(ToOwned::to_owned).collect()
    };
    text.lines().count() == sample.lines().count() && rest(text) == rest(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_grants_to_the_workload_that_you_are_and_an_edited_policy_stays() {
        let folder = tempfile::tempdir().unwrap();
        let stage = Stage::open(folder.path()).unwrap();
        let file = folder.path().join("policy/policy.toml");
        let you = |path: &str| crate::stage::workload(path).unwrap();
        let granted = || {
            let policy = fs::read_to_string(&file).unwrap();
            let lines: Vec<_> = policy
                .lines()
                .filter(|line| line.starts_with(GRANTEE))
                .collect();
            lines.join(",")
        };
        for path in ["ci/docs", "agents/researcher"] {
            write(&stage, &you(path)).unwrap();
            assert_eq!(
                granted(),
                format!("{GRANTEE}\"spiffe://acme.example/{path}\"")
            );
        }
        let edited = fs::read_to_string(&file).unwrap() + "# mine\n";
        fs::write(&file, &edited).unwrap();
        write(&stage, &you("ci/docs")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), edited);
    }
}
