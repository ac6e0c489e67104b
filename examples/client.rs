//! Asks a Daybook what a user sent in a window, and who sent most.
//!
//!     cargo run --example client -- http://ADDRESS USERNAME START END
//!
//! START and END are instants as RFC 3339 writes them. A token, if one is asked for, is read from
//! `DAYBOOK_TOKEN`.
#![allow(clippy::print_stdout, reason = "it shows what it was answered")]

use std::{env, error::Error, time::Duration};

use daybook::client::{Client, v1};
use v1::{get_user_request::User, sum_amount_request::Subject};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, username, start, end] = &arguments[..] else {
        return Err("usage: http://ADDRESS USERNAME START END".into());
    };
    let mut builder = Client::builder(address).deadline(Duration::from_secs(10));
    if let Ok(token) = env::var("DAYBOOK_TOKEN") {
        builder = builder.token(token);
    }
    let client = builder.connect().await?;

    let question = v1::GetUserRequest { user: Some(User::Username(username.clone())) };
    let user = client.ledger().get_user(question).await?.into_inner().user.unwrap_or_default();
    let window = v1::Window { start: Some(start.parse()?), end: Some(end.parse()?) };
    let question = v1::SumAmountRequest {
        subject: Some(Subject::UserUuid(user.user_uuid)),
        window: Some(window),
        direction: v1::Direction::Sender.into(),
        verify: true,
        ..Default::default()
    };
    let sum = client.analytics().sum_amount(question).await?.into_inner();
    println!(
        "{username} sent {} {} in {} transactions, verified: {}",
        sum.sum_amount,
        sum.asset,
        sum.transaction_count,
        sum.verification.is_some_and(|found| found.agrees)
    );
    let question = v1::RankRequest {
        window: Some(window),
        direction: v1::Direction::Sender.into(),
        metric: v1::RankMetric::Sum.into(),
        page_size: 3,
        ..Default::default()
    };
    for row in client.analytics().rank(question).await?.into_inner().rows {
        println!("{}. {} {}", row.rank, row.username, row.value);
    }
    Ok(())
}
