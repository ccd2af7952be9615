//! stub
#![allow(missing_docs)]
use crate::domain::policy::SourceFile;
#[derive(Debug,thiserror::Error)] #[error("x")] pub struct SourceError;
pub fn read(_:&std::path::Path)->Result<Vec<SourceFile>,SourceError>{Err(SourceError)}
pub fn read_one(_:&std::path::Path)->Result<SourceFile,SourceError>{Err(SourceError)}
