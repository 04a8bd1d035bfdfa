//! The JSON of one event, shaped as the public samples and the API's description have it.
//!
//! The order of members follows the samples: neither `id` nor `timestamp` comes first.

mod changes;
mod logins;
mod others;

use bytes::BytesMut;

use super::json::Json;
use super::people::{Person, object_id};
use super::times::Moment;
use crate::catalogue::{EventType, Shape};
use crate::dice::Dice;

/// Something unusual that must not stop anyone.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Odd {
    AddressWithPort,
    DuplicateKey,
    NoAddress,
    NoId,
    NoZone,
    Nulls,
    NumericId,
    Offset,
    TextBoolean,
    #[default]
    UnknownFields,
    UnknownWord,
}

impl Odd {
    pub(super) const ALL: [Odd; 11] = [
        Odd::AddressWithPort,
        Odd::DuplicateKey,
        Odd::NoAddress,
        Odd::NoId,
        Odd::NoZone,
        Odd::Nulls,
        Odd::NumericId,
        Odd::Offset,
        Odd::TextBoolean,
        Odd::UnknownFields,
        Odd::UnknownWord,
    ];
}

/// Why an event can't be understood.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Defect {
    #[default]
    NoType,
    NullType,
    NumberAsTime,
    UnreadableTime,
}

impl Defect {
    /// The first is the one that was seen in the field, so it is the commonest.
    pub(super) const ALL: [Defect; 6] = [
        Defect::NoType,
        Defect::NoType,
        Defect::NoType,
        Defect::NullType,
        Defect::NumberAsTime,
        Defect::UnreadableTime,
    ];
}

/// Writes one event.
pub(super) struct Shaper<'a> {
    pub(super) row: &'a EventType,
    pub(super) tenant: u64,
    pub(super) organization: &'a str,
    pub(super) moment: Moment,
    pub(super) dice: &'a mut Dice,
    pub(super) odd: Option<Odd>,
    pub(super) defect: Option<Defect>,
    pub(super) bare: bool,
}

impl Shaper<'_> {
    /// Appends the event and returns its id.
    pub(super) fn write(&mut self, out: &mut BytesMut) -> Option<String> {
        let id = self.id();
        Json::object(out, |json| {
            match (self.bare, self.row.shape) {
                // Its kind depends on what was bound.
                (true, Shape::AccountBound | Shape::SystemBound) | (false, _) => self.body(json),
                (true, _) => {}
            }
            self.tail(json, id.as_deref());
        });
        id
    }

    /// A person; a few of the 200 do most.
    pub(super) fn person(&mut self) -> Person {
        let number = self.dice.below(200).min(self.dice.below(200));
        Person::new(self.tenant, number)
    }

    /// One of five administrators.
    pub(super) fn administrator(&mut self) -> Person {
        Person::new(self.tenant, 1000 + self.dice.below(5))
    }

    fn body(&mut self, json: &mut Json) {
        match self.row.shape {
            Shape::UserPortal => self.user_portal(json),
            Shape::AdminPortal => self.admin_portal(json),
            Shape::Sso => self.sso(json),
            Shape::Radius => self.radius(json),
            Shape::LdapBind => self.ldap_bind(json),
            Shape::DeviceLogin => self.device_login(json),
            Shape::UserCreated => self.user_created(json),
            Shape::UserUpdated => self.user_updated(json),
            Shape::OnUser(changes) => self.on_a_user(json, changes),
            Shape::SelfService(changes) => self.self_service(json, changes),
            Shape::ByItself => self.by_itself(json),
            Shape::OnDevice(changes) => self.on_device(json, changes),
            Shape::Mail(mail) => self.mail(json, mail),
            Shape::Provision => self.provision(json),
            Shape::OnAdmin(changes) => self.on_admin(json, changes),
            Shape::AdminUpdated => self.admin_updated(json),
            Shape::AccountBound => self.association(json, true),
            Shape::SystemBound => self.association(json, false),
            Shape::LdapSearch => self.ldap_search(json),
            Shape::MdmResult => self.mdm_result(json),
            Shape::OnObject(kind) => self.on_object(json, kind),
            Shape::Agent => self.agent(json),
            Shape::PasswordManager => self.password_manager(json),
            Shape::Software => self.software(json),
            Shape::SaasLogin => self.saas_login(json),
        }
    }

    /// What every event has.
    fn tail(&mut self, json: &mut Json, id: Option<&str>) {
        if self.odd == Some(Odd::DuplicateKey) {
            json.text("service", "an earlier value of the same key");
        }
        match self.defect {
            Some(Defect::NoType) => {}
            Some(Defect::NullType) => json.raw("event_type", "null"),
            _ => json.text("event_type", self.row.name),
        }
        if self.odd == Some(Odd::UnknownFields) {
            json.raw(
                "jc_experiment",
                r#"{"arm":"b","weights":[1,2.50,-3e5],"note":"tab\there, \"quotes\" and \u00e9","none":null,"on":true}"#,
            );
        }
        json.text("service", self.row.service);
        json.text("organization", self.organization);
        json.text("@version", "1");
        match (id, self.odd) {
            (Some(id), Some(Odd::NumericId)) => json.raw("id", id),
            (Some(id), _) => json.text("id", id),
            (None, _) => {}
        }
        if self.dice.below(10) == 0 {
            json.text("server_timestamp", &self.moment.text());
            json.text("timestamp_source", "server");
        }
        match (self.defect, self.odd) {
            (Some(Defect::NumberAsTime), _) => json.number("timestamp", self.moment.ms),
            (Some(Defect::UnreadableTime), _) => json.text("timestamp", "not a time"),
            (_, Some(Odd::NoZone)) => json.text("timestamp", &self.moment.local_text(0)),
            (_, Some(Odd::Offset)) => {
                json.text("timestamp", &(self.moment.local_text(330) + "+05:30"));
            }
            _ => json.text("timestamp", &self.moment.text()),
        }
    }

    fn id(&mut self) -> Option<String> {
        let bits = self.dice.bits();
        match (self.odd, self.row.shape) {
            (Some(Odd::NoId), _) => None,
            (Some(Odd::NumericId), _) => Some((bits >> 12).to_string()),
            (_, Shape::Radius) => {
                let more = self.dice.bits();
                Some(format!(
                    "{:08X}-{:04X}-3{:03X}-A{:03X}-{:012X}",
                    bits >> 32,
                    bits as u16,
                    (bits >> 16) & 0xfff,
                    more & 0xfff,
                    more >> 16
                ))
            }
            _ => Some(object_id(self.moment.ms.div_euclid(1000), bits)),
        }
    }
}
