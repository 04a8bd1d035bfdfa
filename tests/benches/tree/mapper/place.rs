//! Where: endpoints, addresses, places.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::Object;
use super::value::{insert, text};

pub fn endpoint(mut endpoint: Object, system: &Value, os: Option<Object>) -> Option<Object> {
    insert(&mut endpoint, "uid", text(&system["id"]));
    insert(&mut endpoint, "hostname", text(&system["hostname"]));
    insert(&mut endpoint, "name", text(&system["displayName"]));
    if !["ip", "uid", "hostname", "name"]
        .iter()
        .any(|name| endpoint.contains_key(*name))
    {
        return None;
    }
    if let Some(os) = os {
        endpoint.insert("os".to_owned(), os.into());
    }
    Some(endpoint)
}

pub fn client(event: &Value) -> Object {
    let mut client = Object::new();
    if let Some(ip) = address(&event["client_ip"]) {
        client.insert("ip".to_owned(), ip);
    }
    if let Some(location) = location(&event["geoip"]) {
        client.insert("location".to_owned(), location.into());
    }
    let asn = &event["asn"];
    let mut system = Object::new();
    insert(&mut system, "name", text(&asn["organization"]));
    if let Some(number) = asn["number"]
        .as_i64()
        .filter(|number| (1..1 << 31).contains(number))
    {
        system.insert("number".to_owned(), number.into());
    }
    if !system.is_empty() {
        client.insert("autonomous_system".to_owned(), system.into());
    }
    client
}

pub fn address(value: &Value) -> Option<Value> {
    let text = text(value).filter(|text| text.len() <= 40)?;
    let is_ip = text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok();
    is_ip.then(|| text.into())
}

pub fn location(geoip: &Value) -> Option<Object> {
    let is_code =
        |code: &&str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    let country = ["country_code", "country_code2", "country"]
        .iter()
        .find_map(|name| text(&geoip[*name]).filter(is_code))
        .map(str::to_ascii_uppercase);
    let region = text(&geoip["region_code"])
        .or_else(|| text(&geoip["region"]))
        .map(|code| match &country {
            Some(country) if !code.starts_with(&format!("{country}-")) => {
                format!("{country}-{code}")
            }
            _ => code.to_owned(),
        });
    let mut location = Object::new();
    insert(&mut location, "city", text(&geoip["city"]));
    insert(&mut location, "country", country);
    insert(&mut location, "region", region);
    if location.is_empty() {
        return None;
    }
    let continent = match text(&geoip["continent_code"]) {
        Some("AF") => Some("Africa"),
        Some("AN") => Some("Antarctica"),
        Some("AS") => Some("Asia"),
        Some("EU") => Some("Europe"),
        Some("NA") => Some("North America"),
        Some("OC") => Some("Oceania"),
        Some("SA") => Some("South America"),
        _ => None,
    };
    insert(&mut location, "continent", continent);
    for (name, from, limit) in [("lat", "latitude", 90.0), ("long", "longitude", 180.0)] {
        if let Some(degrees) = degrees(&geoip[from], limit) {
            location.insert(name.to_owned(), degrees);
        }
    }
    Some(location)
}

pub fn degrees(value: &Value, limit: f64) -> Option<Value> {
    if let Some(degrees) = value.as_f64() {
        return (degrees.abs() <= limit).then(|| value.clone());
    }
    let text = text(value)?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let degrees = text
        .parse::<f64>()
        .ok()
        .filter(|degrees| degrees.abs() <= limit)?;
    (is_number(whole) && whole.len() <= 3 && is_number(fraction)).then(|| degrees.into())
}
