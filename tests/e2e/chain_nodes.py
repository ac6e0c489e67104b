"""Chains of this machine: an Ethereum node with tokens on it, and a made-up Bitcoin wallet behind a
server that answers as Esplora does. Used by `chains.py`; knows nothing of Daybook.
"""

import glob
import hashlib
import http.server
import json
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ZERO = "0x" + 40 * "0"
GAS = hex(1_000_000_000)


def word(value):
    """An argument of a contract's function: a number or an address as 64 digits."""
    number = int(value, 16) if isinstance(value, str) else value
    return f"{number:064x}"


class Anvil:
    """A node whose blocks are made when asked for, and whose transactions need no signature."""

    FLAGS = (
        "--port 0 --no-mining --order fifo --gas-limit 100000000000 --gas-price 0 --base-fee 0 "
        "--accounts 1 --balance 1000000"
    )
    # Between two blocks. The chain began days ago, and does not reach today.
    BLOCK_SECONDS, BEGAN_SECONDS_AGO = 600, 10 * 86_400

    def __init__(self, tools):
        packages = Path(tools).parent / "chain/node_modules"
        found = glob.glob(f"{packages}/@foundry-rs/anvil-*/bin/anvil*")
        if not found:
            raise RuntimeError(f"there is no anvil in {packages}: scripts/install-test-tools")
        compiler = ROOT / "tests/it/support/anvil/compile.cjs"
        compiled = subprocess.run(["node", compiler, packages], capture_output=True, text=True)
        if compiled.returncode != 0:
            raise RuntimeError(f"the tokens cannot be compiled: {compiled.stderr}")
        self.contracts = json.loads(compiled.stdout)
        began_at = int(time.time()) - self.BEGAN_SECONDS_AGO
        self.process = subprocess.Popen(
            [found[0], *self.FLAGS.split(), "--timestamp", str(began_at)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        marker = "Listening on "
        line = next(line for line in self.process.stdout if line.startswith(marker))
        self.url = f"http://{line.removeprefix(marker).strip()}"
        # What it goes on to say must be taken from it.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        (self.owner,) = self.rpc("eth_accounts")
        self.rpc("anvil_setBlockTimestampInterval", self.BLOCK_SECONDS)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def rpcs(self, calls):
        """Asks many questions at once: pairs of a method and its parameters."""
        asked = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            for number, (method, params) in enumerate(calls)
        ]
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.url, json.dumps(asked).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            answers = sorted(json.load(response), key=lambda answer: answer["id"])
        for answer in answers:
            if "error" in answer:
                raise RuntimeError(f"anvil: {answer['error']}")
        return [answer["result"] for answer in answers]

    def rpc(self, method, *params):
        return self.rpcs([(method, list(params))])[0]

    def mine(self, blocks=1):
        self.rpcs([("evm_mine", [])] * blocks)

    def height(self):
        return int(self.rpc("eth_blockNumber"), 16)

    def block_time(self, height):
        """When a block was made, in seconds since 1970."""
        return int(self.rpc("eth_getBlockByNumber", hex(height), False)["timestamp"], 16)

    def roll_back(self, blocks):
        self.rpc("anvil_rollback", blocks)

    def deploy(self, name):
        """Puts a contract onto the chain, in a block of its own. Its address, in lower case."""
        code = "0x" + self.contracts[name]["code"]
        sent = {"from": self.owner, "data": code, "gas": GAS}
        reference = self.rpc("eth_sendTransaction", sent)
        self.mine()
        return self.rpc("eth_getTransactionReceipt", reference)["contractAddress"].lower()

    def selector(self, function):
        return "0x" + self.contracts["TestToken"]["methods"][function]

    def move(self, token, moves):
        """Moves tokens, in one transaction of the next block: senders, receivers and amounts."""
        columns = [[word(len(moves)), *map(word, column)] for column in zip(*moves)]
        offsets = [word(32 * (3 + number * len(columns[0]))) for number in range(3)]
        arguments = "".join(offsets + [text for column in columns for text in column])
        data = self.selector("move(address[],address[],uint256[])") + arguments
        sent = {"from": self.owner, "to": token, "data": data, "gas": GAS}
        self.rpc("eth_sendTransaction", sent)

    def numbers(self, token, datas):
        """What functions of a token return now."""
        calls = [("eth_call", [{"to": token, "data": data}, "latest"]) for data in datas]
        return [int(result, 16) for result in self.rpcs(calls)]

    def balances(self, token, addresses):
        """What the contract itself says that each has."""
        selector = self.selector("balanceOf(address)")
        found = self.numbers(token, [selector + word(address) for address in addresses])
        return dict(zip(addresses, found))

    def supply(self, token):
        return self.numbers(token, [self.selector("totalSupply()")])[0]


def made_up_hash(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Wallet:
    """A Bitcoin wallet that got a payment in one block and paid on in a later one."""

    ADDRESS = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
    SCRIPT = "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac"
    OTHER = f"76a914{20 * 'ab'}88ac"
    TIP = 110
    RECEIVED, SENT, FEE = 500_000_000, 150_000_000, 1_000

    def __init__(self):
        own = {"scriptpubkey": self.SCRIPT, "scriptpubkey_address": self.ADDRESS}
        other = {"scriptpubkey": self.OTHER}
        change = self.RECEIVED - self.SENT - self.FEE
        payment = self.transaction(
            101, [other | {"value": self.RECEIVED + 700}], [own | {"value": self.RECEIVED}], 700
        )
        spending = self.transaction(
            103,
            [own | {"value": self.RECEIVED}],
            [other | {"value": self.SENT}, own | {"value": change}],
            self.FEE,
        )
        self.balance = change
        # The newest first.
        self.history = [spending, payment]
        self.hashes = {made_up_hash(f"block {height}"): height for height in range(self.TIP + 1)}

    def block_time(self, height):
        return 1_700_000_000 + 600 * height

    def transaction(self, height, spent, created, fee):
        return {
            "txid": made_up_hash(f"transaction of block {height}"),
            "vin": [{"is_coinbase": False, "prevout": coin} for coin in spent],
            "vout": created,
            "fee": fee,
            "status": {
                "confirmed": True,
                "block_height": height,
                "block_hash": made_up_hash(f"block {height}"),
                "block_time": self.block_time(height),
            },
        }

    def block(self, height):
        return {
            "id": made_up_hash(f"block {height}"),
            "height": height,
            "timestamp": self.block_time(height),
            "mediantime": self.block_time(height - 5),
            "previousblockhash": made_up_hash(f"block {height - 1}"),
        }

    def txids(self, height):
        own = [one["txid"] for one in self.history if one["status"]["block_height"] == height]
        return [made_up_hash(f"coinbase of block {height}"), *own]

    def answer(self, path):
        """What Esplora answers: text as it is, the rest as JSON. `None`: not found."""
        tip = made_up_hash(f"block {self.TIP}")
        stats = {
            "tx_count": len(self.history),
            "funded_txo_sum": self.RECEIVED + self.balance,
            "spent_txo_sum": self.RECEIVED,
        }
        match path.strip("/").split("/"):
            case ["blocks", "tip", "hash"]:
                return tip
            case ["blocks", "tip", "height"]:
                return str(self.TIP)
            case ["block-height", height] if int(height) <= self.TIP:
                return made_up_hash(f"block {height}")
            case ["block", name] if name in self.hashes:
                return self.block(self.hashes[name])
            case ["block", name, "txids"] if name in self.hashes:
                return self.txids(self.hashes[name])
            case ["address", self.ADDRESS]:
                return {"address": self.ADDRESS, "chain_stats": stats}
            case ["address", self.ADDRESS, "txs", "mempool"]:
                return []
            case ["address", self.ADDRESS, "txs", "chain"]:
                return self.history
            case ["address", self.ADDRESS, "txs", "chain", last]:
                hashes = [one["txid"] for one in self.history]
                return self.history[hashes.index(last) + 1 :] if last in hashes else []
        return None


def serve(answer):
    """Serves what `answer` says of a path: a content type and a body, or `None`. Its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            answered = answer(self.path)
            kind, body = answered or ("text/plain", "Not found")
            self.send_response(200 if answered else 404)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def serve_wallet(wallet):
    """A server that shows the wallet the way Esplora does."""

    def answer(path):
        found = wallet.answer(path)
        if found is None or isinstance(found, str):
            return found and ("text/plain", found)
        return "application/json", json.dumps(found)

    return serve(answer)


def serve_html():
    """A server that answers everything with a page for people."""
    return serve(lambda path: ("text/html", "<!DOCTYPE html><title>Just a moment...</title>"))
