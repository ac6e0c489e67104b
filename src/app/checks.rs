//! Settings, checked together before a port opens or a process starts: everything that is
//! wrong is told at once.

use anyhow::bail;
use chrono::Utc;

use crate::{
    app::database,
    cli::{MigrateArgs, SeederCli, SelftestArgs, SyncTokenArgs, WorkArgs},
    config::{
        AuthMode, DatabaseSettings, PartitionSettings, PoolSettings, SeedSettings, ServeSettings,
        ServerSettings, SyncSettings,
    },
    feeds::FeedPlan,
    seed::SeedPlan,
    sync::networks::SyncNetworks,
    web,
};

/// A day, in milliseconds: longer times are mistakes.
const DAY_MS: u64 = 86_400_000;

/// Longest beginning of the name of a selftest's schema.
const SCHEMA_PREFIX_LENGTH_MAX: usize = 30;

/// What is wrong with some settings.
#[derive(Default)]
struct Problems(Vec<String>);

/// Checks the settings of `daybook serve`; returns the plan of the seeder, if it is wanted.
pub(super) fn serve(settings: &ServeSettings) -> anyhow::Result<Option<SeedPlan>> {
    let mut problems = Problems::default();
    problems.shared(&settings.database, &settings.pool, &settings.partitions);
    problems.range("--seal-rows", u64::from(settings.sealing.seal_rows), 1, 1_000_000);
    problems.range("--seal-seconds", settings.sealing.seal_seconds, 1, 3_600);
    problems.range("--verify-interval-ms", settings.verifier.verify_interval_ms, 0, DAY_MS);
    let server = &settings.server;
    // Revocation acts within a minute, whatever is set here.
    problems.range("--token-freshness-ms", server.token_freshness_ms, 0, 60_000);
    problems.network(server);
    problems.range("--request-timeout-ms", server.request_timeout_ms, 1, DAY_MS);
    problems.range("--first-bytes-timeout-ms", server.first_bytes_timeout_ms, 1, DAY_MS);
    problems.range(
        "--connection-age-max-seconds",
        server.connection_age_max_seconds,
        0,
        31_536_000,
    );
    problems.range("--waiting-bytes-max", server.waiting_bytes_max as u64, 1 << 20, 1 << 40);
    problems.range("--request-read-timeout-ms", server.request_read_timeout_ms, 1, DAY_MS);
    problems.range("--answer-timeout-ms", server.answer_timeout_ms, 1, DAY_MS);
    problems.range("--drain-timeout-ms", server.drain_timeout_ms, 0, DAY_MS);
    problems.range("--concurrency-max", server.concurrency_max as u64, 1, 1_000_000);
    problems.range("--connections-max", server.connections_max as u64, 1, 1_000_000);
    problems.range("--ingest-streams-max", server.ingest_streams_max as u64, 1, 100_000);
    problems.range("--ingest-idle-timeout-ms", server.ingest_idle_timeout_ms, 1, DAY_MS);
    problems.range("--ingest-stream-timeout-ms", server.ingest_stream_timeout_ms, 1, 30 * DAY_MS);
    problems.range("--streams-max", u64::from(server.streams_max), 1, 1_000_000);
    problems.range("--request-bytes-max", server.request_bytes_max as u64, 1_024, 1 << 30);
    problems.range("--response-bytes-max", server.response_bytes_max as u64, 65_536, 1 << 30);
    problems.range("--rank-population-max", server.rank_population_max, 1, 10_000_000);
    problems.range("--overview-streams-max", server.overview_streams_max as u64, 1, 100_000);
    problems.range("--overview-questions-max", server.overview_questions_max as u64, 1, 10_000);
    problems.range("--holders-max", server.holders_max, 1, 10_000_000);
    problems.range("--user-wallets-max", u64::from(server.user_wallets_max), 1, 1_000_000);
    problems.range("--wallet-users-max", u64::from(server.wallet_users_max), 1, 1_000_000);
    problems.range("--reference-rows-max", server.reference_rows_max as u64, 1, 1_000_000);
    problems.range("--list-series-max", server.list_series_max as u64, 1, 1_000_000);
    problems.0.extend(web::problems(&settings.web, server));
    let alerts = &settings.alerts;
    problems.range("--alert-rules-max", u64::from(alerts.alert_rules_max), 1, 1_000_000);
    problems.range("--alert-wide-rules-max", u64::from(alerts.alert_wide_rules_max), 0, 1_000_000);
    problems.range("--alert-streams-max", alerts.alert_streams_max as u64, 1, 100_000);
    problems.range("--alert-attempts-max", u64::from(alerts.alert_attempts_max), 1, 1_000);
    problems.range("--alert-keep-days", u64::from(alerts.alert_keep_days), 0, 36_500);
    let backfill_hours = u64::from(settings.feed.price_backfill_hours);
    problems.range("--price-backfill-hours", backfill_hours, 1, 168);
    problems.sync(&settings.sync);
    let interval = settings.telemetry.metrics_interval_seconds;
    problems.range("--metrics-interval-seconds", interval, 0, 3_600);
    if let Err(wrong) = FeedPlan::new(&settings.feed) {
        problems.0.extend(wrong);
    }
    let plan = if settings.no_seed { None } else { problems.plan(&settings.seed) };
    problems.finish()?;
    Ok(plan)
}

/// Checks the settings of `daybook work`.
pub(super) fn work(arguments: &WorkArgs) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let common = &arguments.migrate;
    problems.shared(&common.database, &common.pool, &common.partitions);
    problems.sync(&arguments.sync);
    problems.named(&arguments.sync);
    if arguments.sync.sync_workers == 0 {
        problems.0.push("--sync-workers must be at least 1 here".to_owned());
    }
    problems.finish()
}

/// Checks the settings of `daybook sync-token`.
pub(super) fn sync_token(arguments: &SyncTokenArgs) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let common = &arguments.migrate;
    problems.shared(&common.database, &common.pool, &common.partitions);
    problems.sync(&arguments.sync);
    problems.named(&arguments.sync);
    let (from, to) = (arguments.from.unwrap_or(0), arguments.to.unwrap_or(i64::MAX));
    if from < 0 || to < from {
        problems.0.push("--from must be at least 0, and --to at least --from".to_owned());
    }
    problems.finish()
}

/// Checks the settings of `daybook migrate`.
pub(super) fn migrate(arguments: &MigrateArgs) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    problems.shared(&arguments.database, &arguments.pool, &arguments.partitions);
    problems.finish()
}

/// Checks the settings of `daybook selftest`.
pub(super) fn selftest(arguments: &SelftestArgs) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    problems.database(&arguments.database, &arguments.pool);
    problems.range("--operations", arguments.operations, 1, 1_000_000_000_000);
    problems.range("--worlds", arguments.worlds as u64, 1, 32);
    problems.range("--writers", arguments.writers as u64, 1, 32);
    // Behind it come nine characters, and the number of a world.
    let prefix = &arguments.schema_prefix;
    if prefix.len() > SCHEMA_PREFIX_LENGTH_MAX || database::check_schema(prefix).is_err() {
        problems.0.push(format!(
            "--schema-prefix must be 1 to {SCHEMA_PREFIX_LENGTH_MAX} lower-case letters, digits \
             and underscores, not beginning with a digit or pg_"
        ));
    }
    problems.finish()
}

/// Checks the settings of the `seeder` and returns its plan.
pub(super) fn seeder(arguments: &SeederCli) -> anyhow::Result<Option<SeedPlan>> {
    let mut problems = Problems::default();
    problems.shared(&arguments.database, &arguments.pool, &arguments.partitions);
    let plan = problems.plan(&arguments.seed);
    problems.finish()?;
    Ok(plan)
}

impl Problems {
    fn shared(
        &mut self,
        database: &DatabaseSettings,
        pool: &PoolSettings,
        partitions: &PartitionSettings,
    ) {
        self.database(database, pool);
        let ahead = u64::from(partitions.partition_days_ahead);
        self.range("--partition-days-ahead", ahead, 1, 3_650);
        self.range("--retention-days", u64::from(partitions.retention_days), 0, 36_500);
        let price_retention_days = u64::from(partitions.price_retention_days);
        self.range("--price-retention-days", price_retention_days, 0, 36_500);
        self.range("--ticker-seconds", partitions.ticker_seconds, 1, 86_400);
    }

    fn sync(&mut self, settings: &SyncSettings) {
        self.range("--sync-workers", u64::from(settings.sync_workers), 0, 1_000);
        let day_seconds = DAY_MS / 1_000;
        let interval = u64::from(settings.sync_interval_seconds);
        self.range("--sync-interval-seconds", interval, 0, 365 * day_seconds);
        let cooldown = u64::from(settings.sync_cooldown_seconds);
        self.range("--sync-cooldown-seconds", cooldown, 0, day_seconds);
        let stale_after = u64::from(settings.sync_stale_after_seconds);
        self.range("--sync-stale-after-seconds", stale_after, 0, 365 * day_seconds);
        self.range("--sync-lease-seconds", u64::from(settings.sync_lease_seconds), 5, day_seconds);
        self.range("--sync-attempts-max", u64::from(settings.sync_attempts_max), 1, 1_000);
        self.range("--sync-keep-days", u64::from(settings.sync_keep_days), 0, 36_500);
        self.range("--sync-streams-max", settings.sync_streams_max as u64, 1, 100_000);
        if let Some(path) = &settings.chains_file
            && let Err(error) = SyncNetworks::load(path)
        {
            self.0.push(format!("--chains-file: {:#}", anyhow::Error::from(error)));
        }
    }

    fn named(&mut self, settings: &SyncSettings) {
        if settings.chains_file.is_none() {
            self.0.push("--chains-file is wanted: which chains are synced, from whom?".to_owned());
        }
    }

    fn database(&mut self, database: &DatabaseSettings, pool: &PoolSettings) {
        if let Err(error) = database::check(database) {
            self.0.push(error.to_string());
        }
        self.range("--pool-size", pool.pool_size as u64, 1, 10_000);
        self.range("--totals-pool-size", pool.totals_pool_size as u64, 1, 10_000);
        self.range("--ingest-pool-size", pool.ingest_pool_size as u64, 1, 10_000);
        self.range("--pool-wait-ms", pool.pool_wait_ms, 1, DAY_MS);
        self.range("--connect-timeout-ms", pool.connect_timeout_ms, 1, DAY_MS);
        self.range("--statement-timeout-ms", pool.statement_timeout_ms, 1, DAY_MS);
    }

    fn range(&mut self, name: &str, value: u64, min: u64, max: u64) {
        if !(min..=max).contains(&value) {
            self.0.push(format!("{name} must be {min} to {max}"));
        }
    }

    fn plan(&mut self, settings: &SeedSettings) -> Option<SeedPlan> {
        self.range("--seed-loaders", settings.seed_loaders.unwrap_or(1) as u64, 1, 64);
        SeedPlan::new(settings, Utc::now().date_naive())
            .map_err(|error| self.0.push(error.to_string()))
            .ok()
    }

    /// What others can reach must be protected, or its danger named.
    fn network(&mut self, server: &ServerSettings) {
        if server.listen.ip().is_loopback() || server.allow_unprotected_network {
            return;
        }
        let listen = server.listen;
        if server.tls_certificate.is_none() {
            self.0.push(format!(
                "--listen {listen} can be reached from elsewhere, and connections would not be \
                 encrypted: give --tls-certificate and --tls-key, listen on a loopback address \
                 behind something that encrypts (docs/security.md), or give \
                 --allow-unprotected-network"
            ));
        }
        if server.auth == AuthMode::Off {
            self.0.push(format!(
                "--listen {listen} can be reached from elsewhere, and --auth off lets everybody \
                 do everything: leave it out, or give --allow-unprotected-network"
            ));
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        if !self.0.is_empty() {
            bail!("{}", self.0.join("; "));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn checked(arguments: &[&str]) -> Result<Option<SeedPlan>, String> {
        let cli = Cli::parse_from([&["daybook"], arguments].concat());
        serve(&cli.serve.settings).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_right() {
        assert!(checked(&[]).is_ok_and(|plan| plan.is_some()));
        assert_eq!(checked(&["--no-seed"]), Ok(None));
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let text = checked(&[
            "--schema",
            "Bad Name",
            "--pool-size",
            "0",
            "--streams-max",
            "0",
            "--partition-days-ahead",
            "0",
            "--seed-users",
            "1",
        ])
        .expect_err("all of it is wrong");
        for name in
            ["--schema", "--pool-size", "--streams-max", "--partition-days-ahead", "--seed-users"]
        {
            assert!(text.contains(name), "{name} is missing in: {text}");
        }
    }

    #[test]
    fn what_others_can_reach_is_not_served_without_a_word() {
        for address in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[2001:db8::1]:1"] {
            let text = checked(&["--listen", address]).expect_err("others can reach it");
            assert!(text.contains("--allow-unprotected-network"), "{text}");
            assert!(checked(&["--listen", address, "--allow-unprotected-network"]).is_ok());
            let encrypted = ["--listen", address, "--tls-certificate", "a", "--tls-key", "b"];
            assert!(checked(&encrypted).is_ok());
            let open = [&encrypted[..], &["--auth", "off"]].concat();
            let text = checked(&open).expect_err("everybody may do everything");
            assert!(text.contains("--auth off"), "{text}");
        }
        for address in ["127.0.0.1:1", "127.8.8.8:1", "[::1]:1"] {
            assert!(checked(&["--listen", address]).is_ok(), "{address}");
        }
    }

    #[test]
    fn limits_of_alerts_are_within_reason() {
        assert!(checked(&["--alert-wide-rules-max", "0", "--alert-keep-days", "0"]).is_ok());
        let names = ["--alert-rules-max", "--alert-streams-max", "--alert-attempts-max"];
        let text = checked(&names.map(|name| [name, "0"]).concat()).expect_err("none is right");
        for name in names {
            assert!(text.contains(name), "{name} is missing in: {text}");
        }
    }

    #[test]
    fn a_price_feed_needs_settings_that_go_together() {
        assert!(checked(&["--price-source", "none"]).is_ok());
        assert!(
            checked(&["--price-source", "kraken", "--price-symbols", "BTC-USD,ethusd"]).is_ok()
        );
        let text = checked(&[
            "--price-source",
            "binance",
            "--price-symbols",
            "nonsense",
            "--price-source-url",
            "http://example.org",
            "--price-backfill-hours",
            "0",
        ])
        .expect_err("all of it is wrong");
        for name in ["--price-symbols", "--price-source-url", "--price-backfill-hours"] {
            assert!(text.contains(name), "{name} is missing in: {text}");
        }
        let text = checked(&["--price-source", "kraken"]).expect_err("without a pair");
        assert!(text.contains("--price-symbols"), "{text}");
    }

    #[test]
    fn a_url_is_never_repeated() {
        for url in [
            "postgres://u:hunter2@h:x/d",
            "nonsense hunter2",
            "postgres://u:hunter2@h/d?sslmode=perhaps",
        ] {
            let text = checked(&["--database-url", url]).expect_err("wrong");
            assert!(text.contains("--database-url") && !text.contains("hunter2"), "{text}");
        }
    }
}
