//! `taskpass policy show`: the sources of a policy that is or was in force.

use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use taskpass_proto::v1::{GetPolicyRequest, PolicyFile};

use crate::admin::{self, not_found, wire};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::page::LABEL;
use crate::output::{Page, View};

pub(super) const EXAMPLES: &str = "\
Examples:
  taskpass policy show
  taskpass policy show --into before/
  taskpass policy diff before/policy policy/";

/// As large as the sources of a policy can be.
const MAX_POLICY_BYTES: usize = 80 * 1024 * 1024;

/// The command line of `policy show`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The policy's hash, as audit records name it [default: the policy in force]
    #[arg(value_name = "HASH")]
    hash: Option<String>,

    /// Writes the files into a new directory: `policy/`, and the broker's `installation.toml` beside it
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

/// Performs the command.
pub(super) async fn perform(arguments: Arguments, context: &Context) -> Result<Exit, Failure> {
    let client = admin::connect(&context.admin_socket()).await?;
    let mut client = client.max_decoding_message_size(MAX_POLICY_BYTES);
    let policy = arguments.hash.unwrap_or_default();
    let found = client
        .get_policy(GetPolicyRequest { policy })
        .await
        .map_err(not_found(
            "cannot show the policy",
            "`taskpass audit list --event policy.loaded` shows which were in force",
        ))?
        .into_inner();
    let policy = Sources {
        policy: found.policy,
        since: wire::moment(found.since),
        files: found.files.into_iter().map(File::from).collect(),
        installation: found.installation.map(File::from),
    };
    match &arguments.into {
        Some(directory) => {
            let written = policy.write(directory)?;
            context.output.show(&written)?;
        }
        None => context.output.show(&policy)?,
    }
    Ok(Exit::Fine)
}

/// A policy's files.
#[derive(Debug, Serialize)]
struct Sources {
    policy: String,
    since: Option<Timestamp>,
    files: Vec<File>,
    installation: Option<File>,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    policy: String,
    files: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
struct File {
    name: String,
    content: String,
}

impl From<PolicyFile> for File {
    fn from(wire: PolicyFile) -> Self {
        Self {
            name: wire.name,
            // Only text gets into force.
            content: String::from_utf8_lossy(&wire.content).into_owned(),
        }
    }
}

impl Sources {
    fn write(&self, directory: &Path) -> Result<Written, Failure> {
        let mut files = Vec::new();
        let failure = |path: &Path, why: &dyn std::fmt::Display| {
            Failure::new(format!("cannot write `{}`", path.display())).why(why)
        };
        fs::create_dir(directory).map_err(|error| failure(directory, &error))?;
        let policy = directory.join("policy");
        for file in &self.files {
            let path = policy.join(&file.name);
            if !is_below(&file.name) {
                return Err(failure(&path, &"the name leads out of the directory"));
            }
            write(&path, &file.content).map_err(|error| failure(&path, &error))?;
            files.push(path);
        }
        if let Some(installation) = &self.installation {
            let path = directory.join("installation.toml");
            write(&path, &installation.content).map_err(|error| failure(&path, &error))?;
            files.push(path);
        }
        Ok(Written {
            policy: self.policy.clone(),
            files,
        })
    }
}

fn write(path: &Path, content: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, content)
}

/// Whether a name stays below the directory that it is relative to.
fn is_below(name: &str) -> bool {
    let mut components = Path::new(name).components();
    !name.is_empty() && components.all(|component| matches!(component, Component::Normal(_)))
}

impl View for Sources {
    fn text(&self, page: &mut Page) {
        page.facts([
            ("policy", self.policy.clone()),
            ("in force since", page.moment(self.since)),
        ]);
        for file in self.files.iter().chain(&self.installation) {
            page.gap();
            page.styled(LABEL, &format!("# {}", file.name));
            file.content.lines().for_each(|line| page.line(line));
        }
    }
}

impl View for Written {
    fn text(&self, page: &mut Page) {
        for file in &self.files {
            page.line(&format!("wrote `{}`", file.display()));
        }
        page.line(&format!("policy {}", self.policy));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_directory() {
        let table = [
            ("a.toml", true),
            ("a/b.toml", true),
            ("", false),
            ("/etc/passwd", false),
            ("../a.toml", false),
            ("a/../../b.toml", false),
        ];
        for (name, expected) in table {
            assert_eq!(is_below(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_written_is_told() {
        let home = tempfile::tempdir().unwrap();
        let file = |name: &str| File {
            name: name.to_owned(),
            content: String::new(),
        };
        let sources = Sources {
            policy: "p1".to_owned(),
            since: None,
            files: vec![file("a/b.toml")],
            installation: Some(file("installation.toml")),
        };
        let into = home.path().join("before");
        let written = sources.write(&into).unwrap();
        let expected = [into.join("policy/a/b.toml"), into.join("installation.toml")];
        assert_eq!(written.files, expected);
        assert!(written.files.iter().all(|file| file.exists()));
    }
}
