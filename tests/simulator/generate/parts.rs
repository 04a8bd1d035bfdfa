//! The parts that many events share: where a request came from, with what, on which device.

use super::json::Json;
use super::people::{Browser, Person, Place};
use super::shapes::{Odd, Shaper};

impl Shaper<'_> {
    /// `client_ip` and, most of the time, `geoip`.
    pub(super) fn client(&mut self, json: &mut Json, person: &Person) {
        let address = person.address(self.dice.bits());
        match self.odd {
            Some(Odd::NoAddress) => json.text("client_ip", "x.x.x.x"),
            Some(Odd::AddressWithPort) => json.text("client_ip", &format!("{address}:51234")),
            _ => json.text("client_ip", &address),
        }
        match self.dice.below(20) {
            0 => {}
            1 => older_place(json, person.place),
            form => {
                place(json, person.place, form);
                if form > 15 {
                    json.nested("asn", |asn| {
                        asn.text("organization", person.place.network);
                        asn.number("number", person.place.network_number);
                    });
                }
            }
        }
    }

    /// `useragent`: an object; that of a script now and then.
    pub(super) fn browser(&mut self, json: &mut Json, key: &str, person: &Person) {
        match self.dice.below(20) {
            0 => json.nested(key, script),
            1 => json.raw(
                key,
                r#"{"os_full":"Other","os":"Other","name":"Other","os_name":"Other","device":"Other"}"#,
            ),
            2 if self.odd.is_some() => json.text(key, "Mozilla/5.0 (X11; Linux x86_64)"),
            _ => json.nested(key, |agent| browser(agent, person.browser)),
        }
    }

    /// `success`, `mfa` and the like.
    pub(super) fn outcome(&mut self, json: &mut Json, key: &str, value: bool) {
        match self.odd {
            Some(Odd::TextBoolean) => json.text(key, if value { "TRUE" } else { "false" }),
            _ => json.flag(key, value),
        }
    }

    /// `error_message`: a text after a failure, else nothing in one of three forms.
    pub(super) fn error(&mut self, json: &mut Json, failure: Option<&str>) {
        match failure {
            Some(message) => json.text("error_message", message),
            None => match self.dice.below(3) {
                0 => json.text("error_message", ""),
                1 => json.raw("error_message", "null"),
                _ => {}
            },
        }
    }

    /// `provider`: empty in one of three forms.
    pub(super) fn provider(&mut self, json: &mut Json) {
        match self.dice.below(4) {
            0 => json.text("provider", ""),
            1 => {}
            _ => json.raw("provider", "null"),
        }
    }

    /// A user who did something, as `initiated_by` has it.
    pub(super) fn by_user(&mut self, json: &mut Json, person: &Person) {
        let unknown = self.odd == Some(Odd::UnknownWord);
        json.nested("initiated_by", |by| {
            by.text("id", &person.id());
            by.text("type", if unknown { "service_account" } else { "user" });
            by.text("username", &person.username());
        });
    }

    /// An administrator who did something.
    pub(super) fn by_admin(&mut self, json: &mut Json, person: &Person) {
        let source = self.dice.below(12);
        let nulls = self.odd == Some(Odd::Nulls);
        json.nested("initiated_by", |by| {
            by.text("id", &person.id());
            match source {
                0 => by.text("source", "scim"),
                1 => by.nested("source_metadata", |source| {
                    source.text("name", "jumpcloud:scim")
                }),
                _ => {}
            }
            by.text("type", "admin");
            match nulls {
                true => by.raw("email", "null"),
                false => by.text("email", &person.email()),
            }
        });
    }

    /// `resource`: a user.
    pub(super) fn on_user(&mut self, json: &mut Json, person: &Person) {
        json.nested("resource", |resource| {
            resource.text("id", &person.id());
            resource.text("type", "user");
            resource.text("username", &person.username());
        });
    }

    /// `auth_method` of a change.
    pub(super) fn session(&mut self, json: &mut Json) {
        json.text(
            "auth_method",
            self.dice.pick(&["session", "session", "api key", "other"]),
        );
    }
}

/// The device at which someone sits, for `auth_context`.
pub(super) fn own_device(json: &mut Json, person: &Person) {
    json.nested("system", |system| {
        let hostname = person.hostname();
        system.text("hostname", &hostname);
        system.text("os", person.browser.device_os);
        system.text("displayName", &hostname);
        system.text("id", &person.device_id());
        system.text("version", person.browser.device_os_version);
    });
}

/// `system`: the device on which something happened.
pub(super) fn device(json: &mut Json, person: &Person) {
    json.nested("system", |system| {
        let hostname = person.hostname();
        system.text("id", &person.device_id());
        system.text("hostname", &hostname);
        system.text("displayName", &format!("{} of {}", hostname, person.first));
    });
}

fn place(json: &mut Json, place: &Place, form: u64) {
    json.nested("geoip", |geoip| {
        geoip.text("country_code", place.country);
        geoip.text("timezone", place.zone);
        match form {
            2 => geoip.text("latitude", place.latitude),
            _ => geoip.raw("latitude", place.latitude),
        }
        geoip.text("continent_code", place.continent);
        geoip.text("region_name", place.region_name);
        if form > 12 {
            geoip.text("city", place.city);
        }
        geoip.raw("longitude", place.longitude);
        geoip.text("region_code", place.region);
    });
}

/// The form of 2020.
fn older_place(json: &mut Json, place: &Place) {
    json.nested("geoip", |geoip| {
        geoip.text("timezone", place.zone);
        geoip.text("country_code2", place.country);
        geoip.text("continent_code", place.continent);
        geoip.text("region_name", place.region_name);
        geoip.text("region_code", place.region);
    });
}

fn browser(json: &mut Json, browser: &Browser) {
    let mut version = browser.version.split('.');
    let mut os = browser.os_version.split('.');
    if let Some(major) = os.next() {
        json.text("os_major", major);
    }
    json.text("os", browser.os);
    if let Some(minor) = os.next() {
        json.text("os_minor", minor);
    }
    json.text("os_version", browser.os_version);
    json.text("version", browser.version);
    if let Some(patch) = os.next() {
        json.text("os_patch", patch);
    }
    json.text("major", version.next().unwrap_or_default());
    json.text("minor", version.next().unwrap_or_default());
    if let Some(patch) = version.next() {
        json.text("patch", patch);
    }
    json.text("os_full", &format!("{} {}", browser.os, browser.os_version));
    json.text("name", browser.name);
    json.text("os_name", browser.os);
    json.text("device", browser.device);
}

fn script(json: &mut Json) {
    json.text("patch", "1");
    json.text("os_full", "Other");
    json.text("os", "Other");
    json.text("minor", "11");
    json.text("major", "8");
    json.text("name", "curl");
    json.text("os_name", "Other");
    json.text("device", "Other");
    json.text("version", "8.11.1");
}
