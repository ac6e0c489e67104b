//! The networks that are synced and the sources of each, as the file names them: read once, checked
//! whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{
    config::{ChainNetwork, ChainSource, ChainsFile, SourceKind},
    domain::{
        account::{Network, NetworkKind},
        asset::is_asset_code,
    },
    outbound::source_error::SourceUrl,
    store::sync_sources::{SourceKey, TurnPrice},
};

/// Share of a source's limit that is left unused: calls that leave in time arrive a little closer
/// together than they left.
const MARGIN: f64 = 1.1;

/// Blocks on top of a Bitcoin block after which it counts as final: six, as wallets have it.
const BITCOIN_FINALITY: u32 = 6;

/// The same for Ethereum: two epochs.
const ETHEREUM_FINALITY: u32 = 64;

/// Longest time that one call may cost: a day's end is the furthest that turns are kept for.
const INTERVAL_MAX: Duration = Duration::from_secs(86_400);

/// What of a key is escaped to make it one part of a URL: all but the characters that RFC 3986,
/// section 2.3, leaves to everybody.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What some editors begin a file with.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why the file is none.
#[derive(Debug, thiserror::Error)]
pub enum NetworksError {
    /// It cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no TOML of this shape.
    #[error("{path} is not as docs/chains.md says: {why}")]
    Shape {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where. No values.
        why: String,
    },
    /// Something that it names is wrong.
    #[error("{path}: {subject} {rule}")]
    Wrong {
        /// Which.
        path: PathBuf,
        /// What.
        subject: String,
        /// What would be right.
        rule: &'static str,
    },
}

/// A network that is synced.
#[derive(Clone, Debug)]
pub struct SyncNetwork {
    /// The network.
    pub network: Network,
    /// Its kind.
    pub kind: NetworkKind,
    /// Code of its coin.
    pub coin_code: String,
    /// Blocks on top of one after which it is not taken back any more.
    pub finality: i64,
    /// Its sources, the preferred ones first; one for each key.
    pub sources: Vec<SyncSource>,
}

/// A source with one of its keys.
#[derive(Clone)]
pub struct SyncSource {
    /// What its limits are kept under.
    pub key: SourceKey,
    /// What it speaks.
    pub kind: SourceKind,
    /// Where it is asked, with the key in its place.
    pub url: SourceUrl,
    /// What a call costs.
    pub price: TurnPrice,
    /// Most blocks of one question about logs.
    pub blocks_max: Option<u32>,
}

impl fmt::Debug for SyncSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSource").field("key", &self.key).finish_non_exhaustive()
    }
}

/// All networks that are synced.
#[derive(Clone, Debug, Default)]
pub struct SyncNetworks(BTreeMap<String, SyncNetwork>);

impl SyncNetworks {
    /// Reads the file.
    ///
    /// # Errors
    /// Says what is wrong with it; keys are not repeated.
    pub fn load(path: &Path) -> Result<Self, NetworksError> {
        let text = std::fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
        let file: ChainsFile = toml::from_str(&text).map_err(|error| NetworksError::Shape {
            path: path.into(),
            why: fault(&text, &error),
        })?;
        let mut file = file;
        for source in file.networks.iter_mut().flat_map(|network| &mut network.sources) {
            let Some(keys_file) = &source.keys_file else { continue };
            // Beside the file that names it, unless it is named whole.
            let keys_path = path.parent().unwrap_or(Path::new("")).join(keys_file);
            let keys = std::fs::read_to_string(&keys_path)
                .map_err(|source| unreadable(&keys_path, source))?;
            let keys = keys.trim_start_matches(BYTE_ORDER_MARK).lines();
            let keys = keys.map(str::trim).filter(|key| !key.is_empty());
            source.keys.extend(keys.map(str::to_owned));
        }
        Self::of(&file).map_err(|(subject, rule)| NetworksError::Wrong {
            path: path.into(),
            subject,
            rule,
        })
    }

    /// What a file says that was read.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn of(file: &ChainsFile) -> Result<Self, (String, &'static str)> {
        let mut networks = BTreeMap::new();
        let mut names = BTreeSet::new();
        for table in &file.networks {
            let network = network(table, &mut names)?;
            if networks.insert(table.name.clone(), network).is_some() {
                return Err((format!("network {:?}", table.name), "must be there once"));
            }
        }
        Ok(Self(networks))
    }

    /// The network of this name, if it is synced.
    #[must_use]
    pub fn get(&self, network: &str) -> Option<&SyncNetwork> {
        self.0.get(network)
    }

    /// Names of all.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &SyncNetwork> {
        self.0.values()
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> NetworksError {
    NetworksError::Unreadable { path: path.into(), source }
}

/// What is wrong with a file of another shape, and in which line under which key. A value may be a
/// secret and is left out.
fn fault(text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    let what = match message.strip_prefix("invalid ").and_then(|rest| rest.rsplit_once(", ")) {
        Some((_, expected)) => expected,
        None => message,
    };
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return what.to_owned();
    };
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let key = line.split_once('=').map(|(key, _)| format!(", {}", key.trim())).unwrap_or_default();
    format!("line {number}{key}: {what}")
}

fn network(
    table: &ChainNetwork,
    names: &mut BTreeSet<String>,
) -> Result<SyncNetwork, (String, &'static str)> {
    let about = || format!("network {:?}", table.name);
    let network = Network::parse(&table.name).ok_or_else(|| (about(), NAME_RULE))?;
    let (coin, finality) = match network.kind() {
        NetworkKind::Bitcoin => {
            let rest = table.name.strip_prefix("bitcoin").unwrap_or_default();
            (format!("BTC{}", rest.to_ascii_uppercase()), BITCOIN_FINALITY)
        }
        NetworkKind::Ethereum { chain_id } => (format!("ETH-{chain_id}"), ETHEREUM_FINALITY),
        NetworkKind::Other => return Err((about(), NAME_RULE)),
    };
    if table.coin.as_deref().is_some_and(|coin| !is_asset_code(coin)) {
        return Err((format!("coin of {}", about()), COIN_RULE));
    }
    let mut sources = Vec::new();
    for source in &table.sources {
        if !names.insert(source.name.clone()) || source.name.is_empty() {
            return Err((format!("source {:?}", source.name), "must have a name of its own"));
        }
        sources.extend(keyed(source, network.kind())?);
    }
    Ok(SyncNetwork {
        kind: network.kind(),
        coin_code: table.coin.clone().unwrap_or(coin),
        finality: i64::from(table.finality.unwrap_or(finality)),
        network,
        sources,
    })
}

const NAME_RULE: &str = "must be bitcoin, bitcoin-testnet, bitcoin-testnet4, bitcoin-signet, \
                         bitcoin-regtest, ethereum, or evm- and the number of a chain";

const COIN_RULE: &str = "must be 1 to 64 characters, none of them a control character";

/// A source once for each of its keys, or once without any.
fn keyed(
    source: &ChainSource,
    network: NetworkKind,
) -> Result<Vec<SyncSource>, (String, &'static str)> {
    let about = |what: &str| format!("{what} of source {:?}", source.name);
    let is_of_bitcoin = match source.kind {
        SourceKind::Esplora | SourceKind::Mempool | SourceKind::BlockchainInfo => true,
        SourceKind::Rpc | SourceKind::Etherscan => false,
    };
    if is_of_bitcoin != (network == NetworkKind::Bitcoin) {
        return Err((
            about("kind"),
            "must be esplora, mempool or blockchain-info on a chain of \
                                    Bitcoin, rpc or etherscan on another one",
        ));
    }
    if !(source.per_second > 0.0 && source.per_second <= 100_000.0) {
        return Err((about("per_second"), "must be above 0 and at most 100000"));
    }
    if source.cost == Some(0) || source.blocks_max == Some(0) || source.per_day == Some(0) {
        return Err((about("cost, blocks_max and per_day"), "must be at least 1"));
    }
    if source.url.contains("{key}") == source.keys.is_empty() {
        return Err((about("url"), "must hold {key} where there are keys, and only there"));
    }
    if source.keys.iter().any(String::is_empty)
        || source.keys.iter().collect::<BTreeSet<_>>().len() < source.keys.len()
    {
        return Err((about("keys"), "must be different ones, none of them empty"));
    }
    let cost = source.cost.unwrap_or(1);
    let interval = Duration::try_from_secs_f64(MARGIN * f64::from(cost) / source.per_second);
    let Some(interval) = interval.ok().filter(|interval| *interval <= INTERVAL_MAX) else {
        return Err((about("per_second"), "must be enough for a call a day"));
    };
    let price =
        TurnPrice { cost: i64::from(cost), interval, per_day: source.per_day.map(i64::from) };
    let keys = if source.keys.is_empty() { vec![String::new()] } else { source.keys.clone() };
    let one = |(number, key): (usize, &String)| {
        let key = utf8_percent_encode(key, ESCAPED).to_string();
        let url = SourceUrl::parse(&source.url.replace("{key}", &key))
            .ok_or_else(|| (about("url"), SourceUrl::RULE))?;
        let key_number = i32::try_from(number).unwrap_or(i32::MAX);
        Ok(SyncSource {
            key: SourceKey { source: source.name.clone(), key_number },
            kind: source.kind,
            url,
            price,
            blocks_max: source.blocks_max,
        })
    };
    keys.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a text that is no file of chains.
    fn said(text: &str) -> String {
        let error = toml::from_str::<ChainsFile>(text).expect_err("no such file");
        fault(text, &error)
    }

    #[test]
    fn a_fault_names_its_line_and_key_and_no_value() {
        let source = "[[network]]\nname = \"bitcoin\"\n[[network.source]]\n";
        for (text, expected) in [
            ("per_second = \"s3cret\"", "line 4, per_second: expected f64"),
            ("url = 5", "line 4, url: expected a string"),
            ("keys = \"s3,c, ret\"", "line 4, keys: expected a sequence"),
            ("keys = [\n  5,\n]", "line 5: expected a string"),
            ("per_day = -1", "line 4, per_day: expected u32"),
            ("name = \"local\"", "line 3: missing field `kind`"),
        ] {
            assert_eq!(said(&format!("{source}{text}\n")), expected, "{text}");
        }
        let unknown = said("[[network]]\nnmae = \"bitcoin\"\n");
        assert!(unknown.starts_with("line 2, nmae: unknown field `nmae`"), "{unknown}");
    }

    #[test]
    fn a_key_stays_in_its_place_whatever_it_holds() {
        let text = "[[network]]\nname = \"ethereum\"\n[[network.source]]\nname = \"a\"\n\
                    kind = \"rpc\"\nper_second = 1\nurl = \"https://example.com/v3/{key}?a=b\"\n\
                    keys = [\"a/../b?c#d&e%f\", \"\u{e4}\"]\n";
        let networks = SyncNetworks::of(&toml::from_str(text).expect("a file")).expect("right");
        let sources = &networks.get("ethereum").expect("a network").sources;
        let urls: Vec<SourceUrl> = sources.iter().map(|source| source.url.clone()).collect();
        let expected = ["a%2F..%2Fb%3Fc%23d%26e%25f", "%C3%A4"].map(|key| {
            SourceUrl::parse(&format!("https://example.com/v3/{key}?a=b")).expect("a URL")
        });
        assert_eq!(urls, expected);
    }

    #[test]
    fn rates_that_no_clock_can_count_are_refused() {
        for (rate, is_right) in
            [("0.00002", true), ("1e-300", false), ("0.0", false), ("nan", false), ("inf", false)]
        {
            let text = format!(
                "[[network]]\nname = \"bitcoin\"\n[[network.source]]\nname = \"a\"\n\
                 kind = \"esplora\"\nurl = \"https://example.com\"\nper_second = {rate}\n"
            );
            let file = toml::from_str(&text).expect("a file");
            assert_eq!(SyncNetworks::of(&file).is_ok(), is_right, "{rate}");
        }
    }
}
