//! Attempts to sign in.

use super::{Odd, Shaper};
use crate::generate::json::Json;
use crate::generate::parts::{device, own_device};
use crate::generate::people::{Person, object_id};

/// Name, label and protocol of an application.
type Application = (&'static str, &'static str, &'static str);

const APPLICATIONS: &[Application] = &[
    ("google", "Google Workspace", "saml"),
    ("zoom", "Zoom", "saml"),
    ("slack", "Slack", "saml"),
    ("aws", "AWS IAM Identity Center", "saml2"),
    ("custom", "Time sheets \\\"new\\\"", "oidc"),
    ("github", "GitHub", "saml"),
];

impl Shaper<'_> {
    /// A sign-in fails about once in twelve.
    fn succeeds(&mut self) -> bool {
        self.dice.below(12) != 0
    }

    pub(super) fn user_portal(&mut self, json: &mut Json) {
        let person = self.person();
        let success = self.succeeds();
        let factor = self
            .dice
            .pick(&["none", "totp", "push", "webauthn", "jumpcloud_protect"]);
        self.by_user(json, &person);
        self.client(json, &person);
        self.browser(json, "useragent", &person);
        self.outcome(json, "mfa", factor != "none" && success);
        if self.dice.below(3) == 0 {
            json.nested("mfa_meta", |meta| meta.text("type", factor));
        }
        let managed = self.dice.below(2) == 0;
        json.nested("auth_context", |context| {
            if managed {
                own_device(context, &person);
            }
            context.nested("auth_methods", |methods| {
                methods.nested("password", |method| method.flag("success", success));
                if factor != "none" {
                    methods.nested(factor, |method| method.flag("success", success));
                }
            });
            if managed {
                policy(context, success);
            }
        });
        self.error(json, (!success).then_some("authentication failed"));
        self.provider(json);
        self.outcome(json, "success", success);
    }

    pub(super) fn admin_portal(&mut self, json: &mut Json) {
        let person = self.administrator();
        let success = self.succeeds();
        match self.dice.below(25) {
            // The form of 2020: the account is in `resource`.
            0 => json.nested("resource", |resource| {
                resource.text("id", &person.id());
                resource.text("type", "admin");
                resource.text("email", &person.email());
            }),
            _ => self.by_admin(json, &person),
        }
        self.client(json, &person);
        self.browser(json, "useragent", &person);
        self.outcome(json, "mfa", success);
        if self.dice.below(4) == 0 {
            json.nested("mfa_meta", |meta| meta.text("type", "duo"));
            json.nested("target_resource", |target| {
                target.text("type", "admin_portal")
            });
        }
        self.error(json, (!success).then_some("authentication failed"));
        self.provider(json);
        self.outcome(json, "success", success);
    }

    pub(super) fn sso(&mut self, json: &mut Json) {
        let person = self.person();
        // One in eight is a step on the way to a token, one in sixteen is refused.
        let step = self.dice.below(16);
        let token = step > 2;
        let failure = (step == 0).then(|| {
            self.dice
                .pick(&["application unreachable", "user not bound to application"])
        });
        self.by_user(json, &person);
        if self.dice.below(3) == 0 {
            json.text("jc_initiated_by_email", &person.email());
        }
        match failure {
            Some(message) => json.text("error_message", message),
            None => json.text("error_message", ""),
        }
        self.client(json, &person);
        self.outcome(json, "sso_token_success", token);
        self.browser(json, "useragent", &person);
        let managed = self.dice.below(2) == 0;
        let conditional = self.dice.below(2) == 0;
        json.nested("auth_context", |context| {
            if managed {
                own_device(context, &person);
            }
            context.nested("auth_methods", |_| {});
            if conditional {
                policy(context, failure.is_none());
            }
        });
        self.outcome(json, "mfa", step == 15);
        let unknown = self.odd == Some(Odd::UnknownWord);
        let (name, label, protocol) = match failure {
            Some("application unreachable") => ("", "", "saml"),
            _ => self.dice.pick(APPLICATIONS),
        };
        let id = match name {
            "" => String::new(),
            _ => object_id(0x60d0_5c13, crate::dice::mix(name.len() as u64)),
        };
        json.nested("application", |application| {
            application.text("display_label", label);
            application.text("sso_type", if unknown { "ws-fed" } else { protocol });
            application.text("name", name);
            application.text("id", &id);
            application.text("sso_url", &format!("https://sso.example.com/saml2/{name}"));
        });
        self.provider(json);
        json.flag("idp_initiated", self.dice.below(3) == 0);
    }

    pub(super) fn radius(&mut self, json: &mut Json) {
        let person = self.person();
        let success = self.succeeds();
        let message = "mschap: MS-CHAP2-Response is incorrect";
        if !success {
            json.text("error_message", message);
        }
        by_name(json, &person);
        json.text("auth_type", "eap");
        json.text("nas_mfa_state", "DISABLED");
        self.client(json, &person);
        json.text("eap_type", "MSCHAPv2");
        json.nested("outer", |outer| {
            if !success {
                outer.text(
                    "error_message",
                    "eap_peap: The users session was previously rejected: returning reject (again.)",
                );
            }
            outer.text("eap_type", "PEAP");
            outer.text("username", &person.username());
        });
        self.outcome(json, "mfa", false);
        json.raw(
            "auth_meta",
            r#"{"user_password_enabled":true,"device_cert_enabled":false,"user_cert_enabled":false,"auth_idp":"JUMPCLOUD","userid_type":"USERNAME"}"#,
        );
        self.outcome(json, "success", success);
        json.text("username", &person.username());
    }

    pub(super) fn ldap_bind(&mut self, json: &mut Json) {
        let person = self.person();
        let success = self.succeeds();
        let organization = self.organization.to_owned();
        let username = person.username();
        by_name(json, &person);
        json.text("username", &username);
        json.text("connection_id", &connection(self.dice.bits()));
        json.number("operation_number", 0);
        json.text("operation_type", "BIND RESULT");
        json.text(
            "dn",
            &format!("uid={username},ou=Users,o={organization},dc=jumpcloud,dc=com"),
        );
        json.text("auth_method", "simple");
        json.text("mech", "simple");
        json.flag("start_tls", false);
        json.flag("tls_established", self.dice.below(10) != 0);
        json.number("error_code", if success { 0 } else { 49 });
        self.error(json, (!success).then_some("invalid credentials"));
        if self.dice.below(2) == 0 {
            json.nested("auth_meta", |meta| {
                meta.nested("auth_methods", |methods| {
                    methods.nested("password", |method| method.flag("success", success));
                });
            });
        }
        self.outcome(json, "success", success);
    }

    pub(super) fn device_login(&mut self, json: &mut Json) {
        let person = self.person();
        let success = self.succeeds();
        let username = person.username();
        by_name(json, &person);
        device(json, &person);
        json.text(
            "system_timestamp",
            &(self.moment.local_text(570) + "+09:30"),
        );
        self.client(json, &person);
        json.text("username", &username);
        match self.dice.below(3) {
            0 => {
                json.text("src_ip", "192.0.2.17");
                json.text("process_name", "sshd");
                json.text(
                    "message",
                    &format!("User {username} logged in from 192.0.2.17, process name: sshd"),
                );
            }
            1 => {
                let kind = self.dice.pick(&["2", "3", "7", "8", "10", "11", "77"]);
                json.nested("windows_meta", |meta| {
                    meta.flag("elevated", kind == "2");
                    meta.text("logon_type", kind);
                });
            }
            _ => json.text("process_name", "loginwindow"),
        }
        self.outcome(json, "success", success);
    }
}

/// `initiated_by` without an id, as radius, ldap and devices have it.
fn by_name(json: &mut Json, person: &Person) {
    json.nested("initiated_by", |by| {
        by.text("type", "user");
        by.text("username", &person.username());
    });
}

fn policy(json: &mut Json, allowed: bool) {
    json.array("policies_applied", |policies| {
        policies.item(|policy| {
            policy.nested("metadata", |metadata| {
                metadata.text("resource_type", "APPLICATION");
                metadata.text("action", if allowed { "ALLOW" } else { "DENY" });
            });
            policy.text("name", "Global Policy");
            policy.text("id", "");
        });
    });
}

/// An LDAP connection id: base64 of 32 bytes.
pub(super) fn connection(bits: u64) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let bytes: Vec<u8> = (0..4)
        .flat_map(|index| crate::dice::mix(bits ^ index).to_le_bytes())
        .collect();
    STANDARD.encode(bytes)
}
