//! Notes, keys and checkpoints.

use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::super::checkpoint::{Checkpoint, InvalidCheckpoint};
use super::super::hash::Hash;
use super::super::note::{InvalidNote, NotVerified, UnverifiedNote, VerifierKey};

/// The example of Go's `golang.org/x/mod/sumdb/note`, from which the specification comes.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

const ORIGIN: &str = "taskpass.acme.example/audit";

fn signer(name: &str, seed: u8) -> (Ed25519KeyPair, VerifierKey) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public = pair.public_key().as_ref().try_into().unwrap();
    (pair, VerifierKey::new(name, public).unwrap())
}

fn signed(checkpoint: &Checkpoint, (pair, key): &(Ed25519KeyPair, VerifierKey)) -> String {
    let text = checkpoint.text();
    let line = key.signature_line(pair.sign(text.as_bytes()).as_ref());
    format!("{text}\n{line}")
}

fn checkpoint() -> Checkpoint {
    Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 4711,
        root: Hash::EMPTY_TREE,
    }
}

#[test]
fn a_note_that_another_program_signed_is_verified() {
    let key: VerifierKey = GO_KEY.parse().unwrap();
    assert_eq!(key.to_string(), GO_KEY);
    let note = UnverifiedNote::parse(GO_NOTE.as_bytes()).unwrap();
    assert!(
        note.verify(std::slice::from_ref(&key))
            .unwrap()
            .ends_with("problem is.\n")
    );
    let altered = GO_NOTE.replace("answer", "Answer");
    let note = UnverifiedNote::parse(altered.as_bytes()).unwrap();
    let name = "PeterNeumann".to_owned();
    assert_eq!(note.verify(&[key]), Err(NotVerified::Signature { name }));
}

#[test]
fn a_checkpoint_is_believed_from_its_own_log_only() {
    let own = signer(ORIGIN, 1);
    let note = signed(&checkpoint(), &own);
    let keys = [own.1.clone()];
    assert_eq!(Checkpoint::open(note.as_bytes(), &keys), Ok(checkpoint()));

    let other_key = [signer(ORIGIN, 2).1];
    let error = Checkpoint::open(note.as_bytes(), &other_key).unwrap_err();
    assert!(
        matches!(
            error,
            InvalidCheckpoint::Signature(NotVerified::UnknownSigner { .. })
        ),
        "{error}"
    );

    let other_log = [signer("other.example/audit", 1).1];
    let error = Checkpoint::open(note.as_bytes(), &other_log).unwrap_err();
    assert!(
        matches!(error, InvalidCheckpoint::OtherLog { .. }),
        "{error}"
    );

    // The right key under a text of another log.
    let foreign = Checkpoint {
        origin: "other.example/audit".to_owned(),
        ..checkpoint()
    };
    let error = Checkpoint::open(signed(&foreign, &own).as_bytes(), &keys).unwrap_err();
    assert!(
        matches!(error, InvalidCheckpoint::OtherLog { .. }),
        "{error}"
    );

    for (from, to) in [("4711", "4712"), ("4711", "04711"), ("47DEQ", "57DEQ")] {
        let error = Checkpoint::open(note.replacen(from, to, 1).as_bytes(), &keys).unwrap_err();
        assert!(
            matches!(error, InvalidCheckpoint::Signature(_)),
            "{to}: {error}"
        );
    }
}

#[test]
fn signatures_of_others_beside_it_do_no_harm() {
    let own = signer(ORIGIN, 1);
    let mut note = signed(&checkpoint(), &own);
    let witness = signer("witness.example", 3);
    note.push_str(&witness.1.signature_line(&[0; 64]));
    assert_eq!(
        Checkpoint::open(note.as_bytes(), &[own.1]),
        Ok(checkpoint())
    );
}

#[test]
fn a_note_is_read_strictly() {
    let table = [
        ("text\n", InvalidNote::NoSignatures),
        ("text\n\n", InvalidNote::SignatureLine),
        ("text\n\nno signature\n", InvalidNote::SignatureLine),
        ("text\n\n\u{2014} name AAAAAAA=", InvalidNote::SignatureLine),
        ("text\n\n\u{2014} name AAAA\n", InvalidNote::SignatureLine),
        (
            "text\n\n\u{2014} na+me AAAAAAA=\n",
            InvalidNote::SignatureLine,
        ),
        ("text\n\n- name AAAAAAA=\n", InvalidNote::SignatureLine),
        (
            "te\rxt\n\n\u{2014} name AAAAAAA=\n",
            InvalidNote::Characters,
        ),
        (
            "te\txt\n\n\u{2014} name AAAAAAA=\n",
            InvalidNote::Characters,
        ),
    ];
    for (text, expected) in table {
        assert_eq!(
            UnverifiedNote::parse(text.as_bytes()),
            Err(expected),
            "{text:?}"
        );
    }
    assert_eq!(
        UnverifiedNote::parse(b"\xff\n\n"),
        Err(InvalidNote::Characters)
    );
    let many = format!("text\n\n{}", "\u{2014} name AAAAAAA=\n".repeat(65));
    assert_eq!(
        UnverifiedNote::parse(many.as_bytes()),
        Err(InvalidNote::TooManySignatures)
    );
    let sixteen = format!("text\n\n{}", "\u{2014} name AAAAAAA=\n".repeat(16));
    assert!(UnverifiedNote::parse(sixteen.as_bytes()).is_ok());
}

#[test]
fn a_key_is_read_strictly() {
    let own = signer(ORIGIN, 1).1;
    assert_eq!(own.to_string().parse(), Ok(own.clone()));
    let bad = [
        GO_KEY.replace("c74f20a3", "c74f20a4"),
        GO_KEY.replace("PeterNeumann", "PeterNewmann"),
        GO_KEY.replace("+AR", "+BR"),
        GO_KEY.replace("PeterNeumann", ""),
        GO_KEY.replace("PeterNeumann", "Peter Neumann"),
        GO_KEY.to_uppercase(),
        "PeterNeumann+c74f20a3".to_owned(),
        String::new(),
    ];
    for text in bad {
        assert!(text.parse::<VerifierKey>().is_err(), "{text}");
    }
}

#[test]
fn the_text_of_a_checkpoint_is_read_strictly() {
    let root = Hash::EMPTY_TREE;
    let good = format!("o\n0\n{root}\n");
    assert!(Checkpoint::parse_text(&good).is_some());
    assert!(Checkpoint::parse_text(&format!("{good}an extension\n")).is_some());
    let bad = [
        format!("\n0\n{root}\n"),
        format!("o\n00\n{root}\n"),
        format!("o\n-1\n{root}\n"),
        format!("o\n+1\n{root}\n"),
        format!("o\n1\n{root}"),
        format!("o\n1\n{root}\n\n"),
        "o\n1\nAAAA\n".to_owned(),
        "o\n1\n".to_owned(),
        String::new(),
    ];
    for text in bad {
        assert_eq!(Checkpoint::parse_text(&text), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn readers_never_panic(bytes: Vec<u8>, text in "\\PC*") {
        let key = signer(ORIGIN, 1).1;
        let _ = Checkpoint::open(&bytes, std::slice::from_ref(&key));
        let _ = Checkpoint::open(format!("o\n1\n{text}\n\n\u{2014} n {text}\n").as_bytes(), &[key]);
        let _ = Checkpoint::parse_text(&text);
        let _ = text.parse::<VerifierKey>();
        let _ = format!("n+00000000+{text}").parse::<VerifierKey>();
    }
}
