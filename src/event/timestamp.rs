//! Time as the source writes it: RFC 3339, with any number of digits behind the point.

use chrono::NaiveDate;

/// An instant, and the offset from UTC that it was written with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Milliseconds since 1970-01-01T00:00:00Z; what is finer is cut, not rounded.
    pub(crate) millis: i64,
    /// Minutes east of UTC, as written; none where no zone was, which is read as UTC.
    pub(crate) offset: Option<i32>,
}

impl Timestamp {
    /// Strict: four digits of year, `T` or `t`, `Z`, `z` or `±hh:mm` or nothing. A leap second counts
    /// as the last millisecond before it, and so stays in its place among others.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let [
            y1,
            y2,
            y3,
            y4,
            b'-',
            mo1,
            mo2,
            b'-',
            d1,
            d2,
            b'T' | b't',
            h1,
            h2,
            b':',
            m1,
            m2,
            b':',
            s1,
            s2,
            rest @ ..,
        ] = text.as_bytes()
        else {
            return None;
        };
        let date = NaiveDate::from_ymd_opt(
            number(&[*y1, *y2, *y3, *y4])?,
            number(&[*mo1, *mo2])?.unsigned_abs(),
            number(&[*d1, *d2])?.unsigned_abs(),
        )?;
        let second = number(&[*s1, *s2])?;
        let is_leap = second == 60;
        let time = date.and_hms_opt(
            number(&[*h1, *h2])?.unsigned_abs(),
            number(&[*m1, *m2])?.unsigned_abs(),
            second.unsigned_abs() - u32::from(is_leap),
        )?;
        let (millis, zone) = fraction(rest)?;
        let millis = if is_leap { 999 } else { millis };
        let offset = offset(zone)?;
        let utc = time.and_utc().timestamp_millis() + millis;
        Some(Self {
            millis: utc - i64::from(offset.unwrap_or(0)) * 60_000,
            offset,
        })
    }
}

/// The milliseconds of an optional fraction, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let length = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (digits, rest) = digits.split_at_checked(length)?;
    let mut padded = digits.iter().copied().chain([b'0'; 2]);
    let millis = [padded.next()?, padded.next()?, padded.next()?];
    if digits.is_empty() {
        return None;
    }
    Some((i64::from(number(&millis)?), rest))
}

/// The minutes of a zone; the inner `None`: there is none.
fn offset(zone: &[u8]) -> Option<Option<i32>> {
    match zone {
        [] => Some(None),
        [b'Z' | b'z'] => Some(Some(0)),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let east = hours * 60 + minutes;
            Some(Some(if *sign == b'-' { -east } else { east }))
        }
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + i32::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(i64, Option<i32>)> {
        Timestamp::parse(text).map(|time| (time.millis, time.offset))
    }

    #[test]
    fn fraction_is_cut_to_milliseconds() {
        assert_eq!(
            read("2023-06-15T13:45:59Z"),
            Some((1_686_836_759_000, Some(0)))
        );
        assert_eq!(
            read("2023-06-15T13:45:59.8Z"),
            Some((1_686_836_759_800, Some(0)))
        );
        assert_eq!(
            read("2023-06-15T13:45:59.812Z"),
            Some((1_686_836_759_812, Some(0)))
        );
        assert_eq!(
            read("2023-06-15T13:45:59.999999999Z"),
            Some((1_686_836_759_999, Some(0)))
        );
        assert_eq!(read("1969-12-31T23:59:59.9999Z"), Some((-1, Some(0))));
    }

    #[test]
    fn zone_is_kept_and_applied() {
        assert_eq!(read("1970-01-01t05:30:00+05:30"), Some((0, Some(330))));
        assert_eq!(read("1969-12-31T18:30:00-05:30"), Some((0, Some(-330))));
        assert_eq!(read("1970-01-01T00:00:00z"), Some((0, Some(0))));
        assert_eq!(read("1970-01-01T00:00:00"), Some((0, None)));
        assert_eq!(read("1970-01-01T23:59:00+23:59"), Some((0, Some(1439))));
    }

    #[test]
    fn calendar_is_checked() {
        assert_eq!(
            read("2024-02-29T00:00:00Z"),
            Some((1_709_164_800_000, Some(0)))
        );
        assert_eq!(
            read("2016-12-31T23:59:60.5Z"),
            read("2016-12-31T23:59:59.999Z")
        );
        for text in [
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-01-32T00:00:00Z",
            "2023-01-01T24:00:00Z",
            "2023-01-01T00:60:00Z",
            "2023-01-01T00:00:61Z",
            "2023-01-01T00:00:00+24:00",
            "2023-01-01T00:00:00+00:60",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "2023-01-01",
            "2023-01-01 00:00:00Z",
            "2023-1-1T00:00:00Z",
            "2023-01-01T00:00Z",
            "2023-01-01T00:00:00.Z",
            "2023-01-01T00:00:00,5Z",
            "2023-01-01T00:00:00 Z",
            "2023-01-01T00:00:00ZZ",
            "2023-01-01T00:00:00+0530",
            "2023-01-01T00:00:00+05",
            "+023-01-01T00:00:00Z",
            "2023-01-01T00:00:0xZ",
            " 2023-01-01T00:00:00Z",
            "1686836759",
            "２023-01-01T00:00:00Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
