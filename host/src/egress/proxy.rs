//! The proxy through which a process has to reach the internet.

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use crate::error::Problem;

/// The variables that name it, and those to which no proxy leads.
const PROXY: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const DIRECT: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The proxy for HTTPS requests (plain HTTP goes to this machine only, and
/// never through one).
pub(crate) struct Proxy {
    matcher: Matcher,
    address: String,
}

/// The address of the proxy that `HTTPS_PROXY` names, without credentials. It
/// resolves names in the place of this host, which then can't tell whether an
/// address is public.
pub fn https_proxy() -> Option<String> {
    Proxy::from_env().ok()?.map(|proxy| proxy.address)
}

impl Proxy {
    /// The proxy that `HTTPS_PROXY` names, but for the hosts in `NO_PROXY`.
    pub(crate) fn from_env() -> Result<Option<Self>, Problem> {
        match first(PROXY) {
            Some(proxy) => Self::new(&proxy, &first(DIRECT).unwrap_or_default()).map(Some),
            None => Ok(None),
        }
    }

    /// A proxy by its URL, and a list of names and networks to which it does
    /// not lead.
    pub(crate) fn new(url: &str, direct: &str) -> Result<Self, Problem> {
        // The URL may hold a password: no message repeats it.
        let parsed = url.parse::<Uri>().ok().filter(|uri| {
            matches!(uri.scheme_str(), None | Some("http")) && uri.authority().is_some()
        });
        let host_and_port = parsed.as_ref().and_then(Uri::authority).map(|whole| {
            let whole = whole.as_str();
            whole.rsplit_once('@').map_or(whole, |(_, rest)| rest)
        });
        let Some(host_and_port) = host_and_port else {
            return Err(
                Problem::new("HTTPS_PROXY", "the variable is not an address of a proxy")
                    .hint("it is like `http://proxy.example:3128`"),
            );
        };
        Ok(Self {
            address: format!("http://{host_and_port}"),
            matcher: Matcher::builder().https(url).no(direct).build(),
        })
    }

    /// Without credentials.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The way to `uri` through the proxy; none: it does not lead there.
    pub(super) fn leads_to(&self, uri: &Uri) -> Option<Intercept> {
        self.matcher.intercept(uri)
    }
}

fn first(names: [&str; 2]) -> Option<String> {
    let set = names.iter().filter_map(|name| std::env::var(name).ok());
    set.into_iter().find(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_goes_through_it_but_for_what_is_excepted() {
        let proxy = Proxy::new("http://me:s3cret@proxy.example:3128", "inside.example").unwrap();
        assert_eq!(proxy.address(), "http://proxy.example:3128");
        let leads = |url: &str| proxy.leads_to(&url.parse().unwrap()).is_some();
        assert!(leads("https://api.example.com/"));
        assert!(!leads("http://127.0.0.1/"));
        assert!(!leads("https://inside.example/"));
        assert!(!leads("https://a.inside.example/"));
        assert_eq!(
            Proxy::new("proxy:3128", "").unwrap().address(),
            "http://proxy:3128"
        );
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        for wrong in [
            "https://me:s3cret@proxy",
            "socks5://x:s3cret@proxy",
            "/s3cret",
            "http://",
        ] {
            let problem = Proxy::new(wrong, "").err().unwrap();
            assert!(!format!("{problem:?}").contains("s3cret"), "{wrong}");
        }
    }
}
