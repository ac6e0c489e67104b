//! What a newcomer sees when Daybook serves: addresses, users, a question to paste.

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use chrono::{Days, NaiveDate, Utc};

use crate::{
    ledger::{Ledger, list_users::UserFilter},
    store::{Database, seed},
};

/// Users that are shown.
const USERS_SHOWN: usize = 3;

/// Days of the window in the question where nothing was seeded.
const DAYS_SHOWN: u64 = 365;

/// How callers come in.
pub(super) struct Entrance {
    /// Whether reflection is served.
    pub(super) is_reflection_open: bool,
    /// Whether connections are encrypted.
    pub(super) is_encrypted: bool,
    /// Whether callers must show a token.
    pub(super) asks_for_tokens: bool,
    /// Whether there is a page to look at.
    pub(super) has_page: bool,
}

/// Prints it to standard output, and logs users. A question that can be pasted needs
/// reflection; where that is closed, the way to it is printed in its place.
pub(super) async fn print(
    database: &Database,
    where_it_is: &str,
    address: SocketAddr,
    entrance: Entrance,
) -> anyhow::Result<()> {
    let ledger = Ledger::new(database.clone());
    let users = ledger.list_users(UserFilter::default(), "", USERS_SHOWN).await?.rows;
    for user in &users {
        tracing::info!(user_uuid = %user.user_uuid, username = user.username, "a user to ask for");
    }
    let reachable = reachable(address);
    let mut text = format!("\nDaybook serves gRPC on {reachable}\n{where_it_is}\n");
    if entrance.has_page {
        let scheme = if entrance.is_encrypted { "https" } else { "http" };
        text.push_str(&format!("Look at it: {scheme}://{reachable}/\n"));
    }
    for user in users.iter().take(2) {
        text.push_str(&format!("  user {} {}\n", user.user_uuid, user.name));
    }
    if users.is_empty() {
        text.push_str("There are no users yet.\n");
    } else if !entrance.is_reflection_open {
        text.push_str(
            "With --reflection on, grpcurl can ask questions without the .proto files.\n",
        );
    } else if let Some(user) = users.first() {
        let (start, end) = window(database).await?;
        let encryption = if entrance.is_encrypted { "-cacert ROOT.crt" } else { "-plaintext" };
        let token = match entrance.asks_for_tokens {
            true => " -H 'authorization: Bearer TOKEN'",
            false => "",
        };
        let flags = format!("{encryption}{token}");
        text.push_str(&format!(
            "Ask a question:\n  grpcurl {flags} -d '{{\"user_uuid\": \"{}\", \"window\": \
             {{\"start\": \"{start}T00:00:00Z\", \"end\": \"{end}T00:00:00Z\"}}, \"direction\": \
             \"DIRECTION_SENDER\"}}' {reachable} daybook.v1.AnalyticsService/SumAmount\n",
            user.user_uuid
        ));
    }
    if entrance.asks_for_tokens {
        text.push_str(
            "Callers must show a token: `daybook token create --role reader` makes one.\n",
        );
    }
    text.push_str("Ctrl-C stops everything.\n");
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}

/// Days that hold rows: those of the seeding, else the last year.
async fn window(database: &Database) -> anyhow::Result<(NaiveDate, NaiveDate)> {
    let client = database.connect().await?;
    if let Some((run, _)) = seed::find_run(&client).await? {
        let days = Days::new(run.day_count.unsigned_abs());
        let end = run.first_day.checked_add_days(days).unwrap_or(NaiveDate::MAX);
        return Ok((run.first_day, end));
    }
    let today = Utc::now().date_naive();
    Ok((today.checked_sub_days(Days::new(DAYS_SHOWN)).unwrap_or(today), today))
}

/// An address that a client on this machine can use.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        return SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port());
    }
    address
}
