"""A small typed client of Daybook, and an example of its use.

    python daybook_client.py ADDRESS USERNAME START END

START and END are instants as RFC 3339 writes them. A token, if one is asked for, is read from
DAYBOOK_TOKEN. The stubs that this imports are made by `generate`.
"""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from daybook.v1 import (
    analytics_service_pb2,
    analytics_service_pb2_grpc,
    transaction_pb2,
    ledger_service_pb2_grpc,
    user_pb2,
    window_pb2,
)

# Questions change nothing, so they may be put again. Recording may too where rows have ids.
SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [
                {"service": "daybook.v1.AnalyticsService"},
                {"service": "daybook.v1.LedgerService"},
            ],
            "timeout": "10s",
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
}


@dataclass(frozen=True)
class Sum:
    """An exact sum. Amounts are decimals: a float would round them."""

    amount: Decimal
    asset: str
    transaction_count: int
    is_verified: bool


class Daybook:
    """Questions to a Daybook. Errors are `grpc.RpcError`."""

    def __init__(self, address: str, token: str | None = None) -> None:
        options = [("grpc.service_config", json.dumps(SERVICE_CONFIG))]
        self._channel = grpc.insecure_channel(address, options=options)
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._analytics = analytics_service_pb2_grpc.AnalyticsServiceStub(self._channel)
        self._ledger = ledger_service_pb2_grpc.LedgerServiceStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def user_uuid(self, username: str) -> str:
        """The UUID of the user with this username."""
        request = user_pb2.GetUserRequest(username=username)
        return self._ledger.GetUser(request, metadata=self._metadata).user.user_uuid

    def sent(self, user_uuid: str, start: datetime, end: datetime) -> Sum:
        """What a user sent from an instant (inside) to another one (outside)."""
        request = analytics_service_pb2.SumAmountRequest(
            user_uuid=user_uuid,
            window=_window(start, end),
            direction=window_pb2.DIRECTION_SENDER,
            verify=True,
        )
        answer = self._analytics.SumAmount(request, metadata=self._metadata)
        return Sum(
            Decimal(answer.sum_amount),
            answer.asset,
            answer.transaction_count,
            answer.verification.agrees,
        )

    def top_senders(
        self, start: datetime, end: datetime, count: int
    ) -> list[tuple[int, str, Decimal]]:
        """Those who sent most: rank, username and sum."""
        request = analytics_service_pb2.RankRequest(
            window=_window(start, end),
            direction=window_pb2.DIRECTION_SENDER,
            metric=analytics_service_pb2.RANK_METRIC_SUM,
            page_size=count,
        )
        answer = self._analytics.Rank(request, metadata=self._metadata)
        return [(row.rank, row.username, Decimal(row.value)) for row in answer.rows]

    def transactions(
        self, user_uuid: str, start: datetime, end: datetime
    ) -> Iterator[transaction_pb2.Transaction]:
        """All transactions of a user in a window, newest first, page by page."""
        page_token = ""
        while True:
            request = transaction_pb2.ListTransactionsRequest(
                user_uuid=user_uuid,
                window=_window(start, end),
                page_size=1_000,
                page_token=page_token,
            )
            page = self._ledger.ListTransactions(request, metadata=self._metadata)
            yield from (listed.transaction for listed in page.transactions)
            page_token = page.next_page_token
            if not page_token:
                return


def _window(start: datetime, end: datetime) -> window_pb2.Window:
    return window_pb2.Window(start=_timestamp(start), end=_timestamp(end))


def _timestamp(at: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(at)
    return timestamp


def main(address: str, username: str, start: str, end: str) -> None:
    daybook = Daybook(address, os.environ.get("DAYBOOK_TOKEN"))
    window = (datetime.fromisoformat(start), datetime.fromisoformat(end))
    user = daybook.user_uuid(username)
    found = daybook.sent(user, *window)
    print(
        f"{username} sent {found.amount} {found.asset} in {found.transaction_count} "
        f"transactions, verified: {found.is_verified}"
    )
    for rank, name, amount in daybook.top_senders(*window, 3):
        print(f"{rank}. {name} {amount}")
    rows = sum(1 for _ in daybook.transactions(user, *window))
    print(f"{rows} transactions sent and received")
    daybook.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
