use super::*;
use crate::{domain::erc20::ranges::Range, outbound::http::HttpFault};

fn url() -> SourceUrl {
    SourceUrl::parse("https://example.com/v3/0123456789abcdef").expect("a URL")
}

fn answer(status: u16, body: &str) -> HttpAnswer {
    HttpAnswer {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: HeaderMap::new(),
        body: Ok(body.as_bytes().to_vec()),
    }
}

/// What an answer to a question for logs means.
fn logs(answer: &HttpAnswer) -> Result<Option<Vec<String>>, LogsError> {
    let reply: Reply<'_, Vec<String>> = read(&url(), body(&url(), answer)?)?;
    match reply.error {
        Some(fault) => Err(fault.of_logs(&url(), &answer.headers)),
        None => Ok(reply.result),
    }
}

#[test]
fn errors_are_read_whatever_the_status() {
    let text = r#"{"jsonrpc":"2.0","id":0,"error":{
        "code":-32005,"message":"query returned more than 10000 results",
        "data":{"from":"0x10","limit":10000,"to":"0x1f"}
    }}"#;
    for status in [200, 400, 429, 500] {
        let Err(LogsError::TooMuch { advice, why }) = logs(&answer(status, text)) else {
            panic!("HTTP {status}");
        };
        assert_eq!(advice.range, Some(Range { first: 0x10, last: 0x1f }));
        assert_eq!(advice.results_max, Some(10_000));
        assert_eq!(why, "-32005 \"query returned more than 10000 results\"");
    }
}

#[test]
fn statuses_speak_where_no_error_does() {
    let unavailable = |why: &str| SourceError::Unavailable { why: why.into(), wait: None };
    for (status, body, expected) in [
        (429, "slow down", SourceError::RateLimited { wait: None }),
        (402, "", SourceError::QuotaUsedUp { wait: None }),
        (403, "<html>", SourceError::Forbidden(403)),
        (502, "<html>", unavailable("HTTP 502 Bad Gateway")),
        (404, "no", malformed("HTTP 404 Not Found: \"no\"")),
        // A result with such a status is none.
        (500, r#"{"id":0,"result":[]}"#, unavailable("HTTP 500 Internal Server Error")),
    ] {
        assert_eq!(logs(&answer(status, body)), Err(LogsError::Source(expected)), "{status}");
    }
    let large = logs(&answer(413, ""));
    assert!(matches!(large, Err(LogsError::TooMuch { .. })), "{large:?}");
    for body in ["<html>", "", "[", "{\"id\":0,\"result\":7}"] {
        let read = logs(&answer(200, body));
        assert!(matches!(read, Err(LogsError::Source(SourceError::Malformed(_)))), "{read:?}");
    }
}

#[test]
fn an_answer_that_was_cut_off_or_is_too_large_is_none() {
    let fault = HttpFault::Unavailable("cut".into());
    let cut = HttpAnswer { body: Err(fault), ..answer(200, "") };
    assert!(matches!(logs(&cut), Err(LogsError::Source(SourceError::Unavailable { .. }))));
    let large = HttpAnswer { body: Err(HttpFault::TooLarge(7)), ..answer(200, "") };
    assert!(matches!(logs(&large), Err(LogsError::TooMuch { .. })));
}

#[test]
fn no_result_is_no_error() {
    assert_eq!(logs(&answer(200, r#"{"id":0,"result":null}"#)), Ok(None));
    assert_eq!(logs(&answer(200, r#"{"id":null,"result":[]}"#)), Ok(Some(vec![])));
}
