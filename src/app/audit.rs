//! `daybook audit`: runs the audit and tells what it found.

use std::{fmt::Write as _, io::IsTerminal, process::ExitCode};

use chrono::DateTime;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    app::{checks, database, tools},
    cli::AuditArgs,
    domain::{
        direction::Direction,
        price::{audit::PriceFinding, spans::UNIT_MICROS},
        running_total::{
            audit::Finding,
            rows::{ALL_ACCOUNTS, SeriesKey},
        },
    },
    store::{Database, audit::MissingReference, audit_prices::WrongCell},
    upkeep::{
        audit::{self, Difference},
        server_check,
    },
};

/// Exit code where something differs.
const DIFFERS: u8 = 2;

/// Exit code where something differed and was repaired.
const REPAIRED: u8 = 3;

/// Repairs at most: what lies above cells that cannot be read is compared once these can be.
const REPAIRS_MAX: usize = 2;

/// Holds every running total against the rows, and every cell of prices against the ticks; says
/// each difference on standard output.
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
            tracing::info!("every stored total agrees with the rows");
            return Ok(ExitCode::SUCCESS);
        }
        if !arguments.repair || !differences.iter().any(Difference::is_repairable) {
            warn(&differences);
            return Ok(ExitCode::from(DIFFERS));
        }
        let mut left = differences.clone();
        for _ in 0..REPAIRS_MAX {
            if left.iter().any(Difference::is_repairable) {
                audit::repair(&database, &left).await?;
                left = run(&database, jobs).await?;
            }
        }
        print_all(&left)?;
        let unrepaired = count_of(&left, Difference::is_repairable);
        anyhow::ensure!(unrepaired == 0, "{unrepaired} differences are left after the repair");
        tracing::info!(count = differences.len().saturating_sub(left.len()), "repaired");
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
    let count = count_of(differences, Difference::is_repairable);
    if count > 0 {
        tracing::warn!(
            count,
            "stored totals differ from the rows: `daybook audit --repair` builds them anew"
        );
    }
    let count = count_of(differences, |difference| {
        matches!(difference, Difference::Reference(_) | Difference::PriceReference(_))
    });
    if count > 0 {
        tracing::warn!(
            count,
            "rows name accounts, assets or symbols that are not there: they bypassed the parent \
             table, and no repair can help"
        );
    }
    let count = count_of(
        differences,
        |difference| matches!(difference, Difference::Price(cell) if !cell.is_repairable),
    );
    if count > 0 {
        tracing::warn!(
            count,
            "cells of prices cannot be built anew: ticks or cells that they come from are not at \
             hand, see docs/operations.md"
        );
    }
}

fn count_of(differences: &[Difference], is_meant: impl Fn(&Difference) -> bool) -> usize {
    differences.iter().filter(|difference| is_meant(difference)).count()
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
        Difference::Reference(missing) => describe_reference("transactions", missing),
        Difference::PriceReference(missing) => describe_reference("ticks", missing),
        Difference::Price(cell) => describe_price(cell),
        Difference::Spans { level, count } => format!(
            "totals by day, spans of {} days: {count} differ from the days in them",
            4u64.pow(u32::from(*level))
        ),
    }
}

fn describe_reference(rows: &str, missing: &MissingReference) -> String {
    let MissingReference { column, id, row_count, first_at } = missing;
    format!(
        "{row_count} {rows}, the first at {}: {column} {id} is not there",
        first_at.to_rfc3339()
    )
}

fn describe_price(WrongCell { key, finding, is_repairable }: &WrongCell) -> String {
    let minutes = (key.span.end() - key.span.start()) / (UNIT_MICROS / 4);
    let start = DateTime::from_timestamp_micros(key.span.start()).unwrap_or_default();
    let is_unit = key.span.level == 0;
    let what = match finding {
        PriceFinding::Missing => "is missing",
        PriceFinding::Unreadable => "cannot be read",
        PriceFinding::Differs if is_unit => "differs from the ticks",
        PriceFinding::Differs => "differs from the cells below it",
        PriceFinding::BriefUnreadable if is_unit => "has packed ticks that cannot be read",
        PriceFinding::BriefUnreadable => "has a brief that cannot be read",
        PriceFinding::BriefDiffers if is_unit => "has other ticks packed",
        PriceFinding::BriefDiffers => "has a brief that differs from it",
        PriceFinding::Noted => "is noted as one that cannot be read",
    };
    let rest = if *is_repairable { "" } else { ", and what it comes from is not at hand" };
    format!(
        "totals of prices, {minutes} minutes from {} (level {}, span {}), symbols of group {}: \
         {what}{rest}",
        start.to_rfc3339(),
        key.span.level,
        key.span.number,
        key.group
    )
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
