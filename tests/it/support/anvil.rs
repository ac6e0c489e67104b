//! A node of a private Ethereum chain, anvil, with tokens on it that were compiled for the test.
//!
//! `scripts/install-test-tools --chain` installs what is needed. Blocks are made when a test says
//! so, and only then.

use std::{
    collections::HashMap,
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
    thread,
};

use daybook::domain::{
    erc20::{Address, Word},
    hex,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::not_run::not_run;

/// Number of anvil's chain, and the name of its network.
pub(crate) const NETWORK: &str = "evm-31337";

/// Gas for each transaction: more than any needs.
const GAS: &str = "0x3b9aca00";

/// A node; it ends with the value.
pub(crate) struct Anvil {
    child: Child,
    /// Where it is asked.
    pub(crate) url: String,
    client: reqwest::Client,
    /// Whose transactions need no signature.
    pub(crate) owner: String,
}

/// Tokens moved in one step of `move`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) amount: Word,
}

#[derive(Deserialize)]
struct Contract {
    code: String,
    methods: HashMap<String, String>,
}

fn packages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/chain/node_modules")
}

/// The binary, whatever the platform.
fn binary() -> Option<PathBuf> {
    let scope = std::fs::read_dir(packages().join("@foundry-rs")).ok()?;
    let mut binaries = scope.flatten().map(|package| package.path().join("bin/anvil"));
    binaries.find(|binary| binary.exists() && !binary.parent().unwrap().ends_with("anvil/bin"))
}

/// The contracts of Tokens.sol, compiled once.
fn contract(name: &str) -> &'static Contract {
    static CONTRACTS: OnceLock<HashMap<String, Contract>> = OnceLock::new();
    let compile = || {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/anvil/compile.cjs");
        let output = Command::new("node").arg(script).arg(packages()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    &CONTRACTS.get_or_init(compile)[name]
}

impl Anvil {
    /// Starts a node. `None` where it is not installed: said loudly, and an error in CI, which
    /// installs it.
    pub(crate) async fn start(what: &str) -> Option<Self> {
        let Some(binary) = binary() else {
            assert!(env::var_os("CI").is_none(), "anvil is not installed: {what}");
            not_run(what, "there is no anvil (scripts/install-test-tools --chain)");
            return None;
        };
        let flags = "--port 0 --no-mining --order fifo --gas-limit 100000000000 --gas-price 0 \
                     --base-fee 0 --accounts 1 --balance 1000000";
        let mut child = Command::new(binary)
            .args(flags.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| Some(line.ok()?.strip_prefix("Listening on ")?.to_owned()))
            .expect("anvil says where it listens");
        // What it goes on to say must be taken from it.
        thread::spawn(move || lines.for_each(drop));
        let client = plain_client();
        let url = format!("http://{address}");
        let mut anvil = Self { child, url, client, owner: String::new() };
        let accounts = anvil.rpc("eth_accounts", json!([])).await;
        accounts[0].as_str().unwrap().clone_into(&mut anvil.owner);
        Some(anvil)
    }

    /// Asks the node.
    pub(crate) async fn rpc(&self, method: &str, params: Value) -> Value {
        let question = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = self.client.post(&self.url).header("content-type", "application/json");
        let answer = request.body(question.to_string()).send().await.unwrap();
        let mut answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Puts a contract onto the chain, in a block of its own.
    pub(crate) async fn deploy(&self, name: &str) -> Address {
        let code = format!("0x{}", contract(name).code);
        let hash = self.send(json!({ "from": self.owner, "data": code, "gas": GAS })).await;
        self.mine(1).await;
        let receipt = self.rpc("eth_getTransactionReceipt", json!([hash])).await;
        assert_eq!(receipt["status"], "0x1");
        Address::parse(receipt["contractAddress"].as_str().unwrap()).unwrap()
    }

    /// Moves tokens, in one transaction of the next block.
    pub(crate) async fn transfer(&self, token: &Address, moves: &[Move]) {
        let word = |bytes: &[u8]| format!("{:0>64}", &hex::text(bytes)[2..]);
        let count = |number: usize| format!("{number:064x}");
        let list = |words: Vec<String>| count(words.len()) + &words.concat();
        let size = 32 * (moves.len() + 1);
        let data = [
            count(3 * 32),
            count(3 * 32 + size),
            count(3 * 32 + 2 * size),
            list(moves.iter().map(|one| word(&one.from.0)).collect()),
            list(moves.iter().map(|one| word(&one.to.0)).collect()),
            list(moves.iter().map(|one| word(&one.amount.0)).collect()),
        ];
        self.call(token, "move(address[],address[],uint256[])", &data.concat()).await;
    }

    /// Calls a function of a TestToken, in one transaction of the next block. `data` is its
    /// arguments in digits.
    pub(crate) async fn call(&self, token: &Address, function: &str, data: &str) {
        let data = format!("0x{}{data}", contract("TestToken").methods[function]);
        let to = token.to_string();
        self.send(json!({ "from": self.owner, "to": to, "data": data, "gas": GAS })).await;
    }

    async fn send(&self, transaction: Value) -> Value {
        self.rpc("eth_sendTransaction", json!([transaction])).await
    }

    /// Makes blocks: the first has what was sent. Says how high the chain is.
    pub(crate) async fn mine(&self, blocks: u64) -> u64 {
        for _ in 0..blocks {
            self.rpc("evm_mine", json!([])).await;
        }
        self.height().await
    }

    /// How high the chain is.
    pub(crate) async fn height(&self) -> u64 {
        hex::quantity(self.rpc("eth_blockNumber", json!([])).await.as_str().unwrap()).unwrap()
    }

    /// Takes the last blocks back, with what is in them.
    pub(crate) async fn roll_back(&self, blocks: u64) {
        self.rpc("anvil_rollback", json!([blocks])).await;
    }

    /// What the token itself says that somebody has.
    pub(crate) async fn balance(&self, token: &Address, holder: &Address) -> Word {
        let data = daybook::domain::erc20::abi::balance_of(holder);
        let call = json!([{ "to": token.to_string(), "data": data }, "latest"]);
        let returned = self.rpc("eth_call", call).await;
        Word(hex::fixed(returned.as_str().unwrap()).unwrap())
    }
}

/// A client for servers of this machine, without encryption.
pub(crate) fn plain_client() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(config);
    client.no_proxy().build().unwrap()
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A holder by number, never the zero address.
pub(crate) fn holder(number: u32) -> Address {
    let mut bytes = [0x5a; 20];
    bytes[16..].copy_from_slice(&number.to_be_bytes());
    Address(bytes)
}

/// A small amount.
pub(crate) fn amount(number: u64) -> Word {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&number.to_be_bytes());
    Word(bytes)
}
