"""Follows alerts from a recorded tick to an open stream, a webhook and a mailbox, through kill -9.

    alerts.py DAYBOOK ADDRESS FOLDER

Starts and kills a server of its own at that address, with its data in that folder. The mailbox is that of
aiosmtpd, an SMTP server of others; webhooks come to an https server, and are verified by the library
standardwebhooks. Prints a line a check, as `scripts/e2e` does.
"""

import datetime
import http.server
import ssl
import sys
import threading
import time
import uuid

import grpc
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from standardwebhooks import Webhook

from server import Server, check, free_port, within

PRICES = "daybook.v1.PriceService"


class Client:
    """Calls rpcs by what reflection says of them."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))

    def call(self, service, rpc, kind="unary_unary"):
        method = self.pool.FindMethodByName(f"{service}.{rpc}")
        request = message_factory.GetMessageClass(method.input_type)
        response = message_factory.GetMessageClass(method.output_type)
        call = getattr(self.channel, kind)(
            f"/{service}/{rpc}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        return request, call

    def ask(self, service, rpc, **fields):
        request, call = self.call(service, rpc)
        return call(request(**fields), timeout=20)

    def record(self, symbol, at, price):
        request, call = self.call("daybook.v1.IngestService", "RecordPrices", "stream_stream")
        tick = {"symbol": symbol, "ticked_at": at, "price": price}
        messages = [
            request(start={}),
            request(chunk={"chunk_number": 1, "prices": [tick]}),
            request(end={"row_count": 1}),
        ]
        return list(call(iter(messages), timeout=20))

    def watch(self, **fields):
        request, call = self.call(PRICES, "WatchAlerts", "unary_stream")
        return call(request(**fields), timeout=60)


class Mailbox:
    """Keeps what an SMTP server takes."""

    def __init__(self):
        self.mails = []
        self.controller = None

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"

    def open(self, port):
        self.controller = Controller(self, hostname="127.0.0.1", port=port)
        self.controller.start()


def make_certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    with open(f"{folder}/hook.crt", "wb") as file:
        file.write(certificate.public_bytes(pem))
    with open(f"{folder}/hook.key", "wb") as file:
        plain = serialization.NoEncryption()
        file.write(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


class Hook:
    """Keeps what an https server takes."""

    def __init__(self, folder):
        self.requests = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(f"{folder}/hook.crt", f"{folder}/hook.key")

    def open(self, port):
        requests = self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                requests.append((dict(self.headers), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.socket = self.context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()


def main(daybook, address, folder):
    make_certificate(folder)
    hook, mailbox = Hook(folder), Mailbox()
    hook_port, mail_port = free_port(), free_port()
    flags = ["--webhook-private-addresses", "--webhook-ca", f"{folder}/hook.crt"]
    flags += ["--smtp-url", f"smtp://127.0.0.1:{mail_port}"]
    flags += ["--smtp-from", "Daybook <alerts@example.com>"]
    with open(f"{folder}/alerts.log", "w") as log:
        server = Server(daybook, address, f"{folder}/alerts", flags, log)
        try:
            follow(server, address, hook, mailbox, hook_port, mail_port)
        finally:
            # Its Postgres stops with it.
            check("it stops in order", server.stop())


def follow(server, address, hook, mailbox, hook_port, mail_port):
    check("a server that tells of alerts serves", server.start())
    client = Client(address)
    user = client.ask("daybook.v1.LedgerService", "CreateUser", username=f"w{uuid.uuid4().hex}")
    user_uuid = user.user.user_uuid
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    at = lambda second: now - datetime.timedelta(seconds=600 - second)
    client.record("pumpusd", at(0), "1")
    rule = client.ask(
        PRICES,
        "CreateAlertRule",
        user_uuid=user_uuid,
        settings={
            "name": "three times",
            "symbol": "PUMP-USD",
            "condition": {"times_average": {}},
            "ticks_min": 3,
            "recipients": [
                {"webhook_url": f"https://localhost:{hook_port}/alerts"},
                {"email": "ann@example.com"},
            ],
        },
    )
    stream = client.watch(user_uuid=user_uuid)
    begin = next(stream).resume_after
    for second in (60, 120, 180):
        client.record("pumpusd", at(second), "1")
    # Nobody is there to be told: the port of either is closed.
    client.record("pumpusd", at(240), "3")
    event = next(stream).event
    check("a recorded tick comes to an open stream", event.firing and event.price == "3")
    server.kill()
    check("serves again after kill -9", server.start())
    hook.open(hook_port)
    mailbox.open(mail_port)
    told = lambda count: len(hook.requests) >= count and len(mailbox.mails) >= count
    check("webhook and mail arrive after a kill between tick and delivery", within(60, lambda: told(1)))
    # As one would who has seen the first message alone.
    seen = Client(address).watch(user_uuid=user_uuid, after_event_id=begin)
    next(seen)
    again = next(seen).event
    check("the stream is taken up where it was left", again.event_id == event.event_id)
    client = Client(address)
    client.record("pumpusd", at(300), "1")
    over = next(seen).event
    check("the end of it comes next", not over.firing and over.event_id > event.event_id)
    check("it is told by webhook and mail", within(30, lambda: told(2)))
    # A moment for whatever would come twice.
    time.sleep(2)
    ids = [headers["webhook-id"] for headers, _ in hook.requests]
    counts = (len(ids), len(set(ids)), len(mailbox.mails))
    check(f"everything came once: {counts}", counts == (2, 2, 2))
    library = Webhook(rule.webhook_secret)
    bodies = [library.verify(body, headers) for headers, body in hook.requests]
    check(
        "webhooks are signed as their receivers' library verifies",
        [body["data"]["event_id"] for body in bodies] == [event.event_id, over.event_id],
    )
    (recipients, text) = mailbox.mails[0]
    check(
        "the mail says what happened",
        recipients == ["ann@example.com"]
        and "Subject: pumpusd: three times fires" in text
        and "Price:       3" in text
        and "From: Daybook <alerts@example.com>" in text,
    )
    try:
        library.verify(hook.requests[0][1] + b" ", hook.requests[0][0])
        check("a webhook that was changed is refused", False)
    except Exception:
        check("a webhook that was changed is refused", True)


main(*sys.argv[1:])
