//! Changes of accounts.

use super::{Odd, Shaper};
use crate::generate::json::Json;
use crate::generate::parts::device;
use crate::generate::people::Person;

/// What a `user_update` changes: the JSON of one item each.
const UPDATES: &[&str] = &[
    r#"{"field":"state","from":"ACTIVATED","to":"SUSPENDED"},{"field":"suspended","from":false,"to":true}"#,
    r#"{"field":"state","from":"SUSPENDED","to":"ACTIVATED"},{"field":"suspended","from":true,"to":false}"#,
    r#"{"field":"account_locked","from":true,"to":false}"#,
    r#"{"field":"account_locked","from":false,"to":true}"#,
    r#"{"field":"enable_user_portal_multifactor","from":false,"to":true}"#,
    r#"{"field":"totp_enabled","from":true,"to":false}"#,
    r#"{"field":"password_date"}"#,
    r#"{"field":"displayname","from":"","to":"Zo\u00eb \"Zed\" Q."}"#,
    r#"{"field":"email","from":"old@example.com","to":"new@example.com"}"#,
    r#"{"field":"department","from":"Sales","to":"Marketing"}"#,
    r#"{"field":"department","from":null,"to":"R&D <labs>"}"#,
    r#"{"field":"attributes","from":[{"name":"Division","id":"648f9f5f293ab1deaf28fa84","value":"Marketing"}],"to":[{"name":"Division","id":"6490f0f5a2d539837a30aaa0","value":"Sales"}]}"#,
    r#"{"field":"addresses","from":[],"to":[{"country":"FR","poBox":"","streetAddress":"1 Rue de l'Exemple","postalCode":"75000","locality":"Paris","type":"work","region":""}]}"#,
    r#"{"field":"company","from":"Example Inc.","to":"Example, Inc."},{"field":"location","from":"Paris","to":"France"}"#,
];

impl Shaper<'_> {
    pub(super) fn user_created(&mut self, json: &mut Json) {
        let person = self.person();
        self.by_some_admin(json);
        self.on_user(json, &person);
        json.array("changes", |changes| {
            changed(changes, "username", &person.username());
            changed(changes, "email", &person.email());
            changed(
                changes,
                "displayname",
                &format!("{} {}", person.first, person.last),
            );
            changed(changes, "state", "STAGED");
        });
        self.session(json);
    }

    pub(super) fn user_updated(&mut self, json: &mut Json) {
        let changes = format!("[{}]", self.dice.pick(UPDATES));
        self.on_a_user(json, &changes);
    }

    pub(super) fn on_a_user(&mut self, json: &mut Json, changes: &str) {
        let person = self.person();
        self.by_some_admin(json);
        self.on_user(json, &person);
        if !changes.is_empty() {
            json.raw("changes", changes);
        }
        self.session(json);
        self.stated_success(json);
    }

    pub(super) fn self_service(&mut self, json: &mut Json, changes: &str) {
        let person = self.person();
        match self.dice.below(3) {
            0 => self.by_some_admin(json),
            _ => {
                self.by_user(json, &person);
                self.client(json, &person);
                self.browser(json, "useragent", &person);
            }
        }
        if self.dice.below(5) != 0 {
            self.on_user(json, &person);
        }
        if !changes.is_empty() {
            json.raw("changes", changes);
        }
        self.session(json);
        self.stated_success(json);
    }

    pub(super) fn by_itself(&mut self, json: &mut Json) {
        let person = self.person();
        self.on_user(json, &person);
        self.stated_success(json);
    }

    pub(super) fn on_device(&mut self, json: &mut Json, changes: &str) {
        let person = self.person();
        if !changes.is_empty() {
            json.nested("initiated_by", |by| {
                by.text("type", "systemuser");
                by.text("id", &person.id());
                by.text("username", &person.username());
            });
            json.raw("changes", changes);
        }
        json.nested("resource", |resource| {
            resource.text("type", "systemuser");
            resource.text("id", &person.id());
            resource.text("username", &person.username());
        });
        device(json, &person);
        self.stated_success(json);
    }

    pub(super) fn mail(&mut self, json: &mut Json, mail: &str) {
        let person = self.person();
        if self.dice.below(2) == 0 {
            self.by_some_admin(json);
        }
        json.nested("resource", |resource| {
            resource.text("id", &person.id());
            resource.text("type", "user");
            resource.text("username", &person.username());
            resource.text("recipient_email", &person.email());
            resource.text("email_type", mail);
        });
    }

    pub(super) fn provision(&mut self, json: &mut Json) {
        let person = self.person();
        json.raw(
            "initiated_by",
            r#"{"type":"system","source":"jumpcloud:scim"}"#,
        );
        json.raw(
            "application",
            r#"{"id":"60d05c1385450d17af70308f","name":"slack","display_label":"Slack"}"#,
        );
        self.on_user(json, &person);
        let failed = self.dice.below(10) == 0;
        self.error(json, failed.then_some("the application answered 409"));
        self.outcome(json, "success", !failed);
    }

    pub(super) fn on_admin(&mut self, json: &mut Json, changes: &str) {
        let person = self.administrator();
        self.by_some_admin(json);
        json.nested("resource", |resource| {
            resource.text("type", "admin");
            resource.text("id", &person.id());
            resource.text("email", &person.email());
        });
        json.raw("changes", changes);
    }

    pub(super) fn admin_updated(&mut self, json: &mut Json) {
        let changes = self.dice.pick(&[
            r#"[{"field":"lastname","from":"","to":"Edited"}]"#,
            r#"[{"field":"suspended","from":false,"to":true}]"#,
            r#"[{"field":"email","from":"a@example.com","to":"b@example.com"}]"#,
        ]);
        self.on_admin(json, changes);
    }

    /// Something was bound to something: an account to a device, or a device to a group.
    pub(super) fn association(&mut self, json: &mut Json, account: bool) {
        let person = self.person();
        self.by_some_admin(json);
        let add = self.dice.below(3) != 0;
        json.nested("association", |association| {
            association.text("op", if add { "add" } else { "remove" });
            association.text("action_source", "manual");
            association.nested("connection", |connection| {
                connection.nested("from", |from| {
                    from.text("name", &person.hostname());
                    from.text("type", "system");
                    from.text("object_id", &person.device_id());
                });
                connection.nested("to", |to| match account {
                    true => {
                        to.text("name", &person.username());
                        to.text("type", "user");
                        to.text("object_id", &person.id());
                    }
                    false => {
                        to.text("name", "Laptops");
                        to.text("type", "system_group");
                        to.text("object_id", "64a1c0ffee0000000000aaaa");
                    }
                });
            });
            association.raw("attributes", "null");
        });
        self.session(json);
        self.stated_success(json);
    }

    /// An administrator, with address and browser.
    pub(super) fn by_some_admin(&mut self, json: &mut Json) {
        let admin: Person = self.administrator();
        self.by_admin(json, &admin);
        self.client(json, &admin);
        self.browser(json, "useragent", &admin);
        self.provider(json);
        if self.odd == Some(Odd::Nulls) {
            json.raw("correlation", "{}");
            json.raw("message_chain", "{}");
        }
    }

    /// Most changes don't say how they ended.
    pub(super) fn stated_success(&mut self, json: &mut Json) {
        if self.dice.below(3) == 0 {
            self.outcome(json, "success", true);
        }
    }
}

fn changed(changes: &mut Json, field: &str, to: &str) {
    changes.item(|change| {
        change.text("field", field);
        change.text("to", to);
    });
}
