//! Which browsers are let in: under which name they may ask, and from whose pages.
//!
//! A browser says which host it believes to ask (`Host`), and a page cannot make it say another. A
//! page elsewhere whose name was made to lead here (DNS rebinding) is known by that: the server is
//! known by none but names that nobody else can make lead here, and those that the settings say. A
//! browser also says from whose page it asks (`Origin`, with everything but plain reading), and no
//! page but the server's own is let in, or one that the settings name.
//!
//! Programs say what they like, so nothing else rests on this: tokens and policies hold for all.

use std::{collections::HashSet, fmt, net::IpAddr, sync::Arc};

use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode, Uri,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST,
        ORIGIN, VARY,
    },
    request,
    uri::Authority,
};
use tonic::body::Body;

use crate::config::WebSettings;

/// Whether the server's certificate is for a host.
pub type IsNamed = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Headers that a page elsewhere may send: those of gRPC-Web and of Connect.
const SENT: HeaderValue = HeaderValue::from_static(
    "authorization, connect-protocol-version, connect-timeout-ms, content-type, grpc-timeout, \
     x-grpc-web, x-user-agent",
);

/// Headers of answers that it may read.
const READ: HeaderValue = HeaderValue::from_static(
    "grpc-message, grpc-status, grpc-status-details-bin, retry-after, x-request-id",
);

/// How long a browser may keep what it was told, in seconds: the longest that any does.
const KEPT: HeaderValue = HeaderValue::from_static("7200");

/// Who is let in.
pub(super) struct Callers {
    is_named: Option<IsNamed>,
    address: IpAddr,
    hosts: HashSet<String>,
    origins: Vec<Origin>,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stranger {
    /// Which host is asked is not said, or said in two ways.
    Unclear,
    /// The host is none that the server is known by.
    Host,
    /// The request is made by a page of somebody else's.
    Page,
}

/// Whose page asks, of those that are let in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Visit {
    /// A page of another server, as its browser writes it.
    elsewhere: Option<HeaderValue>,
}

/// Scheme, host and port: all that a browser tells of a page (RFC 6454).
#[derive(Clone, Debug, Eq, PartialEq)]
struct Origin {
    is_encrypted: bool,
    host: String,
    port: u16,
}

impl Callers {
    /// Those that the settings let in, of a server with this address. It is encrypted where there
    /// is a certificate to be named in.
    ///
    /// # Errors
    /// What is no host or no origin in the settings.
    pub(super) fn new(
        settings: &WebSettings,
        address: IpAddr,
        is_named: Option<IsNamed>,
    ) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut hosts = HashSet::new();
        for text in &settings.web_hosts {
            match text.parse::<Authority>() {
                Ok(host) if is_bare(&host) => hosts.insert(name_of(&host)),
                _ => {
                    wrong.push(format!("--web-hosts: {text} is no name of a host"));
                    false
                }
            };
        }
        let mut origins = Vec::new();
        for text in &settings.web_origins {
            match Origin::parse(text) {
                Some(origin) => origins.push(origin),
                None => wrong.push(format!(
                    "--web-origins: {text} is no origin, such as https://dash.example.org"
                )),
            }
        }
        match wrong.is_empty() {
            true => Ok(Self { is_named, address, hosts, origins }),
            false => Err(wrong),
        }
    }

    /// Lets a request in, or says why not.
    pub(super) fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<Visit, Stranger> {
        let asked = authority(uri, headers).ok_or(Stranger::Unclear)?;
        if !self.is_known_as(&name_of(&asked)) {
            return Err(Stranger::Host);
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        let (origin, second) = (origins.next(), origins.next());
        let Some(text) = origin else { return Ok(Visit::default()) };
        let origin = text.to_str().ok().filter(|_| second.is_none()).and_then(Origin::parse);
        let origin = origin.ok_or(Stranger::Page)?;
        if origin == Origin::new(self.is_named.is_some(), &asked) {
            return Ok(Visit::default());
        }
        match self.origins.contains(&origin) {
            true => Ok(Visit { elsewhere: Some(text.clone()) }),
            false => Err(Stranger::Page),
        }
    }

    /// Whether this is a name of the server: one that leads to the machine that asks, whatever
    /// somebody's name server says, the address that it listens on, or one that it was given.
    fn is_known_as(&self, host: &str) -> bool {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let is_local = match address {
            Some(address) => address.is_loopback() || address == self.address,
            None => host == "localhost" || host.ends_with(".localhost"),
        };
        let is_certified = |is_named: &IsNamed| is_named(host.trim_matches(['[', ']']));
        is_local || self.hosts.contains(host) || self.is_named.as_ref().is_some_and(is_certified)
    }
}

impl Visit {
    /// The answer to a browser that asks whether a page elsewhere may make a call (Fetch,
    /// "CORS-preflight request"); none where that is not asked.
    pub(super) fn preflight(&self, request: &request::Parts) -> Option<Response<Body>> {
        self.elsewhere.as_ref()?;
        let is_asked = request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if request.method != Method::OPTIONS || !is_asked {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, SENT);
        headers.insert(ACCESS_CONTROL_MAX_AGE, KEPT);
        Some(response)
    }

    /// Lets a page elsewhere read an answer. Cookies and certificates of its reader's are never
    /// sent along: that is not allowed.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        let Some(origin) = &self.elsewhere else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READ);
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}

impl fmt::Display for Stranger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unclear => "a request must say once which host it asks",
            Self::Host => {
                "this host is none that Daybook is known by here: --web-hosts says which it is"
            }
            Self::Page => {
                "a page of another server asks, and is not let in: --web-origins says which is"
            }
        })
    }
}

impl Stranger {
    /// The status of the refusal.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Unclear => StatusCode::BAD_REQUEST,
            Self::Host | Self::Page => StatusCode::FORBIDDEN,
        }
    }
}

impl Origin {
    fn new(is_encrypted: bool, authority: &Authority) -> Self {
        let usual = if is_encrypted { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(usual);
        Self { is_encrypted, host: name_of(authority), port }
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let is_encrypted = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = rest.parse::<Authority>().ok().filter(is_plain)?;
        Some(Self::new(is_encrypted, &authority))
    }
}

/// Which host is asked: in HTTP/2 and in requests through a proxy the URI says it, in HTTP/1.1 the
/// header. Whoever says both says the same (RFC 9113, section 8.3.1; RFC 9112, section 3.2).
fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let mut named = headers.get_all(HOST).iter();
    let (named, second) = (named.next(), named.next());
    let named = match named {
        Some(value) => Some(value.to_str().ok()?.parse::<Authority>().ok()?),
        None => None,
    };
    let authority = match (uri.authority().cloned(), named) {
        // Equal but for the case of letters.
        (Some(asked), Some(named)) => (asked == named).then_some(asked),
        (asked, named) => asked.or(named),
    };
    authority.filter(|authority| second.is_none() && is_plain(authority))
}

/// Whether there is nothing but a host, and perhaps a port that is a number.
fn is_plain(authority: &Authority) -> bool {
    let rest = authority.as_str().strip_prefix(authority.host());
    rest.is_some_and(|rest| rest.is_empty() || authority.port_u16().is_some())
}

/// Whether there is nothing but a host, written out: no pattern.
fn is_bare(authority: &Authority) -> bool {
    let is_written = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    authority.as_str() == authority.host() && authority.host().chars().all(is_written)
}

fn name_of(authority: &Authority) -> String {
    authority.host().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::config::{MetricsMode, PageMode};

    fn settings(hosts: &[&str], origins: &[&str]) -> WebSettings {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        WebSettings {
            web_hosts: owned(hosts),
            web_origins: owned(origins),
            page: PageMode::Auto,
            metrics: MetricsMode::Auto,
        }
    }

    fn callers(hosts: &[&str], origins: &[&str], certified: Option<&'static str>) -> Callers {
        let is_named = certified.map(|name| -> IsNamed { Arc::new(move |host| host == name) });
        let address = "10.0.0.5".parse().expect("an address");
        Callers::new(&settings(hosts, origins), address, is_named).expect("they are right")
    }

    fn admitted(callers: &Callers, uri: &str, headers: &[(&str, &str)]) -> Result<Visit, Stranger> {
        let mut request = Request::post(uri);
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(()).expect("a request");
        callers.admit(request.uri(), request.headers())
    }

    #[test]
    fn the_server_is_known_by_names_that_nobody_else_gives() {
        let callers = callers(&["Bank.example.org"], &[], None);
        for (host, is_known) in [
            ("localhost", true),
            ("LOCALHOST:50051", true),
            ("daybook.localhost:1", true),
            ("127.0.0.1:50051", true),
            ("127.8.9.1", true),
            ("[::1]:50051", true),
            ("10.0.0.5:50051", true),
            ("bank.example.org:8443", true),
            ("10.0.0.6", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("evillocalhost", false),
            ("notbank.example.org", false),
            ("2130706433", false),
        ] {
            let expected = if is_known { Ok(Visit::default()) } else { Err(Stranger::Host) };
            assert_eq!(admitted(&callers, "/", &[("host", host)]), expected, "{host}");
            let uri = format!("http://{host}/");
            assert_eq!(admitted(&callers, &uri, &[]), expected, "{uri}");
        }
    }

    #[test]
    fn a_host_that_is_not_clear_is_refused() {
        let callers = callers(&[], &[], None);
        for (uri, hosts) in [
            ("/", &[][..]),
            ("/", &[""]),
            ("/", &["localhost", "localhost"]),
            ("/", &["user@localhost"]),
            ("/", &["localhost:port"]),
            ("/", &["localhost:"]),
            ("/", &["local host"]),
            ("http://localhost/", &["evil.example"]),
            ("http://localhost:1/", &["localhost:2"]),
            ("http://user@localhost/", &[]),
        ] {
            let headers: Vec<_> = hosts.iter().map(|&host| ("host", host)).collect();
            assert_eq!(
                admitted(&callers, uri, &headers),
                Err(Stranger::Unclear),
                "{uri} {hosts:?}"
            );
        }
        let twice = admitted(&callers, "http://localhost:1/", &[("host", "LocalHost:1")]);
        assert_eq!(twice, Ok(Visit::default()));
    }

    #[test]
    fn no_page_is_let_in_but_the_servers_own_and_those_that_are_named() {
        let plain = callers(&["bank.example"], &["https://dash.example:444"], None);
        let encrypted = callers(&[], &[], Some("bank.example"));
        for (callers, host, origin, is_own) in [
            (&plain, "localhost:50051", "http://localhost:50051", true),
            (&plain, "LocalHost:50051", "http://localhost:50051", true),
            (&plain, "[::1]:50051", "http://[::1]:50051", true),
            (&plain, "bank.example", "http://bank.example", true),
            (&plain, "bank.example:80", "http://bank.example", true),
            (&encrypted, "bank.example", "https://bank.example", true),
            (&encrypted, "bank.example:443", "https://bank.example", true),
            (&plain, "localhost:50051", "https://localhost:50051", false),
            (&plain, "localhost:50051", "http://localhost:50052", false),
            (&plain, "localhost:50051", "http://127.0.0.1:50051", false),
            (&plain, "localhost:50051", "http://localhost", false),
            (&plain, "localhost:50051", "null", false),
            (&plain, "localhost:50051", "", false),
            (&plain, "localhost:50051", "file://", false),
            (&plain, "localhost:50051", "http://user@localhost:50051", false),
            (&plain, "localhost:50051", "http://localhost:50051/", false),
            (&plain, "localhost:50051", "https://dash.example", false),
            (&encrypted, "bank.example", "http://bank.example", false),
            (&encrypted, "bank.example", "https://evil.example", false),
        ] {
            let found = admitted(callers, "/", &[("host", host), ("origin", origin)]);
            let expected = if is_own { Ok(Visit::default()) } else { Err(Stranger::Page) };
            assert_eq!(found, expected, "{host} {origin}");
        }
        let dash = "https://dash.example:444";
        let found = admitted(&plain, "/", &[("host", "localhost"), ("origin", dash)]);
        assert_eq!(found.expect("it is named").elsewhere, Some(HeaderValue::from_static(dash)));
        let twice = [("host", "localhost"), ("origin", dash), ("origin", dash)];
        assert_eq!(admitted(&plain, "/", &twice), Err(Stranger::Page));
    }

    #[test]
    fn settings_that_are_no_hosts_or_origins_are_named() {
        let address = "127.0.0.1".parse().expect("an address");
        for (hosts, origins, expected) in [
            (&["bank.example:443"][..], &[][..], "--web-hosts: bank.example:443"),
            (&["https://bank.example"], &[], "--web-hosts: https://bank.example"),
            (&["*.bank.example"], &[], "--web-hosts: *.bank.example"),
            (&[], &["*"], "--web-origins: *"),
            (&[], &["dash.example"], "--web-origins: dash.example"),
            (&[], &["https://dash.example/"], "--web-origins: https://dash.example/"),
        ] {
            let wrong = Callers::new(&settings(hosts, origins), address, None).err();
            let wrong = wrong.expect("it is wrong").join("; ");
            assert!(wrong.contains(expected), "{wrong}");
        }
    }
}
