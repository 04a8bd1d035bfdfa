# The main attributes of the mapping in jq, to compare speeds; see docs/MAPPING.md for all of it.
# No check of addresses and mails, no user agents, factors, policies, profiles or observables.

def text: if type == "string" and . != "" then . else null end;
def compact: with_entries(select(.value != null and .value != {}));

def activities: {
  user_login_attempt: [3002, 1], admin_login_attempt: [3002, 1], sso_auth: [3002, 1],
  radius_auth: [3002, 1], radius_auth_attempt: [3002, 1], ldap_bind: [3002, 1], login_attempt: [3002, 1],
  user_create: [3001, 1], admin_create: [3001, 1], user_create_provision: [3001, 1],
  user_activated: [3001, 2], user_unsuspended: [3001, 2], admin_unsuspend: [3001, 2],
  user_password_change: [3001, 3], user_password_set: [3001, 3], admin_password_change: [3001, 3],
  user_password_reset_request: [3001, 4], admin_password_reset_request: [3001, 4],
  user_suspended: [3001, 5], admin_suspended: [3001, 5],
  user_delete: [3001, 6], admin_delete: [3001, 6], user_delete_provision: [3001, 6],
  user_admin_granted: [3001, 7], user_admin_revoked: [3001, 8],
  user_lockout: [3001, 9], admin_lockout: [3001, 9],
  totp_finish_enrollment: [3001, 10], admin_totp_finish_enrollment: [3001, 10],
  totp_delete_enrollment: [3001, 11], admin_totp_disable: [3001, 11], user_unlocked: [3001, 12],
  user_update: [3001, 99], admin_update: [3001, 99], association_change: [3001, 99],
  user_password_expired: [3001, 99], user_password_warning_email: [3001, 99],
  user_activation_email: [3001, 99], user_mfa_exclusion_expired: [3001, 99],
  user_activation_schedule_create: [3001, 99], user_activation_schedule_delete: [3001, 99],
  user_suspension_schedule_create: [3001, 99], user_suspension_schedule_delete: [3001, 99],
  user_update_provision: [3001, 99], totp_start_enrollment: [3001, 99], admin_totp_start_enrollment: [3001, 99]
};

# Milliseconds: jq itself reads whole seconds.
def millis: (.[0:19] + "Z" | fromdateiso8601) * 1000 + ((.[19:] | capture("^\\.(?<f>[0-9]+)").f // "0") + "00" | .[0:3] | tonumber);

def user: {name: (.username // .email), uid: .id, email_addr: .email, type_id: ({user: 1, admin: 2}[.type // ""] // 0)} | compact;

activities as $activities
| . as $raw
| ($raw.event_type | text) as $name
| $activities[$name // ""] as $kind
| select($kind)
| ($kind[0] == 3002) as $login
| ($raw.service == "systems") as $systems
| (if $raw.event_type == "sso_auth" and $raw.sso_token_success != null then $raw.sso_token_success else $raw.success end) as $success
| (if $success == true then [1, "Success"] elif $success == false or $raw.error_message then [2, "Failure"] else [0, "Unknown"] end) as $status
| ({city: $raw.geoip.city, country: $raw.geoip.country_code, lat: $raw.geoip.latitude, long: $raw.geoip.longitude} | compact) as $location
| ({ip: $raw.client_ip, location: $location, autonomous_system: ({name: $raw.asn?.organization?, number: $raw.asn?.number?} | compact)} | compact) as $client
| ($raw.system // {} | {uid: .id, hostname, name: .displayName} | compact) as $system
| {
    class_uid: $kind[0], class_name: (if $login then "Authentication" else "Account Change" end),
    category_uid: 3, category_name: "Identity & Access Management",
    activity_id: $kind[1], type_uid: ($kind[0] * 100 + $kind[1]),
    time: ($raw.timestamp | millis),
    severity_id: (if $status[0] == 2 then 2 else 1 end), status_id: $status[0], status: $status[1],
    status_detail: ($raw.error_message | text), message: ($raw.message | text),
    metadata: ({
      version: "1.8.0", product: {name: "JumpCloud Directory Insights", vendor_name: "JumpCloud"},
      uid: $raw.id, original_event_uid: $raw.id, original_time: $raw.timestamp, event_code: $name,
      log_name: $raw.service, log_version: $raw["@version"], tenant_uid: $raw.organization
    } | compact),
    user: (if $login then ($raw.initiated_by // {} | user) else ($raw.resource // {} | user) end),
    actor: (if $login then {app_name: $raw.process_name} else {user: ($raw.initiated_by // {} | user)} end | compact),
    src_endpoint: (if $systems then {ip: $raw.src_ip} | compact else $client end),
    is_mfa: (if $login then $raw.mfa else null end),
    is_remote: (if $login then true else null end)
  }
  + (if $login then {dst_endpoint: ($system + (if $systems then $client else {} end))}
     else {device: ($system + (if $systems then $client else {} end))} end)
  + {unmapped: ($raw | del(.id, .timestamp, .event_type, .service, .organization, .["@version"], .message, .error_message, .client_ip, .mfa, .process_name))}
| compact
