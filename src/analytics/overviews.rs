//! Overviews that are watched: many watchers of one question share one answer.
//!
//! A question has a channel that holds its latest answer, for as long as somebody watches. Whoever
//! answers it (a worker) is handed the question when its first watcher comes, and lets go of it
//! after the last one has gone.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use crate::{
    analytics::{
        Analytics,
        watch_overview::{Overview, OverviewQuestion, OverviewRange},
    },
    config::ServerSettings,
    domain::window::Window,
    error::{Error, ErrorKind},
    store::watch_overview::{Stamp, stamp},
};

/// Questions that are answered at the same time: watching leaves connections to others.
const ANSWERED_AT_ONCE: usize = 2;

/// Overviews of one database. Clones share all of it.
#[derive(Clone)]
pub struct Overviews {
    shared: Arc<Shared>,
}

struct Shared {
    analytics: Analytics,
    questions_max: usize,
    population_max: u64,
    channels: Mutex<Channels>,
    asked: mpsc::UnboundedSender<Followed>,
    to_follow: tokio::sync::Mutex<mpsc::UnboundedReceiver<Followed>>,
    turns: Arc<Semaphore>,
    answered: AtomicU64,
}

/// The channel of each question that is watched.
type Channels = HashMap<OverviewQuestion, Arc<Channel>>;

struct Channel {
    watched: watch::Sender<Watched>,
    /// Told when somebody comes who must not be shown what was found before.
    newcomer: Notify,
}

/// What watchers of a question see.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// The latest answer; none before the first one.
    pub latest: Option<Latest>,
    /// Why there will be no other one.
    pub failed: Option<ErrorKind>,
}

/// An answer, and when it was last found to hold.
#[derive(Clone, Debug)]
pub struct Latest {
    /// The answer, as it was last computed.
    pub overview: Arc<Overview>,
    /// Counts answers that differ, from 1.
    pub number: u64,
    /// The window in which it was last found: that of the answer.
    pub window: Window,
    /// The database's clock when it was last found.
    pub found_at: DateTime<Utc>,
    /// When it was last begun to look, by this machine's clock: what was committed before is in it.
    pub looked_at: Instant,
}

/// Somebody's sight of a question. The question is answered for as long as one is held.
pub struct Watching {
    /// What there is to see.
    pub watched: watch::Receiver<Watched>,
    /// What was looked at before is not for this watcher.
    pub since: Instant,
}

impl Overviews {
    /// Overviews that these analytics answer. The settings say of how many questions at a time,
    /// and of how many users.
    #[must_use]
    pub fn new(analytics: Analytics, settings: &ServerSettings) -> Self {
        let (asked, to_follow) = mpsc::unbounded_channel();
        let shared = Shared {
            analytics,
            questions_max: settings.overview_questions_max,
            population_max: settings.rank_population_max,
            channels: Mutex::default(),
            asked,
            to_follow: tokio::sync::Mutex::new(to_follow),
            turns: Arc::new(Semaphore::new(ANSWERED_AT_ONCE)),
            answered: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Begins to watch a question.
    ///
    /// # Errors
    /// `ResourceExhausted` where too many others are watched.
    pub fn watch(&self, question: &OverviewQuestion) -> Result<Watching, Error> {
        let since = Instant::now();
        let mut channels = self.channels();
        if let Some(channel) = channels.get(question) {
            channel.newcomer.notify_one();
            return Ok(Watching { watched: channel.watched.subscribe(), since });
        }
        if channels.len() >= self.shared.questions_max {
            let what = "the server is at its limit of different overviews that are watched";
            return Err(Error::new(ErrorKind::ResourceExhausted(what)));
        }
        let (sender, watched) = watch::channel(Watched::default());
        let channel = Arc::new(Channel { watched: sender, newcomer: Notify::new() });
        channels.insert(question.clone(), Arc::clone(&channel));
        drop(channels);
        let (overviews, question) = (self.clone(), question.clone());
        let followed = Followed { overviews, question, channel, known: None, number: 0 };
        // Once the workers have stopped nobody takes it: it is dropped, and its watchers see that.
        let _ = self.shared.asked.send(followed);
        Ok(Watching { watched, since })
    }

    /// Waits for the next question that somebody began to watch.
    pub async fn next(&self) -> Option<Followed> {
        self.shared.to_follow.lock().await.recv().await
    }

    /// Takes no more questions: those that nobody has taken end.
    pub async fn close(&self) {
        let mut to_follow = self.shared.to_follow.lock().await;
        to_follow.close();
        while to_follow.recv().await.is_some() {}
    }

    /// How many answers were computed.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// How many questions are watched.
    #[must_use]
    pub fn questions(&self) -> usize {
        self.channels().len()
    }

    fn channels(&self) -> MutexGuard<'_, Channels> {
        self.shared.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that is watched, held by whoever answers it. Dropped, its watchers see that nothing
/// more comes.
pub struct Followed {
    overviews: Overviews,
    question: OverviewQuestion,
    channel: Arc<Channel>,
    /// The state of the database before the latest answer was read.
    known: Option<Stamp>,
    number: u64,
}

impl Followed {
    /// What is asked.
    #[must_use]
    pub fn question(&self) -> &OverviewQuestion {
        &self.question
    }

    /// Whether there is an answer.
    #[must_use]
    pub fn has_answer(&self) -> bool {
        self.number > 0
    }

    /// Looks what the answer is now, and shows it to the watchers.
    ///
    /// # Errors
    /// What the answer says; see [`crate::analytics::watch_overview`].
    pub async fn look(&mut self) -> Result<(), Error> {
        // Closed never.
        let _turn = self.overviews.shared.turns.clone().acquire_owned().await;
        let looked_at = Instant::now();
        let analytics = &self.overviews.shared.analytics;
        // Before anything is read of the answer: what is written from here on changes the stamp.
        let stamp = stamp(&analytics.database).await?;
        let window = self.question.range.window(stamp.as_of);
        let is_same_window = matches!(self.question.range, OverviewRange::Window(_));
        if is_same_window && self.known.as_ref().is_some_and(|known| stamp.is_as(known)) {
            self.show(None, window, stamp.as_of, looked_at);
            return Ok(());
        }
        let population_max = self.overviews.shared.population_max;
        let overview = analytics.overview(&self.question, window, population_max).await?;
        self.overviews.shared.answered.fetch_add(1, Ordering::Relaxed);
        let found_at = overview.as_of;
        self.known = Some(stamp);
        self.show(Some(overview), window, found_at, looked_at);
        Ok(())
    }

    /// Shows an answer, or that the latest one holds.
    fn show(
        &mut self,
        overview: Option<Overview>,
        window: Window,
        found_at: DateTime<Utc>,
        looked_at: Instant,
    ) {
        self.channel.watched.send_modify(|watched| {
            let before = watched.latest.take().map(|latest| latest.overview);
            let overview = match (overview.map(Arc::new), before) {
                (Some(overview), Some(before)) => {
                    self.number += u64::from(!overview.says_as(&before));
                    overview
                }
                (Some(first), None) => {
                    self.number = 1;
                    first
                }
                (None, Some(before)) => before,
                (None, None) => return,
            };
            let number = self.number;
            watched.latest = Some(Latest { overview, number, window, found_at, looked_at });
        });
    }

    /// Waits until somebody came to whom nothing may be shown that was found before.
    pub async fn newcomer(&self) {
        self.channel.newcomer.notified().await;
    }

    /// Waits until nobody watches. The question is given up then: whoever asks it from here on asks
    /// it anew.
    pub fn unwatched(&self) -> impl Future<Output = ()> + use<> {
        let (overviews, question) = (self.overviews.clone(), self.question.clone());
        let channel = Arc::clone(&self.channel);
        async move {
            loop {
                channel.watched.closed().await;
                let mut channels = overviews.channels();
                // Watchers come under the lock: none can come between this look and the removal.
                if channel.watched.receiver_count() == 0 {
                    remove(&mut channels, &question, &channel);
                    return;
                }
            }
        }
    }

    /// Tells the watchers why nothing more comes.
    pub fn fail(self, error: &Error) {
        remove(&mut self.overviews.channels(), &self.question, &self.channel);
        self.channel.watched.send_modify(|watched| watched.failed = Some(error.kind().clone()));
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        remove(&mut self.overviews.channels(), &self.question, &self.channel);
    }
}

/// Takes a question's channel out, unless the question has another one by now.
fn remove(channels: &mut Channels, question: &OverviewQuestion, own: &Arc<Channel>) {
    if channels.get(question).is_some_and(|channel| Arc::ptr_eq(channel, own)) {
        channels.remove(question);
    }
}
