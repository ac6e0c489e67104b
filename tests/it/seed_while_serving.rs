//! A server that runs while somebody else seeds its database: nothing is answered before the
//! seeding is complete, and everything right after it.

use std::time::Duration;

use daybook::{
    grpc::pb::v1::{
        BatchSumAmountRequest, BucketUnit, Direction, GetBalanceRequest, GetStatusRequest,
        HistogramRequest, RankMetric, RankRequest, SumSeriesRequest, Window,
        batch_sum_amount_result::Outcome, get_balance_request, histogram_request,
        sum_series_request,
    },
    seed::{SeedOutcome, seed},
    store::Database,
    upkeep::verifier::{Verifier, VerifierCounts},
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    seed::plan,
    sum_amount::question,
    support::{
        cluster::eventually,
        schema::one,
        service::{TestService, new_target, settings},
    },
};

const START: &str = "2023-01-01T00:00:00Z";
const END: &str = "2023-01-07T12:00:00Z";

type Answer = Result<String, (Code, String)>;

fn told<T: std::fmt::Debug>(answer: Result<tonic::Response<T>, Status>) -> Answer {
    let answer = answer.map_err(|status| (status.code(), status.message().to_owned()))?;
    // How long it took is no part of an answer, nor what the clock showed.
    let text = format!("{:?}", answer.into_inner());
    let times = ["database_seconds", "as_of", "nanos", "snapshot"];
    let is_time = |word: &&str| !times.iter().any(|time| word.contains(time));
    Ok(text.split_inclusive(", ").filter(is_time).collect())
}

/// A question of every kind.
async fn ask(service: &TestService, user: Uuid, verify: bool) -> Vec<Answer> {
    let (mut analytics, mut ledger) = (service.analytics().await, service.ledger().await);
    let sum = question(user, Direction::Sender, START, END);
    let window: Option<Window> = sum.window;
    let direction = Direction::Sender.into();
    let one = daybook::grpc::pb::v1::SumAmountRequest { verify, ..sum };
    let batch =
        BatchSumAmountRequest { questions: vec![one.clone()], verify, ..Default::default() };
    let batch = analytics.batch_sum_amount(batch).await;
    let batch = match batch.map(|answer| answer.into_inner().results.remove(0).outcome) {
        Ok(Some(Outcome::Error(error))) => Err((Code::from(error.code), error.message)),
        Ok(outcome) => told(Ok(tonic::Response::new(outcome))),
        Err(status) => told::<()>(Err(status)),
    };
    let rank = RankRequest {
        window,
        direction,
        metric: RankMetric::Sum.into(),
        verify,
        ..Default::default()
    };
    let series = SumSeriesRequest {
        subject: Some(sum_series_request::Subject::All(Default::default())),
        window,
        direction,
        bucket_unit: BucketUnit::Day.into(),
        verify,
        ..Default::default()
    };
    let histogram = HistogramRequest {
        subject: Some(histogram_request::Subject::All(Default::default())),
        window,
        direction,
        ..Default::default()
    };
    let subject = Some(get_balance_request::Subject::UserUuid(user.to_string()));
    let balance = GetBalanceRequest { subject, verify, ..Default::default() };
    vec![
        told(analytics.sum_amount(one).await),
        batch,
        told(analytics.rank(rank).await),
        told(analytics.sum_series(series).await),
        told(analytics.histogram(histogram).await),
        told(ledger.get_balance(balance).await),
    ]
}

fn is_refused(answer: &Answer) -> bool {
    answer.as_ref().is_err_and(|(code, message)| {
        *code == Code::Unavailable && message.contains("being seeded")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_answered_until_a_seeding_from_outside_is_complete() {
    let service = TestService::start_with(new_target(), settings()).await;
    let sql = crate::support::service::sql(service.target.config.clone(), &service.target.schema);
    let sql = sql.await;
    let before = ask(&service, Uuid::nil(), false).await;
    assert!(!before.iter().any(is_refused), "{before:?}");
    // Days are loaded, and none of them can be folded.
    sql.batch_execute("BEGIN; LOCK TABLE running_totals IN SHARE MODE").await.unwrap();
    let outside = Database::new(&service.target, &settings().pool).unwrap();
    let seeding = tokio::spawn(async move {
        let outcome = seed(&outside, Some(plan(6_000, 8)), 2, &settings().partitions).await;
        outside.close(Duration::from_secs(5)).await;
        outcome.unwrap()
    });
    eventually("days are loaded", async || {
        one::<i64>(&service.sql, "SELECT count(*) FROM seed_days").await >= 2
    })
    .await;
    let text = "SELECT user_uuid FROM users ORDER BY user_id LIMIT 1";
    let user: Uuid = one(&service.sql, text).await;
    for verify in [false, true] {
        let answers = ask(&service, user, verify).await;
        assert!(answers.iter().all(is_refused), "{answers:?}");
    }
    let counts = VerifierCounts::default();
    let mut verifier = Verifier::new(&service.target, &settings().pool, counts.clone()).unwrap();
    for _ in 0..20 {
        verifier.check().await.unwrap();
    }
    assert_eq!(counts.read().checks, 0, "there is nothing to compare yet");
    verifier.end().await;
    let status = service.status().await.get_status(GetStatusRequest::default()).await.unwrap();
    assert_eq!(status.get_ref().detached_days, Vec::<String>::new());

    sql.batch_execute("ROLLBACK").await.unwrap();
    let mut answers = Vec::new();
    while !seeding.is_finished() {
        answers.push(ask(&service, user, false).await);
    }
    assert!(matches!(seeding.await.unwrap(), SeedOutcome::Seeded { rows: 6_000, .. }));
    let last = ask(&service, user, false).await;
    assert!(last.iter().all(Result::is_ok), "{last:?}");
    for answers in answers {
        for (found, last) in answers.iter().zip(&last) {
            assert!(is_refused(found) || found == last, "{found:?}, and then {last:?}");
        }
    }
    let verified = ask(&service, user, true).await;
    let disagrees =
        |answer: &&Answer| answer.as_ref().is_ok_and(|text| text.contains("agrees: false"));
    assert_eq!(verified.iter().find(disagrees), None);
    assert!(verified.iter().all(Result::is_ok), "{verified:?}");

    // One that was cut off, by whomever, keeps everything from being answered too.
    let cut_off = "UPDATE seed_runs SET finished_at = NULL";
    service.sql.batch_execute(cut_off).await.unwrap();
    let answers = ask(&service, user, false).await;
    assert!(answers.iter().all(is_refused), "{answers:?}");
    service.sql.batch_execute("UPDATE seed_runs SET finished_at = now()").await.unwrap();
    assert_eq!(ask(&service, user, false).await, last);
}
