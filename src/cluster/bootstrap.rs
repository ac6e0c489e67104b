//! Roles, database and extensions of the private Postgres.
//!
//! Every step can be done again, so that a start after a kill at any point goes on from there.

use std::fs;

use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::{ClusterRole, error::ClusterError, install, process::Launch};

/// A statement and the stem of its file, for messages.
struct Step {
    name: &'static str,
    sql: &'static str,
}

const ROLES: Step = Step::new(
    "cluster_bootstrap_roles",
    include_str!("../../sql/queries/cluster_bootstrap_roles.sql"),
);
const DATABASE_EXISTS: Step = Step::new(
    "cluster_bootstrap_database_exists",
    include_str!("../../sql/queries/cluster_bootstrap_database_exists.sql"),
);
const DATABASE: Step = Step::new(
    "cluster_bootstrap_database",
    include_str!("../../sql/queries/cluster_bootstrap_database.sql"),
);
const RIGHTS: Step = Step::new(
    "cluster_bootstrap_rights",
    include_str!("../../sql/queries/cluster_bootstrap_rights.sql"),
);
const EXTENSION_EXISTS: Step = Step::new(
    "cluster_bootstrap_extension_exists",
    include_str!("../../sql/queries/cluster_bootstrap_extension_exists.sql"),
);
const PARTMAN: Step = Step::new(
    "cluster_bootstrap_partman",
    include_str!("../../sql/queries/cluster_bootstrap_partman.sql"),
);
const CRON: Step = Step::new(
    "cluster_bootstrap_cron",
    include_str!("../../sql/queries/cluster_bootstrap_cron.sql"),
);
const PASSWORD_HOLD: Step = Step::new(
    "cluster_bootstrap_password_hold",
    include_str!("../../sql/queries/cluster_bootstrap_password_hold.sql"),
);
const PASSWORD_SET: Step = Step::new(
    "cluster_bootstrap_password_set",
    include_str!("../../sql/queries/cluster_bootstrap_password_set.sql"),
);
const PASSWORD_EXISTS: Step = Step::new(
    "cluster_bootstrap_password_exists",
    include_str!("../../sql/queries/cluster_bootstrap_password_exists.sql"),
);

impl Step {
    const fn new(name: &'static str, sql: &'static str) -> Self {
        Self { name, sql }
    }

    fn failed(&self, source: tokio_postgres::Error) -> ClusterError {
        ClusterError::Bootstrap { step: self.name, source }
    }

    async fn run(&self, client: &Client) -> Result<(), ClusterError> {
        client.batch_execute(self.sql).await.map_err(|error| self.failed(error))
    }

    async fn is_there(
        &self,
        client: &Client,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> Result<bool, ClusterError> {
        let row = client.query_one(self.sql, parameters).await;
        row.and_then(|row| row.try_get("is_there")).map_err(|error| self.failed(error))
    }
}

/// Makes what is missing; returns whether pg_cron can be used.
pub(super) async fn run(launch: &Launch) -> Result<bool, ClusterError> {
    with_superuser(launch, "postgres", async |client| {
        ROLES.run(client).await?;
        if !DATABASE_EXISTS.is_there(client, &[]).await? {
            DATABASE.run(client).await?;
        }
        Ok(())
    })
    .await?;
    with_superuser(launch, "daybook", async |client| {
        RIGHTS.run(client).await?;
        if !EXTENSION_EXISTS.is_there(client, &[&"pg_partman"]).await? {
            return Err(install::no_partman(launch.installation.major));
        }
        PARTMAN.run(client).await?;
        let has_cron = launch.installation.has_cron
            && EXTENSION_EXISTS.is_there(client, &[&"pg_cron"]).await?;
        if has_cron {
            CRON.run(client).await?;
        }
        set_password(launch, client).await?;
        Ok(has_cron)
    })
    .await
}

/// Gives the roles that connect by TCP their passwords, unless they have those in the file.
async fn set_password(launch: &Launch, client: &mut Client) -> Result<(), ClusterError> {
    let path = launch.folder.pgpass();
    // A file from before there was a reader lacks its line.
    let has_both =
        fs::read_to_string(&path).is_ok_and(|lines| lines.contains(ClusterRole::Reader.name()));
    if has_both && PASSWORD_EXISTS.is_there(client, &[]).await? {
        return Ok(());
    }
    // Two random UUIDs have 244 random bits.
    let new_password = || format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let (client_password, reader_password) = (new_password(), new_password());
    let tx = client.transaction().await.map_err(|error| PASSWORD_SET.failed(error))?;
    tx.query_one(PASSWORD_HOLD.sql, &[&client_password, &reader_password])
        .await
        .map_err(|error| PASSWORD_HOLD.failed(error))?;
    tx.batch_execute(PASSWORD_SET.sql).await.map_err(|error| PASSWORD_SET.failed(error))?;
    // A kill between the two leaves a file with the wrong password unless the file goes first.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(launch.folder.failed(&path, error));
        }
        Ok(()) | Err(_) => {}
    }
    tx.commit().await.map_err(|error| PASSWORD_SET.failed(error))?;
    let mut lines = String::new();
    for (role, password) in
        [(ClusterRole::Client, client_password), (ClusterRole::Reader, reader_password)]
    {
        for host in ["127.0.0.1", "localhost"] {
            lines.push_str(&format!("{host}:*:daybook:{}:{password}\n", role.name()));
        }
    }
    launch.folder.write(&path, &lines)
}

/// Connects as the superuser, does the work and waits until the connection is closed.
async fn with_superuser<T>(
    launch: &Launch,
    database: &str,
    work: impl AsyncFnOnce(&mut Client) -> Result<T, ClusterError>,
) -> Result<T, ClusterError> {
    let connecting =
        |source| ClusterError::Bootstrap { step: "the connection of the superuser", source };
    let config = launch.connection("postgres", database);
    let (mut client, connection) = config.connect(NoTls).await.map_err(connecting)?;
    let driver = tokio::spawn(connection);
    let done = work(&mut client).await;
    drop(client);
    // What went wrong with the connection, the work has been told.
    let _ = driver.await;
    done
}
