//! The part of OCSF 1.8.0 that we emit, in the names of its schema: Authentication (3002) and
//! Account Change (3001).
//!
//! One event type serves both classes, since they share most attributes; the mapping of each class
//! fills its own.

mod class;
mod json;

use std::borrow::Cow;

pub use self::class::{Activity, Class};
pub(crate) use self::{
    class::{Severity, Status},
    json::Attribute,
};
use crate::event::{Moved, Text};

/// The release of the schema, as in `metadata.version`.
pub(crate) const VERSION: &str = "1.8.0";

macro_rules! objects {
    ($($(#[$doc:meta])* struct $object:ident $(<$life:lifetime>)? {
        $($attribute:ident $(as $name:literal)?: $type:ty,)*
    })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default)]
            pub(crate) struct $object $(<$life>)? {
                $(pub(crate) $attribute: $type,)*
            }

            impl $(<$life>)? Attribute for $object $(<$life>)? {
                fn write(&self, out: &mut Vec<u8>) {
                    // Each member comes with a comma; the first one becomes the brace.
                    let start = out.len();
                    $(if !self.$attribute.is_absent() {
                        let name = objects!(@name $attribute $($name)?);
                        out.extend_from_slice(name.as_bytes());
                        self.$attribute.write(out);
                    })*
                    if let Some(first) = out.get_mut(start) {
                        *first = b'{';
                    }
                    out.push(b'}');
                }
            }
        )*
    };
    (@name $attribute:ident) => { concat!(",\"", stringify!($attribute), "\":") };
    (@name $attribute:ident $name:literal) => { concat!(",\"", $name, "\":") };
}

objects! {
    /// An event of either class. Written in this order; `unmapped` and `observables` follow.
    struct Event<'e> {
        class_uid: u32,
        class_name: &'static str,
        category_uid: u32,
        category_name: &'static str,
        activity_id: u32,
        activity_name: &'static str,
        type_uid: u32,
        type_name: &'static str,
        time: i64,
        severity_id: u32,
        severity: &'static str,
        status_id: u32,
        status: &'static str,
        timezone_offset: Option<i32>,
        status_code: Option<Cow<'e, str>>,
        message: Option<Text<'e>>,
        status_detail: Option<Text<'e>>,
        metadata: Metadata<'e>,
        user: User<'e>,
        actor: Option<Actor<'e>>,
        user_result: Option<UserResult<'e>>,
        src_endpoint: Option<Endpoint<'e>>,
        dst_endpoint: Option<Endpoint<'e>>,
        device: Option<Endpoint<'e>>,
        http_request: Option<HttpRequest<'e>>,
        is_mfa: Option<Moved<'e, bool>>,
        auth_factors: Vec<AuthFactor<'e>>,
        session: Option<Session<'e>>,
        service: Option<Service<'e>>,
        auth_protocol_id: Option<u32>,
        auth_protocol: Option<Cow<'e, str>>,
        logon_type_id: Option<u32>,
        logon_type: Option<Cow<'e, str>>,
        is_cleartext: Option<bool>,
        is_remote: Option<bool>,
        authorizations: Vec<Authorization<'e>>,
        action_id: Option<u32>,
        action: Option<&'static str>,
        raw_data: Option<&'e str>,
    }

    struct Metadata<'e> {
        version: &'static str,
        product: Product,
        uid: Cow<'e, str>,
        original_event_uid: Option<Text<'e>>,
        original_time: Option<Text<'e>>,
        event_code: Option<Text<'e>>,
        log_name: Option<Text<'e>>,
        log_version: Option<Text<'e>>,
        logged_time: Option<i64>,
        tenant_uid: Option<Text<'e>>,
        correlation_uid: Option<Text<'e>>,
        profiles: Vec<&'static str>,
    }

    struct Product {
        name: &'static str,
        vendor_name: &'static str,
    }

    struct User<'e> {
        name: Option<Cow<'e, str>>,
        uid: Option<Cow<'e, str>>,
        email_addr: Option<Cow<'e, str>>,
        display_name: Option<Cow<'e, str>>,
        type_id: u32,
        r#type as "type": Cow<'e, str>,
        account: Option<Account<'e>>,
        ldap_person: Option<LdapPerson<'e>>,
    }

    /// A user after a change: only what is known of it.
    struct UserResult<'e> {
        name: Option<Cow<'e, str>>,
        uid: Option<Cow<'e, str>>,
        email_addr: Option<Cow<'e, str>>,
        display_name: Option<Cow<'e, str>>,
    }

    struct Account<'e> {
        name: Option<Cow<'e, str>>,
        uid: Option<Cow<'e, str>>,
        type_id: u32,
        r#type as "type": &'static str,
    }

    struct LdapPerson<'e> {
        ldap_dn: Text<'e>,
    }

    struct Actor<'e> {
        user: Option<User<'e>>,
        app_name: Option<Text<'e>>,
    }

    /// A network endpoint, or a device (which alone has a type here).
    struct Endpoint<'e> {
        uid: Option<Text<'e>>,
        hostname: Option<Text<'e>>,
        name: Option<Text<'e>>,
        ip: Option<Text<'e>>,
        location: Option<Location<'e>>,
        autonomous_system: Option<AutonomousSystem<'e>>,
        os: Option<Os<'e>>,
        type_id: Option<u32>,
        r#type as "type": Option<&'static str>,
    }

    struct Location<'e> {
        city: Option<Text<'e>>,
        country: Option<Cow<'e, str>>,
        region: Option<Cow<'e, str>>,
        continent: Option<&'static str>,
        lat: Option<Moved<'e, f64>>,
        long: Option<Moved<'e, f64>>,
    }

    struct AutonomousSystem<'e> {
        name: Option<Text<'e>>,
        number: Option<Moved<'e, u32>>,
    }

    struct Os<'e> {
        name: Cow<'e, str>,
        type_id: u32,
        r#type as "type": Cow<'e, str>,
        version: Option<Cow<'e, str>>,
    }

    struct HttpRequest<'e> {
        user_agent: Option<Cow<'e, str>>,
        url: Option<Url<'e>>,
    }

    struct Url<'e> {
        url_string: Cow<'e, str>,
    }

    struct AuthFactor<'e> {
        factor_type_id: u32,
        factor_type: Cow<'e, str>,
        is_totp: Option<bool>,
        provider: Option<&'static str>,
    }

    struct Session<'e> {
        uid: Text<'e>,
    }

    struct Service<'e> {
        name: Cow<'e, str>,
        uid: Option<Cow<'e, str>>,
    }

    struct Authorization<'e> {
        decision: Option<Cow<'e, str>>,
        policy: Policy<'e>,
    }

    struct Policy<'e> {
        name: Option<Cow<'e, str>>,
        uid: Option<Cow<'e, str>>,
    }

    struct Observable<'o> {
        name: &'static str,
        type_id: u32,
        r#type as "type": &'static str,
        value: &'o str,
    }
}

/// An identifier of an enumeration, with its caption or, beside 99 (Other), the source's word.
pub(crate) type Labelled<'e> = (u32, Cow<'e, str>);

/// 99 (Other), with the source's own word.
pub(crate) fn other(word: Cow<'_, str>) -> Labelled<'_> {
    (99, word)
}
