//! `BatchSumAmount`: one snapshot, and errors that leave the others alone.

use daybook::grpc::pb::v1::{
    AccountKey, BatchSumAmountRequest, BatchSumAmountResponse, Direction, SumAmountRequest, Window,
    batch_sum_amount_result::Outcome, sum_amount_request::Subject,
};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::{
    invalid_requests::{fields, sum_request},
    sum_amount::question,
    support::{
        cluster::eventually,
        ledger::{add, add_user, ensure_days},
        raw::{BATCH_SUM_AMOUNT, RawClient},
        service::{TestService, new_target, settings},
    },
};

const DAY: (&str, &str) = ("2024-05-05T00:00:00Z", "2024-05-06T00:00:00Z");

async fn ask(
    service: &TestService,
    questions: Vec<SumAmountRequest>,
) -> Result<BatchSumAmountResponse, Status> {
    let request = BatchSumAmountRequest { questions, ..Default::default() };
    Ok(service.analytics().await.batch_sum_amount(request).await?.into_inner())
}

/// Count and sum, or code and fields.
fn shown(answer: &BatchSumAmountResponse) -> Vec<(i64, String)> {
    let outcomes = answer.results.iter().map(|result| result.outcome.as_ref().unwrap());
    let shown = outcomes.map(|outcome| match outcome {
        Outcome::Answer(answer) => (answer.transaction_count, answer.sum_amount.clone()),
        Outcome::Error(error) => {
            let fields = error.field_violations.iter().map(|violation| violation.field.as_str());
            (-i64::from(error.code), fields.collect::<Vec<_>>().join(" "))
        }
    });
    shown.collect()
}

#[tokio::test]
async fn every_question_has_an_outcome_of_its_own_in_its_place() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    add(sql, "2024-05-05T01:00:00Z", ann.account_id, bob.account_id, "1.5").await;
    add(sql, "2024-05-05T02:00:00Z", ann.account_id, bob.account_id, "20").await;
    let of = |uuid| question(uuid, Direction::Sender, DAY.0, DAY.1);
    let nobody = AccountKey { network: "bank".into(), address: "nobody".into() };
    let to_bob = question(bob.user_uuid, Direction::Receiver, DAY.0, "2024-05-05T02:00:00Z");
    let questions = vec![
        of(ann.user_uuid),
        SumAmountRequest::default(),
        of(Uuid::new_v4()),
        to_bob,
        SumAmountRequest {
            window: Some(Window::default()),
            asset: "no".into(),
            ..of(ann.user_uuid)
        },
        SumAmountRequest { subject: Some(Subject::Account(nobody)), ..of(ann.user_uuid) },
        of(bob.user_uuid),
        of(ann.user_uuid),
    ];
    let answer = ask(&service, questions.clone()).await.unwrap();
    let expected = [
        (2, "21.50000"),
        (-3, "user_uuid window direction"),
        (-5, ""),
        (1, "1.50000"),
        (-3, "window.start window.end asset"),
        (-5, ""),
        (0, "0.00000"),
        (2, "21.50000"),
    ];
    assert_eq!(shown(&answer), expected.map(|(number, text)| (number, text.to_owned())));
    assert!(answer.database_seconds > 0.0);
    // Each is what the question asked alone would have been told.
    let mut client = service.analytics().await;
    for (question, result) in questions.into_iter().zip(answer.results) {
        let alone = client.sum_amount(question.clone()).await.map(tonic::Response::into_inner);
        match (result.outcome.unwrap(), alone) {
            (Outcome::Answer(mut found), Ok(alone)) => {
                found.database_seconds = alone.database_seconds;
                assert_eq!(found, alone);
            }
            (Outcome::Error(found), Err(alone)) => {
                assert_eq!(found.code, i32::from(alone.code()));
                assert_eq!(found.message, alone.message());
                if alone.code() == Code::InvalidArgument {
                    let named = found.field_violations.iter().map(|one| one.field.clone());
                    assert_eq!(named.collect::<Vec<_>>(), fields(&alone));
                    assert!(found.field_violations.iter().all(|one| !one.description.is_empty()));
                }
            }
            (found, alone) => panic!("{question:?}: {found:?}, alone {alone:?}"),
        }
    }
}

#[tokio::test]
async fn a_batch_holds_1_to_1000_questions() {
    let service = TestService::start().await;
    let ann = add_user(&service.sql, "ann").await;
    let one = question(ann.user_uuid, Direction::Sender, DAY.0, DAY.1);
    for count in [0, 1_001] {
        let status = ask(&service, vec![one.clone(); count]).await.unwrap_err();
        assert_eq!(fields(&status), ["questions"], "{count}");
    }
    for count in [1, 1_000] {
        let answer = ask(&service, vec![one.clone(); count]).await.unwrap();
        assert_eq!(shown(&answer), vec![(0, "0.00000".to_owned()); count]);
    }
    // Without one right question the database is not asked.
    let answer = ask(&service, vec![SumAmountRequest::default(); 1_000]).await.unwrap();
    assert_eq!(answer.results.len(), 1_000);
    assert!(answer.database_seconds.abs() < f64::EPSILON);
}

/// Money goes in circles while a batch asks both sides of each transaction again and again:
/// in one snapshot they agree.
#[tokio::test]
async fn all_answers_are_of_one_snapshot() {
    let service = TestService::start().await;
    let sql = &service.sql;
    ensure_days(sql, &["2024-05-05"]).await;
    let (ann, bob) = (add_user(sql, "ann").await, add_user(sql, "bob").await);
    let questions: Vec<_> = (0..200)
        .map(|n| match n % 2 {
            0 => question(ann.user_uuid, Direction::Sender, DAY.0, DAY.1),
            _ => question(bob.user_uuid, Direction::Receiver, DAY.0, DAY.1),
        })
        .collect();
    let (mut added, mut seen) = (0, Vec::new());
    let writing = async {
        loop {
            add(sql, "2024-05-05T01:00:00Z", ann.account_id, bob.account_id, "1").await;
            added += 1;
        }
    };
    let asking = async {
        while seen.iter().filter(|&&count| count > 0).count() < 10 {
            let answer = ask(&service, questions.clone()).await.unwrap();
            let shown = shown(&answer);
            assert!(shown.iter().all(|one| *one == shown[0]), "{shown:?}");
            seen.push(shown[0].0);
        }
    };
    tokio::select! { () = writing => {}, () = asking => {} }
    assert!(seen.last() > seen.first(), "rows came meanwhile: {added}, {seen:?}");
}

#[tokio::test]
async fn a_batch_that_is_left_takes_its_session_along() {
    let mut settings = settings();
    settings.pool.pool_size = 1;
    let service = TestService::start_with(new_target(), settings).await;
    ensure_days(&service.sql, &["2024-05-05"]).await;
    let client = RawClient::open(service.address).await;
    // The assets are known from here on.
    service.analytics().await.sum_amount(sum_request()).await.unwrap_err();
    let target = &service.target;
    let holder = crate::support::service::sql(target.config.clone(), &target.schema).await;
    holder.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let batch = BatchSumAmountRequest { questions: vec![sum_request(); 3], ..Default::default() };
    let answer = client.call(BATCH_SUM_AMOUNT, &batch, Some("300m")).await.unwrap();
    assert_eq!(answer.status.code(), Code::DeadlineExceeded, "{:?}", answer.status);
    let open = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                WHERE l.relation = 'users'::regclass AND a.application_name = 'daybook'";
    eventually("the tx is gone", async || {
        service.sql.query_one(open, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    let answer = client.call(BATCH_SUM_AMOUNT, &batch, Some("5S")).await.unwrap();
    assert_eq!(answer.status.code(), Code::Ok, "{:?}", answer.status);
}
