//! The page: its files, built into the program, so that there is nothing to install beside it.
//!
//! They hold no data. A browser keeps them and asks each time whether they are the same (`ETag`).
//! What the page may do in a browser is said with it: run its own scripts, ask its own server, and
//! nothing else.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{
        ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY,
        CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::Full;
use sha2::{Digest, Sha256};
use tonic::body::Body;

/// Path, content type and bytes of each file.
const FILES: [(&str, &str, &[u8]); 5] = [
    ("/", "text/html; charset=utf-8", include_bytes!("page/dist/index.html")),
    ("/assets/app.css", "text/css; charset=utf-8", include_bytes!("page/dist/assets/app.css")),
    ("/assets/app.js", "text/javascript; charset=utf-8", include_bytes!("page/dist/assets/app.js")),
    ("/assets/icon.svg", "image/svg+xml", include_bytes!("page/dist/assets/icon.svg")),
    (
        "/assets/licences.txt",
        "text/plain; charset=utf-8",
        include_bytes!("page/dist/assets/licences.txt"),
    ),
];

/// What the page may do (Content Security Policy Level 3).
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The page.
pub(super) struct Page {
    files: Vec<File>,
}

struct File {
    path: &'static str,
    content_type: HeaderValue,
    plain: Variant,
    zipped: Option<Variant>,
}

/// A file as it is sent.
struct Variant {
    bytes: Bytes,
    tag: HeaderValue,
}

impl Page {
    /// Prepares the files.
    pub(super) fn new() -> Self {
        let file = |(path, content_type, bytes): (&'static str, &'static str, &'static [u8])| {
            let zipped = zip(bytes).filter(|zipped| zipped.len() < bytes.len());
            File {
                path,
                content_type: HeaderValue::from_static(content_type),
                plain: Variant::new(Bytes::from_static(bytes)),
                zipped: zipped.map(|zipped| Variant::new(zipped.into())),
            }
        };
        Self { files: FILES.into_iter().map(file).collect() }
    }

    /// The file at a path, or that a browser has it already.
    pub(super) fn find(&self, path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
        let file = self.files.iter().find(|file| file.path == path)?;
        let zipped = file.zipped.as_ref().filter(|_| takes_gzip(headers));
        let variant = zipped.unwrap_or(&file.plain);
        let mut response = Response::new(Body::empty());
        let told = response.headers_mut();
        told.insert(ETAG, variant.tag.clone());
        told.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        told.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if has(headers, &variant.tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Some(response);
        }
        told.insert(CONTENT_TYPE, file.content_type.clone());
        told.insert(CONTENT_LENGTH, HeaderValue::from(variant.bytes.len()));
        if zipped.is_some() {
            told.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        told.insert(CONTENT_SECURITY_POLICY, POLICY);
        told.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        told.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
            told.insert(name, HeaderValue::from_static("same-origin"));
        }
        *response.body_mut() = Body::new(Full::new(variant.bytes.clone()));
        Some(response)
    }
}

impl Variant {
    fn new(bytes: Bytes) -> Self {
        let digest = Sha256::digest(&bytes);
        let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        // Hexadecimal digits between quotes are a header.
        let tag =
            HeaderValue::try_from(format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""));
        Self { bytes, tag }
    }
}

fn zip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// Whether a browser reads what is compressed (RFC 9110, section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let is_refused = weight
            .trim()
            .strip_prefix("q=")
            .is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

/// Whether a browser says that it has this (RFC 9110, section 13.1.2).
fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).expect("a header"));
        headers
    }

    #[test]
    fn compression_is_used_where_it_is_accepted() {
        for (accepted, is_taken) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("deflate, gzip;q=1.0, *;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("br", false),
            ("xgzip", false),
            ("", false),
        ] {
            assert_eq!(takes_gzip(&with("accept-encoding", accepted)), is_taken, "{accepted}");
        }
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        let page = Page::new();
        let first = page.find("/", &HeaderMap::new()).expect("there is a page");
        let tag = first.headers()[ETAG].to_str().expect("a tag").to_owned();
        for (known, status) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"other\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
        ] {
            let again = page.find("/", &with("if-none-match", &known)).expect("there is a page");
            assert_eq!(again.status().as_u16(), status, "{known}");
        }
        for path in ["", "/index.html", "/assets", "/assets/", "/assets/../index.html"] {
            assert!(page.find(path, &HeaderMap::new()).is_none(), "{path}");
        }
    }
}
