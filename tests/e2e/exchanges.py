"""Local exchanges, and what a client that is not ours reads from them.

    exchanges.py serve PORT TLS_PORT CERTIFICATE KEY
    exchanges.py compare ADDRESS PORT EXCHANGE

`serve` speaks the documented shapes of Kraken, Coinbase Exchange and Binance, spot, on one port,
and encrypted on another: candles of one minute up to the one that is not over, and what a client must know of the pairs
beforehand. The first question of a Daybook for each pair is refused with 429. `compare` has ccxt
read the candles from there and holds what Daybook recorded, asked at ADDRESS, against them: that
ccxt reads them shows that the shapes are those that the world knows. Every error that an exchange
may answer with is tried by `tests/it/price_feed.rs`, with servers of its own.
Prints a line a check, as `scripts/e2e` does.
"""

import json
import ssl
import sys
import threading
import time
from collections import namedtuple
from datetime import datetime, timezone
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from clients import PythonClient

MINUTE = 60
# What is compared: less than any exchange gives at once.
MINUTES = 240
PATIENCE_SECONDS = 20

Pair = namedtuple("Pair", "daybook ccxt exchange")
# None twice: all are recorded side by side.
PAIRS = {
    "kraken": [Pair("btcusd", "BTC/USD", "XBTUSD"), Pair("dogeusd", "DOGE/USD", "XDGUSD")],
    "coinbaseexchange": [Pair("soleur", "SOL/EUR", "SOL-EUR"), Pair("etheur", "ETH/EUR", "ETH-EUR")],
    "binance": [Pair("btcusdt", "BTC/USDT", "BTCUSDT"), Pair("ethusdt", "ETH/USDT", "ETHUSDT")],
}
KRAKEN = {"XBTUSD": ("XXBTZUSD", "XXBT", "ZUSD"), "XDGUSD": ("XDGUSD", "XXDG", "ZUSD")}


def close(pair: str, opens_at: int) -> str:
    """Price of a minute, in the digits that the exchange writes."""
    minute = opens_at // MINUTE
    return f"{1 + sum(map(ord, pair)) + minute % 41}.{(minute * 7919) % 100_000:05}"


def is_silent(opens_at: int) -> bool:
    """Whether nothing was traded in a minute."""
    return opens_at // MINUTE % 29 == 0


def minutes(first: float, last: float) -> list[int]:
    """Begins of the minutes from first to last that have begun."""
    first = -(-int(first) // MINUTE) * MINUTE
    return list(range(first, int(min(last, time.time())) + 1, MINUTE))


def kraken(path: str, query: dict) -> object:
    if path == "/0/public/Assets":
        names = {"XXBT": "XBT", "XXDG": "XDG", "ZUSD": "USD"}
        asset = {"aclass": "currency", "decimals": 10, "display_decimals": 5, "status": "enabled"}
        return {"error": [], "result": {key: asset | {"altname": names[key]} for key in names}}
    if path == "/0/public/AssetPairs":
        pairs = {
            key: {
                "altname": alt, "wsname": f"{alt[:3]}/{alt[3:]}", "base": base, "quote": quote,
                "pair_decimals": 5, "lot_decimals": 8, "status": "online", "ordermin": "0.0001",
                "fees": [[0, 0.26]], "fees_maker": [[0, 0.16]], "leverage_buy": [],
            }
            for alt, (key, base, quote) in KRAKEN.items()
        }
        return {"error": [], "result": pairs}
    asked = query["pair"]
    alt = next((alt for alt, names in KRAKEN.items() if asked in (alt, names[0])), None)
    if path != "/0/public/OHLC" or query["interval"] != "1" or alt is None:
        return {"error": ["EQuery:Unknown asset pair"]}
    oldest = time.time() - 720 * MINUTE
    rows = [
        [at, "1.0", "99999.0", "0.5", close(alt, at), "2.0", "0.0" if is_silent(at) else "3.5",
         0 if is_silent(at) else 3]
        for at in minutes(max(oldest, int(query.get("since", 0)) + 1), time.time())
    ]
    return {"error": [], "result": {KRAKEN[alt][0]: rows, "last": rows[-2][0] if rows[1:] else 0}}


def coinbase(path: str, query: dict) -> object:
    if path == "/currencies":
        return [{"id": code, "name": code, "status": "online", "max_precision": "0.00000001",
                 "details": {"type": "crypto"}} for code in ("SOL", "ETH", "EUR")]
    if path == "/products":
        return [{"id": pair.exchange, "base_currency": pair.exchange[:3], "quote_currency": "EUR",
                 "base_increment": "0.0001", "quote_increment": "0.00001", "status": "online",
                 "min_market_funds": "1", "margin_enabled": False}
                for pair in PAIRS["coinbaseexchange"]]
    product = path.removeprefix("/products/").removesuffix("/candles")
    if product not in [pair.exchange for pair in PAIRS["coinbaseexchange"]]:
        return 404, {"message": "NotFound"}
    instant = lambda text: datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    last = instant(query["end"]) if "end" in query else time.time()
    first = instant(query["start"]) if "start" in query else last - 299 * MINUTE
    if query["granularity"] != "60" or last - first >= 300 * MINUTE:
        return 400, {"message": "granularity too small for the requested time range"}
    # Bare numbers, newest first, and no row for a silent minute.
    rows = [f"[{at},0.5,99999,1,{close(product, at)},3.5]" for at in minutes(first, last)
            if not is_silent(at)]
    return "[" + ",".join(reversed(rows)) + "]"


def binance(path: str, query: dict) -> object:
    if path == "/api/v3/exchangeInfo":
        filters = [{"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000",
                    "tickSize": "0.01"},
                   {"filterType": "LOT_SIZE", "minQty": "0.1", "maxQty": "9000", "stepSize": "0.1"}]
        return {"timezone": "UTC", "serverTime": int(time.time() * 1000), "rateLimits": [],
                "exchangeFilters": [],
                "symbols": [{"symbol": pair.exchange, "status": "TRADING",
                             "baseAsset": pair.exchange[:3], "quoteAsset": "USDT",
                             "baseAssetPrecision": 8, "quotePrecision": 8,
                             "quoteAssetPrecision": 8, "orderTypes": ["LIMIT"],
                             "isSpotTradingAllowed": True, "isMarginTradingAllowed": False,
                             "permissions": ["SPOT"], "filters": filters}
                            for pair in PAIRS["binance"]]}
    symbol = query.get("symbol")
    if path != "/api/v3/klines" or symbol not in [pair.exchange for pair in PAIRS["binance"]]:
        return 400, {"code": -1121, "msg": "Invalid symbol."}
    limit = min(int(query.get("limit", 500)), 1000)
    last = int(query.get("endTime", time.time() * 1000)) / 1000
    first = int(query["startTime"]) / 1000 if "startTime" in query else last - limit * MINUTE
    return [
        [at * 1000, "1.0", "99999.0", "0.5", close(symbol, at), "0" if is_silent(at) else "3.5",
         at * 1000 + 59_999, "9.9", 0 if is_silent(at) else 3, "1", "2", "0"]
        for at in minutes(first, last)[:limit]
    ]


class Exchanges(BaseHTTPRequestHandler):
    """All three, told apart by their paths."""

    protocol_version = "HTTP/1.1"
    refused = set()

    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        pair = query.get("pair") or query.get("symbol") or url.path
        is_first = self.headers["User-Agent"].startswith("daybook/") and pair not in self.refused
        if is_first:
            self.refused.add(pair)
            return self.say(429, {"message": "too many requests"}, {"Retry-After": "1"})
        answer = (kraken if url.path.startswith("/0/") else
                  binance if url.path.startswith("/api/") else coinbase)(url.path, query)
        status, answer = answer if isinstance(answer, tuple) else (200, answer)
        return self.say(status, answer, {"X-MBX-USED-WEIGHT-1M": "2"})

    def say(self, status: int, answer: object, headers: dict):
        body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response_only(status)
        self.send_header("Date", formatdate(usegmt=True))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def client_of(exchange: str, port: str):
    """ccxt's client of an exchange, asking here."""
    # Some seconds of importing, which a server does without.
    import ccxt

    client = getattr(ccxt, exchange)({"enableRateLimit": False, "options": {"fetchMarkets": ["spot"]}})
    here = f"http://127.0.0.1:{port}"
    paths = {"kraken": "", "coinbaseexchange": "", "binance": "/api/v3"}
    client.urls["api"] = {name: here + paths[exchange] for name in client.urls["api"]}
    return client


def serve(port: str, tls_port: str, certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    encrypted = ThreadingHTTPServer(("127.0.0.1", int(tls_port)), Exchanges)
    encrypted.socket = context.wrap_socket(encrypted.socket, server_side=True)
    threading.Thread(target=encrypted.serve_forever, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", int(port)), Exchanges).serve_forever()


def compare(address: str, port: str, exchange: str) -> None:
    daybook, client = PythonClient(address), client_of(exchange, port)
    # Of a minute that ends now Daybook may know in some seconds only.
    last = int(time.time()) // MINUTE * MINUTE - MINUTE
    first = last - MINUTES * MINUTE
    for pair in PAIRS[exchange]:
        candles = client.fetch_ohlcv(pair.ccxt, "1m", since=first * 1000, limit=MINUTES)
        # At the minute's end; without a volume nothing was traded.
        expected = {at // 1000 + MINUTE: price for at, _, _, _, price, volume in candles
                    if volume > 0 and at // 1000 < last}
        request = {"symbol": pair.daybook, "page_size": 10_000,
                   "window": {"start": text_of(first + MINUTE), "end": text_of(last + 1)}}
        found, until = {}, time.monotonic() + PATIENCE_SECONDS
        while found != expected and time.monotonic() < until:
            answer = daybook.call("daybook.v1.PriceService", "ListPrices", request)
            found = {second_of(tick["tickedAt"]): float(tick["price"])
                     for tick in answer.body.get("ticks", [])}
            time.sleep(0.2)
        is_right = found == expected and len(expected) > MINUTES * 9 // 10
        outcome = "ok" if is_right else "FAILED"
        print(f"{outcome:7} {len(found)} minutes of {pair.daybook} are what ccxt reads from "
              f"{exchange} ({len(expected)})", flush=True)


def text_of(second: int) -> str:
    return datetime.fromtimestamp(second, timezone.utc).isoformat()


def second_of(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


{"serve": serve, "compare": compare}[sys.argv[1]](*sys.argv[2:])
