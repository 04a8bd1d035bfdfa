//! The gate: every request of a process passes one on its way out.
//!
//! There is one for each origin and credential, over all feeds of an
//! [`crate::Engine`]: an upstream limits the rate of a credential, so feeds that
//! share one share its limit. It lets two requests through at a time, first come
//! first served, each counted until the head of its response. When the upstream
//! asks for rest (429, or 503 with `Retry-After`), everyone behind the gate
//! rests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::DateTime;
use http::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use http::{Response, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

use crate::clock::now as now_ms;
use crate::egress::Origin;
use crate::retry;
use crate::vault::Fingerprint;

/// Requests that may wait for the head of their response.
const AT_ONCE: usize = 2;

/// All gates of a process.
#[derive(Default)]
pub(crate) struct Gates(Mutex<BTreeMap<(Origin, Fingerprint), Arc<Gate>>>);

impl Gates {
    /// The gate of requests to `origin` with these secrets.
    pub(crate) fn at(&self, origin: &Origin, secrets: Fingerprint) -> Arc<Gate> {
        let mut gates = lock(&self.0);
        let key = (origin.clone(), secrets);
        if let Some(gate) = gates.get(&key) {
            return gate.clone();
        }
        // Secrets are renewed, and nobody comes back to the gate of an old one.
        gates.retain(|_, gate| Arc::strong_count(gate) > 1 || gate.held_until().is_some());
        gates.entry(key).or_default().clone()
    }

    /// Until when that gate lets nobody through; none: it does.
    pub(crate) fn held_until(&self, origin: &Origin, secrets: Fingerprint) -> Option<Instant> {
        let key = (origin.clone(), secrets);
        lock(&self.0).get(&key)?.held_until()
    }
}

/// One gate.
pub(crate) struct Gate {
    turns: Semaphore,
    rest: Mutex<Rest>,
}

/// The rest that an upstream asked for.
#[derive(Default)]
struct Rest {
    until: Option<Instant>,
    /// How often in a row it did.
    times: u32,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(AT_ONCE),
            rest: Mutex::default(),
        }
    }
}

impl Gate {
    /// Waits for a turn, however long that takes.
    pub(crate) async fn enter(&self) -> Turn<'_> {
        // Fails only when it was closed, which nobody does.
        let permit = self.turns.acquire().await.ok();
        while let Some(until) = self.held_until() {
            sleep_until(until).await;
        }
        Turn {
            gate: self,
            _permit: permit,
        }
    }

    /// Until when nobody passes; none: one may.
    pub(crate) fn held_until(&self) -> Option<Instant> {
        let until = lock(&self.rest).until;
        until.filter(|until| *until > Instant::now())
    }
}

/// A request's turn, from when it is let through. The next one's begins when it
/// is dropped.
pub(crate) struct Turn<'a> {
    gate: &'a Gate,
    _permit: Option<SemaphorePermit<'a>>,
}

impl Turn<'_> {
    /// The head of the response ends the turn. Returns the time for which the
    /// gate is closed from now on, if this closes it.
    pub(crate) fn answered<B>(self, response: &Response<B>) -> Option<Duration> {
        let mut rest = lock(&self.gate.rest);
        let asked = retry_after(response.headers());
        let wait = match (response.status(), asked) {
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(asked)) => {
                retry::within_bounds(asked)
            }
            (StatusCode::TOO_MANY_REQUESTS, None) => retry::backoff(rest.times + 1),
            _ => {
                rest.times = 0;
                return None;
            }
        };
        rest.times += 1;
        let now = Instant::now();
        let is_open = rest.until.is_none_or(|until| until <= now);
        rest.until = rest.until.max(Some(now + wait));
        is_open.then_some(wait)
    }
}

/// How long the upstream wants to be left alone: in seconds, or until a date,
/// which counts from its own.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| Some(headers.get(name)?.to_str().ok()?.trim());
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let ms = |date| DateTime::parse_from_rfc2822(date).map(|date| date.timestamp_millis());
    let until = ms(asked).ok()?;
    let now = text(DATE).and_then(|date| ms(date).ok());
    let left = until.saturating_sub(now.unwrap_or_else(now_ms));
    Some(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const ONE: Fingerprint = Fingerprint::new([1; 32]);
    const TWO: Fingerprint = Fingerprint::new([2; 32]);

    /// What a future has come to by now.
    fn now<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn answer(status: u16, headers: &[(&str, &str)]) -> Response<()> {
        let builder = Response::builder().status(status);
        let builder = headers.iter().fold(builder, |builder, (name, value)| {
            builder.header(*name, *value)
        });
        builder.body(()).unwrap()
    }

    fn origin(url: &str) -> Origin {
        Origin::of(&url.parse().unwrap()).unwrap()
    }

    #[test]
    fn two_at_a_time_first_come_first_served() {
        let gate = Gate::default();
        let (mut third, mut fourth) = (pin!(gate.enter()), pin!(gate.enter()));
        let Poll::Ready(first) = now(pin!(gate.enter())) else {
            panic!("it is open");
        };
        let second = now(pin!(gate.enter()));
        assert!(second.is_ready());
        assert!(now(third.as_mut()).is_pending());
        assert!(now(fourth.as_mut()).is_pending());

        assert_eq!(first.answered(&answer(200, &[])), None);
        assert!(now(fourth.as_mut()).is_pending(), "the third came first");
        assert!(now(third.as_mut()).is_ready());
        drop(second);
        assert!(now(fourth.as_mut()).is_ready());
    }

    #[test]
    fn one_that_gives_up_lets_the_next_one_through() {
        let gate = Gate::default();
        let turns = [now(pin!(gate.enter())), now(pin!(gate.enter()))];
        let mut last = pin!(gate.enter());
        {
            let mut leaves = pin!(gate.enter());
            assert!(now(leaves.as_mut()).is_pending());
            assert!(now(last.as_mut()).is_pending());
        }
        drop(turns);
        assert!(now(last.as_mut()).is_ready());
    }

    #[tokio::test]
    async fn an_upstream_that_asks_for_rest_gets_it_from_all() {
        let gate = Gate::default();
        let (first, second) = (gate.enter().await, gate.enter().await);
        let busy = answer(429, &[("retry-after", "1")]);
        assert_eq!(first.answered(&busy), Some(Duration::from_secs(1)));
        let until = gate.held_until().unwrap();
        // What was under way does not open it, and asks for no second rest.
        assert_eq!(second.answered(&busy), None);
        gate.enter().await;
        assert!(Instant::now() >= until);
        assert_eq!(gate.held_until(), None);
    }

    #[tokio::test]
    async fn which_answers_ask_for_rest() {
        let date = "Tue, 24 Nov 2026 10:00:00 GMT";
        let later = "Tue, 24 Nov 2026 10:00:07 GMT";
        let after = |text| ("retry-after", text);
        for (status, headers, seconds) in [
            (200, vec![after("7")], None),
            (500, vec![after("7")], None),
            (503, vec![], None),
            (503, vec![after("7")], Some(7)),
            (503, vec![after("soon")], None),
            (429, vec![after("7")], Some(7)),
            (429, vec![after("0")], Some(1)),
            (429, vec![after("3600")], Some(900)),
            (429, vec![after(later), ("date", date)], Some(7)),
            (429, vec![after(date), ("date", later)], Some(1)),
        ] {
            let gate = Gate::default();
            let rest = gate.enter().await.answered(&answer(status, &headers));
            assert_eq!(
                rest.map(|rest| rest.as_secs()),
                seconds,
                "{status} {headers:?}"
            );
        }
        let unsaid = Gate::default().enter().await.answered(&answer(429, &[]));
        assert!((1..=2).contains(&unsaid.unwrap().as_secs()), "{unsaid:?}");
    }

    #[tokio::test]
    async fn a_gate_for_each_origin_and_credential() {
        let gates = Gates::default();
        let (here, there) = (origin("https://a.example"), origin("https://b.example"));
        let gate = gates.at(&here, ONE);
        assert!(Arc::ptr_eq(&gate, &gates.at(&here, ONE)));
        assert!(!Arc::ptr_eq(&gate, &gates.at(&here, TWO)));
        assert!(!Arc::ptr_eq(&gate, &gates.at(&there, ONE)));

        gate.enter().await.answered(&answer(429, &[]));
        drop(gate);
        assert!(gates.held_until(&here, ONE).is_some());
        assert_eq!(gates.held_until(&here, TWO), None);
        gates.at(&origin("https://c.example"), ONE);
        assert_eq!(lock(&gates.0).len(), 2, "the held one, and the new one");
    }
}
