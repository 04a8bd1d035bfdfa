//! The settings of a feed: one table, from which come the JSON Schema, the
//! documents and the defaults, and one reader that reports every problem at
//! once.

mod reader;
mod schema;
mod start;
mod url;
mod value;

use serde_json::Value;

use self::reader::Reader;
pub use self::schema::json_schema;
pub use self::start::Start;
pub use self::url::{ApiUrl, host};
use crate::error::Problem;
use crate::mapping::EventTypes;

/// Milliseconds of a day.
pub const DAY: i64 = 86_400_000;

/// A setting, as declared.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Its default, in JSON; `null`: none.
    pub default: &'static str,
    /// What it means, in a sentence or two.
    pub meaning: &'static str,
}

/// What values a setting takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A list of some of these texts, not empty.
    Choices(&'static [&'static str]),
    /// A day: `2027-02-22`.
    Date,
    /// A whole number of days within these bounds.
    Days(i64, i64),
    /// A number and `s`, `m`, `h` or `d`, within these bounds (ms).
    Duration(i64, i64),
    /// True or false.
    Flag,
    /// A list of organisation ids: 24 hex digits each.
    Organizations,
    /// A duration back from now, or a moment in RFC 3339.
    Start,
    /// Printable ASCII without white space and colons.
    Name,
    /// An address: `https://host[:port][/path]`.
    Url,
}

/// Every setting. The order is that of the documents.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    setting("api_base_url", Kind::Url, r#""https://api.jumpcloud.com""#,
        "Where the organisation lives: `https://api.jumpcloud.com` (United States), `https://api.eu.jumpcloud.com` (European Union) or `https://api.in.jumpcloud.com` (India); with or without the base path `/insights/directory/v1`."),
    setting("authorization", Kind::Choice(&["api-key", "bearer", "service-account"]), r#""api-key""#,
        "Which credential there is, and how it is sent: `api-key`, the secret `token` as the header `x-api-key`; `bearer`, `token` as `Authorization: Bearer TOKEN`; `service-account` (OAuth 2.0 client credentials), with `client_id`, `org_ids` and the secret `client_secret`."),
    setting("client_id", Kind::Name, "null",
        "The service account's client id; needed with `authorization = \"service-account\"`."),
    setting("oauth_token_url", Kind::Url, r#""https://admin-oauth.id.jumpcloud.com/oauth2/token""#,
        "Where a service account gets its tokens. The default is documented for the United States; for other regions nothing is."),
    setting("event_types", Kind::Choices(&["login", "admin"]), r#"["login", "admin"]"#,
        "What to collect: `login` (login activities, OCSF Authentication) and `admin` (admin activities, OCSF Account Change)."),
    setting("org_ids", Kind::Organizations, "[]",
        "The organisations to collect from, for a credential that reaches several; each has a position of its own. An id is 24 hex digits, found under *Settings > Organization Profile* in the Admin Portal. Empty: the credential's own organisation. Needed with a service account."),
    setting("start", Kind::Start, r#""24h""#,
        "Where a new feed begins: so long before now (`24h`, `90d`), or at a moment (`2026-11-01T00:00:00Z`). Resolved once, at the first run; an earlier one set later has the time before it read too."),
    setting("retention_days", Kind::Days(1, 3650), "90",
        "For how many days JumpCloud keeps the organisation's events. An earlier `start` is moved to it; a smaller number is learnt from JumpCloud's answer; with a larger one set later, what was out of reach is read too."),
    setting("late_horizon", Kind::Duration(3_600_000, 90 * DAY), r#""7d""#,
        "How far back late events are looked for."),
    setting("poll_interval", Kind::Duration(1_000, DAY), r#""60s""#,
        "How long to wait when all is read."),
    setting("token_expires", Kind::Date, "null",
        "The day on which the credential expires, as chosen when it was made; warned of in time."),
    setting("include_raw", Kind::Flag, "false",
        "Adds the event as received, as text, in `raw_data`."),
];

const fn setting(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting {
        name,
        kind,
        default,
        meaning,
    }
}

/// How the credential is sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Authorization {
    /// `x-api-key: TOKEN`.
    #[default]
    ApiKey,
    /// `Authorization: Bearer TOKEN`.
    Bearer,
    /// The same, with tokens that are got for a client id and its secret.
    ServiceAccount,
}

impl Authorization {
    /// As in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api-key",
            Self::Bearer => "bearer",
            Self::ServiceAccount => "service-account",
        }
    }

    /// What these settings say, though others may be wrong; none: not even this
    /// is right.
    pub fn of(json: &str) -> Option<Self> {
        let settings: Value = serde_json::from_str(json).unwrap_or_default();
        match settings.get("authorization") {
            Some(name) => Self::named(name.as_str()?),
            None => Some(Self::default()),
        }
    }

    fn named(name: &str) -> Option<Self> {
        let mut all = [Self::ApiKey, Self::Bearer, Self::ServiceAccount].into_iter();
        all.find(|one| one.name() == name)
    }
}

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the API.
    pub api_base_url: ApiUrl,
    /// How the credential is sent.
    pub authorization: Authorization,
    /// Client id of a service account; else it may be empty.
    pub client_id: String,
    /// Where a service account gets its tokens.
    pub oauth_token_url: String,
    /// What to collect.
    pub event_types: EventTypes,
    /// Organisations to collect from; empty: the credential's own.
    pub org_ids: Vec<String>,
    /// Where a new feed begins.
    pub start: Start,
    /// How long JumpCloud keeps events, in ms.
    pub retention: i64,
    /// How far back late events are looked for, in ms.
    pub late_horizon: i64,
    /// How long to wait when all is read, in ms.
    pub poll_interval: u64,
    /// When the credential expires: the first ms of that day, UTC.
    pub token_expires: Option<i64>,
    /// Whether `raw_data` is added.
    pub include_raw: bool,
}

impl Settings {
    /// Reads a JSON object, reporting every problem at once.
    pub fn parse(json: &str) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader::new(json)?;
        let authorization =
            Authorization::named(&reader.take("authorization", value::text)).unwrap_or_default();
        if authorization == Authorization::ServiceAccount {
            reader.require(
                "client_id",
                "it is shown with the service account in the Admin Portal",
            );
            reader.require("org_ids", value::ORGANIZATION_HINT);
        }
        let client_id = reader.take("client_id", value::optional(value::text));
        let event_types = reader.take("event_types", value::texts);
        let settings = Self {
            api_base_url: ApiUrl::new(&reader.take("api_base_url", value::text)),
            authorization,
            client_id: client_id.unwrap_or_default(),
            oauth_token_url: reader.take("oauth_token_url", value::text),
            event_types: EventTypes {
                login: event_types.iter().any(|name| name == "login"),
                admin: event_types.iter().any(|name| name == "admin"),
            },
            org_ids: reader.take("org_ids", value::organizations),
            start: reader.take("start", value::start),
            retention: reader
                .take("retention_days", value::integer)
                .saturating_mul(DAY),
            late_horizon: reader.take("late_horizon", value::duration),
            poll_interval: reader.take("poll_interval", value::duration).unsigned_abs(),
            token_expires: reader.take("token_expires", value::optional(value::date)),
            include_raw: reader.take("include_raw", value::flag),
        };
        reader.finish().map(|()| settings)
    }

    /// What is set and not used: it is a service account's, and this is none.
    pub fn unused(&self) -> Option<&'static str> {
        if self.authorization == Authorization::ServiceAccount {
            None
        } else if !self.client_id.is_empty() {
            Some("client_id")
        } else {
            (host(&self.oauth_token_url) != url::TOKEN_HOST).then_some("oauth_token_url")
        }
    }

    /// Whether the address for tokens is the one documented for the United
    /// States, and the API another one's: nobody knows if it serves that too.
    pub fn token_address_is_a_guess(&self) -> bool {
        self.authorization == Authorization::ServiceAccount
            && self.api_base_url.is_known()
            && !self.api_base_url.is_united_states()
            && host(&self.oauth_token_url) == url::TOKEN_HOST
    }
}

#[cfg(test)]
#[path = "settings/tests.rs"]
mod tests;
