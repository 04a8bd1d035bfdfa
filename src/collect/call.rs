//! A request whose answer is small and taken whole: a count, or the refusal of
//! a page.

use std::fmt;

use super::RequestId;
use crate::api::Head;
use crate::feed::Input;
use crate::refusal::Cause;

/// The most bytes of a body that are kept; what follows is passed over.
const MAX_BODY: usize = 64 << 10;

/// An answer that is being taken.
#[derive(Debug)]
pub struct Call {
    request: RequestId,
    answer: Answer,
}

/// An answer, whole.
#[derive(Default)]
pub struct Answer {
    /// Status and headers.
    pub head: Head,
    /// The first 64 KiB of the body.
    pub body: Vec<u8>,
}

/// A body may hold a token.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.head.status)
            .field("length", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Call {
    /// A request that was sent, or one whose head has come.
    pub fn new(request: RequestId, head: Option<Head>) -> Self {
        Self {
            request,
            answer: Answer {
                head: head.unwrap_or_default(),
                body: Vec::new(),
            },
        }
    }

    /// The request.
    pub fn request(&self) -> RequestId {
        self.request
    }

    /// Takes what came; the answer, once it is whole.
    pub fn take(&mut self, input: Input) -> Option<Result<Answer, Cause>> {
        let Answer { head, body } = &mut self.answer;
        match input {
            Input::Head(came) => *head = came,
            Input::Body(bytes) => {
                let room = MAX_BODY.saturating_sub(body.len());
                body.extend(bytes.into_iter().take(room));
            }
            Input::End => return Some(Ok(std::mem::take(&mut self.answer))),
            // Most refusals are told by their status; only a 400 says in its
            // body what is wrong.
            Input::Failed(_) if !matches!(head.status, 0 | 200 | 400) => {
                return Some(Ok(std::mem::take(&mut self.answer)));
            }
            Input::Failed(cause) => return Some(Err(cause)),
            Input::Nothing => {}
        }
        None
    }
}
