//! What whoever drives a machine sees of it: steps out, inputs in.

use crate::api::{Head, Request};
use crate::clock::Reading;
use crate::collect::RequestId;
use crate::refusal::Cause;

/// What came of an open request.
#[derive(Debug)]
pub enum Input {
    /// Status and headers.
    Head(Head),
    /// Some bytes of the body.
    Body(Vec<u8>),
    /// The end of the body.
    End,
    /// It failed.
    Failed(Cause),
    /// Nothing, until the time given.
    Nothing,
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Send this request.
    Send(RequestId, Request),
    /// Read the stored value of this key.
    Load(String),
    /// Wait for the next input of this request, until this monotonic time (ms)
    /// at most.
    Read(RequestId, u64),
    /// Drop this request.
    Drop(RequestId),
    /// Nothing: the result is there to be taken.
    Done,
}

/// What can be driven: a [`super::Feed`] that polls, or a [`crate::check::Check`].
pub trait Machine {
    /// What to do next.
    fn step(&mut self, reading: Reading) -> Step;
    /// Takes what came of the request that was to be read.
    fn handle(&mut self, id: RequestId, input: Input, reading: Reading);
    /// Takes the value of the key that was to be loaded; none: there is none.
    fn load(&mut self, value: Option<Vec<u8>>, reading: Reading);
}
