use http::HeaderValue;

use super::*;
use crate::domain::bitcoin::{BlockPlace, Found};

const TXID: &str = "f61d1b2a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7";
const BLOCK: &str = "00000000000000000001f1c5b8b3f4dc1e0d9a6c5b4a39281706f5e4d3c2b1a0";

/// A pay-to-witness script and its address, from BIP-173.
const SCRIPT: &str = "0014751e76e8199196d454941c45d1b3a323f1433bd6";
const ADDRESS: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";

fn network() -> Network {
    Network::parse("bitcoin").expect("a network")
}

fn id(text: &str) -> Txid {
    Txid::parse(text).expect("a hash")
}

/// What a source says that is asked with a key.
fn said(body: impl AsRef<[u8]>) -> Answer {
    let from = SourceUrl::parse("https://example.com/v3/secret-key").expect("a URL");
    Answer { from, body: body.as_ref().to_vec() }
}

/// A transaction as Esplora tells it, in a block.
fn of_esplora(txid: &str, input: &str, fee: u64, status: &str) -> String {
    format!(
        r#"{{"txid":"{txid}","version":2,"locktime":0,"size":222,"weight":561,"fee":{fee},
        "vin":[{input}],
        "vout":[{{"scriptpubkey":"{SCRIPT}","scriptpubkey_asm":"OP_0",
        "scriptpubkey_address":"{ADDRESS}","value":900}},
        {{"scriptpubkey":"6a0101","scriptpubkey_type":"op_return","value":0}}],
        "status":{status}}}"#
    )
}

fn spending(prevout: &str) -> String {
    format!(
        r#"{{"txid":"{BLOCK}","vout":1,"scriptsig":"","is_coinbase":false,"sequence":1,
        "prevout":{prevout}}}"#
    )
}

fn confirmed() -> String {
    format!(
        r#"{{"confirmed":true,"block_height":800000,"block_hash":"{BLOCK}",
        "block_time":1690168629}}"#
    )
}

fn prevout() -> String {
    format!(r#"{{"scriptpubkey":"{SCRIPT}","scriptpubkey_address":"{ADDRESS}","value":1000}}"#)
}

#[test]
fn esplora_tells_where_a_transaction_is_and_what_it_spends() {
    let body = format!("[{}]", of_esplora(TXID, &spending(&prevout()), 100, &confirmed()));
    let page = esplora::history(&network(), &said(&body)).expect("a page");
    assert_eq!(page.next, Some(Cursor { last: id(TXID), offset: 0 }));
    let [one] = &page.transactions[..] else { panic!("one transaction") };
    let hash = BlockHash::parse(BLOCK).expect("a hash");
    let place = BlockPlace { height: 800_000, hash };
    let mined_at = "2023-07-24T03:17:09Z".parse().expect("an instant");
    assert_eq!(one.found, Found::InBlock { place, mined_at });
    assert_eq!(one.transaction.fee(), Satoshis::new(100).expect("an amount"));
    assert_eq!(one.transaction.spent()[0].owner.address(), ADDRESS);
    assert!(one.transaction.created()[1].owner.address().starts_with("script:"));
}

#[test]
fn esplora_s_coinbase_has_no_prevout_and_others_must_have_one() {
    let coinbase = r#"{"txid":"00","vout":4294967295,"is_coinbase":true,"prevout":null}"#;
    let body = format!("[{}]", of_esplora(TXID, coinbase, 0, &confirmed()));
    let page = esplora::history(&network(), &said(&body)).expect("a page");
    assert!(page.transactions[0].transaction.is_coinbase());
    let body = format!("[{}]", of_esplora(TXID, &spending("null"), 0, &confirmed()));
    let error = esplora::history(&network(), &said(&body)).expect_err("nothing");
    assert!(matches!(error, SourceError::Malformed(_)), "{error}");
}

#[test]
fn the_end_of_esplora_s_list_is_a_page_without_anything() {
    let page = esplora::history(&network(), &said("[]")).expect("a page");
    assert_eq!(page, HistoryPage { transactions: Vec::new(), offset: 0, next: None });
}

#[test]
fn what_esplora_contradicts_itself_in_is_refused() {
    let unconfirmed = r#"{"confirmed":false}"#;
    let other = prevout().replace(ADDRESS, "bc1qother");
    for (input, fee, status) in [
        (spending(&prevout()), 99, confirmed()),
        (spending(&other), 100, confirmed()),
        (spending(&prevout()), 100, unconfirmed.to_owned()),
        (spending(&prevout()), 100, r#"{"confirmed":true}"#.to_owned()),
        (spending(&prevout().replace("1000", "2100000000000001")), 100, confirmed()),
        (spending(&prevout().replace(SCRIPT, "0x")), 100, confirmed()),
        (String::new(), 0, confirmed()),
    ] {
        let body = format!("[{}]", of_esplora(TXID, &input, fee, &status));
        let error = esplora::history(&network(), &said(&body)).expect_err("nothing");
        assert!(matches!(error, SourceError::Malformed(_)), "{error}");
    }
    let body = format!("[{}]", of_esplora(TXID, &spending(&prevout()), 100, unconfirmed));
    assert_eq!(esplora::unconfirmed(&network(), &said(&body)).map(|list| list.len()), Ok(1));
}

#[test]
fn esplora_s_blocks_hashes_and_sums_are_read() {
    let body = format!(
        r#"{{"id":"{BLOCK}","height":0,"version":1,"timestamp":1231006505,"tx_count":1,
        "previousblockhash":null}}"#
    );
    let block = esplora::block(&said(&body)).expect("a block");
    assert_eq!((block.height, block.previous), (0, None));
    assert_eq!(esplora::hash(&said(format!("{BLOCK}\n"))), Ok(block.hash));
    assert!(esplora::hash(&said("Too Many Requests")).is_err());
    let body = format!(r#"["{TXID}","{BLOCK}"]"#);
    assert_eq!(esplora::txids(&said(&body)), Ok(vec![id(TXID), id(BLOCK)]));
    let stats = |spent| {
        let body = format!(
            r#"{{"address":"{ADDRESS}","chain_stats":{{"funded_txo_count":3,"funded_txo_sum":70,
            "spent_txo_count":1,"spent_txo_sum":{spent},"tx_count":4}},
            "mempool_stats":{{"tx_count":1}}}}"#
        );
        esplora::stats(&said(&body))
    };
    let expected =
        AddressStats { history: HistoryCount::Confirmed(4), confirmed_balance: Satoshis::new(60) };
    assert_eq!(stats(10), Ok(expected));
    assert!(stats(71).is_err());
}

/// A transaction as blockchain.info tells it.
fn of_blockchain_info(txid: &str, prev_out: &str, height: &str) -> String {
    format!(
        r#"{{"hash":"{txid}","ver":1,"vin_sz":1,"vout_sz":1,"fee":100,"lock_time":0,"time":1,
        "tx_index":7,"double_spend":false,"result":-100,"balance":5{height},
        "inputs":[{{"sequence":1,"script":""{prev_out}}}],
        "out":[{{"type":0,"spent":true,"value":900,"n":0,"tx_index":7,"script":"{SCRIPT}",
        "addr":"{ADDRESS}"}}]}}"#
    )
}

fn spent_out() -> String {
    format!(r#","prev_out":{{"value":1000,"n":3,"script":"{SCRIPT}","addr":"{ADDRESS}"}}"#)
}

fn page_of(count: u64, txids: &[&str]) -> Vec<u8> {
    let one = |txid: &&str| of_blockchain_info(txid, &spent_out(), r#","block_height":5"#);
    let txs: Vec<String> = txids.iter().map(one).collect();
    format!(
        r#"{{"hash160":"","address":"{ADDRESS}","n_tx":{count},"total_received":1,"total_sent":0,
        "final_balance":1,"txs":[{}]}}"#,
        txs.join(",")
    )
    .into_bytes()
}

#[test]
fn blockchain_info_tells_heights_and_no_blocks() {
    for (height, found) in [
        ("", Found::Unconfirmed),
        (r#","block_height":null"#, Found::Unconfirmed),
        (r#","block_height":5,"block_index":5"#, Found::AtHeight(5)),
    ] {
        let one = of_blockchain_info(TXID, &spent_out(), height);
        let body = format!(r#"{{"n_tx":1,"txs":[{one}]}}"#);
        let page = blockchain_info::history(&network(), None, &said(&body)).expect("a page");
        assert_eq!(page.transactions[0].found, found);
        assert_eq!(page.next, None);
    }
}

#[test]
fn blockchain_info_s_coinbase_is_told_in_three_ways() {
    let script = r#","prev_out":{"n":4294967295,"value":0,"tx_index":0,"script":""}"#;
    for prev_out in ["", r#","prev_out":null"#, script] {
        let one = of_blockchain_info(TXID, prev_out, r#","block_height":5"#);
        let body = format!(r#"{{"n_tx":1,"txs":[{one}]}}"#);
        let page = blockchain_info::history(&network(), None, &said(&body)).expect("a page");
        assert!(page.transactions[0].transaction.is_coinbase(), "{prev_out}");
    }
}

#[test]
fn blockchain_info_s_pages_overlap_by_one() {
    let [a, b, c] = ["aa", "bb", "cc"].map(|byte| byte.repeat(32));
    let read = |after, body: &[u8]| blockchain_info::history(&network(), after, &said(body));
    let first = read(None, &page_of(3, &[&a, &b])).expect("a page");
    let next = Cursor { last: id(&b), offset: 1 };
    assert_eq!((first.transactions.len(), first.next), (2, Some(next)));
    // As it was, or after one more came in front.
    for (count, txids) in [(3, vec![&*b, &*c]), (4, vec![&*a, &*b, &*c])] {
        let page = read(Some(next), &page_of(count, &txids)).expect("a page");
        let [one] = &page.transactions[..] else { panic!("one that is new") };
        assert_eq!((one.transaction.txid(), page.next), (id(&c), None));
        let after = page.cursor_after(0).map(|cursor| cursor.offset);
        assert_eq!(after, Some(1 + u64::try_from(txids.len()).expect("few") - 1));
    }
    let moved = read(Some(next), &page_of(3, &[&c])).expect_err("no place");
    assert!(matches!(moved, SourceError::UnknownPlace(_)), "{moved}");
}

#[test]
fn blockchain_info_s_blocks_are_those_of_the_best_chain() {
    let one = |is_best: bool, height: u32| {
        format!(
            r#"{{"hash":"{BLOCK}","ver":1,"prev_block":"{TXID}","time":5,"height":{height},
            "main_chain":{is_best},"tx":[{{"hash":"{TXID}","inputs":[]}}]}}"#
        )
    };
    let at = |blocks: &[String]| {
        let body = format!(r#"{{"blocks":[{}]}}"#, blocks.join(","));
        blockchain_info::block_at(7, &said(&body))
    };
    let hash = BlockHash::parse(BLOCK).expect("a hash");
    let expected = BlockAt { hash, mined_at: DateTime::from_timestamp_secs(5) };
    assert_eq!(at(&[one(false, 7), one(true, 7)]), Ok(Some(expected)));
    assert_eq!(at(&[one(false, 7)]), Ok(None));
    assert!(at(&[one(true, 7), one(true, 7)]).is_err());
    assert!(at(&[one(true, 8)]).is_err());
    let block = blockchain_info::block(&said(one(true, 7))).expect("a block");
    assert_eq!(block.previous, BlockHash::parse(TXID));
    assert_eq!(blockchain_info::txids(&said(one(true, 7))), Ok(vec![id(TXID)]));
    let tip = format!(r#"{{"hash":"{BLOCK}","time":5,"block_index":9,"height":9,"txIndexes":[]}}"#);
    let expected = Tip { hash, height: Some(9) };
    assert_eq!(blockchain_info::tip(&said(tip)), Ok(expected));
}

#[test]
fn refusals_are_told_by_their_status_whatever_the_body_is() {
    let mut headers = HeaderMap::new();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("9"));
    let wait = Some(Duration::from_secs(9));
    let html = b"<html><body>Too Many Requests</body></html>";
    let of = |status: u16, body: &[u8]| {
        refusal(StatusCode::from_u16(status).expect("a status"), &headers, &said(body))
    };
    assert_eq!(of(429, html), SourceError::RateLimited { wait });
    assert_eq!(of(429, b"{\"error\":\"slow down\"}"), SourceError::RateLimited { wait });
    assert_eq!(of(402, b""), SourceError::QuotaUsedUp { wait });
    assert_eq!(of(451, b""), SourceError::Forbidden(451));
    assert!(matches!(of(422, b"after_txid not found"), SourceError::UnknownPlace(_)));
    assert!(matches!(of(400, b"Too many history entries"), SourceError::TooMuch(_)));
    assert!(matches!(of(400, b"Invalid Bitcoin address"), SourceError::Unsupported(_)));
    assert!(matches!(of(503, html), SourceError::Unavailable { .. }));
    assert!(matches!(of(408, b""), SourceError::Unavailable { .. }));
    assert!(matches!(of(302, b""), SourceError::Malformed(_)));
}

#[test]
fn no_error_has_the_source_s_key() {
    let headers = HeaderMap::new();
    let text = "no such path: /v3/secret-key/blocks";
    let json = r#"[{"txid":"secret-key"}]"#;
    let string = r#"{"chain_stats":"/v3/secret-key"}"#;
    let hashes = r#"["secret-key"]"#;
    for error in [
        refusal(StatusCode::BAD_REQUEST, &headers, &said(text)),
        refusal(StatusCode::UNPROCESSABLE_ENTITY, &headers, &said(text)),
        refusal(StatusCode::FOUND, &headers, &said(text)),
        esplora::hash(&said(text)).expect_err("no hash"),
        esplora::history(&network(), &said(json)).expect_err("no history"),
        esplora::stats(&said(string)).expect_err("no numbers"),
        esplora::txids(&said(hashes)).expect_err("no hashes"),
        blockchain_info::stats(&said(text)).expect_err("no JSON"),
    ] {
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
