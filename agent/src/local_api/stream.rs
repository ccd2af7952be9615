//! A local connection whose reading can be held back, so that it can be handed on between two requests.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::activity::Activity;

/// A connection, with what was read of it already and not understood yet.
#[derive(Debug)]
pub struct LocalStream {
    /// Comes before what the stream has.
    unread: Bytes,
    stream: UnixStream,
}

/// A connection that reads no further request once it is to be left.
#[derive(Debug)]
pub(super) struct Gated {
    pub(super) stream: LocalStream,
    pub(super) leave: CancellationToken,
    pub(super) activity: Activity,
}

impl LocalStream {
    /// A connection of which this was read before.
    pub fn new(unread: Bytes, stream: UnixStream) -> Self {
        Self { unread, stream }
    }

    /// What was read and is still to be understood.
    pub fn unread(&self) -> &Bytes {
        &self.unread
    }

    /// The connection itself.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// The same, with something that was taken from it put back in front.
    pub(super) fn put_back(self, taken: Bytes) -> Self {
        if taken.is_empty() {
            return self;
        }
        let unread = [taken, self.unread].concat().into();
        Self { unread, ..self }
    }
}

impl AsyncRead for LocalStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let fits = buffer.remaining().min(self.unread.len());
        buffer.put_slice(&self.unread.split_to(fits));
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // INVARIANT: nobody has to be woken; whoever leaves takes the stream out, and reads on elsewhere.
        if self.leave.is_cancelled() && self.activity.is_quiet() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_was_read_before_comes_first() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b" / HTTP/1.1").await.unwrap();
        drop(theirs);
        let stream = LocalStream::new(Bytes::from_static(b"ET"), ours);
        let mut text = String::new();
        let mut stream = stream.put_back(Bytes::from_static(b"G"));
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "GET / HTTP/1.1");
    }

    #[tokio::test]
    async fn nothing_is_read_between_two_requests_once_it_is_to_be_left() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"body").await.unwrap();
        let (leave, activity) = (CancellationToken::new(), Activity::default());
        let mut gated = Gated {
            stream: LocalStream::new(Bytes::new(), ours),
            leave: leave.clone(),
            activity: activity.clone(),
        };
        leave.cancel();
        let mut byte = [0];
        let read = tokio::time::timeout(std::time::Duration::ZERO, gated.read(&mut byte)).await;
        assert!(read.is_err());
        // The body of a request that is under way still comes in.
        let _request = activity.begin();
        assert_eq!(gated.read(&mut byte).await.unwrap(), 1);
    }
}
