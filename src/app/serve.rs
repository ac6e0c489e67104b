//! `daybook serve`: from settings to a served database, and back down.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    access::Authenticator,
    alerts::{Alerts, Outlets, courier::Courier},
    analytics::{Analytics, overviews::Overviews},
    app::{
        checks,
        database::{self, OpenDatabase, Ownership},
        introduction::{self, Entrance},
        signals, work,
    },
    config::{LogSettings, PageMode, SeedSettings, ServeSettings, ServerSettings},
    feeds::{Feed, FeedPlan, report::FeedReport},
    grpc::{
        self,
        admission::Gate,
        pb::DESCRIPTORS,
        serve::{Edges, Services, Signals, Stop},
        tls::{Tls, TlsError, TlsFiles},
    },
    ingest::Ingest,
    ledger::Ledger,
    prices::Prices,
    seed::{self, SeedOutcome, SeedPlan},
    store::{Database, DatabaseTarget, coverage::StaleReads},
    sync::networks::SyncNetworks,
    telemetry::metrics::{self, Exposition},
    tokens::Tokens,
    upkeep::{
        days::{DayWatch, Retention},
        gather_metrics::Gatherer,
        get_status::StatusReader,
        migrate::{self, Standing},
        partitions::{self, Keeper, PartitionUpkeep},
        price_folding::PriceFolding,
        pulse::Pulse,
        sealing::{Sealing, SealingPolicy},
        server_check,
        verifier::{Verifier, VerifierCounts},
    },
    web::{self, MetricsText, WebError},
    workers::{self, partition_upkeep::Round},
};

/// Longest time that connections to the database get to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves until a stop signal.
///
/// # Errors
/// If the settings are wrong, the port is taken, or the database is not fit. Whatever
/// was started is stopped again.
pub async fn serve(
    settings: ServeSettings,
    logs: LogSettings,
    exposition: Exposition,
) -> anyhow::Result<()> {
    let plan = checks::serve(&settings)?;
    let tls = tls(&settings.server)?;
    let outlets = Outlets::new(&settings.alerts)?;
    let listen = settings.server.listen;
    // Taken before the database is touched: a port that is not free is known at once.
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}: is something else there?"))?;
    let stop = signals::listen()?;
    let opened = tokio::select! {
        opened = OpenDatabase::open(&settings.database, Ownership::Own) => opened?,
        () = stop.drain.cancelled() => return Ok(()),
    };
    let database = Database::new(&opened.target, &settings.pool)?;
    // On the heap: the future holds all of the server.
    let prepared = (plan, tls, outlets, exposition);
    let running = run(&settings, &logs, prepared, listener, &database, &opened, stop);
    let outcome = Box::pin(running).await;
    if !database.close(CLOSE_TIMEOUT).await {
        tracing::warn!("connections to the database did not end in time");
    }
    let closed = opened.close().await;
    outcome.and(closed)
}

/// What connections are encrypted with, if they are.
fn tls(settings: &ServerSettings) -> Result<Option<Tls>, TlsError> {
    let ServerSettings { tls_certificate, tls_key, tls_client_ca, tls_client_optional, .. } =
        settings.clone();
    let (Some(certificate), Some(key)) = (tls_certificate, tls_key) else { return Ok(None) };
    let (client_ca, is_client_optional) = (tls_client_ca, tls_client_optional);
    Tls::load(TlsFiles { certificate, key, client_ca, is_client_optional }).map(Some)
}

/// Loaders that work side by side unless a setting says otherwise.
pub(super) fn loaders(settings: &SeedSettings) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    settings.seed_loaders.unwrap_or_else(|| processors.min(4)).max(1)
}

async fn run(
    settings: &ServeSettings,
    logs: &LogSettings,
    (plan, tls, outlets, exposition): (Option<SeedPlan>, Option<Tls>, Outlets, Exposition),
    listener: TcpListener,
    database: &Database,
    opened: &OpenDatabase,
    stop: Stop,
) -> anyhow::Result<()> {
    let (started, is_started) = watch::channel(false);
    let (serving, is_serving) = watch::channel(false);
    let (verified, feed) = (VerifierCounts::default(), FeedReport::default());
    let alerts = Alerts::new(database.clone(), outlets.clone(), &settings.alerts);
    let courier = Courier::new(database.clone(), outlets, &settings.alerts);
    let ingest = Ingest::new(database, &settings.partitions);
    let sync = work::syncer(&settings.sync, database, ingest.clone())?;
    let (stale, stale_accounts) = sync.policy().stale_after.map(StaleReads::new).unzip();
    let analytics = Analytics::new(database.clone())
        .with_stale_reads(stale)
        .with_window_days_max(settings.server.window_days_max);
    let overviews = Overviews::new(analytics.clone(), &settings.server);
    let services = Services {
        analytics,
        overviews: overviews.clone(),
        ledger: Ledger::new(database.clone()),
        ingest,
        sync: sync.clone(),
        sync_streams_max: settings.sync.sync_streams_max,
        prices: Prices::new(database.clone()),
        tokens: Tokens::new(database.clone(), settings.server.holders_max),
        alerts: alerts.clone(),
        alert_streams_max: settings.alerts.alert_streams_max,
        status: StatusReader::new(database.clone(), verified.clone()),
        feed: feed.clone(),
        gate: Gate::new(Authenticator::wanted(&settings.server, database), &settings.server),
        tls,
    };
    let (address, ingest) = (listener.local_addr()?, services.ingest.clone());
    let (entrance, authenticator) = (entrance(settings, &services), services.gate.authenticator());
    let slow = Duration::from_millis(logs.slow_request_ms);
    // Its own token: what fails here stops the server without a signal.
    let drain = stop.drain.child_token();
    let server_stop = Stop { drain: drain.clone(), hurry: stop.hurry };
    let signals = Signals { is_started, is_serving };
    let edges = edges(settings, services.tls.clone(), Some(metrics_text(&exposition, database)))?;
    let server_settings = (settings.server.clone(), slow);
    let server = start_server(listener, server_settings, (services, edges), signals, server_stop);
    let mut workers = Workers::default();
    let work = async {
        // Requests are answered as another role than the one that owns the tables.
        let owner = Database::new(&opened.owner_target, &settings.pool)?;
        let keeper = prepare(settings, plan, &owner, database).await?;
        // What is left for it to do later has a connection of its own.
        owner.close(CLOSE_TIMEOUT).await;
        workers.start(database, &owner, (keeper, settings), serving, &drain);
        workers.start_refused_callers(authenticator, &drain);
        workers.start_overviews(overviews, &drain);
        workers.start_alerts(alerts, courier, settings.alerts.alert_keep_days, &drain);
        workers.start_verifier(&opened.target, settings, verified, &drain)?;
        work::start(&mut workers.tasks, &sync, &settings.sync, stale_accounts, &drain);
        workers.start_price_feed(database, (ingest, feed), settings, &drain)?;
        workers.start_metrics(exposition, database, (sync.networks(), settings), &drain);
        started.send_replace(true);
        introduce(database, &opened.describe(&settings.database), address, entrance).await;
        std::future::pending().await
    };
    let outcome = tokio::select! {
        failed = work => failed,
        reason = opened.failed() => {
            Err(anyhow::anyhow!("the private Postgres cannot be kept running: {reason}"))
        }
        () = drain.cancelled() => Ok(()),
    };
    // However it came to this, the clients are drained and everything started is waited for.
    drain.cancel();
    let served = match server.await {
        Ok(served) => finish(served),
        Err(error) => Err(error.into()),
    };
    workers.finish().await;
    outcome.and(served)
}

/// What is around the services: the forms of calls other than gRPC's, the page, and the metrics.
fn edges(
    settings: &ServeSettings,
    tls: Option<Tls>,
    metrics: Option<MetricsText>,
) -> Result<Edges<web::Outside, web::Inside>, WebError> {
    let descriptors = vec![
        DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        // With the details of errors, they are told in words too.
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ];
    let is_named =
        tls.map(|tls| -> web::callers::IsNamed { Arc::new(move |host| tls.is_for(host)) });
    let parts = web::Parts { descriptors, is_named, metrics };
    let (outside, inside) = web::edge(&settings.web, &settings.server, parts)?;
    Ok(Edges { outside, inside })
}

/// Prints what a newcomer needs.
async fn introduce(
    database: &Database,
    where_it_is: &str,
    address: SocketAddr,
    entrance: Entrance,
) {
    if let Err(error) = introduction::print(database, where_it_is, address, entrance).await {
        tracing::warn!(%error, "could not introduce Daybook");
    }
}

/// What a scrape reads: what was counted, and the pools as they are now.
fn metrics_text(exposition: &Exposition, database: &Database) -> MetricsText {
    let (exposition, database) = (exposition.clone(), database.clone());
    Arc::new(move || {
        database.pools().into_iter().for_each(metrics::show_pool);
        exposition.render()
    })
}

/// Serves in a task; one that ends by itself ends the rest too.
fn start_server(
    listener: TcpListener,
    (settings, slow): (ServerSettings, Duration),
    (services, edges): (Services, Edges<web::Outside, web::Inside>),
    signals: Signals,
    stop: Stop,
) -> JoinHandle<anyhow::Result<usize>> {
    let ended = stop.drain.clone().drop_guard();
    tokio::spawn(async move {
        let _ended = ended;
        let settings = (&settings, slow);
        Box::pin(grpc::serve::serve(listener, settings, services, edges, signals, stop)).await
    })
}

/// How the server is reached.
fn entrance(settings: &ServeSettings, services: &Services) -> Entrance {
    Entrance {
        is_reflection_open: grpc::serve::is_reflection_open(&settings.server),
        is_encrypted: services.tls.is_some(),
        asks_for_tokens: services.gate.asks_for_tokens(),
        has_page: settings.web.page != PageMode::Off,
    }
}

fn finish(served: anyhow::Result<usize>) -> anyhow::Result<()> {
    match served? {
        0 => tracing::info!("stopped"),
        cut_off => tracing::warn!(cut_off, "stopped; some requests did not finish in time"),
    }
    Ok(())
}

/// Makes the database fit to serve: as its owner, for the role that requests are answered as.
async fn prepare(
    settings: &ServeSettings,
    plan: Option<SeedPlan>,
    owner: &Database,
    database: &Database,
) -> anyhow::Result<Keeper> {
    server_check::wait(owner, database::patience(&settings.database)).await?;
    let facts = server_check::check(owner, &settings.pool).await?;
    let (_, standing) = migrate::bring_up_to_date(owner).await?;
    let keeper = partitions::prepare(owner, &settings.partitions, &facts, standing).await?;
    server_check::check_role(database).await?;
    tracing::info!(?keeper, "partitions are ready");
    if standing == Standing::Service {
        tracing::info!(
            "the owner of the schema seeds the database and keeps the schema up to date"
        );
        return Ok(keeper);
    }
    let loaders = loaders(&settings.seed);
    let wants_seed = plan.is_some();
    match seed::seed(owner, plan, loaders, &settings.partitions).await? {
        SeedOutcome::Seeded { rows, seconds } => {
            tracing::info!(rows, seconds, "seeded");
        }
        SeedOutcome::HasOwnRows if wants_seed => {
            tracing::info!("the database holds rows of its own: it is not seeded");
        }
        SeedOutcome::HasOwnRows | SeedOutcome::SeededBefore => {}
    }
    Ok(keeper)
}

/// The tasks beside the server.
#[derive(Default)]
struct Workers {
    tasks: JoinSet<&'static str>,
}

impl Workers {
    fn start_refused_callers(
        &mut self,
        authenticator: Option<Authenticator>,
        stop: &CancellationToken,
    ) {
        let (Some(authenticator), stop) = (authenticator, stop.clone()) else { return };
        self.tasks.spawn(async move {
            workers::refused_callers::run(authenticator, stop).await;
            "notes of refused callers"
        });
    }

    fn start_overviews(&mut self, overviews: Overviews, stop: &CancellationToken) {
        let stop = stop.clone();
        self.tasks.spawn(async move {
            workers::watch_overview::run(overviews, stop).await;
            "overviews that are watched"
        });
    }

    fn start_alerts(
        &mut self,
        alerts: Alerts,
        courier: Courier,
        keep_days: u32,
        stop: &CancellationToken,
    ) {
        if let Ok(days @ 1..) = i32::try_from(keep_days) {
            let (kept, prune_stop) = (alerts.clone(), stop.clone());
            self.tasks.spawn(async move {
                workers::alerts::prune(kept, days, prune_stop).await;
                "deletion of old alerts"
            });
        }
        let (listened, send_stop) = (alerts.clone(), stop.clone());
        self.tasks.spawn(async move {
            courier.work(send_stop).await;
            "sending of alerts"
        });
        let look_stop = stop.clone();
        self.tasks.spawn(async move {
            workers::alerts::look(listened, look_stop).await;
            "look-out for alerts"
        });
        let silence_stop = stop.clone();
        self.tasks.spawn(async move {
            workers::alerts::notice_silence(alerts, silence_stop).await;
            "watch for silence"
        });
    }

    fn start(
        &mut self,
        database: &Database,
        owner: &Database,
        (keeper, settings): (Keeper, &ServeSettings),
        serving: watch::Sender<bool>,
        stop: &CancellationToken,
    ) {
        let (pulse, health_stop) = (Pulse::new(database.clone()), stop.clone());
        self.tasks.spawn(async move {
            workers::database_health::run(pulse, serving, health_stop).await;
            "database health"
        });
        let round = match keeper {
            Keeper::Ticker => Round::Maintain,
            Keeper::Cron => Round::Look(settings.partitions.partition_days_ahead),
        };
        let interval = Duration::from_secs(settings.partitions.ticker_seconds);
        let (upkeep, upkeep_stop) = (PartitionUpkeep::new(database.clone()), stop.clone());
        self.tasks.spawn(async move {
            workers::partition_upkeep::run(upkeep, round, interval, upkeep_stop).await;
            "partition upkeep"
        });
        let (watch, watch_stop) = (DayWatch::new(database.clone()), stop.clone());
        self.tasks.spawn(async move {
            workers::day_watch::run(watch, watch_stop).await;
            "day watch"
        });
        let policy = SealingPolicy {
            rows: i64::from(settings.sealing.seal_rows),
            interval: Duration::from_secs(settings.sealing.seal_seconds),
        };
        let (sealing, sealing_stop) = (Sealing::new(database.clone(), owner.clone()), stop.clone());
        self.tasks.spawn(async move {
            workers::sealing::run(sealing, policy, sealing_stop).await;
            "sealing"
        });
        let (folding, folding_stop) = (PriceFolding::new(database.clone()), stop.clone());
        self.tasks.spawn(async move {
            workers::price_folding::run(folding, folding_stop).await;
            "price folding"
        });
        self.start_retention(database, settings, stop);
    }

    fn start_retention(
        &mut self,
        database: &Database,
        settings: &ServeSettings,
        stop: &CancellationToken,
    ) {
        let interval = Duration::from_secs(settings.partitions.ticker_seconds);
        let (days, price_days) =
            (settings.partitions.retention_days, settings.partitions.price_retention_days);
        let of_transactions = (days > 0).then(|| Retention::new(database.clone(), days));
        let of_prices =
            (price_days > 0).then(|| Retention::of_prices(database.clone(), price_days));
        for retention in of_transactions.into_iter().chain(of_prices) {
            let stop = stop.clone();
            self.tasks.spawn(async move {
                workers::retention::run(retention, interval, stop).await;
                "retention"
            });
        }
    }

    fn start_verifier(
        &mut self,
        target: &DatabaseTarget,
        settings: &ServeSettings,
        counts: VerifierCounts,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let interval = Duration::from_millis(settings.verifier.verify_interval_ms);
        if interval.is_zero() {
            return Ok(());
        }
        let (verifier, stop) = (Verifier::new(target, &settings.pool, counts)?, stop.clone());
        self.tasks.spawn(async move {
            workers::verifier::run(verifier, interval, stop).await;
            "verifier"
        });
        Ok(())
    }

    /// Takes prices from an exchange, where the settings name one.
    fn start_price_feed(
        &mut self,
        database: &Database,
        (ingest, report): (Ingest, FeedReport),
        settings: &ServeSettings,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let plan = FeedPlan::new(&settings.feed);
        let plan = plan.map_err(|problems| anyhow::anyhow!("{}", problems.join("; ")))?;
        let Some(plan) = plan else { return Ok(()) };
        let (feed, stop) = (Feed::new(plan, database.clone(), ingest, report)?, stop.clone());
        self.tasks.spawn(async move {
            workers::price_feed::run(feed, stop).await;
            "price feed"
        });
        Ok(())
    }

    fn start_metrics(
        &mut self,
        exposition: Exposition,
        database: &Database,
        (networks, settings): (&SyncNetworks, &ServeSettings),
        stop: &CancellationToken,
    ) {
        for source in networks.iter().flat_map(|network| &network.sources) {
            metrics::source_known(&source.key.source);
        }
        let tidy_stop = stop.clone();
        self.tasks.spawn(async move {
            workers::metrics::tidy(exposition, tidy_stop).await;
            "tidying of metrics"
        });
        let interval = Duration::from_secs(settings.telemetry.metrics_interval_seconds);
        if interval.is_zero() {
            return;
        }
        let networks = networks.names().into_iter().map(str::to_owned).collect();
        let (gatherer, stop) = (Gatherer::new(database.clone(), networks), stop.clone());
        self.tasks.spawn(async move {
            workers::metrics::gather(gatherer, interval, stop).await;
            "gathering of metrics"
        });
    }

    async fn finish(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            match ended {
                Ok(name) => tracing::debug!(name, "worker ended"),
                Err(error) => tracing::error!(%error, "a worker failed"),
            }
        }
    }
}
