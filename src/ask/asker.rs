//! Puts a question and has its answer shown in the form that was asked for.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use prost::Message;
use prost_types::Timestamp;
use tokio::sync::OnceCell;
use tonic::{Response, Status};

use crate::{
    ask::{Surroundings, error::AskError, instants, json, page::Page},
    client::{Client, Secret, v1},
    config::ask::{AskSettings, WindowArgs},
    domain::buckets,
};

/// Days of the window where none is said.
const DAYS: i64 = 30;

/// What is to be shown.
#[derive(Debug)]
pub struct Shown {
    /// The text, with its last line feed.
    pub text: String,
    /// Whether the answer was held against the rows, and differs.
    pub differs: bool,
}

/// What all questions have in common.
#[derive(Debug)]
pub(super) struct Asker {
    settings: AskSettings,
    token: Option<Secret>,
    now: DateTime<Utc>,
    columns: Option<usize>,
    /// Days, months and instants are those of its clocks.
    pub(super) zone: Tz,
    client: OnceCell<Client>,
}

impl Asker {
    pub(super) fn new(settings: &AskSettings, around: Surroundings) -> Result<Self, AskError> {
        let zone = buckets::time_zone(&settings.output.time_zone).ok_or_else(|| {
            AskError::wrong("--time-zone", "must be an IANA name, for example Europe/Berlin")
        })?;
        let token = match &settings.token_file {
            None => around.token,
            Some(file) => {
                let unreadable = |source| AskError::TokenFile { file: file.clone(), source };
                Some(Secret::from(std::fs::read_to_string(file).map_err(unreadable)?))
            }
        };
        Ok(Self {
            settings: settings.clone(),
            token,
            now: around.now,
            columns: around.columns,
            zone,
            client: OnceCell::new(),
        })
    }

    /// The client, connected when it is first needed.
    pub(super) async fn client(&self) -> Result<&Client, AskError> {
        let connect = async || {
            let mut builder = Client::builder(self.url()).deadline(self.settings.timeout);
            if let Some(file) = &self.settings.ca {
                builder = builder.ca(file);
            }
            if let Some(name) = &self.settings.server_name {
                builder = builder.server_name(name);
            }
            if let Some(token) = &self.token {
                builder = builder.token(token.clone());
            }
            if self.settings.send_token_in_clear {
                builder = builder.send_token_in_clear();
            }
            builder.connect().await.map_err(AskError::Connect)
        };
        self.client.get_or_try_init(connect).await
    }

    /// Puts a question to an rpc, and shows its answer.
    pub(super) async fn put<Q, A>(
        &self,
        rpc: &'static str,
        question: Q,
        call: impl AsyncFnOnce(&Client, Q) -> Result<Response<A>, Status>,
        show: impl FnOnce(&A) -> Result<Page, AskError>,
    ) -> Result<Shown, AskError>
    where
        Q: Message,
        A: Message,
    {
        let output = &self.settings.output;
        if output.grpcurl {
            return Ok(Shown { text: self.grpcurl(rpc, &question), differs: false });
        }
        let client = self.client().await?;
        let answer = call(client, question).await;
        let answer = answer.map_err(|status| AskError::Answered(Box::new(status)))?.into_inner();
        let page = show(&answer)?;
        let text = match (output.json, output.csv) {
            (true, _) => json::answer(rpc, &answer),
            (_, true) => page.to_csv().ok_or_else(|| {
                AskError::wrong("--csv", "this answer is no table: --json has all of it")
            })?,
            _ => page.to_text(self.columns),
        };
        Ok(Shown { text, differs: page.differs })
    }

    /// The window that was said, else the last 30 days.
    pub(super) fn window(&self, told: &WindowArgs) -> Result<v1::Window, AskError> {
        let days = WindowArgs { last: Some(format!("{DAYS}d")), ..WindowArgs::default() };
        let told = if told.is_unsaid() { &days } else { told };
        let found = self.window_if_said(told)?;
        Ok(found.unwrap_or_default())
    }

    /// The window that was said, if one was.
    pub(super) fn window_if_said(&self, told: &WindowArgs) -> Result<Option<v1::Window>, AskError> {
        let found = instants::window(told, self.zone, self.now)?;
        Ok(found.map(|window| v1::Window {
            start: Some(instants::encode(window.start())),
            end: Some(instants::encode(window.end())),
        }))
    }

    /// The instant that a flag says.
    pub(super) fn instant(&self, flag: &str, text: &str) -> Result<Timestamp, AskError> {
        let found = instants::parse(text, self.zone, self.now);
        found.map(instants::encode).map_err(|rule| AskError::wrong(flag, rule))
    }

    /// An instant as it is shown.
    pub(super) fn shown(&self, at: Option<&Timestamp>) -> String {
        instants::show(at, self.zone)
    }

    /// A window as it is shown.
    pub(super) fn shown_window(&self, window: Option<&v1::Window>) -> String {
        let Some(window) = window else { return String::new() };
        let (start, end) = (window.start.as_ref(), window.end.as_ref());
        format!("{} to {}", self.shown(start), self.shown(end))
    }

    /// The address with what it lacks to be a URL.
    fn url(&self) -> String {
        let address = &self.settings.address;
        if address.contains("://") {
            return address.clone();
        }
        let scheme = if self.settings.ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    fn grpcurl(&self, rpc: &str, question: &impl Message) -> String {
        let url = self.url();
        let (scheme, place) = url.split_once("://").unwrap_or(("http", &url));
        let mut line = "grpcurl".to_owned();
        match (scheme, &self.settings.ca) {
            ("https", Some(file)) => {
                line.push_str(&format!(" -cacert {}", json::quoted(&file.to_string_lossy())));
            }
            ("https", None) => {}
            _ => line.push_str(" -plaintext"),
        }
        if let Some(name) = &self.settings.server_name {
            line.push_str(&format!(" -servername {}", json::quoted(name)));
        }
        // The token itself is not for a line that is copied about.
        match (&self.settings.token_file, &self.token) {
            (Some(file), _) => {
                let file = json::quoted(&file.to_string_lossy());
                line.push_str(&format!(" -H \"authorization: Bearer $(cat {file})\""));
            }
            (None, Some(_)) => line.push_str(" -H \"authorization: Bearer $DAYBOOK_TOKEN\""),
            (None, None) => {}
        }
        let question = json::quoted(&json::question(rpc, question));
        format!("{line} -d {question} {} {rpc}\n", place.trim_end_matches('/'))
    }
}
