//! Exit codes: others script against them.

use source_host::{Error, Kind};

pub const OK: u8 = 0;
/// Any other failure; with `transform`, a record was rejected.
pub const FAILURE: u8 = 1;
pub const CONFIGURATION: u8 = 2;
/// Authentication, permission, entitlement.
pub const REFUSED: u8 = 3;
/// The upstream is not available, or breaks its contract.
pub const UPSTREAM: u8 = 4;
/// Storage, or the sink.
pub const OUTPUT: u8 = 5;
pub const INTERRUPTED: u8 = 130;

/// The code for one failure.
pub fn code(error: &Error) -> u8 {
    match error.kind() {
        Kind::Configuration => CONFIGURATION,
        Kind::Authentication | Kind::Permission | Kind::NotEntitled => REFUSED,
        Kind::Unavailable | Kind::Protocol => UPSTREAM,
        Kind::Storage | Kind::Sink | Kind::SinkUnavailable | Kind::SinkClosed => OUTPUT,
        _ => FAILURE,
    }
}

/// The code for several feeds: the first of 2, 3, 5, 4, 1 that occurred.
pub fn first_of(codes: &[u8]) -> u8 {
    let order = [CONFIGURATION, REFUSED, OUTPUT, UPSTREAM, FAILURE];
    order
        .into_iter()
        .find(|code| codes.contains(code))
        .unwrap_or(OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_telling_code_wins() {
        assert_eq!(first_of(&[]), OK);
        assert_eq!(first_of(&[OK, UPSTREAM, OK]), UPSTREAM);
        assert_eq!(first_of(&[FAILURE, UPSTREAM, OUTPUT]), OUTPUT);
        assert_eq!(first_of(&[OUTPUT, REFUSED]), REFUSED);
        assert_eq!(first_of(&[REFUSED, CONFIGURATION]), CONFIGURATION);
    }
}
