//! `daybook import`: the built program, files, and what is recorded of them.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use daybook::store::DatabaseTarget;
use flate2::{Compression, write::GzEncoder};
use tokio_postgres::{Config, config::Host};

use crate::{
    process::program,
    support::{
        cluster::{TestFolder, eventually},
        schema::{TestSchema, one},
    },
};

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) words: String,
    pub(crate) log: String,
}

/// A schema, and a folder for files and the program.
pub(crate) struct Desk {
    pub(crate) schema: TestSchema,
    pub(crate) folder: TestFolder,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        Self { schema: TestSchema::prepared().await, folder: TestFolder::empty() }
    }

    /// Runs the program on the schema, in the folder.
    pub(crate) async fn run(&self, arguments: &[&str], input: &[u8]) -> Said {
        run_on(&self.schema.target, &self.folder, arguments, input).await
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command_on(&self.schema.target, &self.folder, arguments)
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// What `daybook export` writes of everything, without its header and ids.
    async fn rows(&self) -> Vec<String> {
        let said = self.run(&["export"], b"").await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let rows = said.words.lines().skip(1);
        rows.map(|row| row.split_once(',').unwrap().1.to_owned()).collect()
    }

    async fn count(&self) -> i64 {
        one(&self.schema.sql, "SELECT count(*) FROM transactions").await
    }
}

/// Runs the program on a schema, in a folder.
pub(crate) async fn run_on(
    target: &DatabaseTarget,
    folder: &TestFolder,
    arguments: &[&str],
    input: &[u8],
) -> Said {
    run(command_on(target, folder, arguments), input).await
}

fn command_on(target: &DatabaseTarget, folder: &TestFolder, arguments: &[&str]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_daybook"));
    command.args(arguments).current_dir(folder.path());
    command.arg("--database-url").arg(url(&target.config));
    command.args(["--schema", &target.schema]);
    command.args(["--partition-days-ahead", "2", "--scheduler", "ticker"]);
    command
}

/// Runs a command with something on its standard input.
pub(crate) async fn run(mut command: Command, input: &[u8]) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_vec();
    let running = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writing = std::thread::spawn(move || {
            // Not every command reads all of it.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap();
        output
    });
    let output = running.await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), words: text(output.stdout), log: text(output.stderr) }
}

/// How the program is told of a server.
pub(crate) fn url(config: &Config) -> String {
    let Host::Unix(folder) = &config.get_hosts()[0] else { panic!("{config:?}") };
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let mut url = format!(
        "host={} port={} user={} dbname={}",
        quoted(folder.to_str().unwrap()),
        config.get_ports()[0],
        quoted(config.get_user().unwrap()),
        quoted(config.get_dbname().unwrap()),
    );
    if let Some(password) = config.get_password() {
        url.push_str(&format!(" password={}", quoted(std::str::from_utf8(password).unwrap())));
    }
    url
}

pub(crate) fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples").join(name);
    assert!(path.exists(), "{}", path.display());
    path.to_str().unwrap().to_owned()
}

/// The least mapping of `day,who,amount`, as assignments.
const MAP: [&str; 16] = [
    "--map",
    "name=small",
    "--map",
    "network=bank",
    "--map",
    "time.text={day}",
    "--map",
    "time.format=YYYY-MM-DD",
    "--map",
    "amount.text={amount}",
    "--map",
    "asset.code=USD",
    "--map",
    "own.address=me",
    "--map",
    "partner.address={who}",
];

fn import<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["import", file][..], &MAP, more].concat()
}

fn check(said: &Said, code: i32, words: &str) {
    assert_eq!((said.code, said.words.as_str()), (Some(code), words), "{said:?}");
}

#[tokio::test]
async fn the_examples_of_the_documents_are_recorded_as_they_say() {
    for (name, expected) in [
        (
            "giro",
            &[
                "2024-02-29T23:00:00.000000Z,0,EUR,2,bank,DE02120300000000202051,bank,\
                 DE75 5121 0800 1245 1261 99,1250,Miete",
                "2024-03-04T23:00:00.000000Z,-1,EUR,2,bank,DE02120300000000202051,bank,cash,50,\
                 Geldautomat",
                "2024-03-04T23:00:00.000000Z,0,EUR,2,bank,DE02120300000000202051,bank,cash,50,\
                 Geldautomat",
                "2024-03-27T23:00:00.000000Z,0,EUR,2,bank,DE89 3704 0044 0532 0130 00,bank,\
                 DE02120300000000202051,3214.56,Gehalt März",
            ][..],
        ),
        (
            "exchange",
            &[
                "2024-02-01T09:30:00.000000Z,0,EUR,8,exchange,outside,exchange,40015,1000,",
                "2024-02-01T09:31:12.000000Z,0,BTC,8,exchange,market,exchange,40015,0.0125,",
                "2024-02-01T09:31:12.000000Z,1,EUR,8,exchange,40015,exchange,market,487.5,",
                "2024-02-01T09:31:12.000000Z,2,BTC,8,exchange,40015,exchange,fees,0.0000125,",
                "2024-02-01T09:31:12.000000Z,3,BTC,8,exchange,market,exchange,40015,0.0125,",
                "2024-02-01T09:31:12.000000Z,4,EUR,8,exchange,40015,exchange,market,487.5,",
                "2024-02-01T09:31:12.000000Z,5,BTC,8,exchange,40015,exchange,fees,0.0000125,",
                "2024-02-03T17:00:00.000000Z,0,BTC,8,exchange,40015,exchange,outside,0.02,",
            ],
        ),
    ] {
        let desk = Desk::new().await;
        let file = example(&format!("{name}.csv"));
        let mapping = example(&format!("{name}.toml"));
        let arguments = ["import", &file, "--map-file", &mapping];
        let count = expected.len();
        let said = desk.run(&arguments, b"").await;
        check(&said, 0, &format!("{count} rows recorded, 0 already present, 0 lines rejected\n"));
        assert_eq!(desk.rows().await, expected, "{name}");
        // Once more, and nothing is doubled.
        let said = desk.run(&arguments, b"").await;
        check(&said, 0, &format!("0 rows recorded, {count} already present, 0 lines rejected\n"));
        assert_eq!(desk.rows().await, expected, "{name}");
    }
}

#[tokio::test]
async fn what_the_documents_have_to_paste_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/import.md")).unwrap();
    let mapping = fs::read_to_string(example("giro.toml")).unwrap();
    for line in mapping.lines().filter(|line| !line.starts_with('#')) {
        assert!(document.contains(line), "{line}");
    }
    let begin = document.find("daybook import docs/examples/exchange.csv").unwrap();
    let (line, _) = document[begin..].split_once("\n```").unwrap();
    let program_folder = Path::new(env!("CARGO_BIN_EXE_daybook")).parent().unwrap();
    let mut command = program("sh");
    command.args(["-c", &format!("PATH='{}':$PATH; {line}", program_folder.display())]);
    command.current_dir(root);
    let said = run(command, b"").await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let row = "line 3: 2024-02-01T09:31:12Z #0 0.0125 BTC from exchange:Buy to exchange:40015, id ";
    assert!(said.words.contains(row), "{said:?}");
    let end = "8 rows could be recorded, 0 lines would be rejected; nothing was recorded\n";
    assert!(said.words.ends_with(end), "{said:?}");
}

#[tokio::test]
async fn lines_that_cannot_be_recorded_are_given_back_with_their_reason() {
    let desk = Desk::new().await;
    let good = "day,who,amount\n2024-05-05,ann,1\n2024-05-06,bob,-2\n";
    let bad = "2024-05-07,ann,one\n\"2024-05-07\",,3\n2024-13-07,\"a\nb\",3\n1950-01-01,ann,3\n\
               2024-05-07,ann\n\"2024-05-07,ann,4\n2024-05-08,\"say \"\"hi\"\"\",5\n";
    desk.write("rows.csv", format!("{good}{bad}"));
    let said = desk.run(&import("rows.csv", &[]), b"").await;
    check(
        &said,
        2,
        "3 rows recorded, 0 already present, 6 lines rejected\n\
         the rejected lines are in rows.csv.rejected.csv\n",
    );
    let rejected = desk.read("rows.csv.rejected.csv");
    let first = chrono::Utc::now().date_naive() - chrono::Days::new(14_610);
    let last = chrono::Utc::now().date_naive() + chrono::Days::new(2);
    let expected = format!(
        "line,reason,original\n\
         4,\"the amount \"\"one\"\" is no number in the format of the mapping\",\
         \"2024-05-07,ann,one\"\n\
         5,the address of partner is missing,\"\"\"2024-05-07\"\",,3\"\n\
         6,\"the time \"\"2024-13-07\"\" does not fit the format\",\"2024-13-07,\"\"a\nb\"\",3\"\n\
         8,\"occurred_at must be on a day from {first} to {last}, UTC\",\"1950-01-01,ann,3\"\n\
         9,has 2 fields where 3 are wanted,\"2024-05-07,ann\"\n\
         10,a field in quotes does not end,\"\"\"2024-05-07,ann,4\"\n"
    );
    assert_eq!(rejected, expected);
    assert_eq!(
        desk.rows().await,
        [
            "2024-05-05T00:00:00.000000Z,0,USD,5,bank,ann,bank,me,1,",
            "2024-05-06T00:00:00.000000Z,0,USD,5,bank,me,bank,bob,2,",
            "2024-05-08T00:00:00.000000Z,0,USD,5,bank,\"say \"\"hi\"\"\",bank,me,5,",
        ]
    );
}

#[tokio::test]
async fn a_broken_line_keeps_the_place_of_its_neighbours() {
    let desk = Desk::new().await;
    let text = |second: &str| format!("day,who,amount\n2024-05-05,a,1\n{second}\n2024-05-05,c,3\n");
    desk.write("rows.csv", text("\"2024-05-05,b,2"));
    let said = desk.run(&import("rows.csv", &[]), b"").await;
    assert_eq!(said.code, Some(2), "{said:?}");
    desk.write("rows.csv", text("2024-05-05,b,2"));
    let said = desk.run(&import("rows.csv", &[]), b"").await;
    check(&said, 0, "1 rows recorded, 2 already present, 0 lines rejected\n");
    // Nothing was rejected this time, and nothing says that anything was.
    assert!(!desk.folder.path().join("rows.csv.rejected.csv").exists());
}

#[tokio::test]
async fn rejected_lines_go_into_no_file_of_another_kind() {
    let desk = Desk::new().await;
    desk.write("mine.txt", "line,reason\n");
    let text = b"day,who,amount\n2024-05-05,a,one\n";
    let said = desk.run(&import("-", &["--reject-file", "mine.txt"]), text).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.log.contains("mine.txt: is there and is no file of rejected lines"), "{said:?}");
    assert_eq!(desk.read("mine.txt"), "line,reason\n");
    let said = desk.run(&import("-", &[]), text).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.words.contains("stdin.rejected.csv"), "{said:?}");
    assert!(desk.read("stdin.rejected.csv").starts_with("line,reason,original\n2,"));
    // What an import that does not begin finds, it leaves.
    let said = desk.run(&import("-", &[]), b"a,b\n1,2\n").await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(desk.read("stdin.rejected.csv").starts_with("line,reason,original\n2,"));
    let said = desk.run(&import("-", &[]), b"day,who,amount\n2024-05-05,a,1\n").await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!desk.folder.path().join("stdin.rejected.csv").exists());
    let said = desk.run(&import("nowhere.csv", &[]), b"").await;
    assert_eq!(said.log.matches("os error 2").count(), 1, "{said:?}");
}

#[tokio::test]
async fn an_import_goes_on_where_another_one_ended() {
    let desk = Desk::new().await;
    let lines: Vec<String> =
        (0..30).map(|n| format!("2024-05-{:02},ann,{}\n", n / 10 + 1, n % 3 + 1)).collect();
    let file = |count: usize| format!("day,who,amount\n{}", lines[..count].concat());
    for (count, recorded) in [(7, 7), (7, 0), (30, 23), (12, 0), (30, 0)] {
        desk.write("rows.csv", file(count));
        let said = desk.run(&import("rows.csv", &[]), b"").await;
        let present = count - recorded;
        let words =
            format!("{recorded} rows recorded, {present} already present, 0 lines rejected\n");
        check(&said, 0, &words);
    }
    assert_eq!(desk.count().await, 30, "equal lines are rows of their own");
}

#[tokio::test]
async fn a_key_tells_rows_apart_and_other_content_is_refused() {
    let desk = Desk::new().await;
    let key = ["--map", "id.key={id}", "--map", "position=0", "--reject-file", "no.csv"];
    let file = "id,day,who,amount\n1,2024-05-01,ann,1\n2,2024-05-01,ann,1\n1,2024-05-01,ann,1\n";
    desk.write("rows.csv", file);
    let said = desk.run(&import("rows.csv", &key), b"").await;
    check(&said, 0, "2 rows recorded, 1 already present, 0 lines rejected\n");
    desk.write("rows.csv", "id,day,who,amount\n1,2024-05-01,ann,1.5\n3,2024-05-01,ann,1\n");
    let said = desk.run(&import("rows.csv", &key), b"").await;
    let words = "1 rows recorded, 0 already present, 1 lines rejected\n\
                 the rejected lines are in no.csv\n";
    check(&said, 2, words);
    let rejected = "line,reason,original\n2,amount differs from what is recorded under \
                    this transaction_id,\"1,2024-05-01,ann,1.5\"\n";
    assert_eq!(desk.read("no.csv"), rejected);
    // Another name is another origin.
    let other: Vec<&str> = import("rows.csv", &key)
        .into_iter()
        .map(|one| if one == "name=small" { "name=other" } else { one })
        .collect();
    let said = desk.run(&other, b"").await;
    check(&said, 0, "2 rows recorded, 0 already present, 0 lines rejected\n");
}

#[tokio::test]
async fn packed_files_and_standard_input_are_read() {
    let desk = Desk::new().await;
    let text = b"day,who,amount\n2024-05-01,ann,1\n";
    let mut packing = GzEncoder::new(Vec::new(), Compression::default());
    packing.write_all(text).unwrap();
    let packed = packing.finish().unwrap();
    // Two files packed one behind the other are one file.
    let mut more = GzEncoder::new(Vec::new(), Compression::default());
    more.write_all(b"2024-05-02,ann,2\n").unwrap();
    let packed = [packed, more.finish().unwrap()].concat();
    let said = desk.run(&import("-", &[]), text).await;
    check(&said, 0, "1 rows recorded, 0 already present, 0 lines rejected\n");
    let said = desk.run(&import("-", &[]), &packed).await;
    check(&said, 0, "1 rows recorded, 1 already present, 0 lines rejected\n");
    desk.write("rows.csv.gz", &packed);
    let said = desk.run(&import("rows.csv.gz", &[]), b"").await;
    check(&said, 0, "0 rows recorded, 2 already present, 0 lines rejected\n");
    // Cut off: what came before is recorded or not, and the end is an error.
    desk.write("cut.csv.gz", &packed[..packed.len() - 9]);
    let said = desk.run(&import("cut.csv.gz", &[]), b"").await;
    assert_eq!((said.code, said.words.as_str()), (Some(1), ""), "{said:?}");
    assert!(said.log.contains("cut.csv.gz"), "{}", said.log);
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_recorded_and_asks_no_database() {
    let folder = TestFolder::empty();
    let mut text = "day,who,amount\n2024-05-01,ann,1\n2024-05-01,ann,\n".to_owned();
    text.push_str(&"2024-05-02,bob,-2.50\n".repeat(11));
    fs::write(folder.path().join("rows.csv"), text).unwrap();
    let mut command = program(env!("CARGO_BIN_EXE_daybook"));
    command.args(import("rows.csv", &["--dry-run"])).current_dir(folder.path());
    command.args(["--database-url", "postgres://nobody@nowhere.invalid/nothing"]);
    let said = run(command, b"").await;
    let lines: Vec<&str> = said.words.lines().collect();
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(lines.len(), 13, "{said:?}");
    let row = "line 2: 2024-05-01T00:00:00Z #0 1 USD from bank:ann to bank:me, id ";
    assert!(lines[0].starts_with(row), "{said:?}");
    assert_eq!(lines[10], "... and 2 more rows");
    assert_eq!(lines[11], "line 3 would be rejected: the amount is missing");
    let end = "12 rows could be recorded, 1 lines would be rejected; nothing was recorded";
    assert_eq!(lines[12], end);
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
}

#[tokio::test]
async fn what_cannot_begin_says_why() {
    let folder = TestFolder::empty();
    fs::write(folder.path().join("rows.csv"), "day,who,sum\n2024-05-01,ann,1\n").unwrap();
    fs::write(folder.path().join("empty.csv"), "").unwrap();
    fs::write(folder.path().join("latin.csv"), b"\n\nday,who,W\xE4hrung\n").unwrap();
    fs::write(folder.path().join("open.csv"), "day,\"who\n").unwrap();
    fs::hard_link(folder.path().join("rows.csv"), folder.path().join("same.csv")).unwrap();
    fs::write(folder.path().join("map.toml"), "name = \"x\"\n[time]\nformat = 5\nzne = 1\n")
        .unwrap();
    for (arguments, expected) in [
        (vec!["import", "rows.csv"], "--map-file or --map is wanted"),
        (vec!["import", "rows.csv", "--map", "giro"], "--map giro: must be KEY=VALUE"),
        (vec!["import", "rows.csv", "--map", "nam=x"], "--map nam=x: \"nam = \\\"x\\\"\": unknown"),
        (vec!["import", "rows.csv", "--map-file", "none.toml"], "none.toml: No such file"),
        (vec!["import", "rows.csv", "--map-file", "map.toml"], "map.toml: line 4: \"zne = 1\":"),
        (import("none.csv", &[]), "none.csv: No such file"),
        (import(".", &[]), "is a directory"),
        (
            import("rows.csv", &["--dry-run"]),
            "{amount} is no column of the file, whose columns are day, who, sum",
        ),
        (import("empty.csv", &["--dry-run"]), "no line with the names of its columns"),
        (import("latin.csv", &["--dry-run"]), "line 3, which is to have the names of the columns"),
        (import("latin.csv", &["--dry-run"]), "no characters in utf-8"),
        (import("open.csv", &["--dry-run"]), "line 1, which is to have the names of the columns"),
        (import("rows.csv", &["--reject-file", "./rows.csv"]), "would overwrite the file"),
        (import("rows.csv", &["--reject-file", "same.csv"]), "would overwrite the file"),
        (import("rows.csv", &["--map-file", "map.toml"]), "cannot be used with"),
    ] {
        let mut command = program(env!("CARGO_BIN_EXE_daybook"));
        command.args(&arguments).current_dir(folder.path());
        let said = run(command, b"").await;
        assert!(matches!(said.code, Some(1 | 2)) && said.words.is_empty(), "{said:?}");
        assert!(said.log.contains(expected), "{arguments:?}: {said:?}");
        assert!(!folder.data().exists(), "nothing was started");
    }
    let rows = fs::read_to_string(folder.path().join("rows.csv")).unwrap();
    assert_eq!(rows, "day,who,sum\n2024-05-01,ann,1\n", "left as it was");
}

#[tokio::test]
async fn an_asset_is_recorded_with_its_decimals_and_no_others() {
    let desk = Desk::new().await;
    let text = b"day,who,amount\n2024-05-01,ann,1.125\n";
    let with = |decimals| {
        let mut arguments: Vec<&str> = import("-", &["--map", decimals])
            .into_iter()
            .map(|one| if one == "asset.code=USD" { "asset.code=KWD" } else { one })
            .collect();
        arguments.extend(["--reject-file", "no.csv"]);
        arguments
    };
    let said = desk.run(&with("asset.decimals=3"), text).await;
    check(&said, 0, "1 rows recorded, 0 already present, 0 lines rejected\n");
    let said = desk.run(&with("asset.decimals=2"), text).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    let reason = "the asset is recorded with 3 decimals, not 2";
    assert!(desk.read("no.csv").contains(reason), "{}", desk.read("no.csv"));
    let unknown: Vec<&str> = with("file.header=true")
        .into_iter()
        .map(|one| if one == "asset.code=KWD" { "asset.code=XYZ" } else { one })
        .collect();
    let said = desk.run(&unknown, text).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(desk.read("no.csv").contains("asset must be the code of a recorded asset"));
    // A line that is rejected brings no asset along.
    let new: Vec<&str> = with("asset.decimals=2")
        .into_iter()
        .map(|one| if one == "asset.code=KWD" { "asset.code=NEW" } else { one })
        .collect();
    let said = desk.run(&new, text).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(desk.read("no.csv").contains("amount must have at most 2 decimals"), "{said:?}");
    let count = "SELECT count(*) FROM assets WHERE code = 'NEW'";
    assert_eq!(one::<i64>(&desk.schema.sql, count).await, 0);
}

#[tokio::test]
async fn files_go_in_and_out_beside_a_server_and_without_one() {
    let folder = TestFolder::initialised();
    fs::write(folder.path().join("rows.csv"), "day,who,amount\n2024-05-01,ann,1\n").unwrap();
    let command = |arguments: &[&str]| {
        let mut command = program(env!("CARGO_BIN_EXE_daybook"));
        command.args(arguments).arg("--data-dir").arg(folder.data());
        command.args(["--partition-days-ahead", "2", "--scheduler", "ticker"]);
        command.current_dir(folder.path());
        command
    };
    let said = run(command(&import("rows.csv", &[])), b"").await;
    check(&said, 0, "1 rows recorded, 0 already present, 0 lines rejected\n");
    let cluster = folder.start().await;
    let said = run(command(&import("rows.csv", &[])), b"").await;
    check(&said, 0, "0 rows recorded, 1 already present, 0 lines rejected\n");
    let said = run(command(&["export", "--output", "out.csv"]), b"").await;
    assert_eq!(said.code, Some(0), "{said:?}");
    cluster.stop().await.unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("out.csv")).unwrap().lines().count(), 2);
    assert_eq!(folder.processes(), Vec::<String>::new());
}

#[tokio::test]
async fn an_import_that_is_killed_is_started_again() {
    let desk = Desk::new().await;
    let mut text = "day,who,amount\n".to_owned();
    for number in 0..12_000 {
        text.push_str(&format!("2024-05-0{},ann,{}\n", number % 3 + 1, number % 7 + 1));
    }
    let mut command = desk.command(&import("-", &[]));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // Its end never comes: a chunk is recorded, and another one waits for more lines.
    let mut stdin = child.stdin.take().unwrap();
    let lines: usize = text.lines().take(7_001).map(|line| line.len() + 1).sum();
    stdin.write_all(&text.as_bytes()[..lines]).unwrap();
    eventually("a chunk is recorded", async || desk.count().await > 0).await;
    child.kill().unwrap();
    child.wait().unwrap();
    drop(stdin);
    assert_eq!(desk.count().await, 5_000);
    let said = desk.run(&import("-", &[]), text.as_bytes()).await;
    check(&said, 0, "7000 rows recorded, 5000 already present, 0 lines rejected\n");
    let sums = "SELECT sum(amount)::text || ' ' || count(DISTINCT position) FROM transactions";
    let expected: i32 = (0..12_000).map(|number| number % 7 + 1).sum();
    assert_eq!(one::<String>(&desk.schema.sql, sums).await, format!("{expected}.00000 1"));
}
