//! Events that are neither a sign-in nor a change of an account.

use super::Shaper;
use super::logins::connection;
use crate::generate::json::Json;
use crate::generate::parts::device;
use crate::generate::people::object_id;

impl Shaper<'_> {
    pub(super) fn ldap_search(&mut self, json: &mut Json) {
        let person = self.person();
        let organization = self.organization.to_owned();
        json.nested("initiated_by", |by| {
            by.text("type", "user");
            by.text("username", &person.username());
        });
        json.text("username", &person.username());
        json.text("connection_id", &connection(self.dice.bits()));
        json.number("operation_number", self.dice.between(1, 20));
        json.text(
            "base",
            &format!("ou=Users,o={organization},dc=jumpcloud,dc=com"),
        );
        json.text(
            "filter",
            "(&(objectClass=inetOrgPerson)(memberOf=cn=staff))",
        );
        json.raw("attr", r#"["cn","mail","memberOf"]"#);
        json.number("scope", 2);
        json.number("deref", 0);
        json.number("number_of_results", self.dice.between(0, 40));
        json.number("error_code", 0);
        self.outcome(json, "success", true);
    }

    /// Some hold a list of profiles, a few a payload of over 60 kB.
    pub(super) fn mdm_result(&mut self, json: &mut Json) {
        let person = self.person();
        let uuid = format!("{:016x}{:016x}", self.dice.bits(), self.dice.bits());
        json.text("mdm_type", "apple");
        json.text("mdm_device_id", &person.device_id());
        json.text("mdm_device_manager_id", &object_id(0x6100_0000, 7));
        json.text("command_uuid", &uuid);
        match self.dice.below(50) {
            0 => {
                json.text("request_type", "InstallProfile");
                let payload = connection(self.dice.bits()).repeat(1400);
                json.nested("command", |command| command.text("payload", &payload));
            }
            _ => {
                let profiles = self.dice.below(4);
                json.text("request_type", "ProfileList");
                json.array("profile_list", |list| {
                    for number in 0..profiles {
                        list.item(|profile| {
                            profile.number("payload_version", number as i64);
                            profile.flag("is_managed", true);
                            profile.text("payload_identifier", "com.example.mdm.policy.music");
                            profile.text("payload_description", "Who may use the Music feature.");
                        });
                    }
                });
            }
        }
        json.raw("error_chain", "null");
        json.text("status", "Acknowledged");
    }

    pub(super) fn on_object(&mut self, json: &mut Json, kind: &str) {
        let number = self.dice.below(30);
        self.by_some_admin(json);
        json.nested("resource", |resource| {
            resource.text("id", &object_id(0x6112_9b4c, number));
            resource.text("type", kind);
            resource.text("name", &format!("{kind} {number}"));
        });
        self.session(json);
        self.stated_success(json);
    }

    pub(super) fn agent(&mut self, json: &mut Json) {
        let person = self.person();
        device(json, &person);
        json.raw(
            "changes",
            r#"[{"field":"agentVersion"},{"field":"lastContact"}]"#,
        );
        json.text("severity", "INFO");
    }

    pub(super) fn password_manager(&mut self, json: &mut Json) {
        let person = self.person();
        self.by_user(json, &person);
        self.client(json, &person);
        self.browser(json, "user_agent", &person);
        self.outcome(json, "success", true);
    }

    pub(super) fn software(&mut self, json: &mut Json) {
        let person = self.person();
        device(json, &person);
        json.raw(
            "software",
            r#"{"name":"Example Editor","version":"4.2.1","path":"/Applications/Example Editor.app"}"#,
        );
        json.text("operation_type", "UPDATE");
    }

    pub(super) fn saas_login(&mut self, json: &mut Json) {
        let person = self.person();
        self.by_user(json, &person);
        json.raw(
            "application",
            r#"{"name":"example-notes","display_label":"Example Notes"}"#,
        );
        self.browser(json, "useragent", &person);
    }
}
