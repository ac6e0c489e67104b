"""Runs the commands of the documents about chains against chains of this machine. Used by `chains.py`.

A command asks about the chain and the contract that the document names: here they are those of a node
of this machine. What cannot be run here has its flags looked up.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from chain_nodes import ROOT
from server import check, same

# Contracts and addresses as documents write them.
CONTRACTS = ["0x...", "0x00000000000000000000000000000000000000c0"]
FRESH_CONTRACT = "0xdac17f958d2ee523a2206206994597c13d831ec7"
HOLDER = "0x0000000000000000000000000000000000001ef0"


def commands(text):
    """The commands of a document, each on one line."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in re.sub(r"\\\n\s*", " ", block).splitlines() if line]


def outcome(done):
    return f"{done.returncode}: {done.stderr[-300:]}"


class Documents:
    """What stands for what the documents name; the last answers' user and job among it."""

    def __init__(self, daybook, address, folder, tools, data, chains_file):
        self.daybook, self.folder = daybook, folder
        paths = f"{tools}:{os.path.dirname(daybook)}:{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": paths, "DAYBOOK_DATA_DIR": data}
        self.names = {"127.0.0.1:50051": address}
        self.has_grpcurl = os.path.exists(f"{tools}/grpcurl")
        shutil.copy(chains_file, f"{folder}/chains.toml")
        helps = [self.run([daybook, name, "--help"]).stdout for name in ("serve", "work", "sync-token")]
        self.help = "".join(helps)

    def run(self, command):
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.folder,
            timeout=60,
        )

    def replace(self, network, contract, fresh_contract, holder, blocks):
        """What is asked about instead: a synced token, one that is not yet, and its blocks."""
        self.names |= {name: contract for name in CONTRACTS}
        self.names |= {FRESH_CONTRACT: fresh_contract, HOLDER: holder}
        self.names |= {"ethereum": network, "evm-31337": network}
        self.names |= {"19000000": str(blocks[0]), "19001000": str(blocks[1])}

    def check(self, path):
        """Runs the commands of a document, and looks up the flags that it names."""
        text = Path(ROOT, path).read_text()
        missing = [flag for flag in re.findall(r"`(--[a-z-]+)", text) if flag not in self.help]
        same(f"{path}: every flag is known", missing, [])
        found = commands(text)
        check(f"{path}: has commands", bool(found))
        if not self.has_grpcurl:
            print(f"NOT RUN: there is no grpcurl to run commands of {path} with", flush=True)
            return
        for command in found:
            name = f"{path}: {' '.join(command.split()[:2])} ... {command.split()[-1]}"
            if command.startswith("scripts/"):
                missing = [flag for flag in re.findall(r"--[a-z-]+", command) if flag not in self.help]
                same(name, missing, [])
                continue
            for old, new in self.names.items():
                command = command.replace(old, new)
            done = self.run(["bash", "-c", command])
            check(name if done.returncode == 0 else f"{name}: {outcome(done)}", done.returncode == 0)
            self.remember(done.stdout)

    def remember(self, answer):
        try:
            fields = json.loads(answer)
        except json.JSONDecodeError:
            return
        if "user" in fields:
            self.names['"UUID"'] = f'"{fields["user"]["userUuid"]}"'
        if "job" in fields:
            self.names['"JOB"'] = f'"{fields["job"]["jobId"]}"'

    def check_file(self, path):
        """A file of chains is read with everything that it has in comments. Nobody is asked: the
        network that is wanted is not in it."""
        text = Path(ROOT, path).read_text()
        whole = re.sub(r"^#(\[|[a-z_]+ = )", r"\1", text, flags=re.MULTILINE)
        for name in re.findall(r'keys_file = "(.*)"', whole):
            Path(self.folder, name).write_text("one key\nanother key\n")
        for what, content in ("as it is", text), ("with all of its sources", whole):
            Path(self.folder, "documented.toml").write_text(content)
            command = [self.daybook, "sync-token", "evm-5", FRESH_CONTRACT]
            done = self.run([*command, "--chains-file", "documented.toml"])
            is_read = done.returncode == 1 and "evm-5" in done.stderr
            name = f"{path} can be read {what}"
            check(name if is_read else f"{name}: {outcome(done)}", is_read)
