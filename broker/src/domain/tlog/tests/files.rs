//! Paths, bundles and proof files.

use proptest::prelude::*;

use super::super::bundle::{self, CutOff, EntryTooLong, MAX_ENTRY_BYTES};
use super::super::hash::Hash;
use super::super::record_proof::RecordProof;
use super::super::tile::{Level, TilePath, Tree, parse_hashes};

#[test]
fn paths_are_those_of_the_specification() {
    let table = [
        (TilePath::full(Level::Hashes(0), 0), "tile/0/000"),
        (
            TilePath::full(Level::Hashes(0), 1_234_067),
            "tile/0/x001/x234/067",
        ),
        (TilePath::full(Level::Entries, 999), "tile/entries/999"),
        (
            TilePath::full(Level::Entries, 1000),
            "tile/entries/x001/000",
        ),
        (
            TilePath::new(Level::Hashes(63), 5, 1).unwrap(),
            "tile/63/005.p/1",
        ),
        (
            TilePath::new(Level::Entries, 1, 255).unwrap(),
            "tile/entries/001.p/255",
        ),
    ];
    for (path, text) in table {
        assert_eq!(path.to_string(), text);
        assert_eq!(text.parse(), Ok(path));
    }
    assert_eq!(TilePath::new(Level::Entries, 0, 0), None);
    assert_eq!(TilePath::new(Level::Entries, 0, 257), None);
}

#[test]
fn one_place_has_one_path() {
    let bad = [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/+1/000",
        "tile/x/000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/1/2",
        "tile/0/../000",
        "tile/0/+01",
        "/tile/0/000",
        "tile/0/000/",
        "Tile/0/000",
        "tile/entries/..",
        "tile/entries/x999/x999/x999/x999/x999/x999/x999/999",
    ];
    for text in bad {
        assert!(text.parse::<TilePath>().is_err(), "{text}");
    }
}

#[test]
fn a_tree_has_the_tiles_that_its_size_asks_for() {
    assert_eq!(Tree(0).tile(Level::Entries, 0), None);
    assert_eq!(Tree(256).tile(Level::Hashes(0), 1), None);
    let top = Tree(256).tile(Level::Hashes(1), 0).unwrap();
    assert_eq!((top.width(), top.is_partial()), (1, true));
    assert_eq!(Tree(70_000).tiles(Level::Entries).count(), 274);
    assert_eq!(Tree(70_000).levels().count(), 3);
    assert_eq!(Tree(u64::MAX).tile(Level::Hashes(0), u64::MAX), None);
}

#[test]
fn a_tile_holds_exactly_its_hashes() {
    let path = TilePath::new(Level::Hashes(0), 0, 2).unwrap();
    assert_eq!(
        parse_hashes(path, &[7; 64]),
        Some(vec![Hash::new([7; 32]); 2])
    );
    for wrong in [0, 32, 63, 65, 96] {
        assert_eq!(parse_hashes(path, &vec![7; wrong]), None, "{wrong}");
    }
}

#[test]
fn an_entry_ends_at_65535_bytes() {
    let mut bytes = Vec::new();
    assert_eq!(bundle::push(&mut bytes, &vec![1; MAX_ENTRY_BYTES]), Ok(()));
    assert_eq!(bytes[..2], [0xff, 0xff]);
    let longer = vec![1; MAX_ENTRY_BYTES + 1];
    assert_eq!(bundle::push(&mut bytes, &longer), Err(EntryTooLong(65_536)));
    assert_eq!(bundle::entries(&bytes).unwrap().len(), 1);
}

#[test]
fn a_bundle_that_was_cut_off_says_where() {
    let mut bytes = Vec::new();
    bundle::push(&mut bytes, b"one").unwrap();
    bundle::push(&mut bytes, b"two").unwrap();
    assert_eq!(bytes, b"\0\x03one\0\x03two");
    assert_eq!(bundle::entries(&bytes[..9]), Err(CutOff(1)));
    assert_eq!(bundle::entries(&bytes[..6]), Err(CutOff(1)));
    assert_eq!(bundle::entries(&bytes[..1]), Err(CutOff(0)));
    assert_eq!(bundle::entries(b""), Ok(Vec::new()));
}

#[test]
fn a_proof_file_is_the_one_of_the_specification() {
    let proof = RecordProof {
        extra: Some(b"more".to_vec()),
        index: 73_894,
        hashes: vec![Hash::new([0; 32])],
        checkpoint: "example.com/log\n1\nroot\n\n\u{2014} name sig\n".to_owned(),
    };
    let text = proof.to_text();
    let zero = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let head =
        format!("c2sp.org/tlog-proof@v1\nextra bW9yZQ==\nindex 73894\n{zero}\n\nexample.com/log\n");
    assert!(text.starts_with(&head), "{text}");
    assert_eq!(RecordProof::parse(text.as_bytes()), Ok(proof));
    for (from, to) in [
        ("@v1", "@v2"),
        ("index 73894", "index 073894"),
        ("index", "Index"),
        ("extra bW9yZQ==", "extra bW9yZQ"),
        (zero, "AAAA"),
        ("index 73894\n", ""),
    ] {
        assert!(
            RecordProof::parse(text.replacen(from, to, 1).as_bytes()).is_err(),
            "{to}"
        );
    }
}

proptest! {
    #[test]
    fn paths_survive_writing(level in 0_u8..64, index in 0..u64::MAX, width in 1_u16..=256, entries: bool) {
        let level = if entries { Level::Entries } else { Level::Hashes(level) };
        let path = TilePath::new(level, index, width).unwrap();
        prop_assert_eq!(path.to_string().parse(), Ok(path));
    }

    #[test]
    fn readers_never_panic(bytes: Vec<u8>, text: String) {
        let _ = bundle::entries(&bytes);
        let _ = RecordProof::parse(&bytes);
        let _ = text.parse::<TilePath>();
        let _ = format!("tile/{text}").parse::<TilePath>();
        let _ = RecordProof::parse(format!("c2sp.org/tlog-proof@v1\n{text}").as_bytes());
    }

    #[test]
    fn bundles_survive_writing(entries in proptest::collection::vec(any::<Vec<u8>>(), 0..20)) {
        let mut bytes = Vec::new();
        for entry in &entries {
            bundle::push(&mut bytes, entry).unwrap();
        }
        prop_assert_eq!(bundle::entries(&bytes).unwrap(), entries);
    }
}
