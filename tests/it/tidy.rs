//! The tree holds what the documents promise of it: levels, sizes, and names that exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use clap::{ArgAction, Command, CommandFactory};
use daybook::{
    cli::{Cli, SeederCli},
    store::migrate::MIGRATIONS,
};

/// Modules by level: what is below may be used, what is beside or above may not.
const LEVELS: [&[&str]; 5] = [
    &["domain", "config", "telemetry", "clock", "endpoint", "error"],
    &["store", "cluster", "outbound"],
    &[
        "access",
        "analytics",
        "ledger",
        "ingest",
        "files",
        "prices",
        "alerts",
        "feeds",
        "sync",
        "tokens",
        "seed",
        "upkeep",
    ],
    &["grpc", "web", "workers", "client", "ask", "bench", "selftest"],
    &["bin", "cli", "app"],
];

/// Levels that each level may use.
const MAY_USE: [&[usize]; 5] = [&[], &[0], &[1, 0], &[2, 0], &[4, 3, 2, 1, 0]];

/// Uses that the levels forbid and that are right all the same.
const EXCEPTIONS: [(&str, &str); 10] = [
    ("sync", "ingest"),
    ("files", "ingest"),
    ("feeds", "ingest"),
    // It writes to the tables as clients from outside do.
    ("selftest", "store"),
    // Both carry no logic: settings name the words that logs and the store read.
    ("telemetry", "config"),
    ("config", "domain"),
    // Clients: they see the types generated from the contracts, and nothing else of the edge.
    ("bench", "grpc"),
    ("client", "grpc"),
    ("ask", "grpc"),
    ("ask", "client"),
];

/// Crates that do I/O, or see rows or requests, and the modules that must not use them.
const FOREIGN: [(&str, &[&str]); 9] = [
    ("domain", &["tokio", "tokio_postgres", "deadpool_postgres", "tonic", "std::fs", "std::net"]),
    ("grpc", &["tokio_postgres", "deadpool_postgres"]),
    ("web", &["tokio_postgres", "deadpool_postgres"]),
    ("workers", &["tokio_postgres", "deadpool_postgres", "tonic"]),
    ("bench", &["tokio_postgres", "deadpool_postgres"]),
    ("client", &["tokio_postgres", "deadpool_postgres"]),
    ("ask", &["tokio_postgres", "deadpool_postgres"]),
    ("selftest", &["tokio_postgres", "deadpool_postgres", "tonic", "prost"]),
    ("analytics", &["tonic", "prost", "tokio_postgres"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files under a folder of the repository with this ending, with their texts.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                let name = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The text before the unit tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

/// The module of the first level that a file belongs to; none for `lib.rs`.
fn module_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("src/")?;
    let first = rest.split('/').next()?.trim_end_matches(".rs");
    (first != "lib").then_some(first)
}

/// Modules of the first level that a text names behind `crate::`.
fn used_modules(text: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (place, _) in text.match_indices("crate::") {
        if text[..place].ends_with(['$', '_']) {
            continue;
        }
        let rest = &text[place + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => used.extend(first_name(rest)),
            Some(group) => used.extend(names_of_group(group)),
        }
    }
    used
}

fn first_name(text: &str) -> Option<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name: String = text.trim_start().chars().take_while(|&c| is_name(c)).collect();
    (!name.is_empty()).then_some(name)
}

/// First names of the parts of `a::b, c::{d, e}}`.
fn names_of_group(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut part) = (0, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.extend(first_name(&std::mem::take(&mut part))),
            _ if depth == 0 => part.push(c),
            _ => {}
        }
    }
    names.extend(first_name(&part));
    names
}

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|modules| modules.contains(&module))
}

#[test]
fn modules_use_what_is_below_them_only() {
    let mut wrong = Vec::new();
    let mut uses = 0;
    for (path, text) in files("src", "rs") {
        let Some(module) = module_of(&path) else { continue };
        let Some(own) = level(module) else {
            wrong.push(format!("{path}: the module {module} has no level"));
            continue;
        };
        for used in used_modules(without_tests(&text)) {
            let other = level(&used).unwrap_or_else(|| panic!("{path} uses {used}: no level"));
            uses += 1;
            let is_right = used == module
                || MAY_USE[own].contains(&other)
                || EXCEPTIONS.contains(&(module, used.as_str()));
            if !is_right {
                wrong.push(format!("{path} (level {own}) uses {used} (level {other})"));
            }
        }
        for (_, crates) in FOREIGN.iter().filter(|(name, _)| *name == module) {
            for name in *crates {
                if without_tests(&text).contains(&format!("{name}::")) {
                    wrong.push(format!("{path} uses {name}"));
                }
            }
        }
    }
    assert!(uses > 100, "the uses were read: {uses}");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn clients_see_nothing_of_the_edge_but_its_contracts() {
    let mut uses = 0;
    for (path, text) in files("src", "rs") {
        if !matches!(module_of(&path), Some("bench" | "client" | "ask")) {
            continue;
        }
        let text = without_tests(&text);
        // Without spaces, so that a use that is broken over lines reads the same.
        let text: String = text.split_whitespace().collect();
        for (place, _) in text.match_indices("grpc::") {
            let is_ours = text[..place].ends_with("crate::") || text[..place].ends_with([',', '{']);
            let is_contract = text[place..].starts_with("grpc::pb::");
            assert!(!is_ours || is_contract, "{path}: {}", &text[place..place + 30]);
            uses += 1;
        }
    }
    assert!(uses > 3, "the uses were read: {uses}");
}

#[test]
fn uses_are_read_in_every_form() {
    let text = "use crate::{\n    a::{self, b::{c, d}},\n    e, f::g as h,\n};\n\
                use crate::i::J; crate::k::l(); $crate::m::n; pub(crate) fn o() {}";
    let expected = ["a", "e", "f", "i", "k"].map(str::to_owned);
    assert_eq!(used_modules(text), BTreeSet::from(expected));
}

#[test]
fn every_statement_file_is_loaded_exactly_once() {
    let mut loads = BTreeMap::<String, usize>::new();
    for (_, text) in files("src", "rs") {
        for opening in ["statement!(\"", "include_str!(\"../../sql/queries/"] {
            for (place, _) in text.match_indices(opening) {
                let rest = &text[place + opening.len()..];
                let stem = rest.split('"').next().unwrap().trim_end_matches(".sql");
                *loads.entry(stem.to_owned()).or_default() += 1;
            }
        }
    }
    let found = files("sql/queries", "sql")
        .into_iter()
        .map(|(path, _)| Path::new(&path).file_stem().unwrap().to_str().unwrap().to_owned());
    let expected: BTreeMap<String, usize> = found.map(|stem| (stem, 1)).collect();
    assert!(expected.len() > 20);
    assert_eq!(loads, expected);
}

#[test]
fn every_statement_file_says_what_it_answers() {
    for (path, text) in files("sql", "sql") {
        assert!(text.starts_with("-- "), "{path} has no head");
        let code = |line: &&str| !line.trim_start().starts_with("--");
        let has_star = text.lines().filter(code).any(|line| line.contains("SELECT *"));
        assert!(!has_star, "{path} selects *");
    }
}

#[test]
fn every_migration_file_is_built_in_and_numbered_in_order() {
    let found = files("sql/migrations", "sql");
    let built_in: Vec<_> = MIGRATIONS
        .iter()
        .map(|one| (format!("sql/migrations/{}.sql", one.name), one.text.to_owned()))
        .collect();
    assert_eq!(built_in, found);
    assert!(MIGRATIONS.is_sorted_by(|one, next| one.version < next.version));
    for migration in &MIGRATIONS {
        let number = format!("{:04}_", migration.version);
        assert!(migration.name.starts_with(&number), "{}", migration.name);
    }
}

/// Every environment variable of a command and those below it, with its fixed default.
fn settings_of(command: &Command, into: &mut BTreeMap<String, Option<String>>) {
    for argument in command.get_arguments() {
        let Some(name) = argument.get_env() else { continue };
        let fixed = argument.get_default_values().first();
        let default = match matches!(argument.get_action(), ArgAction::SetTrue) {
            true => Some("false".to_owned()),
            false => fixed.map(|value| value.to_str().unwrap().to_owned()),
        };
        let name = name.to_str().unwrap().to_owned();
        let before = into.insert(name.clone(), default.clone());
        assert!(before.is_none_or(|before| before == default), "{name} has two defaults");
    }
    for below in command.get_subcommands() {
        settings_of(below, into);
    }
}

#[test]
fn the_sample_of_settings_has_each_with_its_default_and_nothing_else() {
    let mut expected = BTreeMap::new();
    settings_of(&Cli::command(), &mut expected);
    settings_of(&SeederCli::command(), &mut expected);
    // A secret that has no flag: the binary alone reads it.
    expected.insert("DAYBOOK_TOKEN".to_owned(), None);
    assert!(expected.len() > 30);
    let sample = fs::read_to_string(root().join(".env.sample")).unwrap();
    let mut found = BTreeMap::new();
    for line in sample.lines().filter(|line| line.contains('=') && line.contains("DAYBOOK_")) {
        let is_example = line.starts_with('#');
        let (name, value) = line.trim_start_matches('#').split_once('=').unwrap();
        assert!(!value.is_empty(), "{name} has no value");
        let before = found.insert(name.to_owned(), (!is_example).then(|| value.to_owned()));
        assert!(before.is_none(), "{name} is there twice");
    }
    assert_eq!(found, expected);
}

/// What looks like a path of the repository in a document: in backticks or as a link.
fn paths_named(text: &str) -> Vec<String> {
    const TOPS: [&str; 10] = [
        "src/", "tests/", "sql/", "docs/", "scripts/", "proto/", ".ci/", "benches/", "docker/",
        "fuzz/",
    ];
    let ticked = text.split('`').skip(1).step_by(2);
    let linked = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let is_path = |word: &&str| {
        let is_plain = !word.contains(['*', '<', '{', ' ', '$', '\n']);
        is_plain && TOPS.iter().any(|top| word.starts_with(top))
    };
    let bare = |word: &str| word.split(['#', ':']).next().unwrap().to_owned();
    ticked.chain(linked).filter(is_path).map(bare).collect()
}

#[test]
fn paths_named_in_documents_exist() {
    let mut documents: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "sql/README.md"]
            .iter()
            .map(|name| root().join(name))
            .collect();
    documents.extend(files("docs", "md").into_iter().map(|(name, _)| root().join(name)));
    let mut missing = Vec::new();
    // Those that are not written yet name nothing.
    for document in documents.into_iter().filter(|path| path.exists()) {
        for path in paths_named(&fs::read_to_string(&document).unwrap()) {
            let beside = document.parent().unwrap().join(&path);
            if !root().join(&path).exists() && !beside.exists() {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn paths_are_read_from_backticks_and_links() {
    let text =
        "See `src/app.rs`, [the docs](docs/a.md#b), `cargo test`, `src/*.rs`, `src/b.rs:12`.";
    assert_eq!(paths_named(text), ["src/app.rs", "src/b.rs", "docs/a.md"]);
}

#[test]
fn files_and_lines_keep_to_their_sizes() {
    let mut wrong = Vec::new();
    for (folder, lines_max) in [("src", 500), ("tests", 800), ("benches", 800)] {
        for (path, text) in files(folder, "rs") {
            if text.lines().count() > lines_max {
                wrong.push(format!("{path} has more than {lines_max} lines"));
            }
            for (place, line) in text.lines().enumerate() {
                if line.chars().count() > 100 {
                    wrong.push(format!("{path}:{} is longer than 100 columns", place + 1));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn nothing_unwraps_outside_the_tests() {
    let mut wrong = Vec::new();
    for (path, text) in files("src", "rs") {
        for (place, line) in without_tests(&text).lines().enumerate() {
            if line.contains(".unwrap()") {
                wrong.push(format!("{path}:{}", place + 1));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
