use std::os::unix::fs::symlink;

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
    symlink(folder.path(), folder.path().join("loop")).unwrap();
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
    symlink("/dev/zero", folder.path().join("x.toml")).unwrap();
    assert!(error(folder.path()).contains("is not a file"));
    fs::remove_file(folder.path().join("x.toml")).unwrap();
    symlink("nowhere", folder.path().join("x.toml")).unwrap();
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

#[test]
fn tells_everything_that_is_wrong_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("below")).unwrap();
    fs::write(at("good.toml"), "").unwrap();
    fs::write(at("below/x.yaml"), "").unwrap();
    fs::write(at("y.TOML"), "").unwrap();
    fs::write(at("large.toml"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
    symlink("nowhere", at("gone.toml")).unwrap();
    symlink("/dev/zero", at("zero.cedar")).unwrap();
    let error = read(folder.path()).unwrap_err().to_string();
    let shown = error.replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(
        shown.lines().collect::<Vec<_>>(),
        [
            "`below/x.yaml` ends neither in `.toml` nor in `.cedar`; rename it, or move it elsewhere",
            "cannot read `gone.toml`: No such file or directory (os error 2)",
            "`large.toml` is larger than 1 MiB; split it",
            "`y.TOML` ends neither in `.toml` nor in `.cedar`; rename it, or move it elsewhere",
            "`zero.cedar` is not a file",
        ]
    );
}

#[test]
fn counts_what_it_does_not_tell() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..25 {
        fs::write(folder.path().join(format!("{n:02}.yaml")), "").unwrap();
    }
    let error = read(folder.path()).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 21, "{error}");
    assert!(lines[19].contains("19.yaml"), "{error}");
    assert_eq!(lines[20], "and 5 more files or directories");
}

/// Fifteen directories, each with four links to the next one.
fn links_that_fan_out(at: &Path) {
    for level in 0..15 {
        let directory = at.join(format!(".{level}"));
        fs::create_dir(&directory).unwrap();
        for link in 0..4 {
            symlink(
                at.join(format!(".{}", level + 1)),
                directory.join(format!("{link}")),
            )
            .unwrap();
        }
    }
    fs::create_dir(at.join(".15")).unwrap();
    symlink(".0", at.join("first")).unwrap();
}

#[test]
fn links_that_fan_out_are_refused_and_not_followed_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toml"), "").unwrap();
    fs::write(folder.path().join("a.toml.bak"), "").unwrap();
    assert_eq!(read(folder.path()).unwrap().len(), 1);
    links_that_fan_out(folder.path());
    let error = read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("more than 5000 directories"), "{error}");
    assert!(error.contains("symbolic links"), "{error}");
    let error = read_tests(folder.path()).unwrap_err().to_string();
    assert!(error.contains("more than 5000 directories"), "{error}");
    assert!(passed_over(folder.path()).len() <= 1);
}

#[test]
fn entries_without_end_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(".many")).unwrap();
    for n in 0..1000 {
        fs::write(folder.path().join(format!(".many/{n}")), "").unwrap();
    }
    for n in 0..=walk::MAX_ENTRIES / 1000 {
        symlink(".many", folder.path().join(n.to_string())).unwrap();
    }
    let error = read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("50000 entries"), "{error}");
}
