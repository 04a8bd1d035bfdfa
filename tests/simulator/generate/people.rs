//! Who and what is in a tenant: people, their devices, the places they sign in from.
//!
//! Nothing is stored: everything about person number n follows from the tenant and n. All of it is
//! invented; names of hosts and addresses are from the ranges kept for documentation.

use crate::dice::mix;

/// One person, or one administrator, of a tenant.
pub(crate) struct Person {
    seed: u64,
    pub(crate) first: &'static str,
    pub(crate) last: &'static str,
    pub(crate) place: &'static Place,
    pub(crate) browser: &'static Browser,
}

/// A town.
pub(crate) struct Place {
    pub(crate) city: &'static str,
    pub(crate) country: &'static str,
    pub(crate) region: &'static str,
    pub(crate) region_name: &'static str,
    pub(crate) continent: &'static str,
    pub(crate) zone: &'static str,
    pub(crate) latitude: &'static str,
    pub(crate) longitude: &'static str,
    pub(crate) network: &'static str,
    pub(crate) network_number: i64,
}

/// A browser on an operating system.
pub(crate) struct Browser {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) os: &'static str,
    pub(crate) os_version: &'static str,
    pub(crate) device: &'static str,
    pub(crate) device_os: &'static str,
    pub(crate) device_os_version: &'static str,
}

impl Person {
    /// Person `number` of the tenant with this seed.
    pub(crate) fn new(tenant: u64, number: u64) -> Person {
        let seed = mix(tenant ^ mix(number));
        Person {
            seed,
            first: at(FIRST_NAMES, seed),
            last: at(LAST_NAMES, seed >> 8),
            place: at_ref(PLACES, seed >> 16),
            browser: at_ref(BROWSERS, seed >> 24),
        }
    }

    pub(crate) fn username(&self) -> String {
        format!(
            "{}.{}{}",
            self.first.to_lowercase(),
            self.last.to_lowercase(),
            self.seed % 89
        )
    }

    pub(crate) fn email(&self) -> String {
        format!("{}@example.com", self.username())
    }

    pub(crate) fn id(&self) -> String {
        object_id(0x5f00_0000, self.seed)
    }

    pub(crate) fn device_id(&self) -> String {
        object_id(0x6000_0000, self.seed ^ 1)
    }

    pub(crate) fn hostname(&self) -> String {
        format!("{}-{:04X}", self.last.to_uppercase(), self.seed as u16)
    }

    /// The address of the network they work in; now and then a newer one.
    pub(crate) fn address(&self, draw: u64) -> String {
        let host = self.seed ^ (draw % 3);
        match (draw >> 8) % 20 {
            0 => format!("2001:db8:{:x}::{:x}", self.seed as u16, host as u16),
            1..=9 => format!("198.51.100.{}", host % 254 + 1),
            _ => format!("203.0.113.{}", host % 254 + 1),
        }
    }
}

/// 24 hexadecimal digits: seconds since 1970 and 8 bytes, as the API's own ids.
pub(crate) fn object_id(seconds: i64, rest: u64) -> String {
    format!("{:08x}{rest:016x}", seconds as u32)
}

fn at(list: &[&'static str], index: u64) -> &'static str {
    list.get(index as usize % list.len().max(1))
        .copied()
        .unwrap_or_default()
}

#[expect(
    clippy::indexing_slicing,
    reason = "the index is taken modulo the length of a constant"
)]
fn at_ref<T>(list: &'static [T], index: u64) -> &'static T {
    &list[index as usize % list.len()]
}

const FIRST_NAMES: &[&str] = &[
    "Ada", "Amir", "Bea", "Chen", "Dana", "Emil", "Fatima", "Grace", "Hugo", "Ines", "Jonas",
    "Kofi", "Lena", "Mei", "Nora", "Omar", "Priya", "Quinn", "Rosa", "Sven", "Tariq", "Uma",
    "Viktor", "Wanda", "Yusuf", "Zoe",
];

const LAST_NAMES: &[&str] = &[
    "Abel",
    "Brandt",
    "Costa",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Haddad",
    "Ito",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Nguyen",
    "Okafor",
    "Patel",
    "Quist",
    "Rossi",
    "Silva",
    "Tanaka",
    "Ueda",
    "Vargas",
    "Weber",
    "Xu",
    "Yilmaz",
    "Zhou",
];

#[rustfmt::skip]
const PLACES: &[Place] = &[
    place("Denver", "US", "CO", "Colorado", "NA", "America/Denver", "39.7388", "-104.9868", "Example Cable", 64500),
    place("Boston", "US", "MA", "Massachusetts", "NA", "America/New_York", "42.3601", "-71.0589", "Example Fiber", 64501),
    place("Portland", "US", "OR", "Oregon", "NA", "America/Los_Angeles", "45.5152", "-122.6784", "Example Broadband", 64502),
    place("Paris", "FR", "75", "Paris", "EU", "Europe/Paris", "48.8323", "2.4075", "Exemple Telecom", 64503),
    place("Berlin", "DE", "BE", "Land Berlin", "EU", "Europe/Berlin", "52.5196", "13.4069", "Beispiel Netz", 64504),
    place("Dublin", "IE", "L", "Leinster", "EU", "Europe/Dublin", "53.3379", "-6.2591", "Example Cloud", 64505),
    place("Brisbane", "AU", "QLD", "Queensland", "OC", "Australia/Brisbane", "-27.4679", "153.0325", "Example Pacific", 64506),
    place("Pune", "IN", "MH", "Maharashtra", "AS", "Asia/Kolkata", "18.5211", "73.8502", "Example India", 64507),
    place("S\u{e3}o Paulo", "BR", "SP", "S\\u00e3o Paulo", "SA", "America/Sao_Paulo", "-23.5475", "-46.6361", "Exemplo Rede", 64508),
    place("Lagos", "NG", "LA", "Lagos", "AF", "Africa/Lagos", "6.4541", "3.3947", "Example Africa", 64509),
];

#[rustfmt::skip]
const BROWSERS: &[Browser] = &[
    browser("Chrome", "142.0.0.0", "Mac OS X", "10.15.7", "Mac", "Mac OS X", "15.4"),
    browser("Chrome", "141.0.0.0", "Windows", "10", "Other", "Windows", "11 Pro"),
    browser("Firefox", "143.0", "Windows", "10", "Other", "Windows", "10 Pro"),
    browser("Firefox", "140.0", "Fedora", "42", "Other", "Fedora", "42"),
    browser("Safari", "18.4", "Mac OS X", "10.15.7", "Mac", "Mac OS X", "14.7.2"),
    browser("Mobile Safari", "18.4", "iOS", "18.4", "iPhone", "iOS", "18.4"),
    browser("Chrome Mobile", "142.0.0.0", "Android", "15", "Pixel 9", "Android", "15"),
    browser("Edge", "142.0.0.0", "Windows", "10", "Other", "Microsoft Windows 10 Pro", "10.0.19045"),
];

#[expect(clippy::too_many_arguments, reason = "one line of a table")]
const fn place(
    city: &'static str,
    country: &'static str,
    region: &'static str,
    region_name: &'static str,
    continent: &'static str,
    zone: &'static str,
    latitude: &'static str,
    longitude: &'static str,
    network: &'static str,
    network_number: i64,
) -> Place {
    Place {
        city,
        country,
        region,
        region_name,
        continent,
        zone,
        latitude,
        longitude,
        network,
        network_number,
    }
}

const fn browser(
    name: &'static str,
    version: &'static str,
    os: &'static str,
    os_version: &'static str,
    device: &'static str,
    device_os: &'static str,
    device_os_version: &'static str,
) -> Browser {
    Browser {
        name,
        version,
        os,
        os_version,
        device,
        device_os,
        device_os_version,
    }
}
