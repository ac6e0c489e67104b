"""Has Prometheus scrape a running Daybook, and asks it what the dashboards and the alarms ask.

    metrics.py DAYBOOK ADDRESS FOLDER TOOLS ROOT

Starts a server of its own at that address, with its data in that folder, and the Prometheus in TOOLS.
ROOT is the folder with docker/ and docs/. Prints a line a check, as `scripts/e2e` does.
"""

import csv
import io
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

import grpc
from google.protobuf import message_factory

from clients import PythonClient
from server import Server, check, free_port, same, within

ANALYTICS = "daybook.v1.AnalyticsService"
INGEST = "daybook.v1.IngestService"
LEDGER = "daybook.v1.LedgerService"
SYNC = "daybook.v1.SyncService"
WINDOW = {"start": "2000-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}
NAME = r"\b(?:daybook|grpc_server|process)_[a-z_]+\b"
# What Grafana puts in the place of its variables.
MACROS = {"$instance": ".+", "$__rate_interval": "1m"}


def chains_file(folder):
    """A network whose only source is away."""
    path = f"{folder}/metrics-chains.toml"
    source = f'name = "nobody"\nkind = "esplora"\nurl = "http://127.0.0.1:{free_port()}"'
    Path(path).write_text(
        '[[network]]\nname = "bitcoin-regtest"\nfinality = 6\n\n'
        f"[[network.source]]\n{source}\nper_second = 10\n"
    )
    return path


def record_price(client):
    """Records one price by the stream that does so."""
    method = client.pool.FindMethodByName(f"{INGEST}.RecordPrices")
    request = message_factory.GetMessageClass(method.input_type)
    call = client.channel.stream_stream(
        f"/{INGEST}/RecordPrices",
        request_serializer=request.SerializeToString,
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )
    tick = {"symbol": "btcusd", "price": "42000"}
    tick["ticked_at"] = datetime.now(timezone.utc).replace(microsecond=0)
    chunk = {"chunk_number": 1, "prices": [tick]}
    messages = [request(start={}), request(chunk=chunk), request(end={"row_count": 1})]
    return list(call(iter(messages), timeout=20))


def watch_and_go(client):
    """Begins a stream and leaves it."""
    method = client.pool.FindMethodByName("daybook.v1.PriceService.WatchAlerts")
    request = message_factory.GetMessageClass(method.input_type)
    call = client.channel.unary_stream(
        "/daybook.v1.PriceService/WatchAlerts", request_serializer=request.SerializeToString
    )(request())
    next(call)
    call.cancel()


def call_traced(client, traceparent):
    """The id of a request that says which trace it is of."""
    method = client.pool.FindMethodByName(f"{LEDGER}.ListUsers")
    request = message_factory.GetMessageClass(method.input_type)
    call = client.channel.unary_unary(
        f"/{LEDGER}/ListUsers", request_serializer=request.SerializeToString
    )
    metadata = [("traceparent", traceparent)]
    _, answered = call.with_call(request(page_size=1), timeout=20, metadata=metadata)
    return dict(answered.initial_metadata())["x-request-id"]


def trace_in_log(path, request_id):
    """The trace that the log tells of a request."""
    for line in Path(path).read_text().splitlines():
        if request_id in line:
            return json.loads(line)["span"]["trace"]
    return None


def compare_traces(client, log):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    request_id = call_traced(client, f"00-{trace}-00f067aa0ba902b7-01")
    same("the log has the caller's trace", trace_in_log(log, request_id), trace)
    request_id = call_traced(client, f"00-{trace}-0000000000000000-01")
    own = request_id.replace("-", "")
    same("and the request's own where that is none", trace_in_log(log, request_id), own)


def ask(client):
    """Some of everything that is counted."""
    user = client.call(LEDGER, "ListUsers", {"pageSize": 1}).body["users"][0]["userUuid"]
    question = {"userUuid": user, "window": WINDOW, "direction": "DIRECTION_SENDER"}
    codes = {client.call(ANALYTICS, "SumAmount", question).code for _ in range(20)}
    question["userUuid"] = "00000000-0000-4000-8000-000000000000"
    codes.add(client.call(ANALYTICS, "SumAmount", question).code)
    same("sums are answered, and an unknown user is not found", codes, {"OK", "NOT_FOUND"})
    try:
        client.channel.unary_unary("/made.up.Service/Path42")(b"", timeout=20)
    except grpc.RpcError as error:
        same("what is no rpc is refused", error.code(), grpc.StatusCode.UNIMPLEMENTED)
    record_price(client)
    watch_and_go(client)
    wallet = {"network": "bitcoin-regtest", "address": "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"}
    asked = [
        client.call(LEDGER, "AddWallet", {"userUuid": user, "account": wallet}),
        client.call(SYNC, "SyncWallet", {"wallet": wallet}),
    ]
    same("a wallet is to be synced", [answer.code for answer in asked], ["OK", "OK"])
    return user


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


class Exposition:
    """What /metrics says: kinds by name, and samples by their whole name."""

    def __init__(self, text):
        self.kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        self.samples = {
            key: float(value) for key, value in re.findall(r"^([a-z][^#\n]*) (\S+)$", text, re.M)
        }

    def value(self, name, **labels):
        """The sum of the samples of a name that have these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        of_name = lambda key: re.split(r"[{ ]", key)[0] == name
        keys = [key for key in self.samples if of_name(key) and all(one in key for one in wanted)]
        return sum(self.samples[key] for key in keys)

    def labels(self, kind, name):
        """Names of a family's labels."""
        suffix = "_count" if kind == "histogram" else ""
        key = next((key for key in self.samples if re.match(rf"{name}{suffix}($|{{)", key)), "")
        return re.findall(r'(\w+)="', key)


def documented(root):
    """Kind and labels of each metric in the table of docs/metrics.md."""
    text = Path(root, "docs/metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", text, re.M)
    return {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows}


def compare_documented(root, exposed):
    table = documented(root)
    seen = {name: (kind, exposed.labels(kind, name)) for name, kind in exposed.kinds.items()}
    missing = sorted(set(table) - set(seen))
    same("every documented metric is served", missing, [])
    same("every metric that is served is documented", sorted(set(seen) - set(table)), [])
    differing = {name: (seen[name], table[name]) for name in table if seen.get(name) != table[name]}
    same("kinds and labels are as documented", differing, {})


def compare_counted(exposed):
    sums = {"grpc_service": ANALYTICS, "grpc_method": "SumAmount"}
    handled = "grpc_server_handled_total"
    same("sums are counted", exposed.value(handled, grpc_code="OK", **sums), 20)
    same("so is the unknown user", exposed.value(handled, grpc_code="NotFound", **sums), 1)
    timed = exposed.value("grpc_server_handling_seconds_count", **sums)
    same("each was timed", timed, 21)
    stream = {"grpc_type": "bidi_stream", "grpc_method": "RecordPrices", "grpc_code": "OK"}
    same("a stream is counted when it ends", exposed.value(handled, **stream), 1)
    gone = {"grpc_type": "server_stream", "grpc_method": "WatchAlerts", "grpc_code": "Canceled"}
    same("one that its client leaves is counted as that", exposed.value(handled, **gone), 1)
    unknown = {"grpc_service": "unknown", "grpc_method": "unknown", "grpc_code": "Unimplemented"}
    same("what is no rpc is one label", exposed.value(handled, **unknown), 1)
    told = [key for key in exposed.samples if "Path42" in key or "made.up" in key]
    same("and not the caller's word", told, [])
    same("rows are counted", exposed.value("daybook_rows_recorded_total", kind="prices"), 1)


class Prometheus:
    """Scrapes one server each second."""

    def __init__(self, tools, root, folder, address, log):
        self.port, self.log = free_port(), log
        self.bin = Path(tools, "prometheus/usr/bin")
        self.folder = Path(folder, "prometheus")
        self.folder.mkdir()
        config = Path(root, "docker/prometheus/prometheus.yml").read_text()
        config = config.replace("daybook:50051", address).replace("_interval: 15s", "_interval: 1s")
        (self.folder / "prometheus.yml").write_text(config)
        alerts = Path(root, "docker/prometheus/alerts.yml").read_text()
        (self.folder / "alerts.yml").write_text(alerts)
        self.process = None

    def start(self):
        command = [self.bin / "prometheus", f"--config.file={self.folder}/prometheus.yml"]
        command += [f"--storage.tsdb.path={self.folder}/data"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def ask(self, expression):
        query = urllib.parse.urlencode({"query": expression})
        try:
            answer = fetch(f"http://127.0.0.1:{self.port}/api/v1/query?{query}")
        except urllib.error.HTTPError as error:
            raise ValueError(f"{expression}: {error.read().decode()}") from error
        except OSError:
            return []
        return json.loads(answer)["data"]["result"]

    def promtool(self, *arguments):
        done = subprocess.run(
            [self.bin / "promtool", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode != 0:
            print(done.stdout.decode())
        return done.returncode == 0

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()


def questions_of(root, kind):
    """Questions of the panels of dashboards, and of their variables, by their titles."""
    for path in sorted(Path(root, "docker/grafana/provisioning/dashboards").glob("*.json")):
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                if target["datasource"]["type"] == kind:
                    yield panel["title"], target.get("expr") or target["rawSql"]
        for variable in board["templating"]["list"]:
            # Prometheus's are no expressions.
            if variable.get("datasource", {}).get("type") == kind != "prometheus":
                yield variable["label"], variable["query"]


def expanded(text, macros):
    for name, value in macros.items():
        text = text.replace(name, value)
    return text


def ask_service_dashboard(prometheus, root, client):
    questions = [(title, expanded(expr, MACROS)) for title, expr in questions_of(root, "prometheus")]
    check(f"the service dashboard has questions: {len(questions)}", len(questions) > 40)
    empty = list(questions)

    def are_answered():
        """Rates are there with the second scrape, and only of what goes on."""
        client.call(LEDGER, "ListUsers", {"pageSize": 1})
        empty[:] = [one for one in empty if not prometheus.ask(one[1])]
        return not empty

    within(20, are_answered)
    same("each of them has an answer", empty, [])


def ask_alarms(prometheus, root, table):
    check("Prometheus's configuration is right", prometheus.promtool(
        "check", "config", f"{root}/docker/prometheus/prometheus.yml"))
    check("every alarm goes off where everything is wrong, and none on a usual day",
          prometheus.promtool("test", "rules", f"{root}/docker/prometheus/alerts_test.yml"))
    rules = Path(root, "docker/prometheus/alerts.yml").read_text()
    tests = Path(root, "docker/prometheus/alerts_test.yml").read_text()
    alarms = re.findall(r"- alert: (\w+)", rules)
    same("none is left out", [name for name in alarms if f'alertname="{name}"' not in tests], [])
    same("each says what to do", rules.count("action: "), len(alarms))
    operations = Path(root, "docs/operations.md").read_text()
    same("docs/operations.md has each", [name for name in alarms if name not in operations], [])
    plain = lambda name: re.sub("_(bucket|sum|count)$", "", name)
    # Not those of comments: settings and files have such names too.
    lines = [line for line in rules.splitlines() if line.strip().startswith("expr:")]
    named = {plain(name) for line in lines for name in re.findall(NAME, line)}
    same("they ask for what there is", sorted(named - set(table)), [])
    silent = [name for name in named if not prometheus.ask(f'{{__name__=~"{name}(_count)?"}}')]
    same("and Prometheus has it", silent, [])
    firing = prometheus.ask('ALERTS{alertstate="firing"}')
    same("nothing is wrong here", [one["metric"]["alertname"] for one in firing], [])


class Reader:
    """Asks the database as Grafana does."""

    def __init__(self, data, port):
        self.environment = {**os.environ, "PGPASSFILE": f"{data}/pgpass"}
        self.command = ["psql", "-XqA", "--csv", "-h", "127.0.0.1", "-p", str(port)]
        self.command += ["-U", "daybook_reader", "-d", "daybook", "-v", "ON_ERROR_STOP=1", "-c"]

    def rows(self, statement):
        done = subprocess.run(
            [*self.command, statement], env=self.environment, capture_output=True, text=True
        )
        if done.returncode != 0:
            return done.stderr.strip()
        return list(csv.DictReader(io.StringIO(done.stdout)))


def ask_business_dashboard(reader, root, user):
    """Each question as the plugin would send it: macros are Grafana's."""
    span = "now() - interval '30 days'", "now()"
    usual = "SELECT asset FROM daybook.asset_details ORDER BY created_at, asset LIMIT 1"
    asset = reader.rows(usual)[0]["asset"]
    macros = {"$__timeFrom()": f"({span[0]})", "$__timeTo()": f"({span[1]})", "$bucket": "day"}
    macros |= {"$user": user, "$asset": asset, "$symbol": "btcusd"}
    questions = list(questions_of(root, "grafana-postgresql-datasource"))
    check(f"the business dashboard has questions: {len(questions)}", len(questions) > 8)
    wrong = {}
    for title, statement in questions:
        statement = re.sub(
            r"\$__timeFilter\(([^)]*)\)", rf"(\1 BETWEEN {span[0]} AND {span[1]})", statement
        )
        rows = reader.rows(expanded(statement, macros))
        if not rows or isinstance(rows, str):
            wrong[title] = rows
    same("each of them has an answer", wrong, {})
    named = {name for _, text in questions for name in re.findall(r"\bdaybook\.(\w+)", text)}
    rows = Path(root, "docs/sql.md").read_text().splitlines()
    documented = {found[1] for found in (re.match(r"\| `(\w+)", row) for row in rows) if found}
    same("they ask what docs/sql.md documents", sorted(named - documented), [])


def follow(server, address, data, port, prometheus, root):
    check("a server that is scraped serves", server.start())
    prometheus.start()
    client = PythonClient(address)
    user = ask(client)
    compare_traces(client, server.log.name)
    read = lambda: Exposition(fetch(f"http://{address}/metrics"))
    has = lambda name: lambda: read().value(name) > 0
    # A worker takes the job, asks the source, and is told that nobody is there.
    check("the source that is away is counted", within(15, has("daybook_source_refusals_total")))
    check("the database is asked", within(15, has("daybook_metrics_gathered_at_seconds")))
    exposed = read()
    compare_documented(root, exposed)
    compare_counted(exposed)
    check("Prometheus scrapes", within(20, lambda: prometheus.ask('up{job="daybook"} == 1')))
    ask_service_dashboard(prometheus, root, client)
    ask_alarms(prometheus, root, documented(root))
    ask_business_dashboard(Reader(data, port), root, user)


def main(daybook, address, folder, tools, root):
    data, port = f"{folder}/metrics", free_port()
    flags = ["--seed-users", "20", "--seed-transactions", "2000", "--seed-days", "3"]
    flags += ["--chains-file", chains_file(folder), "--metrics-interval-seconds", "1"]
    flags += ["--postgres-port", str(port)]
    flags += ["--log", "info,daybook::grpc=debug", "--log-format", "json"]
    with open(f"{folder}/metrics.log", "w") as log:
        server = Server(daybook, address, data, flags, log, is_seeded=True)
        prometheus = Prometheus(tools, root, folder, address, log)
        try:
            follow(server, address, data, port, prometheus, root)
        finally:
            prometheus.stop()
            check("it stops in order", server.stop())


main(*sys.argv[1:])
