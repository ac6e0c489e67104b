//! The node's logs and blocks as Etherscan's second version hands them out: in pages, of which a
//! question has only so many; numbers in hexadecimal digits, an empty one for zero; errors with
//! the status "0".

use std::collections::HashMap;

use reqwest::Url;
use serde_json::{Value, json};

use super::State;

/// `page * offset` may not be more.
const WINDOW: usize = 10_000;

/// Most logs of a page.
const PAGE_MAX: usize = 1_000;

pub(super) async fn answer(state: &State, path: &str) -> Value {
    let url = Url::parse("http://explorer").unwrap().join(path).unwrap();
    let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
    let of = |name: &str| query.get(name).map_or("", String::as_str);
    if of("apikey") != "test" {
        return refusal("Invalid API Key (#err2)|X-1");
    }
    match (of("module"), of("action")) {
        ("logs", "getLogs") => logs(state, &query).await,
        ("proxy", "eth_getBlockByNumber") => {
            let head = state.head().await;
            let tag =
                if of("tag") == "latest" { format!("{head:#x}") } else { of("tag").to_owned() };
            asked(state, "eth_getBlockByNumber", json!([tag, false])).await
        }
        ("proxy", "eth_call") => {
            let call = json!([{ "to": of("to"), "data": of("data") }, "latest"]);
            asked(state, "eth_call", call).await
        }
        _ => refusal("Error! Missing Or invalid Action name"),
    }
}

async fn asked(state: &State, method: &str, params: Value) -> Value {
    state.ask(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })).await
}

async fn logs(state: &State, query: &HashMap<String, String>) -> Value {
    let number = |name: &str| query[name].parse::<usize>().unwrap();
    let (page, offset) = (number("page"), number("offset").min(PAGE_MAX));
    if page * offset > WINDOW {
        return refusal(
            "Result window is too large, PageNo x Offset size must be less than or \
                        equal to 10000",
        );
    }
    let filter = json!([{
        "address": query["address"],
        "topics": [query["topic0"]],
        "fromBlock": format!("{:#x}", number("fromBlock")),
        "toBlock": format!("{:#x}", number("toBlock")),
    }]);
    let answer = asked(state, "eth_getLogs", filter).await;
    let all = answer["result"].as_array().unwrap();
    let shown: Vec<Value> = all.iter().skip((page - 1) * offset).take(offset).map(log).collect();
    if shown.is_empty() {
        return json!({ "status": "0", "message": "No records found", "result": [] });
    }
    json!({ "status": "1", "message": "OK", "result": shown })
}

fn log(log: &Value) -> Value {
    let short = |name: &str| match log[name].as_str() {
        Some("0x0") => json!("0x"),
        _ => log[name].clone(),
    };
    let mut topics = log["topics"].as_array().unwrap().clone();
    topics.resize(4, Value::Null);
    json!({
        "address": log["address"],
        "topics": topics,
        "data": log["data"],
        "blockNumber": log["blockNumber"],
        "timeStamp": log["blockTimestamp"],
        "gasPrice": "0x0",
        "gasUsed": "0x5208",
        "logIndex": short("logIndex"),
        "transactionHash": log["transactionHash"],
        "transactionIndex": short("transactionIndex"),
    })
}

fn refusal(result: &str) -> Value {
    json!({ "status": "0", "message": "NOTOK", "result": result })
}
