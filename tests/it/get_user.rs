//! `GetUser`: by UUID and by username.

use daybook::grpc::pb::v1::{GetUserRequest, get_user_request::User as By};
use tonic::Code;

use crate::{
    invalid_requests::{SOME_UUID, bad_uuids, fields},
    support::{ledger::add_user, records::create_user, service::TestService},
};

fn by_uuid(uuid: &str) -> GetUserRequest {
    GetUserRequest { user: Some(By::UserUuid(uuid.to_owned())) }
}

fn by_username(username: &str) -> GetUserRequest {
    GetUserRequest { user: Some(By::Username(username.to_owned())) }
}

#[tokio::test]
async fn a_user_is_found_by_uuid_and_by_username() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    for name in ["ann", "Ann", "zoë", "' OR 1=1 --", "x y"] {
        let user = create_user(&mut client, name).await;
        let uuid = &user.user_uuid;
        for request in [
            by_uuid(uuid),
            by_uuid(&uuid.to_uppercase()),
            by_uuid(&uuid.replace('-', "")),
            by_username(name),
        ] {
            let found = client.get_user(request).await.unwrap().into_inner();
            assert_eq!(found.user.as_ref(), Some(&user), "{name}");
        }
    }
    // Plain SQL may record names that CreateUser refuses.
    let odd = add_user(&service.sql, " ").await.user_uuid.to_string();
    let found = client.get_user(by_username(" ")).await.unwrap().into_inner();
    assert_eq!(found.user.unwrap().user_uuid, odd);
}

#[tokio::test]
async fn an_unknown_user_is_not_found() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    create_user(&mut client, "ann").await;
    for request in [by_uuid(SOME_UUID), by_username("ANN"), by_username("an"), by_username("a%")] {
        let status = client.get_user(request.clone()).await.unwrap_err();
        let expected = (Code::NotFound, "there is no such user");
        assert_eq!((status.code(), status.message()), expected, "{request:?}");
    }
}

#[tokio::test]
async fn the_field_that_is_wrong_is_named() {
    let service = TestService::start().await;
    let mut client = service.ledger().await;
    let mut cases = vec![(GetUserRequest::default(), "user_uuid")];
    cases.extend(bad_uuids().iter().map(|uuid| (by_uuid(uuid), "user_uuid")));
    for username in ["", "a\0", "a\nb", &"x".repeat(129), &"x".repeat(1_000_000)] {
        cases.push((by_username(username), "username"));
    }
    for (request, field) in cases {
        let status = client.get_user(request).await.unwrap_err();
        assert_eq!(fields(&status), [field]);
    }
}
