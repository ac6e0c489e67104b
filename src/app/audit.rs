//! `daybook audit`: runs the audit and tells what it found.

use std::{fmt::Write as _, io::IsTerminal, process::ExitCode};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    app::{checks, database, tools},
    cli::AuditArgs,
    domain::{
        direction::Direction,
        running_total::{
            audit::Finding,
            rows::{ALL_ACCOUNTS, SeriesKey},
        },
    },
    store::Database,
    upkeep::{
        audit::{self, Difference},
        server_check,
    },
};

/// Exit code where something differs.
const DIFFERS: u8 = 2;

/// Exit code where something differed and was repaired.
const REPAIRED: u8 = 3;

/// Holds every running total against the rows; says each difference on standard output.
///
/// # Errors
/// If the database cannot be opened or is not fit, a repair did not help, or a signal came
/// before the end.
pub async fn audit(arguments: &AuditArgs) -> anyhow::Result<ExitCode> {
    let common = &arguments.migrate;
    checks::migrate(common)?;
    let jobs = arguments
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let unfinished = "stopped before the audit was complete: start again";
    tools::until_stopped(&common.database, unfinished, async |opened| {
        let database = Database::new(&opened.owner_target, &common.pool)?;
        server_check::wait(&database, database::patience(&common.database)).await?;
        tools::bring_up(&database, &common.pool, &common.partitions).await?;
        tools::refuse_while_seeding(&database).await?;
        let differences = run(&database, jobs).await?;
        print_all(&differences)?;
        if differences.is_empty() {
            tracing::info!("every running total agrees with the rows");
            return Ok(ExitCode::SUCCESS);
        }
        if !arguments.repair || !differences.iter().any(Difference::is_repairable) {
            warn(&differences);
            return Ok(ExitCode::from(DIFFERS));
        }
        audit::repair(&database, &differences).await?;
        let left = run(&database, jobs).await?;
        print_all(&left)?;
        let unrepaired = left.iter().filter(|difference| difference.is_repairable()).count();
        anyhow::ensure!(unrepaired == 0, "{unrepaired} differences are left after the repair");
        tracing::info!(count = differences.len() - left.len(), "repaired");
        if !left.is_empty() {
            warn(&left);
            return Ok(ExitCode::from(DIFFERS));
        }
        Ok(ExitCode::from(REPAIRED))
    })
    .await
}

/// Says what to do about differences that are left.
fn warn(differences: &[Difference]) {
    let count = differences.iter().filter(|difference| difference.is_repairable()).count();
    if count > 0 {
        tracing::warn!(
            count,
            "running totals differ from the rows: `daybook audit --repair` builds them anew"
        );
    }
    let count = differences.len() - count;
    if count > 0 {
        tracing::warn!(
            count,
            "transactions name accounts or assets that are not there: rows bypassed the parent \
             table, and no repair can help"
        );
    }
}

async fn run(database: &Database, jobs: usize) -> anyhow::Result<Vec<Difference>> {
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::no_length()
    } else {
        ProgressBar::hidden()
    };
    if let Ok(style) = ProgressStyle::with_template("  audit {wide_bar} {pos}/{len}, {eta} left") {
        bar.set_style(style);
    }
    let shown = bar.clone();
    let found = audit::audit(database, jobs, move |done, total| {
        shown.set_length(total);
        shown.set_position(done);
    });
    let found = found.await?;
    bar.finish_and_clear();
    Ok(found)
}

fn print_all(differences: &[Difference]) -> anyhow::Result<()> {
    let mut text = String::new();
    for difference in differences {
        writeln!(text, "{}", describe(difference))?;
    }
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    Ok(())
}

/// One line a difference.
fn describe(difference: &Difference) -> String {
    let date =
        |day: i64| audit::date_of(day).map_or_else(|| day.to_string(), |date| date.to_string());
    match difference {
        Difference::Series(key, Finding::Day { day, stored, rows }) => {
            let text = |sums: &crate::domain::running_total::sums::ScaledSums| {
                let moments = sums.to_moments();
                format!("{} in {} rows", moments.sum, moments.count)
            };
            let (stored, rows) = (text(stored), text(rows));
            format!("{} on {}: stored {stored}, rows say {rows}", name(*key), date(*day))
        }
        Difference::Series(key, Finding::Structure(what)) => format!("{}: {what}", name(*key)),
        Difference::Day { asset_id, direction, day } => format!(
            "totals by day, asset {asset_id}, {} on {}: differ from the rows",
            word(*direction),
            date(*day)
        ),
        Difference::Reference(missing) => format!(
            "{} transactions, the first at {}: {} {} is not there",
            missing.row_count,
            missing.first_at.to_rfc3339(),
            missing.column,
            missing.id
        ),
        Difference::Spans { level, count } => format!(
            "totals by day, spans of {} days: {count} differ from the days in them",
            4u64.pow(u32::from(*level))
        ),
    }
}

fn name(key: SeriesKey) -> String {
    let direction = if key.direction == 0 { Direction::Sender } else { Direction::Receiver };
    let who = match key.account_id {
        ALL_ACCOUNTS => "all accounts".to_owned(),
        account_id => format!("account {account_id}"),
    };
    format!("{who}, asset {}, {}", key.asset_id, word(direction))
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Sender => "sender",
        Direction::Receiver => "receiver",
    }
}
