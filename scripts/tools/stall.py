"""Opens connections that stall, and waits until the server has closed them all.

    stall.py silent|reader|writer HOST:PORT COUNT TOKEN_FILE

silent says nothing; reader asks for a list of users and lets the server send one byte of it;
writer sends the head of a request and no more. Pings are answered: these peers are alive. Prints
for how many seconds the last connection was open. Frames by RFC 9113, headers by RFC 7541 without
compression.
"""

import selectors
import socket
import struct
import sys
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
INITIAL_WINDOW_SIZE = 4


def frame(kind, flags, stream, payload):
    length = struct.pack(">I", len(payload))[1:]
    return length + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """A header field that is not indexed; both texts are shorter than 127 bytes."""
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


def request(kind, host, token):
    if kind == "silent":
        return b""
    settings = struct.pack(">HI", INITIAL_WINDOW_SIZE, 1) if kind == "reader" else b""
    head = b"".join(
        literal(name, value)
        for name, value in [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", b"/daybook.v1.LedgerService/ListUsers"),
            (b":authority", host.encode()),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            (b"authorization", b"Bearer " + token),
        ]
    )
    # page_size = 1000: field 1, a varint. The writer sends two bytes less.
    message = b"\x08\xe8\x07"
    body = b"\0" + struct.pack(">I", len(message)) + message
    sent = frame(DATA, 1, 1, body) if kind == "reader" else frame(DATA, 0, 1, body[:-2])
    return PREFACE + frame(SETTINGS, 0, 0, settings) + frame(HEADERS, 4, 1, head) + sent


class Peer:
    def __init__(self, address, sent, is_reader):
        self.socket = socket.create_connection(address)
        self.socket.sendall(sent)
        self.since = time.monotonic()
        self.unread = b""
        self.is_answered = False
        # A reader is one whose answer has begun.
        while is_reader and not self.is_answered:
            if self.is_closed():
                sys.exit("closed before the answer")
        self.socket.setblocking(False)

    def is_closed(self):
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self.unread += data
        while len(self.unread) >= 9:
            length = int.from_bytes(self.unread[:3], "big")
            if len(self.unread) < 9 + length:
                break
            kind, flags = self.unread[3:5]
            payload, self.unread = self.unread[9 : 9 + length], self.unread[9 + length :]
            if kind == HEADERS:
                self.is_answered = not flags & 1
                if flags & 1:
                    sys.exit(f"refused: {payload!r}")
            if kind == PING and not flags & 1:
                self.socket.send(frame(PING, 1, 0, payload))
        return not data


def main():
    kind, address, count, token_file = sys.argv[1:]
    host, port = address.rsplit(":", 1)
    with open(token_file, "rb") as file:
        token = file.read().strip()
    sent = request(kind, address, token)
    selector = selectors.DefaultSelector()
    for _ in range(int(count)):
        peer = Peer((host, int(port)), sent, kind == "reader")
        selector.register(peer.socket, selectors.EVENT_READ, peer)
    longest, deadline = 0.0, time.monotonic() + 120
    while selector.get_map():
        if time.monotonic() > deadline:
            sys.exit(f"{len(selector.get_map())} are still open")
        for key, _ in selector.select(1):
            if key.data.is_closed():
                longest = max(longest, time.monotonic() - key.data.since)
                selector.unregister(key.data.socket)
                key.data.socket.close()
    print(f"{longest:.1f} s")


main()
