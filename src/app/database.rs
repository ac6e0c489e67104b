//! Opens the database that the settings name: a private Postgres of our own, one that
//! another Daybook runs, or a server given by URL.

use std::{ffi::OsStr, net::IpAddr, str::FromStr, time::Duration};

use anyhow::{Context, bail};
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

use crate::{
    cluster::{self, Cluster, ClusterRole},
    config::DatabaseSettings,
    store::{DatabaseTarget, postgres_tls::PostgresTls},
};

/// Schema that the client role of the private Postgres looks in unless told otherwise.
const DEFAULT_SCHEMA: &str = "daybook";

/// Whether a private Postgres that another Daybook runs may be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ownership {
    /// No: this process serves, and serves alone.
    Own,
    /// Yes: this process only visits.
    Share,
}

/// An open database.
pub(super) struct OpenDatabase {
    /// How to connect to it to answer requests.
    pub(super) target: DatabaseTarget,
    /// How to connect to it as the role that owns the schema, as far as that is known.
    pub(super) owner_target: DatabaseTarget,
    /// The private Postgres, if this process runs one.
    pub(super) cluster: Option<Cluster>,
}

impl OpenDatabase {
    /// Opens the database.
    pub(super) async fn open(
        settings: &DatabaseSettings,
        ownership: Ownership,
    ) -> anyhow::Result<Self> {
        let schema = settings.schema.clone();
        if let Some(url) = &settings.database_url {
            let target = guest_target(settings, url)?;
            let owner_target = match &settings.owner_database_url {
                Some(url) => guest_target(settings, url)?,
                None => target.clone(),
            };
            return Ok(Self { target, owner_target, cluster: None });
        }
        if ownership == Ownership::Share
            && let Some(running) = cluster::attach(&settings.cluster).await?
        {
            let plain = |role| DatabaseTarget::plain(running.connection(role), schema.clone());
            let (target, owner_target) = (plain(ClusterRole::Service), plain(ClusterRole::Owner));
            return Ok(Self { target, owner_target, cluster: None });
        }
        let cluster = Cluster::start(&settings.cluster).await?;
        let description = cluster.describe();
        if description.fell_back {
            tracing::warn!(
                "the data is in {}: the server's user {} cannot reach the working folder",
                description.data_dir.display(),
                description.user
            );
        }
        if let Some(command) = &description.install_cron {
            tracing::info!(
                "pg_cron is missing from Postgres {}; install it with: {command}; then start again",
                description.postgres_version
            );
        }
        let plain = |role| DatabaseTarget::plain(cluster.connection(role), schema.clone());
        let (target, owner_target) = (plain(ClusterRole::Service), plain(ClusterRole::Owner));
        Ok(Self { target, owner_target, cluster: Some(cluster) })
    }

    /// Stops the private Postgres, if this process runs one.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        if let Some(cluster) = self.cluster {
            cluster.stop().await.context("the private Postgres did not stop cleanly")?;
        }
        Ok(())
    }

    /// Where a person finds the database, in words; the URL of a guest's server is not
    /// repeated.
    pub(super) fn describe(&self, settings: &DatabaseSettings) -> String {
        let Some(cluster) = &self.cluster else { return "Postgres at --database-url".to_owned() };
        let description = cluster.describe();
        let program = std::env::args_os().next().unwrap_or_else(|| "daybook".into());
        let mut text = format!("{description}: {} psql", shell_word(&program));
        if let Some(folder) = &settings.cluster.data_dir {
            text.push_str(&format!(" --data-dir {}", shell_word(folder.as_os_str())));
        }
        let is_usual = settings.schema == DEFAULT_SCHEMA;
        if !is_usual {
            text.push_str(&format!(" --schema {}", settings.schema));
        }
        if let Some(line) = description.psql_line {
            text.push_str("\n  or ");
            if !is_usual {
                text.push_str(&format!("PGOPTIONS='-c search_path={}' ", settings.schema));
            }
            text.push_str(&line);
        }
        text
    }

    /// Waits until the private Postgres is given up for good; for ever where there is
    /// none.
    pub(super) async fn failed(&self) -> String {
        match &self.cluster {
            Some(cluster) => cluster.failed().await,
            None => std::future::pending().await,
        }
    }
}

/// How long to wait at start for the server to accept.
pub(super) fn patience(settings: &DatabaseSettings) -> Duration {
    Duration::from_secs(settings.database_wait_seconds)
}

/// Checks the settings of the database before anything is started.
pub(super) fn check(settings: &DatabaseSettings) -> anyhow::Result<()> {
    check_schema(&settings.schema)?;
    for (name, url) in [
        ("--database-url", &settings.database_url),
        ("--owner-database-url", &settings.owner_database_url),
    ] {
        let Some(url) = url else { continue };
        let (config, is_encrypted) = guest(name, url)?;
        let is_on_command_line = std::env::args().any(|argument| argument.contains(url));
        if config.get_password().is_some() && is_on_command_line {
            tracing::warn!(
                "{name} has a password and is on the command line, where everybody on this \
                 machine can read it: put it into the environment instead"
            );
        }
        if is_encrypted {
            PostgresTls::required(settings.database_ca.as_deref())?;
        }
    }
    Ok(())
}

/// Checks the name of a schema.
pub(super) fn check_schema(schema: &str) -> anyhow::Result<()> {
    let is_plain = schema.len() <= 48
        && schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && schema.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !is_plain || schema.starts_with("pg_") {
        bail!(
            "--schema must be 1 to 48 lower-case letters, digits and underscores, not beginning \
             with a digit or pg_"
        );
    }
    Ok(())
}

/// A text as one word of a shell's line: in quotes where the shell would read more into it.
fn shell_word(text: &OsStr) -> String {
    let text = text.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:,@%=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The server at a URL, and whether connections to it must be encrypted: always where they leave
/// the machine, unless the URL says otherwise (sslmode=disable).
fn guest(name: &str, url: &str) -> anyhow::Result<(Config, bool)> {
    // The names of libpq for what is always done here: a certificate is verified, and by name.
    let url = url
        .replace("sslmode=verify-full", "sslmode=require")
        .replace("sslmode=verify-ca", "sslmode=require");
    // The text of the error would repeat parts of the URL, the password among them.
    let Ok(config) = Config::from_str(&url) else {
        bail!(
            "{name} cannot be read: it must look like \
             postgres://USER:PASSWORD@HOST:PORT/DATABASE"
        );
    };
    if config.get_options().is_some() {
        bail!(
            "{name} has options=, which Daybook would overwrite with its own: set them \
             for the role instead, with ALTER ROLE ... SET"
        );
    }
    let is_encrypted = match config.get_ssl_mode() {
        SslMode::Disable => false,
        SslMode::Require => true,
        SslMode::Prefer | _ => leaves_machine(&config),
    };
    Ok((config, is_encrypted))
}

/// Whether connections go to another machine.
fn leaves_machine(config: &Config) -> bool {
    let is_far = |host: &Host| match host {
        Host::Tcp(name) => {
            name != "localhost" && !name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        Host::Unix(_) => false,
    };
    let addresses = config.get_hostaddrs();
    if addresses.is_empty() {
        return config.get_hosts().iter().any(is_far);
    }
    // They are where connections go, whatever the names say.
    addresses.iter().any(|address| !address.is_loopback())
}

/// The target that the settings name by URL.
fn guest_target(settings: &DatabaseSettings, url: &str) -> anyhow::Result<DatabaseTarget> {
    let (config, is_encrypted) = guest("the URL", url)?;
    if !is_encrypted && leaves_machine(&config) {
        tracing::warn!(
            "connections to Postgres on another machine are not encrypted (sslmode=disable): \
             whoever is on the way reads everything"
        );
    }
    let tls = match is_encrypted {
        true => PostgresTls::required(settings.database_ca.as_deref())?,
        false => PostgresTls::none(),
    };
    Ok(DatabaseTarget { config, schema: settings.schema.clone(), tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_in_the_url_are_refused_and_not_repeated() {
        for url in [
            "postgres://u:hunter2@h/d?options=-c%20statement_timeout%3D4321",
            "host=h user=u password=hunter2 options='-c statement_timeout=4321'",
        ] {
            let text = guest("--database-url", url).expect_err("it has options").to_string();
            assert!(text.starts_with("--database-url has options="), "{text}");
            assert!(!text.contains("hunter2") && !text.contains("4321"), "{text}");
        }
        assert!(guest("--database-url", "postgres://u:hunter2@h/d?application_name=a").is_ok());
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_the_url_says_otherwise() {
        for (url, expected) in [
            ("postgres://u@db.example.org/d", true),
            ("postgres://u@db.example.org/d?sslmode=prefer", true),
            ("postgres://u@db.example.org/d?sslmode=require", true),
            ("postgres://u@db.example.org/d?sslmode=verify-ca", true),
            ("postgres://u@db.example.org/d?sslmode=verify-full", true),
            ("postgres://u@db.example.org/d?sslmode=disable", false),
            ("postgres://u@10.0.0.1/d", true),
            ("postgres://u@127.0.0.1,db.example.org/d", true),
            ("host=localhost hostaddr=10.0.0.1 user=u", true),
            ("host=db.example.org hostaddr=127.0.0.1 user=u", false),
            ("postgres://u@localhost/d", false),
            ("postgres://u@127.0.0.1/d", false),
            ("postgres://u@[::1]/d", false),
            ("postgres://u@127.0.0.1/d?sslmode=verify-full", true),
            ("host=/var/run/postgresql user=u", false),
        ] {
            let (_, is_encrypted) = guest("--database-url", url).expect(url);
            assert_eq!(is_encrypted, expected, "{url}");
        }
        assert!(guest("--database-url", "postgres://u@h/d?sslmode=perhaps").is_err());
    }

    #[test]
    fn a_shell_reads_one_word() {
        for (text, expected) in [
            ("/var/lib/daybook-data_1.0", "/var/lib/daybook-data_1.0"),
            ("", "''"),
            ("/my data", "'/my data'"),
            ("~/$HOME", "'~/$HOME'"),
            ("it's", r"'it'\''s'"),
        ] {
            assert_eq!(shell_word(OsStr::new(text)), expected);
        }
    }
}
