//! Exchanges to be asked instead of the real ones: each speaks the documented shape of its API for
//! candles, with the errors that a test wants. `tests/it/price_feed.rs` holds Daybook against
//! them; that the shapes are those of the real APIs is held by `tests/e2e/exchanges.py`, whose
//! servers a client that is not ours reads, too.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use chrono::{DateTime, TimeDelta, Utc};
use daybook::{
    config::{FeedSettings, PriceSource},
    domain::price::candle::{MINUTE, minute_of},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::support::request_target::{request_target, target_parts};

/// Price of the minute that is not over: recorded, it would be seen.
pub(crate) const OPEN_PRICE: &str = "666.00";

/// What a question is answered with instead of candles.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A status, more headers and a body.
    Status(u16, Vec<(&'static str, String)>, &'static str),
    /// Status 200 and this body.
    Body(&'static str),
    /// Half of what is announced, and then the end.
    Truncated,
    /// The end of the connection, without a word.
    Silence,
    /// No answer, and no end.
    Hang,
    /// So many bytes.
    Huge(usize),
}

impl Fault {
    pub(crate) fn status(status: u16) -> Self {
        Self::Status(status, Vec::new(), "{}")
    }
}

/// What a test may change.
#[derive(Debug, Default)]
pub(crate) struct Market {
    /// The exchange's clock; the real one unless told.
    pub(crate) now: Option<DateTime<Utc>>,
    /// Minutes, by their begin, without a trade.
    pub(crate) silent: BTreeSet<DateTime<Utc>>,
    /// Nothing is written of minutes that begin at or after this.
    pub(crate) stale_from: Option<DateTime<Utc>>,
    /// Faults of pairs in the exchange's spelling, or of all (empty).
    pub(crate) faults: HashMap<&'static str, Fault>,
    /// So many questions are answered before faults begin.
    pub(crate) answered_before: usize,
    /// Pairs and times of questions, as they came.
    pub(crate) questions: Vec<String>,
}

/// A server of one exchange.
pub(crate) struct FakeExchange {
    source: PriceSource,
    address: SocketAddr,
    market: Arc<Mutex<Market>>,
    serving: JoinHandle<()>,
}

impl Drop for FakeExchange {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Price of a minute that begins then, with the digits that the exchange writes.
pub(crate) fn price(opens_at: DateTime<Utc>) -> String {
    let minute = opens_at.timestamp() / 60;
    format!("{}.{:05}", 100 + minute % 37, minute % 99_991)
}

impl FakeExchange {
    pub(crate) async fn start(source: PriceSource) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let market = Arc::new(Mutex::new(Market::default()));
        let shared = Arc::clone(&market);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let market = Arc::clone(&shared);
                tokio::spawn(async move { serve(stream, source, &market).await });
            }
        });
        Self { source, address, market, serving }
    }

    pub(crate) fn market(&self) -> MutexGuard<'_, Market> {
        self.market.lock().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Settings of a feed that asks here.
    pub(crate) fn settings(&self, pairs: &[&str], hours: u32) -> FeedSettings {
        FeedSettings {
            price_source: self.source,
            price_symbols: pairs.iter().map(|&pair| pair.to_owned()).collect(),
            price_source_url: Some(self.url()),
            price_backfill_hours: hours,
        }
    }

    /// Questions that came since this was last asked.
    pub(crate) fn questions(&self) -> Vec<String> {
        std::mem::take(&mut self.market().questions)
    }
}

/// Answers one question.
async fn serve(mut stream: TcpStream, source: PriceSource, market: &Mutex<Market>) {
    let Some(target) = request_target(&mut stream).await else { return };
    let (url, parameters) = target_parts(&target);
    let question = Question::read(source, url.path(), &parameters);
    let bytes = answer(source, &question, &mut market.lock().unwrap());
    if bytes.is_none() {
        std::future::pending::<()>().await;
    }
    let bytes = bytes.unwrap_or_default();
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// A question for candles: their pair, and from when to when they begin, both meant.
struct Question {
    pair: String,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

impl Question {
    fn read(source: PriceSource, path: &str, parameters: &HashMap<String, String>) -> Self {
        let number = |name: &str, scale| {
            let number: i64 = parameters[name].parse().unwrap();
            DateTime::from_timestamp_millis(number * scale).unwrap()
        };
        match source {
            PriceSource::None => unreachable!("nobody asks"),
            PriceSource::Kraken => {
                assert_eq!((path, &*parameters["interval"]), ("/0/public/OHLC", "1"));
                // What is at `since` itself is left out.
                let first = number("since", 1_000) + TimeDelta::seconds(1);
                Self { pair: parameters["pair"].clone(), first, last: DateTime::<Utc>::MAX_UTC }
            }
            PriceSource::Coinbase => {
                let pair = path.strip_prefix("/products/").unwrap();
                let pair = pair.strip_suffix("/candles").unwrap().to_owned();
                assert_eq!(parameters["granularity"], "60");
                let at = |name: &str| parameters[name].parse().unwrap();
                Self { pair, first: at("start"), last: at("end") }
            }
            PriceSource::Binance => {
                assert_eq!((path, &*parameters["interval"]), ("/api/v3/klines", "1m"));
                let limit: usize = parameters["limit"].parse().unwrap();
                assert!(limit <= 1_000, "{limit}");
                let (first, last) = (number("startTime", 1), number("endTime", 1));
                Self { pair: parameters["symbol"].clone(), first, last }
            }
        }
    }
}

fn answer(source: PriceSource, question: &Question, market: &mut Market) -> Option<Vec<u8>> {
    let now = market.now.unwrap_or_else(Utc::now);
    market.questions.push(format!("{} {}", question.pair, question.first.format("%H:%M")));
    let fault = market.faults.get(&*question.pair).or(market.faults.get("")).cloned();
    let fault = fault.filter(|_| market.questions.len() > market.answered_before);
    Some(match fault {
        None => match candles(source, question, market, now) {
            Ok(body) => response(now, 200, &[], &body),
            Err((status, body)) => response(now, status, &[], &body),
        },
        Some(Fault::Status(status, headers, body)) => response(now, status, &headers, body),
        Some(Fault::Body(body)) => response(now, 200, &[], body),
        Some(Fault::Huge(count)) => response(now, 200, &[], &" ".repeat(count)),
        Some(Fault::Silence) => Vec::new(),
        Some(Fault::Hang) => return None,
        Some(Fault::Truncated) => {
            let body = candles(source, question, market, now).unwrap_or_default();
            let whole = response(now, 200, &[], &body);
            whole[..whole.len() - body.len() / 2].to_vec()
        }
    })
}

fn response(
    now: DateTime<Utc>,
    status: u16,
    more: &[(&'static str, String)],
    body: &str,
) -> Vec<u8> {
    let date = now.format("%a, %d %b %Y %H:%M:%S GMT");
    let mut head = format!("HTTP/1.1 {status} So\r\nDate: {date}\r\nX-MBX-USED-WEIGHT-1M: 2\r\n");
    for (name, value) in more {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The candles in the exchange's own shape, or its refusal.
fn candles(
    source: PriceSource,
    question: &Question,
    market: &Market,
    now: DateTime<Utc>,
) -> Result<String, (u16, String)> {
    let open = minute_of(now);
    let last = question.last.min(open).min(market.stale_from.map_or(open, |from| from - MINUTE));
    // Kraken has the last 720, the open one among them.
    let oldest = open - MINUTE * 719;
    let first = match source {
        PriceSource::Kraken => question.first.max(oldest),
        PriceSource::None | PriceSource::Coinbase | PriceSource::Binance => question.first,
    };
    let first = if minute_of(first) == first { first } else { minute_of(first) + MINUTE };
    let minutes = std::iter::successors(Some(first), |at| Some(*at + MINUTE));
    let minutes: Vec<DateTime<Utc>> = minutes.take_while(|at| *at <= last).collect();
    let close = |at| if at == open { OPEN_PRICE.to_owned() } else { price(at) };
    let is_silent = |at: &DateTime<Utc>| market.silent.contains(at);
    match source {
        PriceSource::None => unreachable!("nobody asks"),
        PriceSource::Kraken => {
            let row = |at: &DateTime<Utc>| {
                let (close, count) = (close(*at), if is_silent(at) { 0 } else { 3 });
                let time = at.timestamp();
                format!(r#"[{time},"1.0","900.0","0.5","{close}","2.0","3.50",{count}]"#)
            };
            let rows: Vec<String> = minutes.iter().map(row).collect();
            let (key, time) = (kraken_key(&question.pair), open.timestamp() - 60);
            let rows = rows.join(",");
            Ok(format!(r#"{{"error":[],"result":{{"{key}":[{rows}],"last":{time}}}}}"#))
        }
        PriceSource::Coinbase => {
            if question.last - question.first >= MINUTE * 300 {
                let message = "granularity too small for the requested time range. Count of \
                               aggregations requested exceeds 300";
                return Err((400, format!(r#"{{"message":"{message}"}}"#)));
            }
            let there = minutes.iter().rev().filter(|at| !is_silent(at));
            let row =
                |at: &DateTime<Utc>| format!("[{},0.5,900,1,{},3.5]", at.timestamp(), close(*at));
            Ok(format!("[{}]", there.map(row).collect::<Vec<_>>().join(",")))
        }
        PriceSource::Binance => {
            let row = |at: &DateTime<Utc>| {
                let (close, count) = (close(*at), if is_silent(at) { 0 } else { 3 });
                let (from, to) = (at.timestamp_millis(), at.timestamp_millis() + 59_999);
                format!(
                    r#"[{from},"1.0","900.0","0.5","{close}","3.5",{to},"9.9",{count},"1","2","0"]"#
                )
            };
            Ok(format!("[{}]", minutes.iter().take(1_000).map(row).collect::<Vec<_>>().join(",")))
        }
    }
}

/// Kraken answers about a pair by a name of its own.
fn kraken_key(pair: &str) -> &str {
    match pair {
        "XBTUSD" => "XXBTZUSD",
        "ETHUSD" => "XETHZUSD",
        other => other,
    }
}
