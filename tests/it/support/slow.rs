//! A ledger whose users are slow to read, and what Postgres does about it.
//!
//! `users` is a view: the user `slow` costs minutes of CPU, and the name of every other
//! one is the process that serves the session. Pages of one user are quick, pages of
//! three are slow.

use std::time::{Duration, Instant};

use daybook::{
    config::ServeSettings,
    grpc::pb::v1::{ListUsersRequest, ListUsersResponse},
};
use prost::Message;
use tokio_postgres::Client;
use tonic::Code;

use crate::support::{
    cluster::eventually,
    ledger::add_user,
    raw::{LIST_USERS, RawClient},
    service::{TestService, new_target},
};

/// A service on such a ledger.
pub(crate) struct SlowService {
    pub(crate) service: TestService,
}

/// Asks for a page that takes minutes.
pub(crate) fn slow() -> ListUsersRequest {
    ListUsersRequest { page_size: 3, ..Default::default() }
}

/// Asks for a page that takes no time.
pub(crate) fn quick() -> ListUsersRequest {
    ListUsersRequest { page_size: 1, ..Default::default() }
}

impl SlowService {
    pub(crate) async fn start(settings: ServeSettings) -> Self {
        let service = TestService::start_with(new_target(), settings).await;
        for name in ["ann", "bob", "slow"] {
            add_user(&service.sql, name).await;
        }
        let text = "ALTER TABLE users RENAME TO users_kept; \
             CREATE VIEW users AS SELECT user_id, user_uuid, username, created_at, \
             CASE WHEN username = 'slow' \
                 THEN (SELECT count(*)::text FROM (SELECT generate_series(1, 100000000000)) g) \
                 ELSE pg_backend_pid()::text END AS name \
             FROM users_kept; \
             GRANT SELECT ON users TO daybook_service";
        service.sql.batch_execute(text).await.unwrap();
        Self { service }
    }

    pub(crate) async fn client(&self) -> RawClient {
        RawClient::open(self.service.address).await
    }

    /// Processes that have read or wait to read the users and are not done.
    pub(crate) async fn at_work(&self) -> Vec<i32> {
        at_work(&self.service.sql).await
    }

    /// Waits until so many statements are at work.
    pub(crate) async fn until_at_work(&self, count: usize) -> Vec<i32> {
        let mut pids = Vec::new();
        eventually(&format!("{count} are at work"), async || {
            pids = self.at_work().await;
            pids.len() == count
        })
        .await;
        pids
    }

    /// Waits until nothing is at work, which must not take longer than this.
    pub(crate) async fn until_gone(&self, limit: Duration) {
        let begun_at = Instant::now();
        eventually("the statements are gone", async || self.at_work().await.is_empty()).await;
        let took = begun_at.elapsed();
        assert!(took < limit, "the statements were gone after {took:?}");
    }

    /// Asks a quick question and returns the process that answered and the time.
    pub(crate) async fn serving_process(&self, client: &RawClient) -> (i32, Duration) {
        let answer = client.call(LIST_USERS, &quick(), None).await.unwrap();
        assert_eq!(answer.status.code(), Code::Ok, "{:?}", answer.status);
        let page = ListUsersResponse::decode(answer.message).unwrap();
        (page.users[0].name.parse().unwrap(), answer.took)
    }
}

/// Processes that hold or wait for a lock on the users or a day of this schema.
/// The watch over days, which looks every second, is not meant.
pub(crate) async fn at_work(sql: &Client) -> Vec<i32> {
    let text = "SELECT DISTINCT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
                JOIN pg_stat_activity a ON a.pid = l.pid \
                WHERE c.relnamespace = current_schema()::regnamespace \
                  AND l.pid <> pg_backend_pid() AND a.application_name = 'daybook' \
                  AND c.relname !~ '^(known|absent)_days' \
                ORDER BY l.pid";
    sql.query(text, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}
