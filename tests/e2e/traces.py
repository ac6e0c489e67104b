"""Takes the traces of a running Daybook by OTLP, as a collector does, and looks at them.

    traces.py DAYBOOK ADDRESS FOLDER ROOT

DAYBOOK must have been built with the feature `otel`. Starts a server of its own at that address, with
its data in that folder; ROOT is the folder with sql/. Prints a line a check, as `scripts/e2e` does.
"""

import json
import os
import sys
from concurrent import futures
from pathlib import Path

import grpc
from google.protobuf import message_factory
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

from clients import PythonClient
from server import Server, check, free_port, same, within

ANALYTICS = "daybook.v1.AnalyticsService"
LEDGER = "daybook.v1.LedgerService"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector(otlp_grpc.TraceServiceServicer):
    """Keeps what it is sent."""

    def __init__(self):
        self.spans = []

    def Export(self, request, context):
        for resource in request.resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            spans = [span for scope in resource.scope_spans for span in scope.spans]
            self.spans += [(names.get("service.name"), span) for span in spans]
        return otlp.ExportTraceServiceResponse()

    def serve(self, port):
        server = grpc.server(futures.ThreadPoolExecutor(2))
        otlp_grpc.add_TraceServiceServicer_to_server(self, server)
        server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        return server

    def named(self, name):
        return [span for _, span in list(self.spans) if span.name == name]


def attributes(span):
    value = lambda one: getattr(one.value, one.value.WhichOneof("value"))
    return {one.key: value(one) for one in span.attributes}


def call(client, service, rpc, request, metadata=()):
    """The id of a request, whatever came of it."""
    method = client.pool.FindMethodByName(f"{service}.{rpc}")
    request_class = message_factory.GetMessageClass(method.input_type)
    invoke = client.channel.unary_unary(
        f"/{service}/{rpc}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )
    try:
        response, answered = invoke.with_call(
            request_class(**request), timeout=20, metadata=metadata
        )
        return response, dict(answered.initial_metadata())["x-request-id"]
    except grpc.RpcError as error:
        return error.code(), dict(error.initial_metadata() or error.trailing_metadata())


def trace_in_log(path, request_id):
    for line in Path(path).read_text().splitlines():
        if request_id in line:
            return json.loads(line)["span"]["trace"]
    return None


def look(collector, root, user, log, own_request):
    rpc = f"{ANALYTICS}/SumAmount"
    check("the span of a call arrives", within(20, lambda: len(collector.named(rpc)) >= 2))
    same("it names the service", {name for name, _ in collector.spans}, {"daybook"})
    answered = [span for span in collector.named(rpc) if span.trace_id.hex() == TRACE]
    same("it is in its caller's trace, once", len(answered), 1)
    span = answered[0]
    same("below its caller's span", span.parent_span_id.hex(), PARENT)
    same("as a server's", span.kind, trace_pb2.Span.SPAN_KIND_SERVER)
    expected = {
        "rpc.system": "grpc",
        "rpc.service": ANALYTICS,
        "rpc.method": "SumAmount",
        "rpc.grpc.status_code": 0,
    }
    seen = attributes(span)
    same("it has the names of OpenTelemetry", {key: seen.get(key) for key in expected}, expected)
    stems = {path.stem for path in Path(root, "sql/queries").glob("*.sql")}
    below = [one for _, one in collector.spans if one.parent_span_id == span.span_id]
    check(f"its statements are below it: {[one.name for one in below]}", len(below) > 0)
    same("named by their files", {one.name for one in below} - stems, set())
    kinds = {(one.kind, attributes(one).get("db.system")) for one in below}
    same("as a client's of Postgres", kinds, {(trace_pb2.Span.SPAN_KIND_CLIENT, "postgresql")})
    inside = lambda one: one.start_time_unix_nano >= span.start_time_unix_nano
    check("and begin after it", all(inside(one) for one in below))
    failed = [one for one in collector.named(rpc) if one.trace_id.hex() != TRACE]
    same("a call that fails says so", attributes(failed[0]).get("rpc.grpc.status_code"), 5)
    own = collector.named(f"{LEDGER}/ListUsers")[0]
    same("a call without a trace has its own", own.parent_span_id, b"")
    same("which the log tells", trace_in_log(log, own_request), own.trace_id.hex())
    orphans = {one.name for _, one in collector.spans if not one.parent_span_id} & stems
    same("what workers ask is in no trace", orphans, set())
    text = "".join(str(one) for _, one in collector.spans)
    told = [word for word in (user, "SELECT", "127.0.0.1") if word in text]
    same("no SQL, no value, no address is in any", told, [])


def main(daybook, address, folder, root):
    port, collector = free_port(), Collector()
    serving = collector.serve(port)
    os.environ["OTEL_BSP_SCHEDULE_DELAY"] = "200"
    flags = ["--otlp-endpoint", f"http://127.0.0.1:{port}", "--seed-users", "5"]
    flags += ["--seed-transactions", "300", "--seed-days", "3"]
    flags += ["--log", "info,daybook::grpc=debug", "--log-format", "json"]
    with open(f"{folder}/traces.log", "w") as log:
        server = Server(daybook, address, f"{folder}/traces", flags, log, is_seeded=True)
        try:
            check("a server that traces serves", server.start())
            client = PythonClient(address)
            users, own_request = call(client, LEDGER, "ListUsers", {"page_size": 1})
            user = users.users[0].user_uuid
            window = {"start": {"seconds": 0}, "end": {"seconds": 4_000_000_000}}
            question = {"user_uuid": user, "window": window, "direction": 1}
            call(client, ANALYTICS, "SumAmount", question,
                 [("traceparent", f"00-{TRACE}-{PARENT}-01")])
            question["user_uuid"] = "00000000-0000-4000-8000-000000000000"
            call(client, ANALYTICS, "SumAmount", question)
            look(collector, root, user, log.name, own_request)
        finally:
            check("it stops in order", server.stop())
            serving.stop(0)


main(*sys.argv[1:])
