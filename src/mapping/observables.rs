//! The values of an event that people search for, once more in one list.

use crate::ocsf::{Endpoint, Event, Observable, User};

const HOSTNAME: (u32, &str) = (1, "Hostname");
const IP_ADDRESS: (u32, &str) = (2, "IP Address");
const USER_NAME: (u32, &str) = (4, "User Name");
const EMAIL_ADDRESS: (u32, &str) = (5, "Email Address");

/// Those of the event that are there, in a fixed order.
pub(super) fn of<'o>(event: &'o Event<'_>) -> Vec<Observable<'o>> {
    let user = Some(&event.user);
    let actor = event.actor.as_ref().and_then(|actor| actor.user.as_ref());
    let (source, target) = (event.src_endpoint.as_ref(), event.dst_endpoint.as_ref());
    let device = event.device.as_ref();
    [
        ("user.name", USER_NAME, user.and_then(name)),
        ("user.email_addr", EMAIL_ADDRESS, user.and_then(email)),
        ("actor.user.name", USER_NAME, actor.and_then(name)),
        (
            "actor.user.email_addr",
            EMAIL_ADDRESS,
            actor.and_then(email),
        ),
        ("src_endpoint.ip", IP_ADDRESS, source.and_then(ip)),
        ("src_endpoint.hostname", HOSTNAME, source.and_then(hostname)),
        ("dst_endpoint.ip", IP_ADDRESS, target.and_then(ip)),
        ("dst_endpoint.hostname", HOSTNAME, target.and_then(hostname)),
        ("device.ip", IP_ADDRESS, device.and_then(ip)),
        ("device.hostname", HOSTNAME, device.and_then(hostname)),
    ]
    .into_iter()
    .filter_map(|(name, (type_id, r#type), value)| {
        Some(Observable {
            name,
            type_id,
            r#type,
            value: value?,
        })
    })
    .collect()
}

fn name<'o>(user: &'o User<'_>) -> Option<&'o str> {
    user.name.as_deref()
}

fn email<'o>(user: &'o User<'_>) -> Option<&'o str> {
    user.email_addr.as_deref()
}

fn ip<'o>(endpoint: &'o Endpoint<'_>) -> Option<&'o str> {
    endpoint.ip.as_ref().map(|ip| &*ip.value)
}

fn hostname<'o>(endpoint: &'o Endpoint<'_>) -> Option<&'o str> {
    endpoint.hostname.as_ref().map(|hostname| &*hostname.value)
}
