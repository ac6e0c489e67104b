//! `ListUsers`: order, pages, and users who come and go between them.

use std::{collections::BTreeMap, ops::Range};

use daybook::grpc::pb::v1::{ListUsersRequest, ListUsersResponse};
use rand::RngExt;
use uuid::Uuid;

use crate::support::{
    ledger::add_user, random::random, records::walk, schema::statement_text, service::TestService,
};

async fn page(service: &TestService, page_size: i32, page_token: &str) -> ListUsersResponse {
    let request =
        ListUsersRequest { page_size, page_token: page_token.to_owned(), ..Default::default() };
    service.ledger().await.list_users(request).await.unwrap().into_inner()
}

fn names(page: &ListUsersResponse) -> Vec<&str> {
    page.users.iter().map(|user| user.username.as_str()).collect()
}

#[tokio::test]
async fn pages_of_any_size_are_the_whole_in_the_order_of_bytes() {
    let service = TestService::start().await;
    let mut expected = [
        "zoë", "Ann", "ann", "ann ", "ann!2", "b-2", "b2", "B2", "Ωmega", "日本", "~", "0", "' --",
    ];
    for name in expected {
        add_user(&service.sql, name).await;
    }
    expected.sort_unstable();
    for size in [1, 2, 3, 5, 12, 13, 14, 1_000, 0] {
        let (mut found, mut token, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = page(&service, size, &token).await;
            found.extend(names(&page).into_iter().map(str::to_owned));
            pages += 1;
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
            assert_eq!(page.users.len(), usize::try_from(size).unwrap());
        }
        assert_eq!(found, expected, "{size}");
        let full = if size == 0 { 100 } else { usize::try_from(size).unwrap() };
        assert_eq!(pages, expected.len().div_ceil(full), "{size}");
    }
}

#[tokio::test]
async fn users_are_listed_by_what_their_usernames_begin_with() {
    let service = TestService::start().await;
    for name in ["ann", "anna", "Ann", "an%", "a_n", "an", "bob", "日本", "日"] {
        add_user(&service.sql, name).await;
    }
    for (prefix, expected) in [
        ("an", &["an", "an%", "ann", "anna"][..]),
        ("ann", &["ann", "anna"]),
        ("a_", &["a_n"]),
        ("an%", &["an%"]),
        ("A", &["Ann"]),
        ("日", &["日", "日本"]),
        ("annab", &[]),
        ("' OR 1=1 --", &[]),
    ] {
        for size in [1, 2, 1_000, 0] {
            let found = walk(size, async |page_size, page_token| {
                let username_prefix = prefix.to_owned();
                let request = ListUsersRequest {
                    page_size,
                    page_token,
                    username_prefix,
                    ..Default::default()
                };
                let page = service.ledger().await.list_users(request).await.unwrap().into_inner();
                let names = names(&page).into_iter().map(str::to_owned).collect();
                (names, page.next_page_token)
            });
            assert_eq!(found.await, expected, "{prefix} {size}");
        }
    }
}

/// Adds users with names of their own.
async fn add_named(service: &TestService, users: &[(&str, &str)]) {
    let insert = "INSERT INTO users (user_uuid, username, name)
        VALUES (gen_random_uuid(), $1, $2)";
    for (username, name) in users {
        service.sql.execute(insert, &[username, name]).await.unwrap();
    }
}

/// Usernames of those of whom a text is a part, by pages of a size.
async fn searched(service: &TestService, search: &str, prefix: &str, size: i32) -> Vec<String> {
    walk(size, async |page_size, page_token| {
        let (username_prefix, search) = (prefix.to_owned(), search.to_owned());
        let request = ListUsersRequest { page_size, page_token, username_prefix, search };
        let page = service.ledger().await.list_users(request).await.unwrap().into_inner();
        (names(&page).into_iter().map(str::to_owned).collect(), page.next_page_token)
    })
    .await
}

#[tokio::test]
async fn users_are_found_by_a_part_of_a_name_in_either_case() {
    let service = TestService::start().await;
    let users = [
        ("cordell.muller", "Cordell Müller"),
        ("ann", "Ann O'Muller"),
        ("BOB%", "100% _ \\\\ Bob"),
        ("dee_dee", ""),
        ("δέσποινα", "ΔΈΣΠΟΙΝΑ Ωνάση"),
        ("yuri", "Юрий Гагарин"),
        ("zoë", "日本太郎"),
    ];
    add_named(&service, &users).await;
    for (part, expected) in [
        ("mull", &["ann", "cordell.muller"][..]),
        ("MULLER", &["ann", "cordell.muller"]),
        ("MÜLL", &["cordell.muller"]),
        ("o'm", &["ann"]),
        ("ll m", &["cordell.muller"]),
        ("dell.mul", &["cordell.muller"]),
        // What stands beside each other in the table is no text.
        ("muller cordell", &[]),
        ("mullercor", &[]),
        ("%", &["BOB%"]),
        ("0%", &["BOB%"]),
        ("ob%", &["BOB%"]),
        ("a%n", &[]),
        ("_", &["BOB%", "dee_dee"]),
        ("e_d", &["dee_dee"]),
        ("___", &[]),
        ("\\\\", &["BOB%"]),
        ("δέΣΠ", &["δέσποινα"]),
        ("ΩΝΆ", &["δέσποινα"]),
        ("ГАГ", &["yuri"]),
        ("本", &["zoë"]),
        ("ZOË", &["zoë"]),
        ("日本太郎", &["zoë"]),
        ("dé", &[]),
        ("' OR 1=1 --", &[]),
    ] {
        for size in [1, 2, 1_000, 0] {
            assert_eq!(searched(&service, part, "", size).await, expected, "{part} {size}");
        }
    }
    assert_eq!(searched(&service, "muller", "cor", 0).await, ["cordell.muller"]);
    assert_eq!(searched(&service, "muller", "x", 0).await, Vec::<String>::new());
}

#[tokio::test]
async fn any_part_of_any_name_finds_what_a_scan_finds() {
    let service = TestService::start().await;
    let mut rng = random();
    let letters: Vec<char> = "abAB Éé%_\\\\ßжЖ日".chars().collect();
    let mut word = |lengths: Range<usize>| -> String {
        let length = rng.random_range(lengths);
        (0..length).map(|_| letters[rng.random_range(0..letters.len())]).collect()
    };
    let mut users: BTreeMap<String, String> = BTreeMap::new();
    for number in 0..400 {
        users.insert(format!("{}{number}", word(0..6)), word(0..9));
    }
    let named: Vec<_> = users.iter().map(|(one, other)| (one.as_str(), other.as_str())).collect();
    add_named(&service, &named).await;
    // Once more by the index of groups of letters, wherever it can be used.
    let settings = "SET enable_indexscan = off; SET enable_seqscan = off";
    service.sql.batch_execute(settings).await.unwrap();
    let statement = statement_text("list_users");
    for _ in 0..120 {
        let part = word(1..5);
        let folded = part.to_lowercase();
        let is_found = |(username, name): &(&str, &str)| {
            username.to_lowercase().contains(&folded) || name.to_lowercase().contains(&folded)
        };
        let expected: Vec<_> =
            named.iter().filter(|user| is_found(user)).map(|user| user.0).collect();
        assert_eq!(searched(&service, &part, "", 7).await, expected, "{part:?}");
        let rows =
            service.sql.query(&statement, &[&"", &1_000i64, &"", &part, &None::<Uuid>]).await;
        let rows = rows.unwrap();
        let found: Vec<&str> = rows.iter().map(|row| row.get("username")).collect();
        assert_eq!(found, expected, "{part:?}");
    }
}

#[tokio::test]
async fn a_page_goes_on_behind_the_one_before_while_users_come_and_go() {
    let service = TestService::start().await;
    let sql = &service.sql;
    for name in ["b", "d", "f", "h", "j"] {
        add_user(sql, name).await;
    }
    let first = page(&service, 2, "").await;
    assert_eq!(names(&first), ["b", "d"]);
    // One before the place and one behind it come; the last of the page and the next go.
    for name in ["a", "c", "e"] {
        add_user(sql, name).await;
    }
    sql.batch_execute("DELETE FROM users WHERE username IN ('d', 'f')").await.unwrap();
    let second = page(&service, 2, &first.next_page_token).await;
    assert_eq!(names(&second), ["e", "h"]);
    sql.batch_execute("DELETE FROM users WHERE username > 'e'").await.unwrap();
    let third = page(&service, 2, &second.next_page_token).await;
    assert_eq!((names(&third), third.next_page_token.as_str()), (vec![], ""));
    assert_eq!(names(&page(&service, 9, "").await), ["a", "b", "c", "e"]);
}

#[tokio::test]
async fn a_page_has_a_hundred_users_unless_told_and_a_thousand_at_most() {
    let service = TestService::start().await;
    let empty = page(&service, 0, "").await;
    assert_eq!((empty.users.len(), empty.next_page_token.as_str()), (0, ""));
    let insert = "INSERT INTO users (user_uuid, username, name) \
                  SELECT gen_random_uuid(), 'u' || to_char(n, '0000'), 'n' \
                  FROM generate_series(1, 1001) n";
    service.sql.batch_execute(insert).await.unwrap();
    assert_eq!(page(&service, 0, "").await.users.len(), 100);
    let full = page(&service, 1_000, "").await;
    assert_eq!(full.users.len(), 1_000);
    let last = page(&service, 1_000, &full.next_page_token).await;
    assert_eq!((names(&last), last.next_page_token.as_str()), (vec!["u 1001"], ""));
}

#[tokio::test]
async fn a_user_comes_back_as_recorded() {
    let service = TestService::start().await;
    let sql = &service.sql;
    sql.batch_execute(
        "INSERT INTO users (user_uuid, username, name, created_at) \
         VALUES ('67E55044-10B1-426F-9247-BB680E5FE0C8', 'ann', 'Ann Ä. ''O', \
                 '2024-02-29 23:59:59.999999Z')",
    )
    .await
    .unwrap();
    let user = page(&service, 1, "").await.users.remove(0);
    assert_eq!(user.user_uuid, "67e55044-10b1-426f-9247-bb680e5fe0c8");
    assert_eq!((user.username.as_str(), user.name.as_str()), ("ann", "Ann Ä. 'O"));
    let expected = crate::sum_amount::timestamp("2024-02-29T23:59:59.999999Z");
    assert_eq!(user.created_at, Some(expected));
}

#[tokio::test]
async fn names_and_addresses_hold_no_control_characters() {
    let service = TestService::start().await;
    for text in [
        "INSERT INTO users (user_uuid, username, name) VALUES (gen_random_uuid(), E'a\\tb', 'a')",
        "INSERT INTO accounts (network, address) VALUES ('bank', E'a\\nb')",
    ] {
        let error = service.sql.batch_execute(text).await.unwrap_err();
        assert_eq!(error.code().map(|code| code.code()), Some("23514"), "{text}");
    }
}
