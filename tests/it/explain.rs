//! `explain` and `verify`: how answers say they were made, over a ledger small enough to count.

use daybook::{
    grpc::pb::v1::{
        BatchSumAmountRequest, BucketUnit, Direction, Explanation, GetBalanceRequest, RankMetric,
        RankRequest, SumAmountRequest, SumAmountResponse, SumSeriesRequest, Verification,
        batch_sum_amount_result::Outcome, get_balance_request, sum_series_request,
    },
    upkeep::sealing::{SEALED_ROWS_MAX, seal_once},
};
use prost_types::Timestamp;
use uuid::Uuid;

use crate::{
    sum_amount::{question, timestamp, window},
    support::{
        ledger::{TestUser, add, add_user, ensure_days},
        service::TestService,
    },
};

const DAYS: (&str, &str) = ("2024-05-05T00:00:00Z", "2024-05-07T00:00:00Z");

/// A ledger whose rows are sealed: ann has sent three, bob one, each within one cell.
struct Case {
    service: TestService,
    ann: TestUser,
    bob: TestUser,
}

impl Case {
    async fn sealed() -> Self {
        let service = TestService::start().await;
        let sql = &service.sql;
        ensure_days(sql, &["2024-05-04", "2024-05-05", "2024-05-06"]).await;
        let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
        let case = Self { ann, bob, service };
        case.add("2024-05-05T06:00:00Z").await;
        case.add("2024-05-05T18:00:00Z").await;
        case.add("2024-05-06T18:00:00Z").await;
        case.add_back("2024-05-06T12:00:00Z").await;
        seal_once(&case.service.database, SEALED_ROWS_MAX).await.unwrap();
        case
    }

    /// From ann to bob.
    async fn add(&self, at: &str) {
        add(&self.service.sql, at, self.ann.account_id, self.bob.account_id, "1").await;
    }

    /// From bob to ann.
    async fn add_back(&self, at: &str) {
        add(&self.service.sql, at, self.bob.account_id, self.ann.account_id, "1").await;
    }

    /// A row of ann's within the days, and the earliest one, which is not hers to send.
    async fn add_unsealed(&self) -> Option<Timestamp> {
        self.add("2024-05-05T20:00:00Z").await;
        self.add_back("2024-05-04T23:00:00.000001Z").await;
        Some(timestamp("2024-05-04T23:00:00.000001Z"))
    }

    async fn sum(&self, explain: bool, verify: bool) -> SumAmountResponse {
        let request = SumAmountRequest {
            explain,
            verify,
            ..question(self.ann.user_uuid, Direction::Sender, DAYS.0, DAYS.1)
        };
        self.service.analytics().await.sum_amount(request).await.unwrap().into_inner()
    }

    /// Explanation and verification of ann's series by the hour.
    async fn series(
        &self,
        split: bool,
        explain: bool,
        verify: bool,
    ) -> (Option<Explanation>, Option<Verification>) {
        let request = SumSeriesRequest {
            subject: Some(sum_series_request::Subject::UserUuid(self.ann.user_uuid.to_string())),
            window: window(DAYS.0, DAYS.1),
            bucket_unit: BucketUnit::Hour.into(),
            direction: if split { Direction::Unspecified } else { Direction::Sender }.into(),
            split_by_direction: split,
            explain,
            verify,
            ..Default::default()
        };
        let mut client = self.service.analytics().await;
        let answer = client.sum_series(request).await.unwrap().into_inner();
        (answer.explanation, answer.verification)
    }

    /// Explanation and verification of a ranking of senders.
    async fn rank(
        &self,
        (start, end): (&str, &str),
        explain: bool,
        verify: bool,
    ) -> (Option<Explanation>, Option<Verification>) {
        let request = RankRequest {
            window: window(start, end),
            direction: Direction::Sender.into(),
            metric: RankMetric::Sum.into(),
            explain,
            verify,
            ..Default::default()
        };
        let answer = self.service.analytics().await.rank(request).await.unwrap().into_inner();
        (answer.explanation, answer.verification)
    }

    /// Explanation and verification of ann's balance.
    async fn balance(
        &self,
        explain: bool,
        verify: bool,
    ) -> (Option<Explanation>, Option<Verification>) {
        let user = get_balance_request::Subject::UserUuid(self.ann.user_uuid.to_string());
        let at = Some(timestamp(DAYS.1));
        let request =
            GetBalanceRequest { subject: Some(user), at, explain, verify, ..Default::default() };
        let answer = self.service.ledger().await.get_balance(request).await.unwrap().into_inner();
        (answer.explanation, answer.verification)
    }
}

/// What was read, with a time that must be there.
fn check(
    what: &str,
    found: Option<Explanation>,
    sealed_until: Option<Timestamp>,
    (cells_read, corrections_read): (i64, i64),
    (raw_rows_read, partitions_touched): (i64, i64),
) {
    let found = found.unwrap_or_else(|| panic!("{what} is not explained"));
    assert!(found.database_seconds > 0.0, "{what}");
    let expected = Explanation {
        sealed_until,
        cells_read,
        corrections_read,
        raw_rows_read,
        partitions_touched,
        database_seconds: found.database_seconds,
        questions_together: 1,
    };
    assert_eq!(found, expected, "{what}");
}

fn agrees(rows_scanned: i64) -> Option<Verification> {
    Some(Verification { agrees: true, difference: String::new(), rows_scanned })
}

#[tokio::test]
async fn nothing_is_explained_or_verified_unless_that_is_asked() {
    let case = Case::sealed().await;
    for (explain, verify) in [(false, false), (true, false), (false, true), (true, true)] {
        let sum = case.sum(explain, verify).await;
        for (what, (explanation, verification), rows) in [
            ("sum", (sum.explanation, sum.verification), 3),
            ("series", case.series(false, explain, verify).await, 3),
            ("both series", case.series(true, explain, verify).await, 4),
            ("ranking", case.rank(DAYS, explain, verify).await, 4),
            ("balance", case.balance(explain, verify).await, 4),
        ] {
            assert_eq!(explanation.is_some(), explain, "{what}");
            assert_eq!(verification, verify.then(|| agrees(rows).unwrap()), "{what}");
        }
    }
}

#[tokio::test]
async fn a_sum_says_what_it_was_made_of() {
    let case = Case::sealed().await;
    // The one cell of ann's tree, once for each edge.
    check("sealed", case.sum(true, false).await.explanation, None, (2, 0), (0, 0));
    let since = case.add_unsealed().await;
    let answer = case.sum(true, false).await;
    assert_eq!(answer.transaction_count, 4);
    check("not sealed", answer.explanation, since, (2, 1), (0, 0));
    let verified = case.sum(true, true).await;
    assert_eq!(verified.verification, agrees(4));
    check("verified", verified.explanation, since, (2, 1), (0, 0));
    seal_once(&case.service.database, SEALED_ROWS_MAX).await.unwrap();
    check("sealed again", case.sum(true, false).await.explanation, None, (2, 0), (0, 0));
}

#[tokio::test]
async fn a_change_of_a_sealed_row_is_two_corrections() {
    let case = Case::sealed().await;
    let text = "UPDATE transactions SET amount = 7 WHERE occurred_at = '2024-05-05 18:00Z'";
    case.service.sql.batch_execute(text).await.unwrap();
    let since = Some(timestamp("2024-05-05T18:00:00Z"));
    let answer = case.sum(true, true).await;
    assert_eq!((answer.sum_amount.as_str(), answer.transaction_count), ("9.00000", 3));
    check("changed", answer.explanation, since, (2, 2), (0, 0));
    assert_eq!(answer.verification, agrees(3));
}

#[tokio::test]
async fn the_questions_of_a_batch_are_answered_together() {
    let case = Case::sealed().await;
    let since = case.add_unsealed().await;
    let of = |uuid, direction| question(uuid, direction, DAYS.0, DAYS.1);
    let (ann, bob) = (case.ann.user_uuid, case.bob.user_uuid);
    let own = SumAmountRequest { explain: true, verify: true, ..of(ann, Direction::Receiver) };
    let questions = vec![
        of(ann, Direction::Sender),
        // Wrong: it is not asked.
        SumAmountRequest::default(),
        // Unknown: it is.
        of(Uuid::new_v4(), Direction::Sender),
        own,
        of(bob, Direction::Receiver),
    ];
    // For ann as sender and receiver and bob as receiver: cells and corrections.
    let expected = [((2, 1), 4), ((2, 0), 1), ((2, 1), 4)];
    for (explain, verify) in [(false, false), (true, false), (true, true)] {
        let request = BatchSumAmountRequest { questions: questions.clone(), explain, verify };
        let mut client = case.service.analytics().await;
        let answer = client.batch_sum_amount(request).await.unwrap().into_inner();
        assert!(answer.database_seconds > 0.0);
        let answers = answer.results.into_iter().filter_map(|result| match result.outcome {
            Some(Outcome::Answer(answer)) => Some(answer),
            Some(Outcome::Error(_)) | None => None,
        });
        let answers: Vec<_> = answers.collect();
        assert_eq!(answers.len(), expected.len());
        for (answer, (read, rows)) in answers.into_iter().zip(expected) {
            assert_eq!(answer.transaction_count, rows);
            assert_eq!(answer.verification, verify.then(|| agrees(rows).unwrap()));
            assert_eq!(answer.explanation.is_some(), explain);
            let Some(explanation) = answer.explanation else { continue };
            assert_eq!(explanation.questions_together, 4);
            let alone = Explanation { questions_together: 1, ..explanation };
            check("a question of a batch", Some(alone), since, read, (0, 0));
        }
    }
}

#[tokio::test]
async fn a_series_says_what_it_was_made_of() {
    let case = Case::sealed().await;
    // One cell a tree, however many edges fall into it.
    check("one", case.series(false, true, false).await.0, None, (1, 0), (0, 0));
    check("both", case.series(true, true, false).await.0, None, (2, 0), (0, 0));
    let since = case.add_unsealed().await;
    let (explanation, verification) = case.series(true, true, true).await;
    check("not sealed", explanation, since, (2, 1), (0, 0));
    assert_eq!(verification, agrees(5));
}

#[tokio::test]
async fn a_ranking_says_which_days_it_had_to_cut() {
    let case = Case::sealed().await;
    for (what, window, cells, (rows, days)) in [
        // Both days have a cell.
        ("whole days", DAYS, 2, (0, 0)),
        // Both days' cells, less the row at 06:00 and the one at 18:00.
        ("days that are cut", ("2024-05-05T07:00:00Z", "2024-05-06T17:00:00Z"), 2, (2, 2)),
        // The cell of the day, less two parts of one and the same day.
        ("a day that is cut twice", ("2024-05-05T07:00:00Z", "2024-05-05T23:00:00Z"), 1, (1, 1)),
        ("less than half a day", ("2024-05-05T05:00:00Z", "2024-05-05T07:00:00Z"), 0, (1, 1)),
        // A little of one day, and most of the next one.
        ("a night", ("2024-05-05T18:00:00Z", "2024-05-06T17:00:00Z"), 1, (2, 2)),
    ] {
        let (explanation, verification) = case.rank(window, true, true).await;
        check(what, explanation, None, (cells, 0), (rows, days));
        assert!(verification.unwrap().agrees, "{what}");
    }
    let since = case.add_unsealed().await;
    check("not sealed", case.rank(DAYS, true, false).await.0, since, (2, 1), (0, 0));
    let hours = ("2024-05-05T05:00:00Z", "2024-05-05T07:00:00Z");
    check("hours, not sealed", case.rank(hours, true, false).await.0, since, (0, 0), (1, 1));
}

#[tokio::test]
async fn a_balance_says_what_it_was_made_of() {
    let case = Case::sealed().await;
    // One cell a side: nothing lies before the beginning of time.
    check("sealed", case.balance(true, false).await.0, None, (2, 0), (0, 0));
    let since = case.add_unsealed().await;
    let (explanation, verification) = case.balance(true, true).await;
    check("not sealed", explanation, since, (2, 2), (0, 0));
    assert_eq!(verification, agrees(6));
}
