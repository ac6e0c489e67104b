"""Asks a running Daybook the same questions with every client there is, and
compares the answers with plain SQL over the raw rows.

    ask.py ADDRESS DAYBOOK TOOLS

DAYBOOK is the program, for its `psql`; TOOLS the folder with buf and, where
there is Go, grpcurl. Prints one line a check. Started by `scripts/e2e`.
"""

import subprocess
import sys
import uuid
from decimal import Decimal
from pathlib import Path

from clients import BufClient, GrpcurlClient, PythonClient

ANALYTICS = "daybook.v1.AnalyticsService"
INGEST = "daybook.v1.IngestService"
LEDGER = "daybook.v1.LedgerService"
STATUS = "daybook.v1.StatusService"
ORIGINAL = "transactions_service.Transactions"
SERVICES = {ANALYTICS, INGEST, LEDGER, STATUS, ORIGINAL, "grpc.health.v1.Health"}
NOBODY = "00000000-0000-4000-8000-000000000000"
UTC = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""


class Database:
    """The raw rows, read with `daybook psql`."""

    def __init__(self, daybook: str):
        self.daybook = daybook

    def rows(self, sql: str) -> list[list[str]]:
        command = [self.daybook, "psql", "--", "-X", "-At", "-F", "|", "-c", sql]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"daybook psql: {done.stderr.strip()}")
        return [line.split("|") for line in done.stdout.splitlines()]

    def window(self) -> dict:
        """A window that begins and ends inside days, over most of the rows."""
        bounds = f"""
            SELECT to_char((min(occurred_at) + '07:13:21.5') AT TIME ZONE 'UTC', {UTC}),
                   to_char((max(occurred_at) - '03:41:00.25'::interval) AT TIME ZONE 'UTC', {UTC})
            FROM transactions"""
        start, end = self.rows(bounds)[0]
        return {"start": start, "end": end}

    def ranking(self, side: str, window: dict) -> list[tuple[str, Decimal]]:
        """Users and their sums, best first, from a scan."""
        sql = f"""
            SELECT u.user_uuid, sum(t.amount)
            FROM transactions t
            JOIN accounts a ON a.account_id = t.{side}_id AND a.network = 'internal'
            JOIN users u ON u.user_uuid::text = a.address
            WHERE t.occurred_at >= '{window["start"]}' AND t.occurred_at < '{window["end"]}'
            GROUP BY u.user_uuid
            ORDER BY sum(t.amount) DESC, u.user_uuid"""
        return [(user, Decimal(total)) for user, total in self.rows(sql)]

    def days(self, zone: str, window: dict) -> list[tuple[int, Decimal]]:
        """Counts and sums of everybody's days on the clocks of a time zone, from a scan."""
        sql = f"""
            SELECT count(*), sum(amount)
            FROM transactions
            WHERE occurred_at >= '{window["start"]}' AND occurred_at < '{window["end"]}'
            GROUP BY (occurred_at AT TIME ZONE '{zone}')::date
            ORDER BY (occurred_at AT TIME ZONE '{zone}')::date"""
        return [(int(count), Decimal(total)) for count, total in self.rows(sql)]

    def sizes(self, bounds: list[str], window: dict) -> list[int]:
        """Numbers of rows below the first bound, and from each bound to the next one."""
        numbers = f"ARRAY[{', '.join(bounds)}]::numeric[]"
        sql = f"""
            SELECT count(t.amount)
            FROM generate_series(0, {len(bounds)}) AS g (bucket)
            LEFT JOIN transactions t ON width_bucket(t.amount, {numbers}) = g.bucket
                AND t.occurred_at >= '{window["start"]}' AND t.occurred_at < '{window["end"]}'
            GROUP BY g.bucket
            ORDER BY g.bucket"""
        return [int(count) for (count,) in self.rows(sql)]

    def balance(self, user: str, at: str) -> Decimal:
        """What a user's payments account holds before an instant, from a scan."""
        sql = f"""
            SELECT sum(CASE WHEN t.receiver_id = a.account_id THEN t.amount ELSE 0 END)
                 - sum(CASE WHEN t.sender_id = a.account_id THEN t.amount ELSE 0 END)
            FROM accounts a
            JOIN transactions t ON a.account_id IN (t.sender_id, t.receiver_id)
            WHERE a.network = 'internal' AND a.address = '{user}' AND t.occurred_at < '{at}'"""
        return Decimal(self.rows(sql)[0][0])


def checks(client, database: Database):
    """Yields the name of each check and whether what was seen is what was wanted."""
    window = database.window()
    sent = database.ranking("sender", window)
    received = database.ranking("receiver", window)
    user = sent[0][0]

    yield "lists the services", SERVICES - client.services(), set()

    for direction, totals in ("SENDER", dict(sent)), ("RECEIVER", dict(received)):
        request = {"userUuid": user, "window": window, "direction": f"DIRECTION_{direction}"}
        answer = client.call(ANALYTICS, "SumAmount", request)
        wanted = totals.get(user, Decimal(0))
        yield f"SumAmount of a {direction.lower()} is the scan's", seen_sum(answer), wanted

    request = {
        "window": window,
        "direction": "DIRECTION_SENDER",
        "metric": "RANK_METRIC_SUM",
        "pageSize": 10,
    }
    answer = client.call(ANALYTICS, "Rank", request)
    ranked = [(row["userUuid"], Decimal(row["value"])) for row in answer.body.get("rows", [])]
    yield "Rank is the scan's", ranked, sent[:10]

    asked = {"window": window, "direction": "DIRECTION_SENDER"}
    questions = [{"userUuid": name} | asked for name in (user, NOBODY, sent[1][0])]
    request = {"questions": questions, "verify": True}
    answer = client.call(ANALYTICS, "BatchSumAmount", request)
    results = [seen_result(result) for result in answer.body.get("results", [])]
    yield "BatchSumAmount is the scan's, each question apart", results, [sent[0][1], 5, sent[1][1]]

    zone = "Europe/Berlin"
    request = {"all": {}, "bucketUnit": "BUCKET_UNIT_DAY", "timeZone": zone, "verify": True} | asked
    answer = client.call(ANALYTICS, "SumSeries", request)
    buckets = [one for series in answer.body.get("series", []) for one in series["buckets"]]
    seen = [(int(one.get("transactionCount", 0)), Decimal(one["sumAmount"])) for one in buckets]
    yield "SumSeries by days of a time zone is the scan's", seen, database.days(zone, window)
    agrees = answer.body.get("verification", {}).get("agrees")
    yield "SumSeries agrees with a scan of the server's own", agrees, True

    bounds = ["10", "1000", "100000"]
    answer = client.call(ANALYTICS, "Histogram", {"all": {}, "bounds": bounds} | asked)
    sizes = [one.get("transactionCount", 0) for one in answer.body.get("buckets", [])]
    seen = [int(count) for count in [answer.body.get("belowCount", 0), *sizes]]
    yield "Histogram is the scan's", seen, database.sizes(bounds, window)

    answer = client.call(LEDGER, "GetBalance", {"userUuid": user, "at": window["end"]})
    balance = Decimal(answer.body["balance"]) if answer.code == "OK" else answer.code
    yield "GetBalance is the scan's", balance, database.balance(user, window["end"])

    answer = client.call(STATUS, "GetStatus", {})
    count = int(database.rows("SELECT count(*) FROM partition_bounds('transactions')")[0][0])
    yield "GetStatus counts the partitions", int(answer.body.get("partitionCount", 0)), count
    verifier = answer.body.get("verifier", {})
    found = (verifier.get("isRunning"), int(verifier.get("mismatches", 0)))
    yield "GetStatus says that the verifier runs and found nothing", found, (True, 0)

    answer = client.call(LEDGER, "ListUsers", {"pageSize": 3})
    listed = [user["username"] for user in answer.body.get("users", [])]
    names = database.rows('SELECT username FROM users ORDER BY username COLLATE "C" LIMIT 3')
    yield "ListUsers begins with the first usernames", listed, [name for (name,) in names]

    request = {"userUuid": NOBODY, "window": window, "direction": "DIRECTION_SENDER"}
    yield "an unknown user is NOT_FOUND", client.call(ANALYTICS, "SumAmount", request).code, "NOT_FOUND"

    answer = client.call(ANALYTICS, "SumAmount", {"userUuid": "not a uuid"})
    complained = {name.split(".")[0] for name in answer.bad_fields}
    yield "a bad request has its code", answer.code, "INVALID_ARGUMENT"
    yield "a bad request names every field", complained, {"user_uuid", "window", "direction"}

    request = {
        "userUuid": user,
        "timestampStartUtc": window["start"].removesuffix("Z"),
        "timestampEndUtc": window["end"],
        "direction": "sender",
    }
    answer = client.call(ORIGINAL, "SumAmount", request)
    yield "the original contract's SumAmount is the scan's", seen_sum(answer), dict(sent)[user]
    answer = client.call(ORIGINAL, "SumAmount", request | {"userUuid": NOBODY})
    yield "the original contract's unknown user is NOT_FOUND", answer.code, "NOT_FOUND"

    yield from recording(client, user, sent[1][0], window)


def recording(client, sender: str, receiver: str, window: dict):
    """A transaction is recorded once, and counts at once."""
    request = {"userUuid": sender, "window": window, "direction": "DIRECTION_SENDER"}
    before = seen_sum(client.call(ANALYTICS, "SumAmount", request))
    row = {
        "transactionId": str(uuid.uuid4()),
        "occurredAt": window["start"],
        "sender": {"network": "internal", "address": sender},
        "receiver": {"network": "internal", "address": receiver},
        "amount": "1.25",
    }
    for name, is_there in ("records a transaction", False), ("knows it the second time", True):
        answer = client.call(INGEST, "RecordTransaction", {"transaction": row})
        seen = answer.code, answer.body.get("alreadyPresent", False)
        yield f"RecordTransaction {name}", seen, ("OK", is_there)
    other = {"transaction": row | {"amount": "1.5"}}
    code = client.call(INGEST, "RecordTransaction", other).code
    yield "RecordTransaction refuses its id for another one", code, "ALREADY_EXISTS"
    after = seen_sum(client.call(ANALYTICS, "SumAmount", request))
    yield "what was recorded is in the very next sum", after, before + Decimal("1.25")


def seen_sum(answer):
    """The sum in an answer, or the code that came in its place."""
    return Decimal(answer.body["sumAmount"]) if answer.code == "OK" else answer.code


def seen_result(result: dict):
    """The sum of a question of a batch, or the number of its error."""
    return Decimal(result["answer"]["sumAmount"]) if "answer" in result else result["error"]["code"]


def clients(address: str, tools: Path):
    """Every client there is here."""
    yield PythonClient(address)
    yield BufClient(tools / "buf", address)
    if (tools / "grpcurl").exists():
        yield GrpcurlClient(tools / "grpcurl", address)


def main(address: str, daybook: str, tools: str) -> None:
    database = Database(daybook)
    for client in clients(address, Path(tools)):
        try:
            for name, seen, wanted in checks(client, database):
                if seen == wanted:
                    print(f"ok      {client.name}: {name}", flush=True)
                else:
                    print(f"FAILED  {client.name}: {name}: {seen}, wanted {wanted}", flush=True)
        except Exception as error:  # A client that breaks must not keep the next from asking.
            print(f"FAILED  {client.name}: {type(error).__name__}: {error}", flush=True)


main(*sys.argv[1:])
