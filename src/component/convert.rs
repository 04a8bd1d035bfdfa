//! The core's types as the interface's.

use super::bindings::log_pipeline::source::types;
use crate::batch::{self, Batch, Next};
use crate::credential::{Pattern, SECRETS, Secret};
use crate::error::{Error, Failure, Problem};
use crate::finding::{FINDINGS, Finding, Severity};
use crate::{mapping, settings};

/// What this component is and takes.
pub fn descriptor() -> types::Descriptor {
    types::Descriptor {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        mapping_version: mapping::MAPPING_VERSION.to_owned(),
        classes: mapping::CLASSES.into_iter().map(class).collect(),
        settings_schema: settings::json_schema(),
        secrets: SECRETS.iter().map(secret).collect(),
        findings: FINDINGS
            .iter()
            .map(|spec| types::FindingSpec {
                code: spec.code.to_owned(),
                severity: spec.severity.into(),
                meaning: spec.meaning.to_owned(),
                advice: spec.advice.to_owned(),
            })
            .collect(),
    }
}

fn class(class: mapping::Class) -> types::EventClass {
    let activities = class.activities().iter();
    types::EventClass {
        uid: class.uid(),
        caption: class.caption().to_owned(),
        name: class.name().to_owned(),
        activities: activities
            .map(|activity| types::Activity {
                id: activity.id(),
                caption: activity.caption().to_owned(),
            })
            .collect(),
    }
}

fn secret(secret: &Secret) -> types::SecretSpec {
    types::SecretSpec {
        name: secret.name.to_owned(),
        description: secret.description.to_owned(),
        when: condition(secret.when),
        patterns: secret.patterns.iter().map(pattern).collect(),
    }
}

fn pattern(pattern: &Pattern) -> types::SecretPattern {
    types::SecretPattern {
        pattern: pattern.pattern.to_owned(),
        when: condition(pattern.when),
        severity: pattern.severity.into(),
        advice: pattern.advice.to_owned(),
    }
}

fn condition(authorizations: &[&str]) -> Option<types::Condition> {
    (!authorizations.is_empty()).then(|| types::Condition {
        setting: "authorization".to_owned(),
        values: authorizations
            .iter()
            .map(|value| (*value).to_owned())
            .collect(),
    })
}

impl From<types::Limits> for batch::Limits {
    fn from(limits: types::Limits) -> Self {
        Self {
            max_wait: u64::from(limits.max_wait_ms),
            max_bytes: limits.max_bytes as usize,
            max_events: limits.max_events as usize,
            drain: limits.drain,
        }
    }
}

impl From<Batch> for types::Batch {
    fn from(batch: Batch) -> Self {
        Self {
            partition: batch.partition,
            events: batch.events,
            index: batch.index.into_iter().map(Into::into).collect(),
            rejected: batch.rejected.into_iter().map(Into::into).collect(),
            checkpoint: batch.checkpoint,
            counters: batch.counters.into(),
            findings: batch.findings.into_iter().map(Into::into).collect(),
            progress: batch.progress.map(Into::into),
            next: match batch.next {
                Next::More => types::Next::More,
                Next::Idle(ms) => types::Next::Idle(ms),
            },
        }
    }
}

impl From<batch::Entry> for types::Entry {
    fn from(entry: batch::Entry) -> Self {
        Self {
            id: entry.line.id,
            class: entry.line.class_uid,
            activity: entry.line.activity_id,
            time: entry.line.time,
            length: u32::try_from(entry.length).unwrap_or(u32::MAX),
        }
    }
}

impl From<batch::Rejected> for types::Rejected {
    fn from(rejected: batch::Rejected) -> Self {
        Self {
            number: rejected.number,
            code: rejected.code.to_owned(),
            reason: rejected.reason,
            bytes: rejected.bytes,
            length: rejected.length,
            sha256: rejected
                .sha256
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        }
    }
}

impl From<batch::Counters> for types::Counters {
    fn from(counters: batch::Counters) -> Self {
        let types = counters.not_selected_types.into_iter();
        Self {
            received: counters.received,
            emitted: counters.emitted,
            duplicates: counters.duplicates,
            not_selected: counters.not_selected,
            rejected: counters.rejected,
            requests: counters.requests,
            bytes: counters.bytes,
            not_selected_types: types
                .map(|(name, count)| types::TypeCount { name, count })
                .collect(),
        }
    }
}

impl From<batch::Progress> for types::Progress {
    fn from(progress: batch::Progress) -> Self {
        Self {
            start: progress.start,
            read_to: progress.read_to,
            reconciled_from: progress.reconciled_from,
            reconciled_to: progress.reconciled_to,
            behind_ms: progress.behind,
            reconciled: progress
                .reconciled
                .map(|(counted, read)| types::Reconciled { counted, read }),
            backlog: progress.backlog,
            lateness: progress.lateness.map(|lateness| types::Lateness {
                events: lateness.events,
                p50_ms: lateness.p50,
                p99_ms: lateness.p99,
                max_ms: lateness.max,
            }),
        }
    }
}

impl From<Severity> for types::Severity {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warning,
            Severity::Error => Self::Error,
        }
    }
}

impl From<Finding> for types::Finding {
    fn from(finding: Finding) -> Self {
        let (code, severity) = finding.kind.code();
        Self {
            code: code.to_owned(),
            severity: severity.into(),
            partition: finding.partition,
            message: finding.message,
        }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        Self {
            message: failure.message,
            hints: failure.hints,
        }
    }
}

impl From<Problem> for types::Problem {
    fn from(problem: Problem) -> Self {
        Self {
            setting: problem.setting,
            message: problem.message,
            hints: problem.hints,
        }
    }
}

impl From<Error> for types::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::BadSettings(problems) => {
                Self::BadSettings(problems.into_iter().map(Into::into).collect())
            }
            Error::Authentication(failure) => Self::Authentication(failure.into()),
            Error::Permission(failure) => Self::Permission(failure.into()),
            Error::NotEntitled(failure) => Self::NotEntitled(failure.into()),
            Error::Unavailable(failure, retry_after_ms) => {
                Self::Unavailable(types::Unavailability {
                    failure: failure.into(),
                    retry_after_ms,
                })
            }
            Error::Protocol(failure) => Self::Protocol(failure.into()),
            Error::Storage(failure) => Self::Storage(failure.into()),
            Error::Internal(failure) => Self::Internal(failure.into()),
        }
    }
}
