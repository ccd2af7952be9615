//! How two agents talk: frames with a length, descriptors that ride on one byte each, and single words.
//!
//! What one of them wrote is read by the other before it sees the end of the stream, whatever became of the
//! writer. That is what the words rest on.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// What a node with all its jobs and credentials stays far below.
const MOST_BYTES: usize = 256 * 1024 * 1024;
/// Descriptors that travel together at most.
const TOGETHER: usize = 2;

/// What is said in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The new agent takes over: it has everything, and nothing can go wrong any more.
    Taken,
    /// The old agent exits.
    Go,
    /// The old agent goes on; the new one must not.
    No,
}

impl Word {
    fn byte(self) -> u8 {
        match self {
            Self::Taken => b'T',
            Self::Go => b'G',
            Self::No => b'N',
        }
    }
}

/// Sends something as JSON. It may hold secrets: the copy is wiped.
pub(super) fn send(mut stream: &UnixStream, what: &impl Serialize) -> io::Result<()> {
    let text = Zeroizing::new(serde_json::to_vec(what)?);
    let length = u32::try_from(text.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&text)
}

/// Receives something as JSON.
pub(super) fn receive<T: DeserializeOwned>(mut stream: &UnixStream) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MOST_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut text = Zeroizing::new(vec![0; length]);
    stream.read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Sends descriptors on one byte.
pub(super) fn send_descriptors(
    stream: &UnixStream,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TOGETHER))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let byte = [IoSlice::new(b"d")];
    match sendmsg(stream, &byte, &mut control, SendFlags::NOSIGNAL)? {
        1 => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

/// Receives exactly so many descriptors, which came on one byte.
pub(super) fn receive_descriptors<const N: usize>(stream: &UnixStream) -> io::Result<[OwnedFd; N]> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(TOGETHER))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut bytes = [IoSliceMut::new(&mut byte)];
    let received = recvmsg(stream, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    <[OwnedFd; N]>::try_from(descriptors).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Says a word.
pub(super) fn say(mut stream: &UnixStream, word: Word) -> io::Result<()> {
    stream.write_all(&[word.byte()])
}

/// Hears a word.
pub(super) fn hear(mut stream: &UnixStream) -> io::Result<Word> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    let words = [Word::Taken, Word::Go, Word::No];
    let word = words.into_iter().find(|word| [word.byte()] == byte);
    word.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
