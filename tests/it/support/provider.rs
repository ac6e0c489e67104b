//! What stands before a node at a provider of nodes: limits with each provider's own words, and
//! whatever goes wrong there when a test says so. And the node's logs as an explorer hands them
//! out.

mod etherscan;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use daybook::domain::hex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::anvil::plain_client;

/// Which limits a provider has, and in whose words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Limits {
    /// None.
    None,
    /// Ten blocks; a range is suggested (Alchemy's free plan).
    TenBlocks,
    /// A thousand logs; nothing is suggested.
    ThousandLogs,
    /// Five logs, also of one block.
    FiveLogs,
    /// Ten thousand logs; a range is suggested beside the words (Infura).
    TenThousandLogs,
}

/// What goes wrong with one call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// A status, with how many seconds to wait.
    Status(u16, Option<u64>),
    /// No logs, though there are some: of the next range that is asked for.
    NoLogs,
    /// Half of the answer.
    CutOff,
}

/// A provider; it ends with the value.
pub(crate) struct Provider {
    /// Where it is asked by JSON-RPC.
    pub(crate) url: String,
    /// Where it is asked as an explorer.
    pub(crate) explorer_url: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

pub(super) struct State {
    node_url: String,
    client: reqwest::Client,
    limits: Limits,
    calls: AtomicU64,
    /// Blocks that the provider is behind its node.
    behind: AtomicU64,
    /// Blocks by which the last one that it tells of is higher than the one that it has.
    ahead: AtomicU64,
    /// Whether contracts are not asked.
    refuses_calls: AtomicBool,
    /// Whether logs tell the time of their block.
    tells_times: bool,
    faults: Mutex<VecDeque<Fault>>,
}

impl Provider {
    /// One before the node at this URL.
    pub(crate) async fn start(node_url: &str, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let state = Arc::new(State {
            node_url: node_url.to_owned(),
            client: plain_client(),
            limits,
            calls: AtomicU64::new(0),
            behind: AtomicU64::new(0),
            ahead: AtomicU64::new(0),
            refuses_calls: AtomicBool::new(false),
            tells_times: limits != Limits::ThousandLogs,
            faults: Mutex::default(),
        });
        let serving = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&serving);
                tokio::spawn(async move {
                    let _ = serve(&state, stream).await;
                });
            }
        });
        let url = format!("http://{address}");
        let explorer_url = format!("{url}/v2/api?chainid=31337&apikey=test");
        Self { url, explorer_url, state, task }
    }

    /// How many calls came.
    pub(crate) fn calls(&self) -> u64 {
        self.state.calls.load(Ordering::Relaxed)
    }

    /// The next call goes wrong like this; told several times, one call after the other.
    pub(crate) fn fail(&self, fault: Fault) {
        self.state.faults.lock().unwrap().push_back(fault);
    }

    /// How many calls are yet to go wrong.
    pub(crate) fn faults_left(&self) -> usize {
        self.state.faults.lock().unwrap().len()
    }

    /// From now on the provider is so many blocks behind its node.
    pub(crate) fn fall_behind(&self, blocks: u64) {
        self.state.behind.store(blocks, Ordering::Relaxed);
    }

    /// From now on the provider tells of a last block so much higher than the one that it has.
    pub(crate) fn run_ahead(&self, blocks: u64) {
        self.state.ahead.store(blocks, Ordering::Relaxed);
    }

    /// From now on the provider does not ask contracts.
    pub(crate) fn refuse_calls(&self) {
        self.state.refuses_calls.store(true, Ordering::Relaxed);
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(state: &State, stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if stream.read_line(&mut first).await? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        state.calls.fetch_add(1, Ordering::Relaxed);
        let fault = state.fault_of(&String::from_utf8_lossy(&body));
        if let Some(Fault::Status(status, wait)) = fault {
            let wait = wait.map(|wait| format!("retry-after: {wait}\r\n")).unwrap_or_default();
            let head = format!("HTTP/1.1 {status} No\r\n{wait}content-length: 2\r\n\r\n{{}}");
            stream.write_all(head.as_bytes()).await?;
            continue;
        }
        let answer = match first.split_whitespace().nth(1) {
            Some(path) if first.starts_with("GET ") => etherscan::answer(state, path).await,
            _ => state.answer(&serde_json::from_slice(&body).unwrap(), fault.as_ref()).await,
        };
        let text = answer.to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", text.len());
        stream.write_all(head.as_bytes()).await?;
        if matches!(fault, Some(Fault::CutOff)) {
            stream.write_all(&text.as_bytes()[..text.len() / 2]).await?;
            return Ok(());
        }
        stream.write_all(text.as_bytes()).await?;
    }
}

impl State {
    /// What goes wrong with this question.
    fn fault_of(&self, question: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let is_of_others =
            matches!(faults.front(), Some(Fault::NoLogs)) && !question.contains("fromBlock");
        if is_of_others { None } else { faults.pop_front() }
    }

    /// Answers a question, or each of several.
    async fn answer(&self, question: &Value, fault: Option<&Fault>) -> Value {
        match question.as_array() {
            None => self.answer_one(question, fault).await,
            Some(questions) => {
                let mut answers = Vec::new();
                for question in questions {
                    answers.push(self.answer_one(question, fault).await);
                }
                // In another order than they were asked.
                answers.reverse();
                Value::Array(answers)
            }
        }
    }

    async fn answer_one(&self, question: &Value, fault: Option<&Fault>) -> Value {
        let mut question = question.clone();
        let head = self.head().await;
        if question["method"] == "eth_getBlockByNumber" {
            let height = &question["params"][0];
            match height.as_str().and_then(hex::quantity) {
                Some(height) if height > head => {
                    return json!({ "jsonrpc": "2.0", "id": question["id"], "result": null });
                }
                Some(_) => {}
                None => {
                    question["params"][0] = json!(format!("{head:#x}"));
                    let mut answer = self.ask(&question).await;
                    let told = head + self.ahead.load(Ordering::Relaxed);
                    answer["result"]["number"] = json!(format!("{told:#x}"));
                    return answer;
                }
            }
        }
        if question["method"] == "eth_call" && self.refuses_calls.load(Ordering::Relaxed) {
            return refusal(&question, -32601, "the method eth_call is not available", Value::Null);
        }
        if question["method"] != "eth_getLogs" {
            return self.ask(&question).await;
        }
        if matches!(fault, Some(Fault::NoLogs)) {
            return json!({ "jsonrpc": "2.0", "id": question["id"], "result": [] });
        }
        let filter = question["params"][0].clone();
        let range =
            ["fromBlock", "toBlock"].map(|end| filter[end].as_str().and_then(hex::quantity));
        if let [Some(first), Some(last)] = range {
            if last > head {
                let message = if self.ahead.load(Ordering::Relaxed) > 0 {
                    // In anvil's words.
                    format!("BlockOutOfRangeError: block height is {head} but requested was {last}")
                } else {
                    "block range extends beyond current head".to_owned()
                };
                return refusal(&question, -32602, &message, Value::Null);
            }
            if self.limits == Limits::TenBlocks && last - first >= 10 {
                let message = format!(
                    "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 \
                     block range. Based on your parameters, this block range should work: \
                     [{first:#x}, {:#x}].",
                    first + 9
                );
                return refusal(&question, -32600, &message, Value::Null);
            }
        }
        self.limited(&question, range[0]).await
    }

    /// The answer to a question for logs from the block `first` on, unless there are too many.
    async fn limited(&self, question: &Value, first: Option<u64>) -> Value {
        let mut answer = self.ask(question).await;
        let logs = answer["result"].as_array_mut().expect("logs");
        if !self.tells_times {
            for log in logs.iter_mut() {
                log.as_object_mut().unwrap().remove("blockTimestamp");
            }
        }
        let most = match self.limits {
            Limits::None | Limits::TenBlocks => return answer,
            Limits::FiveLogs => 5,
            Limits::ThousandLogs => 1_000,
            Limits::TenThousandLogs => 10_000,
        };
        if logs.len() <= most {
            return answer;
        }
        let message = format!("query returned more than {most} results");
        let data = match (self.limits, first) {
            (Limits::TenThousandLogs, Some(first)) => {
                // The blocks that have not more together.
                let last = logs[most]["blockNumber"].as_str().and_then(hex::quantity).unwrap();
                let last = (last - 1).max(first);
                json!({ "from": format!("{first:#x}"), "to": format!("{last:#x}"), "limit": most })
            }
            _ => Value::Null,
        };
        refusal(question, -32005, &message, data)
    }

    /// Number of the last block that the provider has.
    pub(super) async fn head(&self) -> u64 {
        let question =
            json!({ "jsonrpc": "2.0", "id": 0, "method": "eth_blockNumber", "params": [] });
        let height = self.ask(&question).await;
        let height = hex::quantity(height["result"].as_str().unwrap()).unwrap();
        height.saturating_sub(self.behind.load(Ordering::Relaxed))
    }

    pub(super) async fn ask(&self, question: &Value) -> Value {
        let request = self.client.post(&self.node_url).header("content-type", "application/json");
        let answer = request.body(question.to_string()).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }
}

fn refusal(question: &Value, code: i64, message: &str, data: Value) -> Value {
    let error = json!({ "code": code, "message": message, "data": data });
    json!({ "jsonrpc": "2.0", "id": question["id"], "error": error })
}
