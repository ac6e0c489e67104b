//! `daybook ask status`: how Daybook itself is doing.

use crate::{
    ask::{
        asker::{Asker, Shown},
        error::AskError,
        facts, json,
        page::Page,
    },
    client::{Client, v1},
};

const RPC: &str = "daybook.v1.StatusService/GetStatus";

pub(super) async fn ask(asker: &Asker) -> Result<Shown, AskError> {
    let call = async |client: &Client, request| client.status().get_status(request).await;
    asker.put(RPC, v1::GetStatusRequest::default(), call, |answer| Ok(show(asker, answer))).await
}

fn show(asker: &Asker, answer: &v1::GetStatusResponse) -> Page {
    let mut facts = facts::of(&json::dynamic_answer(RPC, answer), asker.zone);
    // Days were not asked for, and pairs have a line each.
    facts.retain(|(name, _)| name != "days" && name != "price feed pairs");
    let pairs = answer.price_feed.iter().flat_map(|feed| &feed.pairs);
    facts.extend(pairs.map(|pair| (format!("price feed {}", pair.symbol), told(asker, pair))));
    Page { heading: facts::lines(&facts), ..Page::default() }
}

/// How it stands with a pair, in words.
fn told(asker: &Asker, pair: &v1::FollowedPair) -> String {
    let mut words = vec![match &pair.newest_at {
        Some(at) => format!("newest {}", asker.shown(Some(at))),
        None => "no price known here".to_owned(),
    }];
    if pair.is_stale {
        words.push("stale".to_owned());
    }
    if let Some(pause) = &pair.pause {
        let reason = pause.reason().as_str_name().trim_start_matches("FEED_PAUSE_REASON_");
        let reason = reason.to_ascii_lowercase().replace('_', " ");
        words.push(format!("paused until {} ({reason})", asker.shown(pause.until.as_ref())));
    }
    words.join(", ")
}
