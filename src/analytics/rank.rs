//! Who ranks highest in a window?

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use crate::store::rank::RankedUser;
use crate::{
    analytics::Analytics,
    domain::{
        account::{Address, Network},
        asset::Asset,
        direction::Direction,
        explanation::{Explanation, Verification},
        metric::{Metric, Moments},
        ranking::{Member, RankCursor, RankOrder, Ranking},
        window::Window,
    },
    error::{Error, ErrorKind},
    store::{
        Reader,
        coverage::Ranked,
        days::{self, Needs},
        rank::{self, Measure, Snapshot},
        session::Answer,
    },
};

/// What a ranking is about, apart from who is ranked.
#[derive(Clone, Debug)]
pub struct RankQuestion {
    /// Of what.
    pub asset: Asset,
    /// When.
    pub window: Window,
    /// On which side.
    pub direction: Direction,
    /// By what.
    pub metric: Metric,
    /// Which end comes first.
    pub order: RankOrder,
    /// Whether members without transactions are ranked too.
    pub include_idle: bool,
    /// Most rows in the answer.
    pub page_size: usize,
    /// Largest population that is ranked.
    pub population_max: u64,
    /// Whether the answer says how it was made.
    pub explain: bool,
    /// Whether the ranking is also computed from the rows.
    pub verify: bool,
    /// Whether members of whom rows may be missing are ranked too.
    pub allow_partial: bool,
}

/// One member's place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place<M> {
    /// Competition rank, from 1; `None` for a member that is not ranked.
    pub rank: Option<usize>,
    /// The member.
    pub member: M,
    /// What the rank compares, as text with at least the asset's decimals; `None`
    /// where it is undefined.
    pub value: Option<String>,
    /// Number of the member's transactions.
    pub transaction_count: i64,
}

/// A page of a ranking, from one snapshot.
#[derive(Debug)]
pub struct RankAnswer<M> {
    /// The page, best first.
    pub places: Vec<Place<M>>,
    /// Whether another page follows.
    pub has_more: bool,
    /// Number of members on all pages.
    pub population_size: usize,
    /// The member that was asked for.
    pub standing: Option<Place<M>>,
    /// The database's clock at the snapshot.
    pub as_of: DateTime<Utc>,
    /// How long the database took.
    pub took: Duration,
    /// How it was made, if that was asked.
    pub explanation: Option<Explanation>,
    /// What the rows say, if that was asked.
    pub verification: Option<Verification>,
    /// Members that were left out because rows of them may be missing.
    pub left_out: usize,
    /// Whether members are ranked of whom rows may be missing.
    pub is_partial: bool,
}

impl Analytics {
    /// Ranks all users.
    ///
    /// # Errors
    /// `NotFound` if `standing_of` is unknown; `BeyondLimit` for a population that
    /// is too large; `FailedPrecondition` for a window with days whose rows are not at hand;
    /// what the database says.
    pub async fn rank_users(
        &self,
        question: &RankQuestion,
        after: Option<RankCursor<Uuid>>,
        standing_of: Option<Uuid>,
    ) -> Result<RankAnswer<RankedUser>, Error> {
        let unranked =
            self.coverages.unranked_users(question.asset.asset_id, question.window).await?;
        let session = days::snapshot_for(&self.database, question.window, needs(question)).await?;
        let measured = rank::rank_users(&session, measure(question)).await?;
        // Without the scan: that is not how the answer was made.
        let took = session.took();
        let scanned = match question.verify && !measured.is_cut {
            true => {
                Some(rank::rank_users_of_rows(Reader::Snapshot(&session), measure(question)).await?)
            }
            false => None,
        };
        session.end().await?;
        let measured = Answer { value: measured, took };
        let key = |user: &RankedUser| user.user_uuid;
        let verification = scanned.map(|scanned| verify(&measured.value, scanned, key));
        let wanted = Wanted { after, standing_of };
        let answer = rank_measured(question, &unranked, measured, wanted).await?;
        Ok(RankAnswer { verification, ..answer })
    }

    /// Ranks the accounts of a network.
    ///
    /// # Errors
    /// As for [`Analytics::rank_users`].
    pub async fn rank_accounts(
        &self,
        question: &RankQuestion,
        network: &Network,
        after: Option<RankCursor<String>>,
        standing_of: Option<Address>,
    ) -> Result<RankAnswer<String>, Error> {
        let asset_id = question.asset.asset_id;
        let ranked = self.coverages.ranked_accounts(asset_id, network, question.window).await?;
        let session = days::snapshot_for(&self.database, question.window, needs(question)).await?;
        let measured = rank::rank_accounts(&session, measure(question), network).await?;
        // Without the scan: that is not how the answer was made.
        let took = session.took();
        let scanned = match question.verify && !measured.is_cut {
            true => {
                let reader = Reader::Snapshot(&session);
                Some(rank::rank_accounts_of_rows(reader, measure(question), network).await?)
            }
            false => None,
        };
        session.end().await?;
        let measured = Answer { value: measured, took };
        let verification = scanned.map(|scanned| verify(&measured.value, scanned, String::clone));
        let is_ranked = |address: &String| match &ranked {
            Ranked::All => true,
            Ranked::Only(addresses) => addresses.contains(address),
        };
        let mut measured = measured;
        measured.value.members.retain(|(address, _)| !network.is_system(address));
        let (measured, partial) = leave_out(question, measured, is_ranked);
        let standing_of = standing_of.map(|address| address.as_str().to_owned());
        let answer =
            finish(question, after, standing_of, measured, String::clone, "account").await?;
        Ok(partial.of(RankAnswer { verification, ..answer }))
    }
}

/// Which part of a ranking is wanted: from where on, and whose place.
pub(super) struct Wanted {
    after: Option<RankCursor<Uuid>>,
    standing_of: Option<Uuid>,
}

impl Wanted {
    /// The first page.
    pub(super) const FIRST: Self = Self { after: None, standing_of: None };
}

/// Ranks users who were measured, without those of whom rows may be missing unless they are
/// wanted.
pub(super) async fn rank_measured(
    question: &RankQuestion,
    unranked: &HashSet<Uuid>,
    measured: Answer<Snapshot<RankedUser>>,
    Wanted { after, standing_of }: Wanted,
) -> Result<RankAnswer<RankedUser>, Error> {
    let is_ranked = |user: &RankedUser| !unranked.contains(&user.user_uuid);
    let (measured, partial) = leave_out(question, measured, is_ranked);
    let key = |user: &RankedUser| user.user_uuid;
    let answer = finish(question, after, standing_of, measured, key, "user").await?;
    Ok(partial.of(answer))
}

/// What a ranking says of members of whom rows may be missing.
struct Partial {
    left_out: usize,
    is_partial: bool,
}

impl Partial {
    fn of<M>(self, answer: RankAnswer<M>) -> RankAnswer<M> {
        RankAnswer { left_out: self.left_out, is_partial: self.is_partial, ..answer }
    }
}

/// Leaves members out of whom rows may be missing, unless they are wanted.
fn leave_out<M>(
    question: &RankQuestion,
    mut measured: Answer<Snapshot<M>>,
    is_ranked: impl Fn(&M) -> bool,
) -> (Answer<Snapshot<M>>, Partial) {
    let members = &mut measured.value.members;
    if question.allow_partial {
        let is_partial = members.iter().any(|(member, _)| !is_ranked(member));
        return (measured, Partial { left_out: 0, is_partial });
    }
    let before = members.len();
    members.retain(|(member, _)| is_ranked(member));
    let left_out = before - members.len();
    (measured, Partial { left_out, is_partial: false })
}

/// What is measured for a ranking.
pub(super) fn measure(question: &RankQuestion) -> Measure {
    Measure {
        asset_id: question.asset.asset_id,
        window: question.window,
        direction: question.direction,
        needs_squares: question.metric.needs_squares(),
        // One more than allowed shows that there are too many.
        members_max: i64::try_from(question.population_max).unwrap_or(i64::MAX).saturating_add(1),
        with_sealed_until: question.explain,
    }
}

fn needs(question: &RankQuestion) -> Needs {
    if question.verify { Needs::Rows } else { Needs::Totals }
}

/// Holds what running totals say of every member against the rows.
fn verify<M: Clone, K: Ord>(
    measured: &Snapshot<M>,
    scanned: Snapshot<M>,
    key_of: impl Fn(&M) -> K,
) -> Verification {
    let rows_scanned = scanned.members.iter().map(|(_, moments)| moments.count).sum();
    let mut rows: BTreeMap<_, _> =
        scanned.members.into_iter().map(|(member, moments)| (key_of(&member), moments)).collect();
    let mut differences = 0;
    for (member, moments) in &measured.members {
        differences += usize::from(rows.remove(&key_of(member)).as_ref() != Some(moments));
    }
    differences += rows.len();
    let population = measured.members.len();
    let difference = (differences > 0).then(|| {
        format!("running totals and rows differ for {differences} of {population} members")
    });
    Verification { difference, rows_scanned }
}

/// Ranks a snapshot on a thread of its own: a large population takes its time, and
/// nothing else waits for it.
async fn finish<M, K>(
    question: &RankQuestion,
    after: Option<RankCursor<K>>,
    standing_of: Option<K>,
    answer: Answer<Snapshot<M>>,
    key_of: impl Fn(&M) -> K + Send + 'static,
    what: &'static str,
) -> Result<RankAnswer<M>, Error>
where
    M: Clone + Send + 'static,
    K: Ord + Clone + Send + 'static,
{
    if answer.value.is_cut {
        return Err(Error::new(ErrorKind::BeyondLimit(
            "the population is larger than --rank-population-max",
        )));
    }
    let made = answer.value.made;
    let is_explained = question.explain;
    let question = question.clone();
    let is_standing_wanted = standing_of.is_some();
    let ranking = tokio::task::spawn_blocking(move || {
        let (after, standing_of) = (after.as_ref(), standing_of.as_ref());
        answer.map(|snapshot| rank_snapshot(&question, after, standing_of, snapshot, key_of))
    });
    let ranked = ranking.await.map_err(|source| Error::with_source(ErrorKind::Internal, source))?;
    if is_standing_wanted && ranked.value.standing.is_none() {
        return Err(Error::new(ErrorKind::NotFound(what)));
    }
    let explanation = is_explained.then_some(Explanation {
        sealed_until: made.sealed_until,
        cells_read: made.cells,
        corrections_read: made.corrections,
        raw_rows_read: made.rows,
        partitions_touched: made.partitions,
        took: ranked.took,
        questions_together: 1,
    });
    Ok(RankAnswer { took: ranked.took, explanation, ..ranked.value })
}

/// Ranks what a snapshot measured: pure.
fn rank_snapshot<M: Clone, K: Ord + Clone>(
    question: &RankQuestion,
    after: Option<&RankCursor<K>>,
    standing_of: Option<&K>,
    snapshot: Snapshot<M>,
    key_of: impl Fn(&M) -> K,
) -> RankAnswer<M> {
    let mut shown = Vec::with_capacity(snapshot.members.len());
    let mut members = Vec::with_capacity(snapshot.members.len());
    let mut idle_standing = None;
    for (member, moments) in snapshot.members {
        let key = key_of(&member);
        if moments.count == 0 && !question.include_idle {
            if standing_of == Some(&key) {
                idle_standing = Some(place(question, None, member, &moments));
            }
            continue;
        }
        members.push(Member {
            key: (key, shown.len()),
            value: question.metric.value(&moments),
            transaction_count: moments.count,
        });
        shown.push(member);
    }
    let ranking = Ranking::new(question.order, members);
    let ranked_place = |(rank, ranked): (usize, &Member<(K, usize)>)| Place {
        rank: Some(rank),
        member: shown[ranked.key.1].clone(),
        value: ranked.value.as_ref().map(|value| value.to_text(value_decimals(question))),
        transaction_count: ranked.transaction_count,
    };
    // The index behind the key only carries the member along: keys are unique.
    let after = after.map(|cursor| RankCursor {
        value: cursor.value.clone(),
        key: (cursor.key.clone(), usize::MAX),
    });
    let (rows, has_more) = ranking.page(after.as_ref(), question.page_size);
    let rows: Vec<_> = rows.collect();
    let standing = standing_of
        .and_then(|key| ranking.find_by(|ranked| ranked.0 == *key).map(ranked_place))
        .or(idle_standing);
    RankAnswer {
        places: rows.into_iter().map(ranked_place).collect(),
        has_more,
        population_size: ranking.population_size(),
        standing,
        as_of: snapshot.as_of,
        took: Duration::ZERO,
        explanation: None,
        verification: None,
        left_out: 0,
        is_partial: false,
    }
}

fn place<M>(
    question: &RankQuestion,
    rank: Option<usize>,
    member: M,
    moments: &Moments,
) -> Place<M> {
    let value = question.metric.value(moments);
    Place {
        rank,
        member,
        value: value.map(|value| value.to_text(value_decimals(question))),
        transaction_count: moments.count,
    }
}

/// Amounts carry the asset's decimals; a count is a whole number.
fn value_decimals(question: &RankQuestion) -> u32 {
    if question.metric == Metric::Count { 0 } else { question.asset.decimals }
}
