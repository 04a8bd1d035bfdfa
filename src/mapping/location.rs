//! The place of an address: `geoip`.

use std::borrow::Cow;

use crate::{
    event::{Event, Field, Moved},
    ocsf::Location,
};

/// The place; none without a city, country or region (latitude and longitude alone are no place to
/// OCSF).
pub(super) fn of<'e>(event: &'e Event<'_>) -> Option<Location<'e>> {
    let city = event.moved_text(Field::GeoipCity);
    let country = country(event);
    let region = region(event, country.as_deref());
    if city.is_none() && country.is_none() && region.is_none() {
        return None;
    }
    Some(Location {
        city,
        country,
        region,
        continent: event
            .text(Field::GeoipContinentCode)
            .and_then(|code| continent(&code)),
        lat: degrees(event, Field::GeoipLatitude, 90.0),
        long: degrees(event, Field::GeoipLongitude, 180.0),
    })
}

/// ISO 3166-1: two letters.
fn country<'e>(event: &'e Event<'_>) -> Option<Cow<'e, str>> {
    let is_code =
        |text: &Cow<'_, str>| text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic());
    let code = [
        Field::GeoipCountryCode,
        Field::GeoipCountryCode2,
        Field::GeoipCountry,
    ]
    .into_iter()
    .find_map(|field| event.text(field).filter(is_code))?;
    if code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Some(code);
    }
    Some(code.to_ascii_uppercase().into())
}

/// ISO 3166-2, if the country is known: `US-CO`.
fn region<'e>(event: &'e Event<'_>, country: Option<&str>) -> Option<Cow<'e, str>> {
    let code = event
        .text(Field::GeoipRegionCode)
        .or_else(|| event.text(Field::GeoipRegion))?;
    let Some(country) = country else {
        return Some(code);
    };
    if code
        .strip_prefix(country)
        .is_some_and(|rest| rest.starts_with('-'))
    {
        return Some(code);
    }
    Some([country, "-", &code].concat().into())
}

fn continent(code: &str) -> Option<&'static str> {
    Some(match code {
        "AF" => "Africa",
        "AN" => "Antarctica",
        "AS" => "Asia",
        "EU" => "Europe",
        "NA" => "North America",
        "OC" => "Oceania",
        "SA" => "South America",
        _ => return None,
    })
}

/// Degrees of latitude or longitude; a number moves, a text such as `-122.4` is read.
fn degrees<'e>(event: &'e Event<'_>, field: Field, limit: f64) -> Option<Moved<'e, f64>> {
    let leaf = event.get(field)?;
    let value = leaf.value();
    let fits = |text: &str| {
        text.parse()
            .ok()
            .filter(|degrees: &f64| degrees.abs() <= limit)
    };
    if value.is_number() {
        return fits(value.json()).map(|degrees| leaf.moved(degrees));
    }
    let text = value.text()?;
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || whole.len() > 3 || !is_number(fraction) {
        return None;
    }
    fits(&text).map(Moved::from)
}
