"""Goes for a Daybook that is on a network, as somebody who has no token would.

    stranger.py ADDRESS CA TOKEN_FILE TOOLS

The port is asked in several protocols, in and without TLS, and every rpc that the
contracts have is called by grpcurl: nobody is told more than that Daybook serves.
With the token in the file, the same call is answered. Prints a line a check;
started by `scripts/e2e`.
"""

import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
from pathlib import Path

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
PROBES = {
    "HTTP/1": b"GET / HTTP/1.1\r\nHost: daybook\r\n\r\n",
    "HTTP/1 of a page elsewhere": b"POST /daybook.v1.LedgerService/ListUsers HTTP/1.1\r\n"
    b"Host: daybook\r\nOrigin: https://example.org\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 5\r\n\r\n\0\0\0\0\0",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "Postgres": b"\0\0\0\x08\x04\xd2\x16\x2f",
    "redis": b"*1\r\n$4\r\nINFO\r\n",
    "noise": bytes(range(256)) * 8,
}
# What would help somebody who looks for a way in.
INNER_WORDS = re.compile(rb"postgres|tokio|hyper|rust|daybook/|SELECT|pg_|users", re.I)


def check(name: str, is_right: bool, told: object = ""):
    print(f"{'ok' if is_right else 'FAILED':<7} {name}{'' if is_right else f': {told!r}'}")


def answer(sock: socket.socket, sent: bytes) -> bytes:
    """What comes back until the other side closes, or says nothing for two seconds."""
    told = b""
    sock.settimeout(2)
    try:
        sock.sendall(sent)
        while len(told) < 65536 and (data := sock.recv(4096)):
            told += data
    except OSError:
        pass
    return told


def by_http(host: str, port: int, ca: str, method: str, path: str, body: str = "") -> tuple[int, bytes]:
    """What plain HTTP is answered with, in TLS."""
    context = ssl.create_default_context(cafile=ca)
    connection = http.client.HTTPSConnection(host, port, context=context, timeout=10)
    connection.request(method, path, body, {"content-type": "application/json"})
    response = connection.getresponse()
    return response.status, response.read()


def grpcurl(tools: str, address: str, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [Path(tools) / "grpcurl", *words[:-1], address, words[-1]],
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stdout + done.stderr


def offline(tools: str, protos: list[str], *words: str) -> list[str]:
    """Lines that grpcurl prints without a server."""
    command = [Path(tools) / "grpcurl", *protos, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.split()


def main(address: str, ca: str, token_file: str, tools: str):
    host, port = address.rsplit(":", 1)
    where = (host, int(port))
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["h2"])
    for name, sent in PROBES.items():
        with socket.create_connection(where) as sock:
            told = answer(sock, sent)
            check(f"{name} without TLS learns nothing", not INNER_WORDS.search(told), told)
        with socket.create_connection(where) as raw:
            with context.wrap_socket(raw, server_hostname=host) as sock:
                told = answer(sock, sent)
                check(f"{name} in TLS learns nothing", not INNER_WORDS.search(told), told)
    with socket.create_connection(where) as sock:
        told = answer(sock, PREFACE)
        check("HTTP/2 without TLS is not spoken", b"\0\0\0\x04" not in told[:9], told)
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(ca)
        old.set_ciphers("ALL:@SECLEVEL=0")
        try:
            old.minimum_version = old.maximum_version = version
            with socket.create_connection(where) as raw:
                old.wrap_socket(raw, server_hostname=host)
            is_refused = False
        except (OSError, ValueError):
            is_refused = True
        check(f"{version.name} is not spoken", is_refused)

    encrypted = ["-cacert", ca, "-max-time", "10"]
    protos = ["-import-path", "proto"]
    for file in sorted(Path("proto").rglob("*.proto")):
        protos += ["-proto", str(file.relative_to("proto"))]
    code, told = grpcurl(tools, address, *encrypted, "list")
    check("reflection is not served", code != 0 and "does not support the reflection" in told, told)
    rpcs = []
    for service in offline(tools, protos, "list"):
        rpcs += offline(tools, protos, "list", service)
    check("the contracts have rpcs to go for", len(rpcs) > 20, rpcs)
    wrong = {}
    for rpc in rpcs:
        path = "/".join(rpc.rsplit(".", 1))
        code, told = grpcurl(tools, address, *encrypted, *protos, "-d", "{}", path)
        if code == 0 or "Code: Unauthenticated" not in told:
            wrong[path] = told
    check("every rpc is refused without a token", not wrong, wrong)
    wrong = {}
    for rpc in rpcs:
        path = "/" + "/".join(rpc.rsplit(".", 1))
        status, told = by_http(host, int(port), ca, "POST", path, "{}")
        if status != 401 or json.loads(told)["code"] != "unauthenticated":
            wrong[path] = status, told
    check("every rpc is refused without a token in JSON, too", not wrong, wrong)
    told = {path: by_http(host, int(port), ca, "GET", path)[0] for path in ("/", "/metrics", "/x")}
    check("the page is there and nothing else", told["/"] == 200 and told["/metrics"] >= 400 and told["/x"] == 404, told)
    token = Path(token_file).read_text().strip()
    path = "daybook.v1.LedgerService/ListUsers"
    for name, words, expected in [
        ("a token is answered", [*encrypted, "-H", f"authorization: Bearer {token}"], '"users"'),
        ("a token without its end is not", [*encrypted, "-H", f"authorization: Bearer {token[:-1]}"],
         "Code: Unauthenticated"),
        ("a token without TLS is not", ["-plaintext", "-max-time", "10", "-H",
         f"authorization: Bearer {token}"], "Failed to dial"),
        ("another root is not trusted", ["-max-time", "10"], "Failed to dial"),
    ]:
        code, told = grpcurl(tools, address, *words, *protos, "-d", '{"pageSize": 1}', path)
        check(name, expected in told, told)


main(*sys.argv[1:])
