//! The day on which the credential expires: JumpCloud does not tell, so the
//! operator does, and is warned in time.

use crate::clock::rfc3339;
use crate::finding::{Finding, Kind};
use crate::settings::DAY;

/// An expiry is warned of from so many days before.
const SOON: i64 = 14;

/// What is to be said of the day (ms since 1970 UTC) on which the credential
/// expires, when asked.
pub fn finding(expires: Option<i64>, now: i64) -> Option<Finding> {
    let message = match expires {
        Some(expires) => {
            return warning(expires, now).map(|m| Finding::new(Kind::KeyExpiry, "", m));
        }
        None => {
            "JumpCloud does not tell when a key expires, and keys made for 90 days stop on day 90; set `token_expires` to be warned"
        }
    };
    Some(Finding::new(Kind::ExpiryUnknown, "", message))
}

/// What is to be said of it unasked: from 14 days before.
pub fn warning(expires: i64, now: i64) -> Option<String> {
    let day = rfc3339(expires);
    let day = day.get(..10).unwrap_or(&day);
    match (expires - now).div_euclid(DAY) {
        ..0 => Some(format!("the key has expired on {day}, by `token_expires`")),
        0 => Some(format!("the key expires on {day}, within a day")),
        days @ 1..=SOON => Some(format!(
            "the key expires on {day}, in {days} day{}",
            if days == 1 { "" } else { "s" }
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_warned_of_in_time() {
        let message = |days: i64| warning(100 * DAY, (100 - days) * DAY);
        assert_eq!(message(15), None);
        for (days, text) in [
            (14, "the key expires on 1970-04-11, in 14 days"),
            (1, "the key expires on 1970-04-11, in 1 day"),
            (0, "the key expires on 1970-04-11, within a day"),
            (-1, "the key has expired on 1970-04-11, by `token_expires`"),
        ] {
            assert_eq!(message(days).unwrap(), text);
        }
        assert_eq!(finding(Some(100 * DAY), 0), None);
        assert_eq!(finding(None, 0).unwrap().kind, Kind::ExpiryUnknown);
    }
}
