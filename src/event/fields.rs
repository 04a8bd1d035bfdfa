//! Every path of a raw event that the mapping reads, and where its leaf moves.
//!
//! The one declaration of paths: the parser opens the objects named here and keeps all else as it is
//! written; nothing can be read that isn't declared; the inverse of the mapping (rebuilding an event
//! from its output) and the documentation are made from it.

/// Where a leaf goes that is copied into the output and leaves `unmapped`. It moves only if the
/// mapping reads its form: an address that is none stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// This attribute.
    Always(&'static str),
    /// This attribute of Authentication.
    Login(&'static str),
    /// This attribute of the endpoint that `client_ip` belongs to: the device for service `systems`,
    /// else the source.
    Client(&'static str),
    /// As `Client`, but Account Change's `device` has no such attribute.
    ClientNetwork(&'static str),
    /// This attribute of the source endpoint, for service `systems` only.
    Remote(&'static str),
    /// This attribute of the device: `dst_endpoint` of Authentication, `device` of Account Change.
    Device(&'static str),
}

impl To {
    /// The full path of the attribute in an event of this kind, if it has it.
    pub fn path(self, login: bool, systems: bool) -> Option<String> {
        let device = if login { "dst_endpoint" } else { "device" };
        let client = if systems { device } else { "src_endpoint" };
        match self {
            Self::Always(path) => Some(path.to_owned()),
            Self::Login(path) => login.then(|| path.to_owned()),
            Self::Client(path) => Some(format!("{client}.{path}")),
            Self::ClientNetwork(path) => (client != "device").then(|| format!("{client}.{path}")),
            Self::Remote(path) => systems.then(|| format!("src_endpoint.{path}")),
            Self::Device(path) => Some(format!("{device}.{path}")),
        }
    }
}

macro_rules! fields {
    ($($field:ident: $($parent:ident /)? $name:literal $(=> $to:expr)?,)*) => {
        /// A path of the raw event that the mapping reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Field { $(#[doc = $name] $field),* }

        /// All of them, parents before children.
        pub const FIELDS: &[Field] = &[$(Field::$field),*];

        impl Field {
            pub(crate) const COUNT: usize = FIELDS.len();

            /// The last part of the path.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$field => $name),* }
            }

            /// The object that it is a member of; none: the event itself.
            pub const fn parent(self) -> Option<Self> {
                match self { $(Self::$field => fields!(@parent $($parent)?)),* }
            }

            /// Where the leaf moves, if ever.
            pub const fn to(self) -> Option<To> {
                match self { $(Self::$field => fields!(@to $($to)?)),* }
            }

            /// The field of this name in this object.
            pub(crate) fn find(parent: Option<Self>, name: &str) -> Option<Self> {
                match (parent, name) {
                    $((fields!(@parent $($parent)?), $name) => Some(Self::$field),)*
                    _ => None,
                }
            }
        }
    };
    (@parent) => { None };
    (@parent $parent:ident) => { Some(Field::$parent) };
    (@to) => { None };
    (@to $to:expr) => { Some($to) };
}

#[rustfmt::skip]
fields! {
    Id:                    "id"               => To::Always("metadata.original_event_uid"),
    Timestamp:             "timestamp"        => To::Always("metadata.original_time"),
    EventType:             "event_type"       => To::Always("metadata.event_code"),
    Service:               "service"          => To::Always("metadata.log_name"),
    Organization:          "organization"     => To::Always("metadata.tenant_uid"),
    Version:               "@version"         => To::Always("metadata.log_version"),
    Correlation:           "correlation",
    CorrelationId:         Correlation / "id" => To::Always("metadata.correlation_uid"),
    ServerTimestamp:       "server_timestamp",
    Message:               "message"          => To::Always("message"),

    Success:               "success",
    SsoTokenSuccess:       "sso_token_success",
    ErrorMessage:          "error_message"    => To::Always("status_detail"),
    ErrorCode:             "error_code",

    InitiatedBy:           "initiated_by",
    InitiatedById:         InitiatedBy / "id",
    InitiatedByUsername:   InitiatedBy / "username",
    InitiatedByEmail:      InitiatedBy / "email",
    InitiatedByName:       InitiatedBy / "name",
    InitiatedByType:       InitiatedBy / "type",
    InitiatedBySource:     InitiatedBy / "source",
    InitiatedBySourceMetadata: InitiatedBy / "source_metadata",
    InitiatedBySourceMetadataName: InitiatedBySourceMetadata / "name",
    JcInitiatedById:       "jc_initiated_by_id",
    JcInitiatedByEmail:    "jc_initiated_by_email",
    Username:              "username",
    Resource:              "resource",
    ResourceId:            Resource / "id",
    ResourceUsername:      Resource / "username",
    ResourceEmail:         Resource / "email",
    ResourceName:          Resource / "name",
    ResourceType:          Resource / "type",
    Association:           "association",
    AssociationConnection: Association / "connection",
    AssociationTo:         AssociationConnection / "to",
    AssociationToId:       AssociationTo / "object_id",
    AssociationToName:     AssociationTo / "name",
    AssociationToType:     AssociationTo / "type",
    AssociationFrom:       AssociationConnection / "from",
    AssociationFromId:     AssociationFrom / "object_id",
    AssociationFromName:   AssociationFrom / "name",
    AssociationFromType:   AssociationFrom / "type",
    Changes:               "changes",
    Dn:                    "dn"               => To::Login("user.ldap_person.ldap_dn"),

    ClientIp:              "client_ip"        => To::Client("ip"),
    SrcIp:                 "src_ip"           => To::Remote("ip"),
    Geoip:                 "geoip",
    GeoipCity:             Geoip / "city"      => To::Client("location.city"),
    GeoipCountryCode:      Geoip / "country_code",
    GeoipCountryCode2:     Geoip / "country_code2",
    GeoipCountry:          Geoip / "country",
    GeoipRegionCode:       Geoip / "region_code",
    GeoipRegion:           Geoip / "region",
    GeoipContinentCode:    Geoip / "continent_code",
    GeoipLatitude:         Geoip / "latitude"  => To::Client("location.lat"),
    GeoipLongitude:        Geoip / "longitude" => To::Client("location.long"),
    Asn:                   "asn",
    AsnOrganization:       Asn / "organization" => To::ClientNetwork("autonomous_system.name"),
    AsnNumber:             Asn / "number"      => To::ClientNetwork("autonomous_system.number"),
    System:                "system",
    SystemId:              System / "id"       => To::Device("uid"),
    SystemHostname:        System / "hostname" => To::Device("hostname"),
    SystemDisplayName:     System / "displayName" => To::Device("name"),
    Useragent:             "useragent",
    UseragentName:         Useragent / "name",
    UseragentVersion:      Useragent / "version",
    UseragentMajor:        Useragent / "major",
    UseragentMinor:        Useragent / "minor",
    UseragentPatch:        Useragent / "patch",
    UseragentOs:           Useragent / "os",
    UseragentOsName:       Useragent / "os_name",
    UseragentOsFull:       Useragent / "os_full",
    UseragentOsVersion:    Useragent / "os_version",
    UserAgent:             "user_agent",
    UserAgentName:         UserAgent / "name",
    UserAgentVersion:      UserAgent / "version",
    UserAgentMajor:        UserAgent / "major",
    UserAgentMinor:        UserAgent / "minor",
    UserAgentPatch:        UserAgent / "patch",
    UserAgentOs:           UserAgent / "os",
    UserAgentOsName:       UserAgent / "os_name",
    UserAgentOsFull:       UserAgent / "os_full",
    UserAgentOsVersion:    UserAgent / "os_version",

    Mfa:                   "mfa"              => To::Login("is_mfa"),
    MfaMeta:               "mfa_meta",
    MfaMetaType:           MfaMeta / "type",
    AuthContext:           "auth_context",
    AuthMethods:           AuthContext / "auth_methods",
    PoliciesApplied:       AuthContext / "policies_applied",
    AuthSystem:            AuthContext / "system",
    AuthSystemId:          AuthSystem / "id"          => To::Always("src_endpoint.uid"),
    AuthSystemHostname:    AuthSystem / "hostname"    => To::Always("src_endpoint.hostname"),
    AuthSystemDisplayName: AuthSystem / "displayName" => To::Always("src_endpoint.name"),
    AuthSystemOs:          AuthSystem / "os",
    AuthSystemVersion:     AuthSystem / "version",
    AuthMeta:              "auth_meta",
    AuthMetaMethods:       AuthMeta / "auth_methods",
    AuthMethod:            "auth_method",
    Mech:                  "mech",
    StartTls:              "start_tls",
    TlsEstablished:        "tls_established",
    ConnectionId:          "connection_id"    => To::Login("session.uid"),
    ProcessName:           "process_name"     => To::Login("actor.app_name"),
    WindowsMeta:           "windows_meta",
    LogonType:             WindowsMeta / "logon_type",
    Application:           "application",
    ApplicationId:         Application / "id",
    ApplicationName:       Application / "name",
    ApplicationLabel:      Application / "display_label",
    ApplicationSsoType:    Application / "sso_type",
    ApplicationSsoUrl:     Application / "sso_url",
}

impl Field {
    /// Whether other fields are declared within it, so that the parser opens it.
    pub(crate) const fn has_members(self) -> bool {
        matches!(
            self,
            Self::Correlation
                | Self::InitiatedBy
                | Self::InitiatedBySourceMetadata
                | Self::Resource
                | Self::Association
                | Self::AssociationConnection
                | Self::AssociationTo
                | Self::AssociationFrom
                | Self::Geoip
                | Self::Asn
                | Self::System
                | Self::Useragent
                | Self::UserAgent
                | Self::MfaMeta
                | Self::AuthContext
                | Self::AuthSystem
                | Self::AuthMeta
                | Self::WindowsMeta
                | Self::Application
        )
    }

    /// The whole path, as in `geoip.city`.
    pub fn path(self) -> String {
        match self.parent() {
            Some(parent) => format!("{}.{}", parent.path(), self.name()),
            None => self.name().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_those_with_members() {
        for field in FIELDS {
            let is_parent = FIELDS.iter().any(|inner| inner.parent() == Some(*field));
            assert_eq!(field.has_members(), is_parent, "{field:?}");
            assert_eq!(Field::find(field.parent(), field.name()), Some(*field));
        }
    }

    #[test]
    fn moved_leaves_have_one_place_each() {
        for (login, systems) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut paths: Vec<_> = FIELDS
                .iter()
                .filter_map(|field| field.to()?.path(login, systems))
                .collect();
            let count = paths.len();
            paths.sort_unstable();
            paths.dedup();
            assert_eq!(paths.len(), count);
        }
    }
}
