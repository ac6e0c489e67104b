//! A real node of Bitcoin in regtest, found by `BITCOIND_EXE` (`scripts/install-bitcoind` builds
//! one), and spoken to by JSON-RPC.

use std::{collections::HashMap, io, net::TcpListener, path::PathBuf, process::Stdio};

use base64::prelude::{BASE64_STANDARD, Engine};
use bitcoin::{
    Block, BlockHash, NetworkKind, PrivateKey, ScriptBuf, Transaction, TxOut,
    consensus::encode::{deserialize_hex, serialize_hex},
};
use serde_json::{Value, json, value::RawValue};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

use crate::support::{
    bitcoin_chain::{KEYS, NewBlock, script, secret},
    cluster::eventually,
    not_run::not_run,
};

pub(crate) struct Bitcoind {
    _process: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Bitcoind {
    /// Starts one with an empty chain. `None` where there is none, which is said.
    pub(crate) async fn start(what: &str) -> Option<Self> {
        let Some(binary) = std::env::var_os("BITCOIND_EXE").map(PathBuf::from) else {
            not_run(what, "BITCOIND_EXE names no bitcoind; scripts/install-bitcoind builds one");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(binary)
            .arg("-regtest")
            .arg(format!("-datadir={}", folder.path().display()))
            .arg(format!("-rpcport={port}"))
            .args(["-server", "-listen=0", "-connect=0", "-dnsseed=0", "-txindex=0"])
            // What is in a block of these tests is not what a node would pass on.
            .args(["-acceptnonstdtxn=1", "-minrelaytxfee=0", "-dustrelayfee=0"])
            .args(["-blockmintxfee=0", "-rpcworkqueue=64", "-printtoconsole=0"])
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let node = Self { _process: process, folder, port };
        eventually("bitcoind answers", async || {
            node.try_ask("getblockcount", json!([])).await.is_ok()
        })
        .await;
        Some(node)
    }

    /// An answer of the node.
    ///
    /// # Panics
    /// If it refuses.
    pub(crate) async fn ask(&self, method: &str, parameters: Value) -> Box<RawValue> {
        self.try_ask(method, parameters).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn try_ask(&self, method: &str, parameters: Value) -> Result<Box<RawValue>, String> {
        let cookie = self.folder.path().join("regtest/.cookie");
        let cookie = std::fs::read_to_string(cookie).map_err(|error| error.to_string())?;
        let (user, password) = cookie.split_once(':').unwrap();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters});
        let text = self.post(&format!("{user}:{password}"), &body.to_string()).await;
        let text = text.map_err(|error| error.to_string())?;
        let mut fields: HashMap<String, Box<RawValue>> =
            serde_json::from_str(&text).map_err(|_| text.clone())?;
        fields.remove("result").filter(|_| !fields.contains_key("error")).ok_or(text)
    }

    /// The body of the answer to one request.
    async fn post(&self, secret: &str, body: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let secret = BASE64_STANDARD.encode(secret);
        let request = format!(
            "POST / HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\
             Authorization: Basic {secret}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        // Not to the end of the connection, which the node takes its time for.
        let mut stream = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let field = line.trim_end().split_once(": ");
            if let Some((_, value)) = field.filter(|field| field.0 == "Content-Length") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        Ok(String::from_utf8(body).unwrap())
    }

    async fn text(&self, method: &str, parameters: Value) -> String {
        serde_json::from_str(self.ask(method, parameters).await.get()).unwrap()
    }

    /// Signs a transaction that spends these outputs with all keys there are.
    pub(crate) async fn sign(&self, unsigned: &Transaction, spent: &[TxOut]) -> Transaction {
        let keys = (0..KEYS).map(|key| PrivateKey::new(secret(key), NetworkKind::Test).to_wif());
        let output = |(input, output): (&bitcoin::TxIn, &TxOut)| {
            json!({
                "txid": input.previous_output.txid,
                "vout": input.previous_output.vout,
                "scriptPubKey": output.script_pubkey.to_hex_string(),
                "amount": bitcoins(output.value.to_sat()),
            })
        };
        let outputs: Vec<Value> = unsigned.input.iter().zip(spent).map(output).collect();
        let parameters = json!([serialize_hex(unsigned), keys.collect::<Vec<String>>(), outputs]);
        let answer = self.ask("signrawtransactionwithkey", parameters).await;
        let answer: Value = serde_json::from_str(answer.get()).unwrap();
        assert_eq!(answer["complete"], true, "{answer}");
        deserialize_hex(answer["hex"].as_str().unwrap()).unwrap()
    }

    pub(crate) async fn send(&self, transaction: &Transaction) {
        // Whatever it pays, and whatever nobody can spend any more.
        let parameters = json!([serialize_hex(transaction), 0, 21_000_000]);
        self.ask("sendrawtransaction", parameters).await;
    }

    /// Makes a block and all after it invalid.
    pub(crate) async fn invalidate(&self, hash: BlockHash) {
        self.ask("invalidateblock", json!([hash])).await;
    }

    /// Mines a block that has this and nothing else.
    pub(crate) async fn mine(&self, time: u32, new: &NewBlock) -> Block {
        self.ask("setmocktime", json!([time])).await;
        let transactions: Vec<String> = new.transactions.iter().map(serialize_hex).collect();
        let miner = format!("raw({})", script(new.miner).to_hex_string());
        let sum: String = {
            let answer = self.ask("getdescriptorinfo", json!([miner])).await;
            let answer: Value = serde_json::from_str(answer.get()).unwrap();
            answer["descriptor"].as_str().unwrap().to_owned()
        };
        let answer = self.ask("generateblock", json!([sum, transactions])).await;
        let answer: Value = serde_json::from_str(answer.get()).unwrap();
        deserialize_hex(&self.text("getblock", json!([answer["hash"], 0])).await).unwrap()
    }

    /// What is in no block yet, what others spend before what spends it.
    pub(crate) async fn mempool(&self) -> Vec<Transaction> {
        let answer = self.ask("getrawmempool", json!([true])).await;
        let entries: HashMap<String, Value> = serde_json::from_str(answer.get()).unwrap();
        let mut entries: Vec<(u64, String)> = entries
            .into_iter()
            .map(|(txid, entry)| (entry["ancestorcount"].as_u64().unwrap(), txid))
            .collect();
        entries.sort();
        let mut transactions = Vec::new();
        for (_, txid) in entries {
            let text = self.text("getrawtransaction", json!([txid])).await;
            transactions.push(deserialize_hex(&text).unwrap());
        }
        transactions
    }

    /// What a script has by the node's own count of unspent outputs, in bitcoins as it writes them.
    pub(crate) async fn balance(&self, script: &ScriptBuf) -> String {
        let what = format!("raw({})", script.to_hex_string());
        let answer = self.ask("scantxoutset", json!(["start", [what]])).await;
        let fields: HashMap<&str, &RawValue> = serde_json::from_str(answer.get()).unwrap();
        fields["total_amount"].get().to_owned()
    }
}

/// Satoshis in bitcoins, with all decimals.
pub(crate) fn bitcoins(satoshis: u64) -> String {
    format!("{}.{:08}", satoshis / 100_000_000, satoshis % 100_000_000)
}
