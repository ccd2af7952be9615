//! Reads policy files into memory, bounded: what is too much or cannot be read is an error that says where.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::domain::policy::SourceFile;

const MAX_FILE_BYTES: u64 = 1024 * 1024;
const MAX_TOTAL_BYTES: u64 = 64 * 1024 * 1024;
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 16;
/// Files that are told to be passed over.
const MAX_PASSED_OVER: usize = 20;
/// How the names of test files end: they stand beside the policy, and are no part of it.
const TESTS: &str = ".test.toml";

/// Policy files that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or directory.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A device, a pipe or a socket: reading it might never end.
    #[error("`{}` is not a file", .0.display())]
    NotAFile(PathBuf),
    /// A file that is larger than any policy.
    #[error("`{}` is larger than 1 MiB; split it", .0.display())]
    TooLarge(PathBuf),
    /// All files together.
    #[error("the files below `{}` are more than {MAX_FILES}, or more than 64 MiB together", .0.display())]
    TooMuch(PathBuf),
    /// Directories within directories, or a link that leads back.
    #[error("`{}` lies more than {MAX_DEPTH} directories deep; does a symbolic link lead back?", .0.display())]
    TooDeep(PathBuf),
    /// A file whose ending is almost that of a policy file: passing over a rule in silence is a hole.
    #[error("`{}` is passed over, for it ends neither in `.toml` nor in `.cedar`; rename it, or move it elsewhere", .0.display())]
    Ending(PathBuf),
    /// No file at all.
    #[error("there is no `*.toml` or `*.cedar` file below `{}`; is this the policy directory?", .0.display())]
    Nothing(PathBuf),
}

/// Reads every `*.toml` and `*.cedar` below a directory, or one file, in the order of their paths. Names of
/// files are relative to the directory. Hidden files and directories are passed over, and so are tests.
pub fn read(directory: &Path) -> Result<Vec<SourceFile>, SourceError> {
    let mut paths = paths(directory)?;
    if metadata(directory)?.is_dir() {
        paths.retain(|path| !is_test(path));
    }
    if paths.is_empty() {
        return Err(SourceError::Nothing(directory.to_owned()));
    }
    read_all(directory, paths)
}

/// Files below a directory that are no part of the policy, and by their names might be meant to be: copies,
/// switched-off files, other formats. At most a few, in the order of their paths.
pub fn passed_over(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![(directory.to_owned(), 0)];
    while let Some((directory, depth)) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            if metadata.is_dir() && depth < MAX_DEPTH && !name.starts_with('.') {
                directories.push((path, depth + 1));
            } else if metadata.is_file()
                && looks_like_policy(&name)
                && found.len() < MAX_PASSED_OVER
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Whether a name that is passed over may be meant to be that of a policy file.
fn looks_like_policy(name: &str) -> bool {
    const FORMATS: [&str; 7] = ["json", "txt", "hcl", "rego", "conf", "cfg", "ini"];
    const BYSTANDERS: [&str; 8] = [
        "README",
        "LICENSE",
        "NOTICE",
        "OWNERS",
        "CODEOWNERS",
        "Makefile",
        "Justfile",
        "BUILD",
    ];
    let ending = Path::new(name)
        .extension()
        .and_then(|ending| ending.to_str());
    let is_read = !name.starts_with('.') && matches!(ending, Some("toml" | "cedar"));
    if is_read {
        return false;
    }
    if name.contains(".toml") || name.contains(".cedar") {
        return true;
    }
    match name.rsplit_once('.') {
        Some((before, ending)) => !before.is_empty() && FORMATS.contains(&ending),
        None => !BYSTANDERS.contains(&name),
    }
}

/// Reads the tests below a directory, perhaps none: every `*.test.toml`.
pub fn read_tests(directory: &Path) -> Result<Vec<SourceFile>, SourceError> {
    let mut paths = paths(directory)?;
    paths.retain(|path| is_test(path));
    read_all(directory, paths)
}

fn paths(directory: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut paths = Vec::new();
    if metadata(directory)?.is_dir() {
        collect(directory, 0, &mut paths)?;
    } else {
        paths.push(directory.to_owned());
    }
    Ok(paths)
}

fn is_test(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().ends_with(TESTS.as_bytes()))
}

fn read_all(directory: &Path, mut paths: Vec<PathBuf>) -> Result<Vec<SourceFile>, SourceError> {
    paths.sort();
    let mut total = 0;
    let mut files = Vec::new();
    for path in paths {
        let mut file = read_one(&path)?;
        total += file.bytes.len() as u64;
        if total > MAX_TOTAL_BYTES {
            return Err(SourceError::TooMuch(directory.to_owned()));
        }
        if let Some(name) = path.strip_prefix(directory).ok().and_then(Path::to_str)
            && !name.is_empty()
        {
            file.name = name.into();
        }
        files.push(file);
    }
    Ok(files)
}

/// Reads one file.
pub fn read_one(path: &Path) -> Result<SourceFile, SourceError> {
    let failed = |source| unreadable(path, source);
    // Opening a pipe would wait for its other end.
    if !metadata(path)?.is_file() {
        return Err(SourceError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(SourceError::TooLarge(path.to_owned()));
    }
    Ok(SourceFile::new(path.to_string_lossy().into_owned(), bytes))
}

fn collect(directory: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    if depth > MAX_DEPTH {
        return Err(SourceError::TooDeep(directory.to_owned()));
    }
    for entry in fs::read_dir(directory).map_err(|source| unreadable(directory, source))? {
        let path = entry
            .map_err(|source| unreadable(directory, source))?
            .path();
        // Kubernetes mounts configuration through hidden directories with other names for the same files.
        if path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        {
            continue;
        }
        if metadata(&path)?.is_dir() {
            collect(&path, depth + 1, paths)?;
            continue;
        }
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("toml" | "cedar") => paths.push(path),
            Some(ending) if is_misspelt(ending) => return Err(SourceError::Ending(path)),
            Some(_) | None => {}
        }
        if paths.len() > MAX_FILES {
            return Err(SourceError::TooMuch(directory.to_owned()));
        }
    }
    Ok(())
}

/// Endings that were likely meant to be `toml` or `cedar`.
fn is_misspelt(ending: &str) -> bool {
    const MEANT: [&str; 6] = ["tml", "tolm", "ceder", "cdar", "yaml", "yml"];
    let lower = ending.to_ascii_lowercase();
    MEANT.contains(&&*lower) || ["toml", "cedar"].contains(&&*lower)
}

fn metadata(path: &Path) -> Result<fs::Metadata, SourceError> {
    fs::metadata(path).map_err(|source| unreadable(path, source))
}

fn unreadable(path: &Path, source: io::Error) -> SourceError {
    SourceError::Unreadable {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_policy_file_in_order_and_passes_others_over() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("b/.hidden")).unwrap();
        for name in [
            "c.toml",
            "b/a.toml",
            "a.toml",
            "d.cedar",
            "b/.hidden/x.toml",
            "README.md",
        ] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let names: Vec<_> = read(folder.path())
            .unwrap()
            .into_iter()
            .map(|f| f.name)
            .collect();
        assert_eq!(
            names.iter().map(|n| &**n).collect::<Vec<_>>(),
            ["a.toml", "b/a.toml", "c.toml", "d.cedar"]
        );
    }

    #[test]
    fn tests_stand_beside_the_policy_and_are_no_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.toml", "a.test.toml", "test.toml"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let names = |files: Vec<SourceFile>| -> Vec<String> {
            files.iter().map(|file| file.name.to_string()).collect()
        };
        assert_eq!(names(read(folder.path()).unwrap()), ["a.toml", "test.toml"]);
        assert_eq!(names(read_tests(folder.path()).unwrap()), ["a.test.toml"]);
    }

    #[test]
    fn tells_which_files_might_be_meant_to_be_policy() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "a.toml",
            "a.test.toml",
            "g.cedar",
            "README.md",
            "LICENSE",
            ".gitignore",
            "a.toml.bak",
            ".b.toml",
            "c.cedar~",
            "grants.json",
            "grants",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = passed_over(folder.path());
        let names: Vec<_> = found
            .iter()
            .filter_map(|path| path.file_name()?.to_str())
            .collect();
        assert_eq!(
            names,
            [".b.toml", "a.toml.bak", "c.cedar~", "grants", "grants.json"]
        );
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path: &Path| read(path).unwrap_err().to_string();
        assert!(error(folder.path()).contains("no `*.toml`"));
        assert!(error(&folder.path().join("missing")).contains("missing"));
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        assert!(error(folder.path()).contains("symbolic link"));
        fs::remove_file(folder.path().join("loop")).unwrap();
        for name in ["x.TOML", "x.Cedar", "x.ceder", "x.yaml"] {
            fs::write(folder.path().join(name), "").unwrap();
            assert!(error(folder.path()).contains("rename it"), "{name}");
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("x.toml"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
        assert!(error(folder.path()).contains("1 MiB"));
        fs::remove_file(folder.path().join("x.toml")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("x.toml")).unwrap();
        assert!(error(folder.path()).contains("is not a file"));
        fs::remove_file(folder.path().join("x.toml")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("x.toml")).unwrap();
        assert!(error(folder.path()).contains("x.toml"));
    }

    #[test]
    fn a_directory_is_one_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("x.toml")).unwrap();
        fs::write(folder.path().join("x.toml/a.toml"), "").unwrap();
        let files = read(folder.path()).unwrap();
        assert_eq!(&*files[0].name, "x.toml/a.toml");
    }
}
