//! Settings of alerts: how much is watched, and how recipients are told.

use std::path::PathBuf;

use clap::Args;

/// Alerts and how recipients are told of them.
#[derive(Args, Clone, Debug)]
pub struct AlertSettings {
    /// Most alert rules of one user; more are RESOURCE_EXHAUSTED
    #[arg(long, env = "DAYBOOK_ALERT_RULES_MAX", default_value_t = 100, value_name = "N")]
    pub alert_rules_max: u32,

    /// Most of them that are about all symbols: each is held against every tick that comes
    #[arg(long, env = "DAYBOOK_ALERT_WIDE_RULES_MAX", default_value_t = 5, value_name = "N")]
    pub alert_wide_rules_max: u32,

    /// Days that events of alerts, and what was sent because of them, are kept. 0 keeps them all
    #[arg(long, env = "DAYBOOK_ALERT_KEEP_DAYS", default_value_t = 365, value_name = "DAYS")]
    pub alert_keep_days: u32,

    /// Most streams that watch alerts at once; more are RESOURCE_EXHAUSTED
    #[arg(long, env = "DAYBOOK_ALERT_STREAMS_MAX", default_value_t = 128, value_name = "N")]
    pub alert_streams_max: usize,

    /// Most attempts to tell a recipient; then the delivery is given up, and kept
    #[arg(long, env = "DAYBOOK_ALERT_ATTEMPTS_MAX", default_value_t = 15, value_name = "N")]
    pub alert_attempts_max: u32,

    /// Age that a tick may have when it is recorded for recipients to be told of its alerts, in
    /// seconds: a history that is imported tells nobody
    #[arg(
        long,
        env = "DAYBOOK_ALERT_AGE_MAX_SECONDS",
        default_value_t = 86_400,
        value_name = "SECONDS"
    )]
    pub alert_age_max_seconds: u32,

    /// Send webhooks to private addresses, too: those of this machine and of its networks
    #[arg(long, env = "DAYBOOK_WEBHOOK_PRIVATE_ADDRESSES")]
    pub webhook_private_addresses: bool,

    /// File with more roots that sign the certificates of webhooks, in PEM, besides those that the
    /// system trusts
    #[arg(long, env = "DAYBOOK_WEBHOOK_CA", value_name = "FILE")]
    pub webhook_ca: Option<PathBuf>,

    /// SMTP server that mail is sent by: smtps://user:password@host, or smtp://host?tls=required;
    /// without tls on this machine only. No mail is sent without one
    #[arg(
        long,
        env = "DAYBOOK_SMTP_URL",
        hide_env_values = true,
        value_name = "URL",
        requires = "smtp_from"
    )]
    pub smtp_url: Option<String>,

    /// Who mail is from, for example Daybook <alerts@example.com>
    #[arg(long, env = "DAYBOOK_SMTP_FROM", value_name = "MAILBOX", requires = "smtp_url")]
    pub smtp_from: Option<String>,
}
