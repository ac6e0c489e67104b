"""Asks a running Daybook by plain HTTP and by gRPC-Web, with clients that are not ours, and
compares the answers with plain SQL over the raw rows.

    web.py ADDRESS DAYBOOK TOOLS

TOOLS is the folder with buf. Prints one line a check; started by `scripts/e2e`.
"""

import json
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from clients import messages, run

PROTO = Path(__file__).parents[2] / "proto"
SUM = "daybook.v1.AnalyticsService/SumAmount"
RAW = """
    SELECT u.user_uuid, sum(t.amount), count(*),
           to_char(min(t.occurred_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    FROM users u
    JOIN accounts a ON a.network = 'internal' AND a.address = u.user_uuid::text
    JOIN transactions t ON t.sender_id = a.account_id
    GROUP BY u.user_uuid ORDER BY sum(t.amount) DESC LIMIT 1"""


def check(name: str, seen, wanted):
    is_right = seen == wanted
    print(f"{'ok' if is_right else 'FAILED':<7} {name}{'' if is_right else f': {seen!r}, wanted {wanted!r}'}")


def by_curl(address: str, request: dict, total: Decimal):
    """What anybody can do who has curl."""
    url = f"http://{address}"
    asked = [
        "curl", "-sS", "-m", "10", "-H", "content-type: application/json", "-d", json.dumps(request)
    ]
    for version in "--http1.1", "--http2-prior-knowledge":
        done = run([*asked, version, f"{url}/{SUM}"])
        check(f"curl {version}: a sum is the scan's", Decimal(json.loads(done.stdout)["sumAmount"]), total)
    wrong = ["curl", "-sS", "-m", "10", "-w", "\n%{http_code}", "-H", "content-type: application/json"]
    done = run([*wrong, "-d", '{"user": "x"}', f"{url}/{SUM}"])
    body, status = done.stdout.rsplit("\n", 1)
    check("curl: a misspelt field is named", (status, "'user'" in json.loads(body)["message"]), ("400", True))
    for name, flags, wanted in [
        ("the page is there", [f"{url}/"], "200"),
        ("a host that was made to lead here is refused", ["-H", "host: evil.example", f"{url}/"], "403"),
        ("a page of another server is refused", ["-H", "origin: http://evil.example", f"{url}/{SUM}"], "403"),
        ("reading is no call", [f"{url}/{SUM}"], "405"),
    ]:
        done = run(["curl", "-sS", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", *flags])
        check(f"curl: {name}", done.stdout, wanted)


def by_buf(buf: Path, address: str, request: dict, total: Decimal):
    """Connect and gRPC-Web as their own implementation speaks them."""
    for flags in (
        [],
        ["--schema", PROTO],
        ["--schema", PROTO, "--http2-prior-knowledge"],
        ["--schema", PROTO, "--protocol", "grpcweb"],
        ["--protocol", "grpcweb", "--http2-prior-knowledge"],
    ):
        name = " ".join(["buf curl", *map(str, flags)]).replace(str(PROTO), PROTO.name)
        done = run([buf, "curl", *flags, f"http://{address}/{SUM}", "-d", json.dumps(request)])
        seen = Decimal(json.loads(done.stdout)["sumAmount"]) if done.returncode == 0 else done.stderr
        check(f"{name}: a sum is the scan's", seen, total)
        wrong = json.dumps({"userUuid": "not a uuid"})
        done = run([buf, "curl", *flags, f"http://{address}/{SUM}", "-d", wrong])
        code = json.loads(done.stderr)["code"] if done.returncode else "ok"
        check(f"{name}: a bad request has its code", code, "invalid_argument")
    watch = f"http://{address}/grpc.health.v1.Health/Watch"
    done = subprocess.run(
        ["timeout", "3", buf, "curl", "--protocol", "grpcweb", watch, "-d", "{}"],
        capture_output=True,
        text=True,
        timeout=20,
    )
    check("buf curl --protocol grpcweb: a stream begins", messages(done)[:1], [{"status": "SERVING"}])


def main(address: str, daybook: str, tools: str) -> None:
    done = run([daybook, "psql", "--", "-X", "-At", "-F", "|", "-c", RAW])
    user, total, count, first = done.stdout.strip().split("|")
    window = {"start": first, "end": "2100-01-01T00:00:00Z"}
    request = {"userUuid": user, "window": window, "direction": "DIRECTION_SENDER"}
    check("there is something to ask for", int(count) > 10, True)
    if shutil.which("curl"):
        by_curl(address, request, Decimal(total))
    else:
        print("NOT RUN: curl is not installed")
    by_buf(Path(tools) / "buf", address, request, Decimal(total))


main(*sys.argv[1:])
