//! What an operator should hear of that is no failure.
//!
//! The codes are a contract: people alert on them. [`FINDINGS`] is the one
//! declaration, from which the descriptor and the documents are made.

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something will go wrong, or is incomplete.
    Warning,
    /// Something went wrong.
    Error,
}

/// Something found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which kind.
    pub kind: Kind,
    /// The organisation it concerns; empty: the whole feed.
    pub partition: String,
    /// What was found, what it means, what to do.
    pub message: String,
}

/// A kind of finding, as documented.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its stable name.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What has been found.
    pub meaning: &'static str,
    /// What the operator does about it.
    pub advice: &'static str,
}

/// Declares the kinds, their codes and their documentation in one place.
macro_rules! findings {
    ($($kind:ident $code:literal $severity:ident: $meaning:literal, $advice:literal;)*) => {
        /// The kinds of findings.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Kind { $(#[doc = $meaning] $kind,)* }

        /// Every kind of finding.
        pub const FINDINGS: &[Spec] = &[$(Spec {
            code: $code,
            severity: Severity::$severity,
            meaning: $meaning,
            advice: $advice,
        },)*];

        impl Kind {
            /// Its stable name and how much it matters.
            pub fn code(self) -> (&'static str, Severity) {
                match self { $(Self::$kind => ($code, Severity::$severity),)* }
            }
        }
    };
}

findings! {
    Access "access" Info:
        "JumpCloud answered a request made with this feed's address and credential.",
        "Nothing.";
    ClockSkew "clock-skew" Warning:
        "This machine's clock is more than 30 seconds off JumpCloud's.",
        "Set up time synchronisation; collection itself goes by JumpCloud's clock.";
    CountDiffers "count-differs" Warning:
        "JumpCloud counts other events in a period than it gives, even when they are fetched again.",
        "Nothing is missing that JumpCloud gives; if it stays, tell JumpCloud's support the period.";
    ExpiryUnknown "expiry-unknown" Info:
        "Nobody knows when the credential expires: JumpCloud does not tell.",
        "Set `token_expires` to the day chosen when the key was made; you are warned in time.";
    FarFuture "far-future-events" Warning:
        "10,000 events or more are dated in the future.",
        "Look for devices with a wrong clock; the others wait for their time.";
    Gap "gap" Error:
        "Events are gone: the feed stood still for longer than JumpCloud keeps them.",
        "Note the period named. If JumpCloud keeps more than `retention_days` says, set that: the gap is read then.";
    HorizonShortened "horizon-shortened" Warning:
        "There are more than 2,000,000 events within `late_horizon`; late ones are looked for less far back.",
        "Set a shorter `late_horizon`.";
    KeyExpiry "key-expiry" Warning:
        "The credential expires within 14 days, or has expired.",
        "Make a new one in the Admin Portal, put it in the old one's place, set `token_expires`.";
    NewSelection "new-selection" Info:
        "Other event types are selected or mapped than before; what was read is read once more for them.",
        "Note from when the new types are complete; to have more, set an earlier `start` in a new feed.";
    OddToken "odd-token" Warning:
        "The credential does not look like what `authorization` says it is.",
        "See the message; if the credential works, nothing.";
    OrganizationFailed "organization-failed" Warning:
        "One organisation of several could not be read in this cycle; the others were.",
        "See the message; it is asked again in the next cycle. A single run fails with it.";
    OtherOrganization "other-organization" Warning:
        "Events of another organisation than this feed's came along; they were emitted.",
        "With a key that reaches several organisations, name them in `org_ids`.";
    StartClamped "start-clamped" Warning:
        "The configured start lies further back than JumpCloud keeps events.",
        "Nothing, or a later `start`; collection begins at the oldest event kept.";
    TokenAddress "token-address" Warning:
        "The address for a service account's tokens is documented for another region than that of `api_base_url`.",
        "Nothing, if `check` says `access`; else set `oauth_token_url` to what JumpCloud gave you, or use an API key.";
    Undated "undated-records" Warning:
        "100,000 records and more without a readable time wait for a later event.",
        "Look into the dead letters; from the 100,001st on they come again with each poll.";
    UnknownHost "unknown-host" Warning:
        "`api_base_url` is none of JumpCloud's known addresses.",
        "Nothing, if a proxy or a test server is meant.";
    UnmappedTypes "unmapped-types" Info:
        "The organisation has event types that are not mapped to OCSF.",
        "Nothing, if they are neither logins nor account changes; else ask for a newer version.";
}

impl Finding {
    /// A finding of one organisation, or of the whole feed if it is empty.
    pub fn new(kind: Kind, partition: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            partition: partition.to_owned(),
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_every_code() {
        let mut page = include_str!("finding/document.md").to_owned();
        for spec in FINDINGS {
            let severity = format!("{:?}", spec.severity).to_lowercase();
            let Spec {
                code,
                meaning,
                advice,
                ..
            } = spec;
            page += &format!("| `{code}` | {severity} | {meaning} | {advice} |\n");
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/FINDINGS.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            return std::fs::write(path, page).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap();
        assert_eq!(found, page, "stale: UPDATE_DOCS=1 makes it anew");
    }

    #[test]
    fn codes_are_sorted_and_unique() {
        assert!(FINDINGS.is_sorted_by(|a, b| a.code < b.code));
    }
}
