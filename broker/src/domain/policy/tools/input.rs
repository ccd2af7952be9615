//! A request that is kept: what a decision was, or would be, made on.

use std::collections::BTreeMap;

use taskpass_identity::SpiffeId;

use crate::domain::policy::{Circumstances, Diagnostic, Request, SourceFile, Wanted, read};

/// Everything that a decision is made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The workload.
    pub workload: SpiffeId,
    /// The task, as asked for: it need not exist.
    pub task: String,
    /// The parameters.
    pub parameters: BTreeMap<String, String>,
    /// The credentials asked for; none means all that are granted.
    pub wanted: Vec<Wanted>,
    /// What conditions look at besides.
    pub circumstances: Circumstances,
}

impl Input {
    /// Reads a file that holds one request: what stands below `given` in a test, as TOML or JSON.
    pub fn read(file: &SourceFile) -> Result<Self, Vec<Diagnostic>> {
        read::request_file(file)
    }

    /// The request.
    pub fn request(&self) -> Request<'_> {
        Request {
            subject: &self.workload,
            task: &self.task,
            parameters: &self.parameters,
            wanted: &self.wanted,
            circumstances: &self.circumstances,
        }
    }
}
