//! What is said of a credential that JumpCloud refuses: the ways out.

use super::{Asked, addresses};
use crate::clock::day;
use crate::error::Failure;
use crate::settings::Authorization;

/// Status 401.
pub fn unauthenticated(asked: Asked<'_>) -> Failure {
    let what = match asked.authorization {
        Authorization::ApiKey => "API key",
        Authorization::Bearer => "bearer token",
        Authorization::ServiceAccount => {
            return Failure::new(
                "JumpCloud refused the service account's token (401), and a new one too",
            )
            .hint("the account may just have lost its access: see its role in the Admin Portal")
            .hint(format!(
                "an account is known in its own region only: {}",
                addresses(asked.url)
            ));
        }
    };
    let failure = match asked.established {
        true => Failure::new(format!(
            "JumpCloud refused the {what} (401), and this feed worked before"
        )),
        false => Failure::new(format!("JumpCloud refused the {what} (401)")),
    };
    let failure = failure.hint(match (asked.expired, asked.established) {
        (Some(expired), _) => format!("it has expired on {}, by `token_expires`", day(expired)),
        (None, true) => "it has probably expired (keys made for 90 days stop on day 90), or been replaced by a newer one".to_owned(),
        (None, false) => "it may have expired (keys made for 90 days stop on day 90), been replaced by a newer one, or been pasted incompletely".to_owned(),
    });
    let failure = match asked.authorization {
        Authorization::Bearer => failure.hint("such tokens live for a few hours; with `authorization = \"service-account\"` they are renewed without you"),
        _ => failure.hint("make a new key under `My API Key` in the Admin Portal and put it in the place of `token`; the old key stops at once everywhere"),
    };
    match asked.established {
        true => failure,
        false => failure.hint(format!(
            "a key is known in its own region only: {}",
            addresses(asked.url)
        )),
    }
}

/// Status 403.
pub fn forbidden(asked: Asked<'_>) -> Failure {
    let account = asked.authorization == Authorization::ServiceAccount;
    let failure = match asked.organization {
        Some(id) => {
            let who = match account {
                true => "the service account",
                false => "the credential",
            };
            Failure::new(format!(
                "{who} may not read Directory Insights of organisation `{id}` (403)"
            ))
            .hint("`org_ids` names it: is the id right, and does the credential reach that organisation?")
        }
        None => Failure::new("the credential is valid but may not read Directory Insights (403)"),
    };
    if account {
        return failure
            .hint("give the account a role in the Admin Portal that may read Directory Insights");
    }
    let failure = failure
        .hint("command-runner roles have no access; the key's administrator needs a role that has")
        .hint("API access must be enabled for this administrator, by one with the Billing role");
    let failure = match asked.organization {
        Some(_) => failure,
        None => failure.hint("with a provider's key set `org_ids`"),
    };
    failure.hint("JumpCloud may have blocked this address for suspected abuse")
}
