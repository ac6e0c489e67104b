use super::*;

fn wording(code: i64, message: &str) -> Wording<'_> {
    Wording { code, message, named: None }
}

fn blocks(most: u64) -> Refusal {
    Refusal::TooMuch(Advice { blocks_max: Some(most), ..Advice::default() })
}

fn results(most: u64) -> Refusal {
    Refusal::TooMuch(Advice { results_max: Some(most), ..Advice::default() })
}

#[test]
fn limits_on_blocks_are_read_in_every_provider_s_words() {
    for (code, message, most) in [
        (-32614, "eth_getLogs is limited to a 10,000 range", 10_000),
        (-32614, "eth_getLogs is limited to 0 - 10000 blocks range", 10_000),
        (-32602, "eth_getLogs is limited to a 5 range", 5),
        (35, "ranges over 10000 blocks are not supported on freetier", 10_000),
        (-32000, "exceed maximum block range: 50000", 50_000),
        (-32000, "exceeds max block range 1000", 1_000),
        (-32600, "Max range: 800", 800),
        (-32602, "Block range is too large, max is 1k blocks", 1_000),
        (-32602, "block range greater than 2000 max", 2_000),
        (-32005, "maximum RPC range is 1024", 1_024),
        (-32000, "requested too many blocks from 1 to 4096, maximum is set to 2048", 2_048),
        (-32602, "Maximum allowed number of requested blocks is 3500", 3_500),
        (-32000, "block range is greater than the limit of 1000.", 1_000),
        (-32600, "eth_getLogs and eth_newFilter are limited to a 10,000 blocks range", 10_000),
    ] {
        assert_eq!(read(&wording(code, message)), blocks(most), "{message}");
    }
}

#[test]
fn limits_on_results_are_told_from_limits_on_blocks() {
    for (code, message, most) in [
        (-32005, "query returned more than 10000 results", 10_000),
        (-32005, "Query returned more than 1,000 logs.", 1_000),
        (-32000, "query exceeds max 20000 results", 20_000),
        (-32602, "the result has more than the allowed 10K records", 10_000),
    ] {
        assert_eq!(read(&wording(code, message)), results(most), "{message}");
    }
}

#[test]
fn a_range_that_is_suggested_is_taken() {
    let range = Range { first: 0x10, last: 0x1f };
    for (code, message) in [
        (-32005, "query returned more than 10000 results. Try with this block range [0x10, 0x1f]."),
        (
            -32602,
            "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block \
             range and no limit on the response size, or you can request any block range with a \
             cap of 10K logs in the response. Based on your parameters and the response size \
             limit, this block range should work: [0x10, 0x1f]",
        ),
        (
            -32600,
            "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block \
             range. Based on your parameters, this block range should work: [0x10, 0x1f].",
        ),
        (-32602, "query exceeds max results 20000, retry with the range 16-31"),
    ] {
        let Refusal::TooMuch(advice) = read(&wording(code, message)) else {
            panic!("{message}");
        };
        assert_eq!(advice.range, Some(range), "{message}");
    }
    let named = Some(("0x10", "0x1f"));
    let refusal = read(&Wording { code: -32005, message: "limit exceeded", named });
    assert_eq!(refusal, Refusal::TooMuch(Advice { range: Some(range), ..Advice::default() }));
}

#[test]
fn a_refusal_without_numbers_only_says_that_it_was_too_much() {
    for (code, message) in [
        (-32600, "block range is too wide"),
        (-32000, "Log response size exceeded"),
        (-32000, "response size is larger than 150MB limit"),
        (-32003, "backend response too large"),
        (-32603, "Response is too big"),
        (-32000, "query timeout exceeded"),
        (-32005, "block range limit exceeded"),
        (413, "Payload"),
        (-32602, "invalid block range [0x20, 0x10]"),
    ] {
        let refusal = read(&wording(code, message));
        assert_eq!(refusal, Refusal::TooMuch(Advice::default()), "{message}");
    }
}

#[test]
fn other_refusals_are_not_taken_for_ranges() {
    for (code, message, expected) in [
        (-32005, "daily request count exceeded, request rate limited", Refusal::UsedUp),
        (402, "payment required", Refusal::UsedUp),
        (-32001, "Monthly capacity limit exceeded.", Refusal::UsedUp),
        (-32005, "limit exceeded", Refusal::TooOften),
        (429, "Your app has exceeded its compute units per second capacity.", Refusal::TooOften),
        (-32016, "over rate limit", Refusal::TooOften),
        (-32000, "Too Many Requests", Refusal::TooOften),
        (-32000, "unknown block", Refusal::UnknownBlock),
        (-32000, "header not found", Refusal::UnknownBlock),
        (-32602, "invalid block range: block range extends beyond current head", Refusal::Ahead),
        (
            -32000,
            "One of the blocks specified in filter (fromBlock, toBlock or blockHash) cannot be \
             found.",
            Refusal::Ahead,
        ),
        (-32602, "BlockOutOfRangeError: block height is 12 but requested was 900", Refusal::Ahead),
        (-32000, "block height is 12 but requested was 900", Refusal::Ahead),
        (-32000, "block out of range", Refusal::Ahead),
        (-32000, "invalid params: topic index out of range", Refusal::Other),
        (-32602, "value out of range", Refusal::Other),
        (-32000, "more than one address is not supported", Refusal::Other),
        (-32000, "the node has been down for more than 10 seconds", Refusal::Other),
        (4444, "pruned history unavailable", Refusal::Pruned),
        (-32601, "the method eth_getLogs does not exist", Refusal::Other),
        (-32603, "Internal error", Refusal::Other),
        (0, "", Refusal::Other),
    ] {
        assert_eq!(read(&wording(code, message)), expected, "{message}");
    }
}
