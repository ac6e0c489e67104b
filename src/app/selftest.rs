//! `daybook selftest`: a scratch schema, a run against the oracle, and its outcome in words.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::bail;

use crate::{
    app::{
        checks,
        database::{self, OpenDatabase, Ownership},
        signals,
    },
    cli::SelftestArgs,
    selftest::{self, SelftestOutcome, SelftestSettings},
    store::{Database, DatabaseTarget},
    upkeep::server_check,
};

/// Compares answers with an oracle's in a scratch schema; the exit code says whether all were
/// right.
///
/// # Errors
/// If the settings are wrong, the database cannot be opened, fails or is not fit, or a signal
/// came before the end.
pub async fn selftest(arguments: &SelftestArgs) -> anyhow::Result<ExitCode> {
    checks::selftest(arguments)?;
    let seed = arguments.seed.unwrap_or_else(rand::random);
    // Told first: whatever happens then can be replayed.
    let operations = arguments.operations;
    print(&format!("seed {seed}: replay with --operations {operations} --seed {seed}"))?;
    // Before anything is started: a signal that nobody hears would leave it running.
    let stop = signals::listen()?;
    let opened = tokio::select! {
        opened = OpenDatabase::open(&arguments.database, Ownership::Share) => opened?,
        () = stop.drain.cancelled() => bail!("stopped before the selftest began"),
    };
    let schema = format!("{}_{:08x}", arguments.schema_prefix, rand::random::<u32>());
    let target = DatabaseTarget { schema: schema.clone(), ..opened.owner_target.clone() };
    let settings = SelftestSettings {
        operations,
        seed,
        world_operations_max: selftest::WORLD_OPERATIONS_MAX,
        worlds: arguments.worlds,
        writers: arguments.writers,
        is_kept: arguments.keep,
        pool: arguments.pool.clone(),
    };
    let outcome = async {
        let database = Database::new(&target, &settings.pool)?;
        server_check::wait(&database, database::patience(&arguments.database)).await?;
        anyhow::Ok(Box::pin(selftest::run(&target, &settings, &stop.drain)).await?)
    };
    let outcome = outcome.await;
    let closed = opened.close().await;
    let outcome = outcome?;
    closed?;
    if arguments.keep {
        print(&format!("schemas whose names begin with {schema} are kept"))?;
    }
    tell(&outcome, &settings)
}

/// Prints what came of it; the exit code says whether all was right.
fn tell(outcome: &SelftestOutcome, settings: &SelftestSettings) -> anyhow::Result<ExitCode> {
    let SelftestOutcome { counts, mismatch, is_stopped, per_second } = outcome;
    for (kind, count) in &counts.by_kind {
        print(&format!("  {count:>9} {kind}"))?;
    }
    print(&format!("{per_second} operations a second"))?;
    if let Some((world, wrong)) = mismatch {
        print(&format!(
            "MISMATCH in operation {}\nquestion: {}\nexpected: {}\nfound:    {}\n\
             replay: daybook selftest --operations {} --seed {} --writers {}",
            wrong.operation,
            wrong.question,
            wrong.expected,
            wrong.found,
            world.operations,
            world.seed,
            settings.writers,
        ))?;
    }
    let mismatches = u8::from(mismatch.is_some());
    print(&format!(
        "{} operations, {} questions, {mismatches} mismatches",
        counts.operations, counts.questions
    ))?;
    if *is_stopped {
        bail!("stopped before the selftest was complete");
    }
    Ok(if mismatch.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}
