//! The day on which the credential expires: JumpCloud does not tell, so the
//! operator does, and is warned in time.

use crate::clock::day;
use crate::finding::{Finding, Kind};
use crate::settings::{Authorization, DAY, Settings};

/// An expiry is warned of from so many days before.
const SOON: i64 = 14;

/// What is to be said of the day on which the credential expires, when asked.
pub fn finding(settings: &Settings, now: i64) -> Option<Finding> {
    if settings.token_expires.is_none() {
        let message = match settings.authorization {
            Authorization::ApiKey => {
                "JumpCloud does not tell when a key expires, and those made for 90 days stop on day 90; set `token_expires` to be warned"
            }
            Authorization::Bearer => {
                "JumpCloud does not tell when a token expires; set `token_expires` to be warned"
            }
            Authorization::ServiceAccount => {
                "JumpCloud does not tell when a client secret expires; set `token_expires` to the end of the lifetime that was chosen for it, to be warned"
            }
        };
        return Some(Finding::new(Kind::ExpiryUnknown, "", message));
    }
    warning(settings, now).map(|message| Finding::new(Kind::KeyExpiry, "", message))
}

/// What is to be said of it unasked, at this time (ms since 1970 UTC): from 14
/// days before.
pub fn warning(settings: &Settings, now: i64) -> Option<String> {
    let (what, new) = match settings.authorization {
        Authorization::ApiKey => ("key", "a new one under `My API Key`"),
        Authorization::Bearer => ("token", "a new one"),
        Authorization::ServiceAccount => ("client secret", "a new one"),
    };
    let expires = settings.token_expires?;
    let day = day(expires);
    let when = match expires.saturating_sub(now).div_euclid(DAY) {
        ..0 => format!("has expired on {day}, by `token_expires`"),
        0 => format!("expires on {day}, within a day"),
        1 => format!("expires on {day}, in 1 day"),
        days @ 2..=SOON => format!("expires on {day}, in {days} days"),
        _ => return None,
    };
    Some(format!(
        "the {what} {when}: make {new} in the Admin Portal and put it in its place"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(json: &str) -> Settings {
        Settings::parse(json).unwrap()
    }

    #[test]
    fn an_expiry_is_warned_of_in_time() {
        let settings = settings(r#"{"token_expires": "1970-04-11"}"#);
        let message = |days: i64| warning(&settings, (100 - days) * DAY);
        assert_eq!(message(15), None);
        for (days, text) in [
            (14, "the key expires on 1970-04-11, in 14 days"),
            (1, "the key expires on 1970-04-11, in 1 day"),
            (0, "the key expires on 1970-04-11, within a day"),
            (-1, "the key has expired on 1970-04-11, by `token_expires`"),
        ] {
            let out =
                "make a new one under `My API Key` in the Admin Portal and put it in its place";
            assert_eq!(message(days).unwrap(), format!("{text}: {out}"));
        }
        assert_eq!(finding(&settings, 0), None);
    }

    #[test]
    fn that_nobody_knows_it_is_said_when_asked() {
        let settings = settings(r#"{"authorization": "bearer"}"#);
        assert_eq!(finding(&settings, 0).unwrap().kind, Kind::ExpiryUnknown);
        assert_eq!(warning(&settings, 0), None);
    }
}
