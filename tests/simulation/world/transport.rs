//! Requests and their answers: what arrives of them, in which pieces, when.

use jumpcloud::api::{Head, Request};
use jumpcloud::clock::rfc3339;
use jumpcloud::feed::Input;
use jumpcloud::refusal::Cause;
use jumpcloud_simulator::{Answer, Request as Asked, Wire};
use rand::RngExt;

use super::{EPOCH, World};

/// An open request: what is still to come of its answer.
pub struct Open {
    pub inputs: Vec<Input>,
    arrives: i64,
}

impl World {
    pub(super) fn send(&mut self, id: u32, request: &Request) {
        let (_, rest) = request.url.split_once("://").unwrap();
        let path = &rest[rest.find('/').unwrap()..];
        let headers = request.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let asked = Asked {
            method: "POST",
            path,
            headers: &headers,
            body: &request.body,
        };
        let evaluated = self.now + self.hold;
        let mut answer = self.model.answer(asked, evaluated);
        let body = String::from_utf8_lossy(&request.body);
        self.say(|| {
            let text = String::from_utf8_lossy(&answer.body);
            let text: String = text.chars().take(60).collect();
            format!(
                "{path} {body} -> {} {:?} {text}",
                answer.status, answer.wire
            )
        });
        if path.ends_with("/count") {
            self.add_phantoms(&mut answer, &body);
        } else if let Some((_, limit)) = body.split_once(r#""limit":"#) {
            let end = limit.find(|c: char| !c.is_ascii_digit()).unwrap();
            self.limit_asked = limit[..end].parse().unwrap();
            self.note_reread(&answer, &body);
        }
        let arrives = evaluated + self.dice.random_range(20..400) + self.delay;
        let inputs = self.inputs(answer);
        let arrives = arrives + wait(&inputs, self.stall);
        self.requests.insert(id, Open { inputs, arrives });
    }

    fn add_phantoms(&self, answer: &mut Answer, asked: &str) {
        if self.phantoms.is_empty() {
            return;
        }
        let body = String::from_utf8_lossy(&answer.body);
        let count: u64 = body[9..body.len() - 1].parse().unwrap();
        let query: serde_json::Value = serde_json::from_str(asked).unwrap();
        let covers = |at: &&i64| {
            let at = rfc3339(**at);
            let text = |name: &str| query[name].as_str();
            text("start_time").is_some_and(|start| start <= at.as_str())
                && text("end_time").is_none_or(|end| end > at.as_str())
        };
        let phantoms = self.phantoms.iter().filter(covers).count() as u64;
        answer.body = format!("{{\"count\":{}}}", count + phantoms).into();
    }

    /// Only what is settled is asked for with an end.
    fn note_reread(&mut self, answer: &Answer, asked: &str) {
        if !asked.contains("end_time") {
            return;
        }
        self.reread += u64::from(!asked.contains("search_after"));
        self.reread_pages += 1;
        let rows = answer.header("X-Result-Count");
        self.reread_rows += rows.and_then(|rows| rows.parse::<u64>().ok()).unwrap_or(0);
    }

    /// What the transport reports of an answer, the last first.
    fn inputs(&mut self, answer: Answer) -> Vec<Input> {
        let mut inputs = Vec::new();
        let whole = match answer.wire {
            Wire::Reset => return vec![Input::Failed(Cause::Connect)],
            Wire::Stall => return vec![Input::Failed(Cause::Timeout)],
            Wire::Cut(bytes) | Wire::StallInBody(bytes) => bytes.min(answer.body.len()),
            _ => answer.body.len(),
        };
        let headers = answer
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()));
        inputs.push(Input::Head(Head {
            status: answer.status,
            headers: headers.collect(),
        }));
        let mut rest = &answer.body[..whole];
        while !rest.is_empty() {
            let length = self.dice.random_range(1..=self.piece).min(rest.len());
            let (bytes, behind) = rest.split_at(length);
            inputs.push(Input::Body(bytes.to_vec()));
            rest = behind;
        }
        inputs.push(match answer.wire {
            Wire::Cut(_) => Input::Failed(Cause::Cut),
            Wire::StallInBody(_) => Input::Failed(Cause::Timeout),
            _ => Input::End,
        });
        inputs.reverse();
        inputs
    }

    pub(super) fn read(&mut self, id: u32, until: u64) -> Input {
        let until = EPOCH + until as i64;
        let open = self.requests.get_mut(&id).expect("an open request is read");
        if open.arrives > until {
            self.now = self.now.max(until);
            return Input::Nothing;
        }
        self.now = self.now.max(open.arrives);
        let pause = if self.dice.random_bool(0.05) {
            3_000
        } else {
            1
        };
        let input = open.inputs.pop().expect("something is to come");
        open.arrives = self.now + pause + wait(&open.inputs, self.stall);
        if open.inputs.is_empty() {
            self.requests.remove(&id);
        }
        input
    }
}

/// How long the transport waits for what comes next, if it does not come.
fn wait(inputs: &[Input], stall: i64) -> i64 {
    match inputs.last() {
        Some(Input::Failed(Cause::Timeout)) => stall,
        _ => 0,
    }
}
