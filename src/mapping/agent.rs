//! The client as it describes itself: `useragent`, in some events `user_agent`; and its operating
//! system, which a managed device knows better.

use std::borrow::Cow;

use crate::{
    event::{Event, Field},
    ocsf::{HttpRequest, Labelled, Os, Url, other},
};

/// The request; `url`: where it went to.
pub(super) fn http_request<'e>(
    event: &'e Event<'_>,
    url: Option<Cow<'e, str>>,
) -> Option<HttpRequest<'e>> {
    let user_agent = Agent::of(event).and_then(|agent| agent.header(event));
    let url = url.map(|url_string| Url { url_string });
    (user_agent.is_some() || url.is_some()).then_some(HttpRequest { user_agent, url })
}

/// The operating system at the source.
pub(super) fn os<'e>(event: &'e Event<'_>) -> Option<Os<'e>> {
    let (name, version) = match known(event.text(Field::AuthSystemOs)) {
        Some(name) => (name, event.text(Field::AuthSystemVersion)),
        None => {
            let agent = Agent::of(event)?;
            let name = known(event.text(agent.os_name)).or_else(|| known(event.text(agent.os)))?;
            (name, event.text(agent.os_version))
        }
    };
    let (type_id, r#type) = os_type(&name);
    Some(Os {
        type_id,
        r#type,
        name,
        version,
    })
}

/// Where the parts of a user agent stand.
struct Agent {
    whole: Field,
    name: Field,
    version: Field,
    numbers: [Field; 3],
    os: Field,
    os_name: Field,
    os_full: Field,
    os_version: Field,
}

const AGENTS: [Agent; 2] = [
    Agent {
        whole: Field::Useragent,
        name: Field::UseragentName,
        version: Field::UseragentVersion,
        numbers: [
            Field::UseragentMajor,
            Field::UseragentMinor,
            Field::UseragentPatch,
        ],
        os: Field::UseragentOs,
        os_name: Field::UseragentOsName,
        os_full: Field::UseragentOsFull,
        os_version: Field::UseragentOsVersion,
    },
    Agent {
        whole: Field::UserAgent,
        name: Field::UserAgentName,
        version: Field::UserAgentVersion,
        numbers: [
            Field::UserAgentMajor,
            Field::UserAgentMinor,
            Field::UserAgentPatch,
        ],
        os: Field::UserAgentOs,
        os_name: Field::UserAgentOsName,
        os_full: Field::UserAgentOsFull,
        os_version: Field::UserAgentOsVersion,
    },
];

impl Agent {
    /// The first that the event has, as a text or as an object.
    fn of(event: &Event<'_>) -> Option<&'static Self> {
        AGENTS.iter().find(|agent| {
            event.get(agent.whole).is_some_and(|member| {
                let value = member.value();
                value.is_object() || value.text().is_some()
            })
        })
    }

    /// The header, or what the source's parts of it say: `Chrome/114.0.0.0 (Mac OS X 10.15.7)`.
    fn header<'e>(&self, event: &'e Event<'_>) -> Option<Cow<'e, str>> {
        if let Some(header) = event.text(self.whole) {
            return Some(header);
        }
        let mut header = known(event.text(self.name))?;
        if let Some(version) = event
            .text(self.version)
            .or_else(|| self.joined_numbers(event))
        {
            header += "/";
            header += version;
        }
        let os = [self.os_full, self.os_name, self.os]
            .into_iter()
            .find_map(|os| event.text(os));
        if let Some(os) = known(os) {
            header += " (";
            header += os;
            header += ")";
        }
        Some(header)
    }

    /// `major.minor.patch`, as far as they are given.
    fn joined_numbers<'e>(&self, event: &'e Event<'_>) -> Option<Cow<'e, str>> {
        self.numbers
            .into_iter()
            .map_while(|number| event.text(number))
            .reduce(|version, number| format!("{version}.{number}").into())
    }
}

/// "Other" is no name.
fn known(name: Option<Cow<'_, str>>) -> Option<Cow<'_, str>> {
    name.filter(|name| name != "Other")
}

fn os_type<'e>(name: &Cow<'e, str>) -> Labelled<'e> {
    const TYPES: [(u32, &str, &[&str]); 6] = [
        (100, "Windows", &["windows", "microsoft windows"]),
        (300, "macOS", &["mac os", "macos"]),
        (301, "iOS", &["ios"]),
        (302, "iPadOS", &["ipados"]),
        (201, "Android", &["android"]),
        (
            200,
            "Linux",
            &[
                "linux", "ubuntu", "fedora", "debian", "centos", "red hat", "rhel", "suse",
            ],
        ),
    ];
    let starts_with = |prefix: &&str| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    TYPES
        .into_iter()
        .find(|(_, _, prefixes)| prefixes.iter().any(starts_with))
        .map_or_else(
            || other(name.clone()),
            |(id, caption, _)| (id, caption.into()),
        )
}
