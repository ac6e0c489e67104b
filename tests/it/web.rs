//! The HTTP edge: which browsers are let in, the page, and the metrics.

use std::{collections::BTreeSet, fs, path::Path};

use daybook::{
    config::{AuthMode, MetricsMode, PageMode, ServeSettings},
    domain::access::Role,
};
use http::{Request, request::Builder};

use crate::{
    access::{bearer, token_of},
    support::{
        http::{Said, WebClient, ask, grpc_web, json},
        raw::{LIST_USERS, RawClient},
        service::{METRICS, TestService, new_target, settings},
    },
};

async fn start(change: impl FnOnce(&mut ServeSettings)) -> TestService {
    let mut settings = settings();
    change(&mut settings);
    TestService::start_with(new_target(), settings).await
}

/// What can be asked: in words, as a request, and the message behind it.
type Question = (&'static str, fn() -> Builder, &'static [u8]);

/// Everything that a browser can ask.
fn everything() -> Vec<Question> {
    vec![
        ("the page", || Request::get("/"), b""),
        ("a file of it", || Request::get("/assets/app.js"), b""),
        ("its head", || Request::head("/"), b""),
        ("nothing", || Request::get("/nothing"), b""),
        ("the metrics", || Request::get("/metrics"), b""),
        ("a call in JSON", || json(LIST_USERS), b"{}"),
        ("health in JSON", || json("/grpc.health.v1.Health/Check"), b"{}"),
        ("a call in Protobuf", || typed("application/proto"), b""),
        ("a call in gRPC-Web", || grpc_web(LIST_USERS), &[0; 5]),
        ("one in text", || typed("application/grpc-web-text"), b"AAAAAAA="),
        ("a stream", || typed("application/connect+json"), b"\0\0\0\0\x02{}"),
        ("a form", || typed("text/plain"), b"{}"),
        ("the question before a call", preflight, b""),
        ("another method", || Request::put(LIST_USERS), b""),
    ]
}

fn typed(content_type: &'static str) -> Builder {
    Request::post(LIST_USERS).header("content-type", content_type)
}

/// What a browser asks before a page calls another server.
fn preflight() -> Builder {
    Request::options(LIST_USERS)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,x-grpc-web")
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_here_is_refused_everywhere() {
    let service = start(|_| ()).await;
    let mut client = WebClient::open(service.address).await;
    let own = service.address.to_string();
    for (what, request, sent) in everything() {
        for (host, origin) in [
            ("evil.example", None),
            ("evil.example", Some("http://evil.example")),
            (&*format!("evil.example:{}", service.address.port()), None),
            ("127.0.0.1.evil.example", Some("http://127.0.0.1.evil.example")),
            ("0.0.0.0", None),
            // Asked under its own name, by a page of somebody else's.
            (&*own, Some("http://evil.example")),
            (&*own, Some("http://localhost:1")),
            (&*own, Some("null")),
            (&*own, Some(&*format!("https://{own}"))),
        ] {
            let mut request = request().header("host", host);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let said = client.ask(request, sent).await.unwrap();
            assert_eq!(said.status, 403, "{what}: {host} {origin:?}");
            assert!(said.headers.get("access-control-allow-origin").is_none(), "{said:?}");
        }
    }
    let raw = RawClient::open(service.address).await;
    let said = raw.ask(json(LIST_USERS).header("host", "evil.example"), "{}").await.unwrap();
    assert_eq!(said.status, 400, "two hosts: {said:?}");
}

#[tokio::test]
async fn its_own_page_is_let_in_under_each_name_of_its_own() {
    let service = start(|settings| settings.web.web_hosts = vec!["bank.test".to_owned()]).await;
    let mut client = WebClient::open(service.address).await;
    let port = service.address.port();
    for host in ["localhost", "127.0.0.1", "[::1]", "Daybook.localhost", "bank.test"] {
        let host = format!("{host}:{port}");
        let origin = format!("http://{}", host.to_lowercase());
        for request in [json(LIST_USERS), Request::get("/"), Request::get("/metrics")] {
            let request = request.header("host", &host).header("origin", &origin);
            let said = client.ask(request, "{}").await.unwrap();
            assert_eq!(said.status, 200, "{host}: {said:?}");
            assert!(said.headers.get("access-control-allow-origin").is_none(), "{said:?}");
        }
    }
}

#[tokio::test]
async fn plain_grpc_wants_http_2_and_no_page() {
    let service = start(|_| ()).await;
    let grpc = || Request::post(LIST_USERS).header("content-type", "application/grpc");
    let said = ask(service.address, grpc(), &[0; 5][..]).await;
    assert_eq!(said.status, 505);
    let raw = RawClient::open(service.address).await;
    let own = format!("http://{}", service.address);
    let said = raw.ask(grpc().header("origin", own), &[0; 5][..]).await.unwrap();
    assert_eq!(said.status, 403);
    // Whatever names lead here: programs are not told by what they say.
    let said = raw.ask(grpc(), &[0; 5][..]).await.unwrap();
    assert_eq!(said.status, 200);
}

#[tokio::test]
async fn pages_of_other_servers_are_let_in_where_they_are_named() {
    let dash = "https://dash.example";
    let service = start(|settings| settings.web.web_origins = vec![dash.to_owned()]).await;
    let mut client = WebClient::open(service.address).await;
    let said = client.ask(preflight().header("origin", dash), "").await.unwrap();
    assert_eq!((said.status, said.header("access-control-allow-methods")), (204, "POST"));
    assert_eq!(said.header("access-control-allow-origin"), dash);
    let allowed = said.header("access-control-allow-headers");
    for name in ["content-type", "authorization", "x-grpc-web", "connect-protocol-version"] {
        assert!(allowed.contains(name), "{allowed}");
    }
    for (request, sent) in [(json(LIST_USERS), &b"{}"[..]), (grpc_web(LIST_USERS), &[0; 5])] {
        let said = client.ask(request.header("origin", dash), sent).await.unwrap();
        assert_eq!((said.status, said.header("access-control-allow-origin")), (200, dash));
        assert_eq!(said.header("vary"), "origin");
        let exposed = said.header("access-control-expose-headers");
        for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
            assert!(exposed.contains(name), "{exposed}");
        }
        assert!(said.headers.get("access-control-allow-credentials").is_none());
    }
    // Not those that look like it.
    for origin in ["http://dash.example", "https://dash.example:8443", "https://a.dash.example"] {
        let said = client.ask(preflight().header("origin", origin), "").await.unwrap();
        assert_eq!(said.status, 403, "{origin}");
    }
}

#[tokio::test]
async fn the_page_is_served_with_what_it_may_do() {
    let service = start(|_| ()).await;
    let mut client = WebClient::open(service.address).await;
    let page = client.ask(Request::get("/"), "").await.unwrap();
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.text().contains("Daybook"));
    let policy = page.header("content-security-policy");
    for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("cache-control"), "no-cache");
    // Nothing is loaded from elsewhere, and nothing runs that is not in a file.
    for word in ["http://", "https://", "<style", "onclick="] {
        assert!(!page.text().contains(word), "{word}");
    }
    let head = client.ask(Request::head("/"), "").await.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), page.body.len().to_string());
    let known = Request::get("/").header("if-none-match", page.header("etag"));
    assert_eq!(client.ask(known, "").await.unwrap().status, 304);
    let zipped = Request::get("/assets/app.js").header("accept-encoding", "br, gzip");
    let zipped = client.ask(zipped, "").await.unwrap();
    assert_eq!(zipped.header("content-type"), "text/javascript; charset=utf-8");
    for path in ["/index.html", "/assets/", "/assets/nothing.js", "/../Cargo.toml", "/favicon.ico"]
    {
        let said = client.ask(Request::get(path), "").await.unwrap();
        assert_eq!((said.status, said.header("content-type")), (404, "text/plain; charset=utf-8"));
    }
    let query = client.ask(Request::get("/?view=rank"), "").await.unwrap();
    assert_eq!((query.status, query.body), (200, page.body));
    let service = start(|settings| settings.web.page = PageMode::Off).await;
    assert_eq!(ask(service.address, Request::get("/"), "").await.status, 404);
}

#[tokio::test]
async fn every_file_of_the_page_is_served() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/page/dist");
    let mut paths = BTreeSet::new();
    for (folder, prefix) in [(dist.clone(), "/"), (dist.join("assets"), "/assets/")] {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            match (entry.file_type().unwrap().is_dir(), &*name) {
                (true, name) => assert_eq!(name, "assets"),
                (false, "index.html") => drop(paths.insert("/".to_owned())),
                (false, name) => drop(paths.insert(format!("{prefix}{name}"))),
            }
        }
    }
    assert!(paths.contains("/"), "{paths:?}");
    let service = start(|_| ()).await;
    for path in paths {
        let said = ask(service.address, Request::get(&path), "").await;
        assert_eq!(said.status, 200, "{path}");
    }
}

#[tokio::test]
async fn metrics_are_open_on_loopback_and_closed_elsewhere() {
    let metrics = |token: Option<String>| match token {
        Some(token) => Request::get("/metrics").header("authorization", token),
        None => Request::get("/metrics"),
    };
    let is_told = |said: &Said| (said.status, said.text() == METRICS);
    let service = start(|settings| settings.server.auth = AuthMode::On).await;
    let said = ask(service.address, metrics(None), "").await;
    assert_eq!(is_told(&said), (200, true));
    assert_eq!(said.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let service = start(|settings| settings.web.metrics = MetricsMode::Off).await;
    assert_eq!(ask(service.address, metrics(None), "").await.status, 404);
    // As if it listened on a network.
    let elsewhere = |settings: &mut ServeSettings| {
        settings.server.listen = "10.0.0.5:50051".parse().unwrap();
        settings.server.auth = AuthMode::On;
    };
    let service = start(elsewhere).await;
    let refused = ask(service.address, metrics(None), "").await;
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, "Bearer"));
    assert_eq!(refused.header("content-type"), "text/plain; charset=utf-8");
    for (role, status) in
        [(Role::Reader, 200), (Role::Admin, 200), (Role::Ingester, 403), (Role::User, 403)]
    {
        let token = bearer(&token_of(&service, role).await.0);
        let said = ask(service.address, metrics(Some(token)), "").await;
        assert_eq!(is_told(&said), (status, status == 200), "{role:?}: {said:?}");
    }
    // It is no rpc: nothing else is let through on its policy.
    let admin = bearer(&token_of(&service, Role::Admin).await.0);
    let raw = RawClient::open(service.address).await;
    let headers = [("authorization", &*admin)];
    let answer = raw.send_with("/metrics", Default::default(), &headers).await.unwrap();
    assert_eq!(answer.status.code(), tonic::Code::Unimplemented);
    let service = start(|settings| {
        elsewhere(settings);
        settings.web.metrics = MetricsMode::On;
    })
    .await;
    assert_eq!(is_told(&ask(service.address, metrics(None), "").await), (200, true));
}
