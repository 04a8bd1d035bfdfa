//! Where: the ends of a request, and the device.
//!
//! `client_ip` is the address that the request came from: the client's, but for service `systems` the
//! device's own, and there `src_ip` is the remote end. `geoip` and `asn` tell of `client_ip`.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{agent, location};
use crate::{
    event::{Event, Field, Text},
    ocsf::{AutonomousSystem, Endpoint},
};

/// Where the request came from, with the managed device that the user sat at.
pub(super) fn source<'e>(event: &'e Event<'_>) -> Option<Endpoint<'e>> {
    let ends = if is_by_agent(event) {
        Endpoint {
            ip: ip(event, Field::SrcIp),
            ..Endpoint::default()
        }
    } else {
        client(event)
    };
    named(Endpoint {
        uid: event.moved_text(Field::AuthSystemId),
        hostname: event.moved_text(Field::AuthSystemHostname),
        name: event.moved_text(Field::AuthSystemDisplayName),
        os: agent::os(event),
        ..ends
    })
}

/// The device that someone logged on to.
pub(super) fn target<'e>(event: &'e Event<'_>) -> Option<Endpoint<'e>> {
    named(system(event))
}

/// The device on which an account was changed; OCSF gives it no autonomous system.
pub(super) fn device<'e>(event: &'e Event<'_>) -> Option<Endpoint<'e>> {
    named(Endpoint {
        autonomous_system: None,
        type_id: Some(0),
        r#type: Some("Unknown"),
        ..system(event)
    })
}

fn system<'e>(event: &'e Event<'_>) -> Endpoint<'e> {
    let network = if is_by_agent(event) {
        client(event)
    } else {
        Endpoint::default()
    };
    Endpoint {
        uid: event.moved_text(Field::SystemId),
        hostname: event.moved_text(Field::SystemHostname),
        name: event.moved_text(Field::SystemDisplayName),
        ..network
    }
}

/// The endpoint whose address is `client_ip`.
fn client<'e>(event: &'e Event<'_>) -> Endpoint<'e> {
    Endpoint {
        ip: ip(event, Field::ClientIp),
        location: location::of(event),
        autonomous_system: autonomous_system(event),
        ..Endpoint::default()
    }
}

/// The endpoint, if anything names it: a place or a network alone is none.
fn named(endpoint: Endpoint<'_>) -> Option<Endpoint<'_>> {
    let Endpoint {
        ip,
        uid,
        hostname,
        name,
        ..
    } = &endpoint;
    let is_named = [ip, uid, hostname, name].into_iter().any(Option::is_some);
    is_named.then_some(endpoint)
}

/// Whether the agent on a device tells this, so that `client_ip` is the device's own address.
fn is_by_agent(event: &Event<'_>) -> bool {
    event
        .text(Field::Service)
        .is_some_and(|service| service == "systems")
}

fn ip<'e>(event: &'e Event<'_>, field: Field) -> Option<Text<'e>> {
    event.moved_text(field).filter(|text| is_ip(&text.value))
}

fn autonomous_system<'e>(event: &'e Event<'_>) -> Option<AutonomousSystem<'e>> {
    let number = event.get(Field::AsnNumber).and_then(|leaf| {
        let number = leaf.value().integer()?.parse().ok()?;
        (1..1 << 31).contains(&number).then(|| leaf.moved(number))
    });
    let name = event.moved_text(Field::AsnOrganization);
    (name.is_some() || number.is_some()).then_some(AutonomousSystem { name, number })
}

/// A dotted quad without leading zeros, or IPv6 without zone; OCSF allows 40 characters.
fn is_ip(text: &str) -> bool {
    text.len() <= 40 && (text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_only_addresses() {
        for text in [
            "10.1.2.3",
            "0.0.0.0",
            "::",
            "::1",
            "2001:DB8::1",
            "::ffff:1.2.3.4",
        ] {
            assert!(is_ip(text), "{text}");
        }
        for text in [
            "",
            "x.x.x.x",
            "1.2.3",
            "1.2.3.4:80",
            "01.2.3.4",
            "1.2.3.256",
            " 1.2.3.4",
            "[::1]",
            "::1%eth0",
            "10.0.0.0/8",
            "fe80::/10",
            "1::2::3",
            "0000:0000:0000:0000:0000:ffff:192.168.100.228",
        ] {
            assert!(!is_ip(text), "{text}");
        }
    }
}
