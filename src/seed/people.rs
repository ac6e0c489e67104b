//! Users that look real: names by `fake`, usernames made from them.

use std::collections::HashSet;

use chrono::NaiveTime;
use fake::{
    Fake,
    faker::name::en::{FirstName, LastName},
};
use rand::RngExt;
use uuid::Builder;

use crate::{
    seed::plan::{SeedPlan, Stream},
    store::seed::NewUser,
};

/// The users of a plan, in the order in which they are recorded.
#[must_use]
pub fn users(plan: &SeedPlan) -> Vec<NewUser> {
    let mut random = plan.random(Stream::Users);
    let mut taken = HashSet::new();
    let created_at = plan.first_day.and_time(NaiveTime::MIN).and_utc();
    let user = |_| {
        let first: &str = FirstName().fake_with_rng(&mut random);
        let last: &str = LastName().fake_with_rng(&mut random);
        let user_uuid = Builder::from_random_bytes(random.random()).into_uuid();
        let username = free_username(&mut taken, first, last);
        NewUser { user_uuid, username, name: format!("{first} {last}"), created_at }
    };
    (0..plan.user_count).map(user).collect()
}

fn free_username(taken: &mut HashSet<String>, first: &str, last: &str) -> String {
    let plain = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let base = format!("{}.{}", plain(first), plain(last));
    let mut username = base.clone();
    let mut number = 2;
    while !taken.insert(username.clone()) {
        username = format!("{base}{number}");
        number += 1;
    }
    username
}
