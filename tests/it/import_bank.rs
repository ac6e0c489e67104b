//! A real bank's file, imported by the mapping of the documents, and its own column of
//! balances held against Daybook's answers.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use daybook::{
    grpc::pb::v1::{
        AccountKey, BatchSumAmountRequest, Direction, SumAmountRequest,
        analytics_service_client::AnalyticsServiceClient, batch_sum_amount_result::Outcome,
        sum_amount_request::Subject,
    },
    upkeep::sealing::{SEALED_ROWS_MAX, seal_once},
};
use tonic::transport::Channel;

use crate::{
    import::{example, run_on},
    sum_amount::window,
    support::{cluster::TestFolder, not_run::not_run, service::TestService},
};

/// Rows of the file.
const ROWS: usize = 49_102;

/// How far a balance may be off, in hundredths: the source rounded it.
const TOLERANCE: i64 = 100;

/// Questions in a batch.
const BATCH: usize = 1_000;

/// Where the file is, if it is there.
fn bank_file() -> Option<PathBuf> {
    let path = match env::var_os("DAYBOOK_BANK_FILE") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/bank/trans.asc"),
    };
    path.exists().then_some(path)
}

/// What a row moves on its account and the balance that it says to leave, in hundredths.
#[derive(Clone, Copy, Debug)]
struct Entry {
    change: i64,
    balance: i64,
}

/// What the file says, by day and account.
fn entries(text: &str) -> BTreeMap<(NaiveDate, String), Vec<Entry>> {
    let mut entries: BTreeMap<_, Vec<Entry>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(';').map(|field| field.trim_matches('"')).collect();
        let (year, rest) = fields[2].split_at(2);
        let day = format!("19{year}-{}-{}", &rest[..2], &rest[2..]).parse().unwrap();
        let amount = hundredths(fields[5]);
        let change = match fields[3] {
            "PRIJEM" => amount,
            "VYDAJ" | "VYBER" => -amount,
            other => panic!("{other}"),
        };
        let entry = Entry { change, balance: hundredths(fields[6]) };
        entries.entry((day, fields[1].to_owned())).or_default().push(entry);
    }
    entries
}

/// An amount with at most two decimals other than zero, in hundredths.
fn hundredths(text: &str) -> i64 {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let fraction = format!("{fraction:0<2}");
    assert!(fraction[2..].bytes().all(|digit| digit == b'0'), "{text}");
    sign * (whole.parse::<i64>().unwrap() * 100 + fraction[..2].parse::<i64>().unwrap())
}

/// Whether the rows of a day, in some order, lead from a balance to another one by way of the
/// balances that they say. The file has them in no order within a day.
fn leads(from: i64, rows: &[Entry], to: i64) -> bool {
    if rows.is_empty() {
        return from == to;
    }
    (0..rows.len()).any(|place| {
        let Entry { change, balance } = rows[place];
        let after = from + change;
        let others = [&rows[..place], &rows[place + 1..]].concat();
        (after - balance).abs() <= TOLERANCE && leads(after, &others, to)
    })
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// What accounts had at the end of days, as Daybook answers: received minus sent.
async fn balances(
    client: &mut AnalyticsServiceClient<Channel>,
    asked: &[(NaiveDate, String)],
    first: NaiveDate,
) -> Vec<i64> {
    let mut balances = Vec::with_capacity(asked.len());
    for part in asked.chunks(BATCH / 2) {
        let mut questions = Vec::with_capacity(2 * part.len());
        for (day, account) in part {
            let end = midnight(*day + Days::new(1)).to_rfc3339();
            let key = AccountKey { network: "bank".into(), address: account.clone() };
            for direction in [Direction::Receiver, Direction::Sender] {
                questions.push(SumAmountRequest {
                    subject: Some(Subject::Account(key.clone())),
                    window: window(&midnight(first).to_rfc3339(), &end),
                    direction: direction.into(),
                    asset: "CZK".into(),
                    ..SumAmountRequest::default()
                });
            }
        }
        let request = BatchSumAmountRequest { questions, ..BatchSumAmountRequest::default() };
        let results = client.batch_sum_amount(request).await.unwrap().into_inner().results;
        let sums: Vec<i64> = results
            .into_iter()
            .map(|result| match result.outcome {
                Some(Outcome::Answer(answer)) => hundredths(&answer.sum_amount),
                other => panic!("{other:?}"),
            })
            .collect();
        balances.extend(sums.chunks(2).map(|pair| pair[0] - pair[1]));
    }
    balances
}

#[tokio::test]
async fn balances_of_a_real_banks_file_are_what_the_bank_says() {
    let Some(path) = bank_file() else {
        not_run("the import of a bank's file", "it is not there, nor is DAYBOOK_BANK_FILE set");
        return;
    };
    let text = fs::read_to_string(&path).unwrap();
    let entries = entries(&text);
    let service = TestService::start().await;
    let folder = TestFolder::empty();
    let (file, mapping) = (path.to_str().unwrap(), example("bank.toml"));
    let arguments = ["import", file, "--map-file", &mapping];
    let said = run_on(&service.target, &folder, &arguments, b"").await;
    let words = format!("{ROWS} rows recorded, 0 already present, 0 lines rejected\n");
    assert_eq!((said.code, &said.words), (Some(0), &words), "{said:?}");
    let said = run_on(&service.target, &folder, &arguments, b"").await;
    let words = format!("0 rows recorded, {ROWS} already present, 0 lines rejected\n");
    assert_eq!((said.code, &said.words), (Some(0), &words), "{said:?}");
    seal_once(&service.database, SEALED_ROWS_MAX).await.unwrap();

    let asked: Vec<(NaiveDate, String)> = entries.keys().cloned().collect();
    let (first, last) = (asked[0].0, asked[asked.len() - 1].0);
    let answers = balances(&mut service.analytics().await, &asked, first).await;
    let mut before: BTreeMap<&str, i64> = BTreeMap::new();
    let mut checked = 0;
    for ((day, account), &balance) in asked.iter().zip(&answers) {
        // The last day is cut off in the source.
        if *day < last {
            let rows = &entries[&(*day, account.clone())];
            let from = before.insert(account, balance).unwrap_or(0);
            assert!(
                leads(from, rows, balance),
                "{account} on {day}: {from} to {balance}: {rows:?}"
            );
            checked += rows.len();
        }
    }
    assert!(checked > ROWS - 3_000, "{checked} rows");
    assert!(service.end().await);
}

#[test]
fn a_balance_that_is_off_is_noticed() {
    let entry = |change, balance| Entry { change, balance };
    let rows = [entry(-1_000, 4_000), entry(5_000, 5_000)];
    assert!(leads(0, &rows, 4_000));
    assert!(!leads(0, &rows, 5_000), "not the end");
    assert!(!leads(200, &rows, 4_200), "off by two");
    assert!(!leads(0, &[entry(5_000, 5_000), entry(-1_000, 3_899)], 4_000));
    assert_eq!(hundredths("-700.10000"), -70_010);
}
