//! Page tokens: each is good for its own request, and a forged one does no harm.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use daybook::grpc::pb::v1::{
    Direction, ListUsersRequest, RankMetric, RankRequest, rank_request::StandingOf,
};

use crate::{
    invalid_requests::{SOME_UUID, accounts, fields, rank_request},
    sum_amount::window,
    support::{ledger::add_user, service::TestService},
};

#[tokio::test]
async fn a_token_is_good_for_its_own_request_only() {
    let service = TestService::start().await;
    for name in ["ann", "bob", "cy"] {
        add_user(&service.sql, name).await;
    }
    let (mut analytics, mut ledger) = (service.analytics().await, service.ledger().await);
    let first = RankRequest { include_idle: true, page_size: 1, ..rank_request() };
    let token = analytics.rank(first.clone()).await.unwrap().into_inner().next_page_token;
    let list = ListUsersRequest { page_size: 1, ..Default::default() };
    let list_token = ledger.list_users(list.clone()).await.unwrap().into_inner().next_page_token;
    assert!(!token.is_empty() && !list_token.is_empty());

    let next = RankRequest { page_token: token.clone(), ..first };
    let bigger = RankRequest { page_size: 2, ..next.clone() };
    assert_eq!(analytics.rank(bigger).await.unwrap().into_inner().rows.len(), 2);
    let uuid = StandingOf::StandingUserUuid(SOME_UUID.into());
    let day = window("2024-01-01T00:00:00Z", "2024-01-02T00:00:00.000001Z");
    for changed in [
        RankRequest { include_idle: false, ..next.clone() },
        RankRequest { metric: RankMetric::Count.into(), ..next.clone() },
        RankRequest { order: 2, ..next.clone() },
        RankRequest { direction: Direction::Receiver.into(), ..next.clone() },
        RankRequest { window: day, ..next.clone() },
        RankRequest { asset: "USD".into(), ..next.clone() },
        RankRequest { standing_of: Some(uuid), ..next.clone() },
        RankRequest { population: accounts("internal"), ..next.clone() },
        RankRequest { page_token: list_token.clone(), ..next.clone() },
        RankRequest { page_token: token[..token.len() - 4].to_owned(), ..next.clone() },
    ] {
        let status = analytics.rank(changed.clone()).await.unwrap_err();
        assert_eq!(fields(&status), ["page_token"], "{changed:?}");
    }
    let other = ListUsersRequest { page_token: token, ..list };
    assert_eq!(fields(&ledger.list_users(other).await.unwrap_err()), ["page_token"]);
    let prefix = ListUsersRequest {
        page_token: list_token,
        username_prefix: "a".to_owned(),
        ..ListUsersRequest::default()
    };
    let search = ListUsersRequest {
        page_token: prefix.page_token.clone(),
        search: "a".to_owned(),
        ..ListUsersRequest::default()
    };
    for other in [prefix, search] {
        assert_eq!(fields(&ledger.list_users(other).await.unwrap_err()), ["page_token"]);
    }
}

/// A token of the same request with another position in it.
fn forged(token: &str, position: &[u8]) -> String {
    let genuine = URL_SAFE_NO_PAD.decode(token).unwrap();
    URL_SAFE_NO_PAD.encode([&genuine[..8], position].concat())
}

#[tokio::test]
async fn a_forged_token_is_refused_or_begins_a_page_elsewhere() {
    let service = TestService::start().await;
    for name in ["ann", "bob", "cy"] {
        add_user(&service.sql, name).await;
    }
    let (mut analytics, mut ledger) = (service.analytics().await, service.ledger().await);
    let list = ListUsersRequest { page_size: 1, ..Default::default() };
    let token = ledger.list_users(list.clone()).await.unwrap().into_inner().next_page_token;
    for position in [&b"a\0b"[..], b"\0", b"\xff\xfe", b"ann\xc3"] {
        let request = ListUsersRequest { page_token: forged(&token, position), ..list.clone() };
        let status = ledger.list_users(request).await.unwrap_err();
        assert_eq!(fields(&status), ["page_token"], "{position:?}");
    }
    for (position, expected) in [(&b"b"[..], "bob"), (b"", "ann"), (b"' OR 1=1 --", "ann")] {
        let request = ListUsersRequest { page_token: forged(&token, position), ..list.clone() };
        let answer = ledger.list_users(request).await.unwrap().into_inner();
        assert_eq!(answer.users[0].username, expected, "{position:?}");
    }

    let first = RankRequest { include_idle: true, page_size: 1, ..rank_request() };
    let token = analytics.rank(first.clone()).await.unwrap().into_inner().next_page_token;
    let uuid = SOME_UUID;
    for position in [
        String::new(),
        "0".into(),
        "0 ".into(),
        " ".into(),
        "0 nobody".into(),
        format!("1e9 {uuid}"),
        format!("NaN {uuid}"),
        format!("--1 {uuid}"),
        format!("0 {uuid}\0"),
        format!("0  {uuid}"),
        format!("{}{uuid}", "9".repeat(4_000)),
    ] {
        let page_token = forged(&token, position.as_bytes());
        let status = analytics.rank(RankRequest { page_token, ..first.clone() }).await.unwrap_err();
        assert_eq!(fields(&status), ["page_token"], "{position:?}");
    }
    for (position, left) in [("-", 0), ("1", 3), (&*format!("0.{}1", "0".repeat(2_000)), 3)] {
        let page_token = forged(&token, format!("{position} {uuid}").as_bytes());
        let request = RankRequest { page_token, page_size: 9, ..first.clone() };
        assert_eq!(analytics.rank(request).await.unwrap().into_inner().rows.len(), left);
    }
}
