use super::*;
use crate::settings::DAY;

fn with<T>(established: bool, test: impl FnOnce(Asked<'_>) -> T) -> T {
    let url = ApiUrl::new("https://api.jumpcloud.com");
    let authorization = Authorization::ApiKey;
    test(Asked {
        url: &url,
        authorization,
        organization: None,
        start: 0,
        end: None,
        skew: 5_000,
        established,
        expired: None,
    })
}

fn refusal(status: u16, body: &str) -> Refusal {
    let headers = vec![("X-Request-Id".to_owned(), "abc-1".to_owned())];
    with(false, |asked| {
        answered(asked, &Head { status, headers }, body.as_bytes())
    })
}

fn text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Failed(error) => format!("{} | {error}", error.code()),
        Refusal::PastRetention(days) => format!("{days:?}"),
    }
}

#[test]
fn each_status_has_its_class_and_sentence() {
    for (status, body, want) in [
        (
            302,
            "",
            "bad-settings | api_base_url: api.jumpcloud.com redirects to `nowhere`",
        ),
        (
            400,
            r#"{"message":"start_time is greater than Directory Insights' 90 day retention period"}"#,
            "Some(90)",
        ),
        (
            400,
            r#"{"message":"start_time is greater than the retention period"}"#,
            "None",
        ),
        (
            400,
            r#"{"message":"Start Time not after End Time"}"#,
            "protocol | JumpCloud refused a time window we built: 1970-01-01T00:00:00.000Z to now",
        ),
        (
            400,
            r#"{"message":"service x is not one of all, sso"}"#,
            "bad-settings | event_types: JumpCloud does not know a service that they are kept in",
        ),
        (
            400,
            "\u{1b}[31mno limit",
            "bad-settings | JumpCloud refused the request: `[31mno limit`",
        ),
        (
            401,
            "",
            "authentication | JumpCloud refused the API key (401)",
        ),
        (
            402,
            "",
            "not-entitled | this organisation's plan does not include Directory Insights, or not this far back (402)",
        ),
        (
            403,
            "",
            "permission | the credential is valid but may not read Directory Insights (403)",
        ),
        (
            404,
            "",
            "bad-settings | api_base_url: this is not the Directory Insights API: api.jumpcloud.com answered 404 Not Found",
        ),
        (
            418,
            "teapot",
            "protocol | unexpected answer from JumpCloud: status 418, `teapot`, request id abc-1",
        ),
        (429, "", "unavailable | JumpCloud limits our rate (429)"),
        (
            503,
            "",
            "unavailable | JumpCloud failed (503), request id abc-1",
        ),
    ] {
        assert_eq!(text(&refusal(status, body)), want, "{status}");
    }
}

#[test]
fn an_organisation_that_may_not_be_read_is_named_with_its_setting() {
    let organization = Some("5a2af2a82cf2b0010053ea41");
    for (authorization, who) in [
        (Authorization::ApiKey, "the credential"),
        (Authorization::ServiceAccount, "the service account"),
    ] {
        let failure = with(false, |asked| {
            credential::forbidden(Asked {
                authorization,
                organization,
                ..asked
            })
        });
        assert_eq!(
            failure.message,
            format!(
                "{who} may not read Directory Insights of organisation `5a2af2a82cf2b0010053ea41` (403)"
            )
        );
        assert_eq!(
            failure.hints[0],
            "`org_ids` names it: is the id right, and does the credential reach that organisation?"
        );
    }
}

#[test]
fn a_wrong_address_is_an_outage_once_it_has_served() {
    let error = with(true, |asked| not_the_api(asked, "text/html"));
    assert!(matches!(error, Error::Unavailable(..)));
}

#[test]
fn retry_after_is_passed_on() {
    let head = Head {
        status: 429,
        headers: vec![("retry-after".to_owned(), "9".to_owned())],
    };
    let refusal = with(true, |asked| answered(asked, &head, b""));
    assert!(matches!(
        refusal,
        Refusal::Failed(Error::Unavailable(_, Some(9_000)))
    ));
}

#[test]
fn a_key_that_worked_before_has_probably_expired() {
    let head = Head {
        status: 401,
        ..Head::default()
    };
    let told = |established, expired| {
        let refusal = with(established, |asked| {
            answered(Asked { expired, ..asked }, &head, b"")
        });
        match refusal {
            Refusal::Failed(Error::Authentication(failure)) => failure,
            other => panic!("{other:?}"),
        }
    };
    let new = told(false, None);
    assert_eq!(new.message, "JumpCloud refused the API key (401)");
    assert!(new.hints.concat().contains("known in its own region"));
    let old = told(true, None);
    assert_eq!(
        old.message,
        "JumpCloud refused the API key (401), and this feed worked before"
    );
    assert!(old.hints[0].starts_with("it has probably expired (keys made for 90 days"));
    assert!(old.hints[1].starts_with("make a new key under `My API Key`"));
    let expired = told(true, Some(DAY));
    assert_eq!(
        expired.hints[0],
        "it has expired on 1970-01-02, by `token_expires`"
    );
}
