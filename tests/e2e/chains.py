"""Syncs tokens of a real Ethereum node and a made-up Bitcoin wallet, and breaks things meanwhile.

    chains.py DAYBOOK ADDRESS FOLDER TOOLS

Starts and kills servers of its own at that address, with their data in that folder; TOOLS is the folder
with buf and, where there is Go, grpcurl. What a token's contract says of balances is what Daybook must
say. Prints a line a check, as `scripts/e2e` does.
"""

import datetime
import os
import random
import signal
import subprocess
import sys
import time
from decimal import Decimal, getcontext
from pathlib import Path

from chain_documents import Documents
from chain_nodes import ZERO, Anvil, Wallet, serve_html, serve_wallet
from clients import BufClient, GrpcurlClient
from server import Server, check, same, within

ANALYTICS = "daybook.v1.AnalyticsService"
LEDGER = "daybook.v1.LedgerService"
SYNC = "daybook.v1.SyncService"
TOKENS = "daybook.v1.TokenService"
NETWORK = "evm-31337"
UNIT = 10**18
HOLDERS = ["0x" + f"{number:040x}" for number in range(0xA000, 0xA028)]
# Blocks that the node may take back.
FINALITY = 8


# A balance of a token may have 78 digits.
getcontext().prec = 100


class History:
    """A token, and every move of it that was made: block, sender, receiver, amount."""

    def __init__(self, anvil, seed):
        self.anvil, self.random = anvil, random.Random(seed)
        self.contract = anvil.deploy("TestToken")
        self.moves, self.balances = [], {}

    def key(self):
        return {"network": NETWORK, "contract": self.contract}

    def block(self, moves):
        """A block with these moves."""
        self.anvil.move(self.contract, moves)
        self.anvil.mine()
        height = self.anvil.height()
        for sender, receiver, amount in moves:
            self.moves.append((height, sender, receiver, amount))
            for address, change in (sender, -amount), (receiver, amount):
                self.balances[address] = self.balances.get(address, 0) + change

    def mint(self):
        """The first holders get something, large enough for every digit to matter."""
        amount = lambda: self.random.randrange(10**24, 10**27)
        self.block([(ZERO, holder, amount()) for holder in HOLDERS[: len(HOLDERS) // 2]])

    def go_on(self, blocks, moves=4):
        """Blocks with moves by chance, a burn now and then, and balances moved whole."""
        for _ in range(blocks):
            drawn, left = [], dict(self.balances)
            for _ in range(moves):
                rich = [holder for holder in HOLDERS if left.get(holder, 0) > 0]
                sender, receiver = self.random.choice(rich), self.random.choice(HOLDERS + [ZERO])
                part = self.random.choice([1, 1, 1, 2]) * left[sender] // 2
                amount = part or left[sender]
                left[sender] -= amount
                left[receiver] = left.get(receiver, 0) + amount
                drawn.append((sender, receiver, amount))
            self.block(drawn)

    def roll_back(self, blocks):
        self.anvil.roll_back(blocks)
        height = self.anvil.height()
        kept = [move for move in self.moves if move[0] <= height]
        self.moves, self.balances = [], {}
        for move in kept:
            self.moves.append(move)
            for address, change in (move[1], -move[3]), (move[2], move[3]):
                self.balances[address] = self.balances.get(address, 0) + change

    def received(self, holder, start, end):
        """What somebody got in blocks made from one second to another, and in how many moves."""
        times = {move[0]: None for move in self.moves}
        times = {height: self.anvil.block_time(height) for height in times}
        amounts = [
            amount
            for height, _, receiver, amount in self.moves
            if receiver == holder and start <= times[height] < end
        ]
        return sum(amounts), len(amounts)


def units(text):
    """Smallest units of a decimal string of 18 decimals."""
    return int(Decimal(text).scaleb(18))


def instant(seconds):
    at = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


class Chains:
    """What all parts of the test share."""

    def __init__(self, daybook, address, folder, tools, log):
        self.daybook, self.address, self.folder, self.log = daybook, address, Path(folder), log
        self.tools, self.data = tools, f"{folder}/chains"
        grpcurl = Path(tools) / "grpcurl"
        buf = BufClient(Path(tools) / "buf", address)
        self.client = GrpcurlClient(grpcurl, address) if grpcurl.exists() else buf
        self.anvil, self.wallet = Anvil(tools), Wallet()
        self.esplora, self.html = serve_wallet(self.wallet), serve_html()
        self.fast = self.file("fast", per_second=2000)
        # Slow enough to be caught at work.
        self.slow = self.file("slow", per_second=20, more="blocks_max = 1")
        self.server = None

    def file(self, name, per_second, more=""):
        """A file of chains: the first source of the token's network answers as no node does."""
        text = f"""
            [[network]]
            name = "{NETWORK}"
            finality = {FINALITY}
            [[network.source]]
            name = "html"
            kind = "rpc"
            url = "{self.html}"
            per_second = 1000
            [[network.source]]
            name = "node"
            kind = "rpc"
            url = "{self.anvil.url}"
            per_second = {per_second}
            {more}
            [[network]]
            name = "bitcoin"
            [[network.source]]
            name = "wallet"
            kind = "esplora"
            url = "{self.esplora}"
            per_second = 1000
            """
        path = self.folder / f"{name}.toml"
        path.write_text(text)
        return str(path)

    def serve(self, name, file, *more):
        flags = ["--chains-file", file, "--sync-cooldown-seconds", "0"]
        flags += ["--sync-lease-seconds", "5", *more]
        self.server = Server(self.daybook, self.address, self.data, flags, self.log)
        check(name, self.server.start())

    def ask(self, service, method, request):
        """An answer that must be one."""
        answer = self.client.call(service, method, request)
        if answer.code != "OK":
            raise RuntimeError(f"{method} of {request}: {answer}")
        return answer.body

    def request(self, history):
        """Asks for a token to be synced. Its job."""
        return self.ask(SYNC, "SyncToken", {"token": history.key()})["job"]

    def job(self, job_id):
        return self.ask(SYNC, "GetSyncJob", {"jobId": job_id})["job"]

    def watch(self, job_id):
        """How a job stood from now on until it was over."""
        answers = self.client.stream(SYNC, "WatchSyncJob", {"jobId": job_id})
        return [answer["job"] for answer in answers]

    def sync(self, history):
        """Syncs a token to the head; how its job ended."""
        return self.watch(self.request(history)["jobId"])[-1]

    def is_at_work(self, job_id, source="node"):
        job = self.job(job_id)
        is_running = job["state"] == "SYNC_JOB_STATE_RUNNING"
        return is_running and job.get("source") == source and int(job.get("progress", 0)) > 0

    def is_over(self, job_id):
        return self.job(job_id)["state"] == "SYNC_JOB_STATE_SUCCEEDED"

    def holders(self, history):
        """All holders, page by page, and the last page."""
        request = {"token": history.key(), "pageSize": 7}
        found = {}
        while True:
            page = self.ask(TOKENS, "ListHolders", request)
            found |= {one["address"]: units(one["balance"]) for one in page.get("holders", [])}
            if not page.get("nextPageToken"):
                return found, page
            request["pageToken"] = page["nextPageToken"]

    def compare(self, when, history):
        """Holds what is recorded of a token against what its contract says."""
        contract = self.anvil.balances(history.contract, HOLDERS)
        wanted = {holder: balance for holder, balance in contract.items() if balance > 0}
        found, page = self.holders(history)
        same(f"{when} every holder has what balanceOf says", found, wanted)
        supply = self.anvil.supply(history.contract)
        seen = (units(page["supply"]), sum(found.values()), page.get("isSumSupply"))
        same(f"{when} the supply is totalSupply, and the sum of balances", seen, (supply, supply, True))
        transfers, listed = {"token": history.key(), "pageSize": 1000}, []
        for one in self.ask(TOKENS, "ListTransfers", transfers).get("transfers", []):
            parties = one["sender"], one["receiver"]
            listed.append((int(one["height"]), *parties, units(one["amount"])))
        same(f"{when} the transfers are those that were made", sorted(listed), sorted(history.moves))

    def run(self, *arguments, file=None, **more):
        """Runs the program beside the server."""
        command = [self.daybook, *arguments, "--chains-file", file or self.fast]
        environment = {**os.environ, "DAYBOOK_DATA_DIR": self.data}
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=60, **more
        )

    def work(self, file):
        """`daybook work` as a process of its own."""
        command = [self.daybook, "work", "--chains-file", file, "--sync-lease-seconds", "5"]
        environment = {**os.environ, "DAYBOOK_DATA_DIR": self.data}
        return subprocess.Popen(command, stdout=self.log, stderr=self.log, env=environment)


def first_sync(chains, history):
    history.mint()
    history.go_on(80)
    chains.serve("a server that syncs chains serves", chains.fast)
    states = chains.watch(chains.request(history)["jobId"])
    same("a job is watched to its end", states[-1]["state"], "SYNC_JOB_STATE_SUCCEEDED")
    same("a source that answers HTML is passed over", states[-1]["source"], "node")
    same("the job says what it recorded", int(states[-1]["progress"]), len(history.moves))
    chains.compare("after the first sync", history)
    token = chains.ask(TOKENS, "GetToken", {"token": history.key()})["token"]
    same("transfers explain the balances", token["verdict"], "TOKEN_VERDICT_EXPLAINED")
    anvil, holder = chains.anvil, HOLDERS[0]
    start, end = anvil.block_time(history.moves[0][0]), anvil.block_time(history.moves[-20][0])
    question = {
        "account": {"network": NETWORK, "address": holder},
        "asset": f"{NETWORK}:{history.contract}",
        "window": {"start": instant(start), "end": instant(end)},
        "direction": "DIRECTION_RECEIVER",
        "verify": True,
    }
    sum_ = chains.ask(ANALYTICS, "SumAmount", question)
    seen = units(sum_["sumAmount"]), int(sum_.get("transactionCount", 0))
    same("SumAmount is what was sent", seen, history.received(holder, start, end))
    coverage = sum_.get("coverage", {})
    same("SumAmount says that nothing is missing", coverage.get("isComplete"), True)
    question["window"]["end"] = instant(time.time() + 3600)
    answer = chains.client.call(ANALYTICS, "SumAmount", question)
    same("a window behind what was read is refused", answer.code, "FAILED_PRECONDITION")
    coverage = chains.ask(ANALYTICS, "SumAmount", question | {"allowPartial": True})["coverage"]
    same("unless a part will do, which is said", coverage.get("isComplete", False), False)


def killed(chains, history):
    history.go_on(120, moves=1)
    check("the server stops in order", chains.server.stop())
    chains.serve("serves with a slow source", chains.slow)
    job = chains.request(history)
    job_id, before = job["jobId"], job["headHeight"]
    recorded = lambda: int(chains.job(job_id)["headHeight"]) > int(before)
    is_caught = within(20, recorded) and chains.is_at_work(job_id)
    check("is at work on the slow source, and has recorded a part", is_caught)
    chains.server.kill()
    chains.serve("serves again after kill -9 amid a sync", chains.slow)
    check("the job is taken up by itself", within(30, lambda: chains.is_over(job_id)))
    chains.compare("after kill -9", history)


def postgres_killed(chains, history):
    history.go_on(60, moves=1)
    job_id = chains.request(history)["jobId"]
    check("is at work once more", within(15, lambda: chains.is_at_work(job_id)))
    postmaster = Path(chains.data, "pgdata/postmaster.pid").read_text().split()[0]
    os.kill(int(postmaster), signal.SIGKILL)

    def is_over():
        answer = chains.client.call(SYNC, "GetSyncJob", {"jobId": job_id})
        return answer.code == "OK" and answer.body["job"]["state"] == "SYNC_JOB_STATE_SUCCEEDED"

    check("the job comes to its end though Postgres was killed", within(40, is_over))
    chains.compare("after Postgres was killed", history)


def reorganised(chains, history):
    history.roll_back(FINALITY - 2)
    history.go_on(FINALITY)
    chains.sync(history)
    chains.compare("after a reorganisation", history)


def on_the_command_line(chains):
    """`daybook sync-token` beside the running server."""
    history = History(chains.anvil, 11)
    history.mint()
    history.go_on(30)
    first, last = history.moves[0][0] + 3, history.moves[-1][0] - 5
    span = ["--from", str(first), "--to", str(last)]
    wanted = [move for move in history.moves if first <= move[0] <= last]
    for when, rows in ("first", len(wanted)), ("second", 0):
        done = chains.run("sync-token", NETWORK, history.contract, *span)
        said = f"rows={rows}" in done.stdout + done.stderr
        same(f"sync-token records blocks the {when} time", (done.returncode, said), (0, True))
    request = {"token": history.key(), "pageSize": 1000}
    listed = chains.ask(TOKENS, "ListTransfers", request).get("transfers", [])
    same("which are those of its blocks", len(listed), len(wanted))
    done = chains.run("sync-token", NETWORK, history.contract, "--from", "0", "--once")
    is_named = f"must be {first}" in done.stderr
    same("a token does not begin anew elsewhere", (done.returncode, is_named), (1, True))

    history = History(chains.anvil, 13)
    history.mint()
    history.go_on(20)
    done = chains.run("sync-token", NETWORK, history.contract, "--once")
    same("sync-token --once ends at the head", done.returncode, 0)
    chains.compare("after sync-token", history)


def refusals(chains, history):
    """Wrong arguments and files: each is refused with a word of what is wrong."""
    token = history.contract
    for what, arguments, word in (
        ("an unknown network", ["evm-5", token], "evm-5"),
        ("a network that has no tokens", ["bitcoin", token], "NETWORK"),
        ("an address without a token", [NETWORK, HOLDERS[0]], "no contract of a token"),
        ("an address that is none", [NETWORK, "0x12"], "CONTRACT"),
        ("a last block before the first", [NETWORK, token, "--from", "9", "--to", "8"], "--to"),
    ):
        done = chains.run("sync-token", *arguments)
        seen = done.returncode, word in done.stderr, "panicked" in done.stderr
        check(f"sync-token refuses {what}", seen == (1, True, False))
        if seen != (1, True, False):
            print(f"        {done.returncode}: {done.stderr[-300:]}", flush=True)
    text = Path(chains.fast).read_text()
    node = f'url = "{chains.anvil.url}"'
    for what, old, new, word in (
        ("text for a number", "per_second = 2000", 'per_second = "s3cret"', "per_second"),
        ("a number for text", node, "url = 5", "url"),
        ("an unknown key", "finality = 8", "finaliti = 8", "finaliti"),
        ("text for a list", node, 'keys = "s3cret"\n' + node, "keys"),
        ("no URL", node, "", "url"),
        ("an unknown kind", 'kind = "esplora"', 'kind = "electrum"', "electrum"),
        ("half a table", "[[network.source]]", "[[network.source", "line 5"),
        ("a kind of another chain", 'kind = "esplora"', 'kind = "rpc"', "kind"),
        ("a rate of nothing", "per_second = 2000", "per_second = 0", "per_second"),
        ("a rate too small for any clock", "per_second = 2000", "per_second = 1e-300", "per_second"),
        ("a rate that is no number", "per_second = 2000", "per_second = nan", "per_second"),
        ("a name twice", 'name = "node"', 'name = "html"', "html"),
        ("a network twice", "", '[[network]]\nname = "bitcoin"\n', "bitcoin"),
        ("a key without a place", node, 'keys = ["s3cret"]\n' + node, "{key}"),
        ("a place without a key", node, f'url = "{chains.anvil.url}/{{key}}"', "{key}"),
        ("a public host in clear", node, 'url = "http://example.com"', "https"),
        ("an unknown chain", 'name = "bitcoin"', 'name = "dogecoin"', "dogecoin"),
        ("an impossible coin", 'name = "bitcoin"', 'name = "bitcoin"\ncoin = ""', "coin"),
        ("a missing file of keys", node, 'keys_file = "no.keys"\n' + node, "no.keys"),
    ):
        path = chains.folder / "wrong.toml"
        path.write_text(text.replace(old, new, 1))
        done = chains.run("sync-token", NETWORK, token, "--once", file=str(path))
        wrong = "panicked" in done.stderr or "s3cret" in done.stderr
        seen = done.returncode, word in done.stderr, wrong
        check(f"a file with {what} is refused", seen == (1, True, False))
        if seen != (1, True, False):
            print(f"        {done.returncode}: {done.stderr[-300:]}", flush=True)


def apart(chains, history):
    """`daybook work` does what a server leaves to it."""
    check("the server stops in order before it leaves the work", chains.server.stop())
    chains.serve("serves without workers", chains.fast, "--sync-workers", "0")
    history.go_on(100, moves=1)
    job_id = chains.request(history)["jobId"]
    worker = chains.work(chains.slow)
    try:
        check("a worker of its own is at work", within(15, lambda: chains.is_at_work(job_id)))
        worker.send_signal(signal.SIGINT)
        same("Ctrl-C ends it amid a job, with exit code 0", worker.wait(10), 0)
        state = chains.job(job_id)["state"]
        same("the job goes back to the queue", state, "SYNC_JOB_STATE_QUEUED")
        worker = chains.work(chains.fast)
        check("the next worker does it", within(20, lambda: chains.is_over(job_id)))
        chains.compare("after two workers", history)
        worker.send_signal(signal.SIGINT)
        same("Ctrl-C ends an idle worker, with exit code 0", worker.wait(10), 0)
    finally:
        worker.kill()
        worker.wait()


def wallet(chains):
    """A Bitcoin wallet from a server that answers as Esplora does."""
    user = chains.ask(LEDGER, "CreateUser", {"username": "bob", "name": "Bob"})["user"]["userUuid"]
    account = {"network": "bitcoin", "address": Wallet.ADDRESS}
    chains.ask(LEDGER, "AddWallet", {"userUuid": user, "account": account})
    balance = {"account": account, "asset": "BTC"}
    answer = chains.client.call(LEDGER, "GetBalance", balance)
    check("a wallet that was never synced has no balance", answer.code != "OK")
    job = chains.ask(SYNC, "SyncWallet", {"wallet": account})["job"]
    seen = chains.watch(job["jobId"])[-1]["state"]
    same("a wallet is synced", seen, "SYNC_JOB_STATE_SUCCEEDED")
    wallets = chains.ask(LEDGER, "ListWallets", {"userUuid": user})["wallets"]
    (found,) = [one for one in wallets if one["account"] == account]
    same("ListWallets has it up to date", found["sync"]["state"], "WALLET_SYNC_STATE_UP_TO_DATE")
    held = Decimal(chains.wallet.balance).scaleb(-8)
    seen = [(one["asset"], Decimal(one["balance"])) for one in found["balances"]]
    same("ListWallets has what it holds", seen, [("BTC", held)])
    answer = chains.ask(LEDGER, "GetBalance", balance | {"verify": True})
    same("GetBalance is what it holds", Decimal(answer["balance"]), held)
    same("GetBalance says that nothing is missing", answer["coverage"].get("isComplete"), True)


def documented(chains, history):
    """The commands of the documents."""
    documents = Documents(
        chains.daybook, chains.address, chains.folder, chains.tools, chains.data, chains.fast
    )
    fresh = History(chains.anvil, 17)
    fresh.mint()
    first = chains.anvil.height()
    chains.anvil.mine(4)
    blocks = (first, first + 3)
    documents.replace(NETWORK, history.contract, fresh.contract, HOLDERS[0], blocks)
    documents.check_file("docs/chains.toml")
    for path in "docs/chains.md", "docs/tokens.md":
        documents.check(path)


def main(daybook, address, folder, tools):
    with open(f"{folder}/chains.log", "w") as log:
        chains = Chains(daybook, address, folder, tools, log)
        try:
            history = History(chains.anvil, 7)
            first_sync(chains, history)
            killed(chains, history)
            postgres_killed(chains, history)
            reorganised(chains, history)
            on_the_command_line(chains)
            refusals(chains, history)
            wallet(chains)
            documented(chains, history)
            apart(chains, history)
        except Exception as error:
            check(f"{type(error).__name__}: {error!s:.500}", False)
        finally:
            chains.anvil.stop()
            if chains.server:
                check("the server of chains stops in order", chains.server.stop())


main(*sys.argv[1:])
