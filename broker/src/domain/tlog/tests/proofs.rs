//! Roots and proofs.

use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::super::hash::{Hash, leaf_hash};
use super::super::peaks::{Peaks, subtrees};
use super::super::proof::Prover;
use super::super::verify::{self, Head, ProofError};
use super::{Kept, leaves, plain_root};

/// The entries and roots that the tests of Certificate Transparency use (RFC 6962 implementations).
const VECTORS: [(&str, &str); 8] = [
    (
        "",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    ),
    (
        "00",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    ),
    (
        "10",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    ),
    (
        "2021",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (
        "3031",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    ),
    (
        "40414243",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    ),
    (
        "5051525354555657",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    ),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
];

#[test]
fn roots_are_those_of_certificate_transparency() {
    let mut peaks = Peaks::default();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(HEXLOWER.encode(peaks.root().as_bytes()), empty);
    for (entry, root) in VECTORS {
        peaks.append(leaf_hash(&HEXLOWER.decode(entry.as_bytes()).unwrap()));
        assert_eq!(HEXLOWER.encode(peaks.root().as_bytes()), root);
    }
}

#[test]
fn edge_and_peaks_grow_as_the_plain_tree_does() {
    let all = leaves(600);
    let (mut edge, mut peaks) = (super::Edge::default(), Peaks::default());
    for size in 0..=all.len() {
        let root = plain_root(&all[..size]);
        assert_eq!((edge.root(), peaks.root()), (root, root), "{size}");
        if let Some(leaf) = all.get(size) {
            edge.append(*leaf, &mut Vec::new());
            peaks.append(*leaf);
        }
    }
}

#[test]
fn a_tree_of_several_levels_has_the_tiles_of_the_specification() {
    // The example of C2SP tlog-tiles.
    let tree = Kept::of(70_000);
    let of = |level: &str| {
        let names = tree.tiles.keys().filter(|name| name.starts_with(level));
        let (partial, full): (Vec<_>, Vec<_>) = names.partition(|name| name.contains(".p/"));
        (full.len(), partial)
    };
    assert_eq!(of("tile/0/"), (273, vec![&"tile/0/273.p/112".to_owned()]));
    assert_eq!(of("tile/1/"), (1, vec![&"tile/1/001.p/17".to_owned()]));
    assert_eq!(of("tile/2/"), (0, vec![&"tile/2/000.p/1".to_owned()]));
    assert_eq!(tree.edge.root(), plain_root(&leaves(70_000)));
}

#[test]
fn every_inclusion_proof_of_every_small_tree_holds_and_no_other() {
    let all = leaves(300);
    for size in (1..=40).chain([63, 64, 65, 127, 128, 255, 256, 257, 299, 300]) {
        let mut tree = Kept::of(size);
        let root = tree.edge.root();
        for index in 0..size {
            let proof = Prover::new(size, &mut tree).inclusion(index).unwrap();
            let leaf = all[usize::try_from(index).unwrap()];
            assert_eq!(verify::inclusion(leaf, index, size, &proof, root), Ok(()));
            let other = leaf_hash(b"another");
            assert!(verify::inclusion(other, index, size, &proof, root).is_err());
            if size > 1 {
                let elsewhere = (index + 1) % size;
                assert!(verify::inclusion(leaf, elsewhere, size, &proof, root).is_err());
            }
            let longer = [&proof[..], &[other]].concat();
            assert!(verify::inclusion(leaf, index, size, &longer, root).is_err());
            if let Some((_, shorter)) = proof.split_last() {
                assert!(verify::inclusion(leaf, index, size, shorter, root).is_err());
            }
        }
        let beyond = verify::inclusion(all[0], size, size, &[], root);
        assert_eq!(beyond, Err(ProofError::OutOfRange));
    }
}

#[test]
fn every_consistency_proof_of_every_small_tree_holds_and_no_other() {
    let all = leaves(300);
    let head = |size: u64| Head {
        size,
        root: plain_root(&all[..usize::try_from(size).unwrap()]),
    };
    let sizes = (1..=40).chain([64, 65, 128, 255, 256, 257, 300]);
    for size in sizes {
        let mut tree = Kept::of(size);
        for older in 0..=size {
            let mut prover = Prover::new(size, &mut tree);
            let proof = prover.consistency(older).unwrap();
            let (old, new) = (head(older), head(size));
            assert_eq!(prover.root_at(older).unwrap(), old.root);
            assert_eq!(
                verify::consistency(old, new, &proof),
                Ok(()),
                "{older} {size}"
            );
            let forged = Head {
                root: leaf_hash(b"forged"),
                ..old
            };
            assert!(verify::consistency(forged, new, &proof).is_err());
            if older > 0 {
                let forged = Head {
                    root: leaf_hash(b"forged"),
                    ..new
                };
                assert!(verify::consistency(old, forged, &proof).is_err());
            }
            for place in 0..proof.len() {
                let mut altered = proof.clone();
                altered[place] = leaf_hash(b"altered");
                assert!(verify::consistency(old, new, &altered).is_err());
            }
            let longer = [&proof[..], &[old.root]].concat();
            assert!(verify::consistency(old, new, &longer).is_err());
        }
        let shrunk = verify::consistency(head(size), head(size - 1), &[]);
        assert_eq!(shrunk, Err(ProofError::OutOfRange));
    }
}

proptest! {
    #[test]
    fn a_range_between_its_neighbours_gives_the_root(
        size in 1_u64..2_000, cuts in (0_u64..2_000, 0_u64..2_000)
    ) {
        let (a, b) = (cuts.0 % (size + 1), cuts.1 % (size + 1));
        let (start, end) = (a.min(b), a.max(b));
        let mut tree = Kept::of(size);
        let mut prover = Prover::new(size, &mut tree);
        let before = prover.subtrees(0, start).unwrap();
        let after = prover.subtrees(end, size).unwrap();
        let mut peaks = Peaks::new(start, before).unwrap();
        for leaf in &leaves(end)[usize::try_from(start).unwrap()..] {
            peaks.append(*leaf);
        }
        peaks.append_subtrees(size, &after).unwrap();
        prop_assert_eq!(peaks.root(), tree.edge.root());
    }

    #[test]
    fn checking_never_panics(
        (index, size, older) in (any::<u64>(), any::<u64>(), any::<u64>()),
        proof in proptest::collection::vec(any::<[u8; 32]>().prop_map(Hash::new), 0..70)
    ) {
        let root = Hash::EMPTY_TREE;
        let _ = verify::inclusion(root, index, size, &proof, root);
        let _ = verify::consistency(Head { size: older, root }, Head { size, root }, &proof);
        prop_assert!(Peaks::new(size, proof).is_err() || size.count_ones() < 70);
        prop_assert!(subtrees(index.min(size), index.max(size)).len() <= 128);
    }
}
