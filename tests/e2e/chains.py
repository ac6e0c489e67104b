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
from decimal import Decimal
from pathlib import Path

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
        self.slow = self.file("slow", per_second=6, more="blocks_max = 4")
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
            url = "{self.esplora}/api"
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
    job_id = chains.request(history)["jobId"]
    check("is at work on the slow source", within(15, lambda: chains.is_at_work(job_id)))
    chains.server.kill()
    chains.serve("serves again after kill -9 amid a sync", chains.fast)
    check("the job is taken up by itself", within(20, lambda: chains.is_over(job_id)))
    chains.compare("after kill -9", history)


def postgres_killed(chains, history):
    history.go_on(60, moves=1)
    check("the server stops in order before its Postgres is killed", chains.server.stop())
    chains.serve("serves with a slow source again", chains.slow)
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


def main(daybook, address, folder, tools):
    with open(f"{folder}/chains.log", "w") as log:
        chains = Chains(daybook, address, folder, tools, log)
        try:
            history = History(chains.anvil, 7)
            first_sync(chains, history)
            killed(chains, history)
            reorganised(chains, history)
            postgres_killed(chains, history)
        except Exception as error:
            check(f"{type(error).__name__}: {error!s:.500}", False)
        finally:
            chains.anvil.stop()
            if chains.server:
                check("the server of chains stops in order", chains.server.stop())


main(*sys.argv[1:])
