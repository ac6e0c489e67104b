//! Who may call what: one line an rpc. An rpc that has none is refused, whoever calls it.
//!
//! Keyed by the very path that requests are routed by, so that no other way to write a path
//! leads past it.

use crate::domain::access::Role;

/// Who may call an rpc.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// Whoever asks, also without a token: what must answer when nothing else does, and what
    /// describes the contracts, where it is served at all.
    Open,
    /// Whoever has one of these roles.
    Roles(&'static [Role]),
}

impl Policy {
    /// Whether a role may.
    #[must_use]
    pub fn allows(self, role: Role) -> bool {
        match self {
            Self::Open => true,
            Self::Roles(roles) => roles.contains(&role),
        }
    }
}

/// Questions about anybody.
const READ: Policy = Policy::Roles(&[Role::Reader, Role::Admin]);

/// Questions about somebody: a user's are about that user alone, which the statements see to.
const READ_OWN: Policy = Policy::Roles(&[Role::Reader, Role::User, Role::Admin]);

/// What everybody who is known may look up: what there is an amount of.
const ANY: Policy = Policy::Roles(&[Role::Reader, Role::Ingester, Role::User, Role::Admin]);

/// Choosing what a user tracks, and is alerted of: a user's own choice too.
const TRACK: Policy = Policy::Roles(&[Role::User, Role::Admin]);

/// What somebody who records needs to look up: what exists, by its name.
const LOOK_UP: Policy = Policy::Roles(&[Role::Reader, Role::Ingester, Role::Admin]);

/// Recording transactions and prices.
const INGEST: Policy = Policy::Roles(&[Role::Ingester, Role::Admin]);

/// Changing who there is, and taking transactions away.
const ADMINISTER: Policy = Policy::Roles(&[Role::Admin]);

/// Every rpc that is served.
pub const POLICIES: &[(&str, Policy)] = &[
    ("/daybook.v1.AnalyticsService/BatchSumAmount", READ_OWN),
    ("/daybook.v1.AnalyticsService/Histogram", READ_OWN),
    ("/daybook.v1.AnalyticsService/Rank", READ),
    ("/daybook.v1.AnalyticsService/SumAmount", READ_OWN),
    ("/daybook.v1.AnalyticsService/SumSeries", READ_OWN),
    ("/daybook.v1.AnalyticsService/WatchOverview", READ),
    ("/daybook.v1.IngestService/RecordPrices", INGEST),
    ("/daybook.v1.IngestService/RecordTransaction", INGEST),
    ("/daybook.v1.IngestService/RecordTransactions", INGEST),
    ("/daybook.v1.LedgerService/AddWallet", TRACK),
    ("/daybook.v1.LedgerService/CreateAsset", ADMINISTER),
    ("/daybook.v1.LedgerService/CreateUser", ADMINISTER),
    ("/daybook.v1.LedgerService/DeleteTransaction", ADMINISTER),
    ("/daybook.v1.LedgerService/DeleteUser", ADMINISTER),
    ("/daybook.v1.LedgerService/GetBalance", READ_OWN),
    ("/daybook.v1.LedgerService/GetTransaction", ANY),
    ("/daybook.v1.LedgerService/GetUser", ANY),
    ("/daybook.v1.LedgerService/ListAccounts", LOOK_UP),
    ("/daybook.v1.LedgerService/ListAssets", ANY),
    ("/daybook.v1.LedgerService/ListTransactions", READ_OWN),
    ("/daybook.v1.LedgerService/ListUsers", READ_OWN),
    ("/daybook.v1.LedgerService/ListWalletUsers", READ),
    ("/daybook.v1.LedgerService/ListWallets", READ_OWN),
    ("/daybook.v1.LedgerService/RemoveWallet", TRACK),
    ("/daybook.v1.PriceService/CreateAlertRule", TRACK),
    ("/daybook.v1.PriceService/DeleteAlertRule", TRACK),
    ("/daybook.v1.PriceService/ListAlertDeliveries", READ_OWN),
    ("/daybook.v1.PriceService/ListAlertRules", READ_OWN),
    ("/daybook.v1.PriceService/ListPrices", ANY),
    ("/daybook.v1.PriceService/ListSymbols", ANY),
    ("/daybook.v1.PriceService/RankSymbols", ANY),
    ("/daybook.v1.PriceService/RetryAlertDelivery", TRACK),
    ("/daybook.v1.PriceService/UpdateAlertRule", TRACK),
    ("/daybook.v1.PriceService/WatchAlerts", READ_OWN),
    ("/daybook.v1.StatusService/GetStatus", LOOK_UP),
    ("/daybook.v1.SyncService/GetSyncJob", ANY),
    ("/daybook.v1.SyncService/ListSyncJobs", LOOK_UP),
    ("/daybook.v1.SyncService/SyncToken", INGEST),
    ("/daybook.v1.SyncService/SyncUserWallets", TRACK),
    ("/daybook.v1.SyncService/SyncWallet", TRACK),
    ("/daybook.v1.SyncService/WatchSyncJob", ANY),
    ("/daybook.v1.TokenService/GetToken", ANY),
    ("/daybook.v1.TokenService/ListHolders", READ),
    ("/daybook.v1.TokenService/ListTransfers", READ),
    ("/grpc.health.v1.Health/Check", Policy::Open),
    ("/grpc.health.v1.Health/Watch", Policy::Open),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Policy::Open),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Policy::Open),
    ("/transactions_service.Transactions/SumAmount", READ_OWN),
];

/// What Prometheus reads, where not everybody may: no rpc, and asked for by GET.
pub(super) const METRICS: (&str, Policy) = ("/metrics", READ);

/// Those of them that are streams: they last as long as their peers like, within limits of their
/// own.
pub const STREAMS: &[&str] = &[
    "/daybook.v1.AnalyticsService/WatchOverview",
    "/daybook.v1.IngestService/RecordPrices",
    "/daybook.v1.IngestService/RecordTransactions",
    "/daybook.v1.PriceService/WatchAlerts",
    "/daybook.v1.SyncService/WatchSyncJob",
];

/// Whether an rpc is a stream that lasts.
#[must_use]
pub fn is_stream(path: &str) -> bool {
    STREAMS.contains(&path)
}

/// Where a path stands in the table of policies, if it does.
pub(super) fn place_of(path: &str) -> Option<usize> {
    POLICIES.binary_search_by_key(&path, |&(path, _)| path).ok()
}

/// Who may call what is at a path; `None` for what is served to nobody.
#[must_use]
pub fn policy_of(path: &str) -> Option<Policy> {
    if path == METRICS.0 {
        return Some(METRICS.1);
    }
    place_of(path).map(|place| POLICIES[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rpcs_stand_in_order_and_once() {
        assert!(POLICIES.is_sorted_by(|(one, _), (next, _)| one < next));
    }

    #[test]
    fn only_the_very_path_has_a_policy() {
        assert_eq!(policy_of("/daybook.v1.AnalyticsService/SumAmount"), Some(READ_OWN));
        for path in [
            "",
            "/",
            "daybook.v1.AnalyticsService/SumAmount",
            "//daybook.v1.AnalyticsService/SumAmount",
            "/daybook.v1.AnalyticsService/SumAmount/",
            "/daybook.v1.AnalyticsService/sumAmount",
            "/daybook.v1.AnalyticsService%2FSumAmount",
            "/daybook.v1.AnalyticsService/SumAmount?",
        ] {
            assert_eq!(policy_of(path), None, "{path}");
        }
    }
}
