"""Runs the commands of a document, and holds what they print against what the document says.

    documented.py DAYBOOK ADDRESS FOLDER TOOLS DOCUMENT [FLAG...]

Commands are the blocks `sh` of the document. The block `json` or `text` behind one is what it
prints; in a text `...` stands for anything, alone on a line for any lines. A command whose tool is
not at hand is not run, and that is said. Starts a server of its own with the flags (`--no-seed`
without any), with its data in that folder; TOOLS is the folder with grpcurl and buf. Prints a line
a check, as `scripts/e2e` does.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

from server import Server, check

# Fields that tell of the moment of the answer.
FLEETING = {"asOf", "databaseSeconds"}

# Programs that bring a language with them: their examples are run where `scripts/install-test-tools
# --clients` has put what they need.
LANGUAGES = {"go run", "npm start", "newman run", "python3 -m venv", "cargo run"}


def blocks(path):
    """Commands with the kind and the text of what the document says that they print."""
    with open(path) as file:
        found = re.findall(r"^```(sh|json|text)\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)
    pairs = []
    for kind, text in found:
        if kind == "sh":
            pairs.append([text, None, None])
        elif pairs and pairs[-1][1] is None:
            pairs[-1][1:] = [kind, text]
    return pairs


def lasting(answer):
    """An answer without what tells of its moment, at any depth."""
    if isinstance(answer, dict):
        return {key: lasting(value) for key, value in answer.items() if key not in FLEETING}
    return [lasting(one) for one in answer] if isinstance(answer, list) else answer


def pattern(text):
    lines = []
    for line in text.splitlines():
        if line.strip() == "...":
            lines.append(r"(?:.*\n)*?")
        else:
            parts = [re.escape(part) for part in line.rstrip().split("...")]
            lines.append(".*".join(parts) + r"[ ]*\n")
    return "".join(lines)


def is_as_said(kind, expected, printed):
    if kind == "json":
        return lasting(json.loads(printed)) == lasting(json.loads(expected))
    return kind is None or re.fullmatch(pattern(expected), printed.rstrip("\n") + "\n") is not None


def speaks_json(address):
    request = urllib.request.Request(
        f"http://{address}/daybook.v1.StatusService/GetStatus",
        data=b"{}",
        headers={"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def missing(command, tools, address, paths):
    """Why a command cannot be run here, if it cannot."""
    for tool in ("grpcurl", "buf", "ghz", "curl"):
        if re.search(rf"(?m)^\s*{tool} ", command) and shutil.which(tool, path=paths) is None:
            return f"there is no {tool}"
    if re.search(r"(?m)^\s*(curl|newman) ", command) and not speaks_json(address):
        return "this server does not speak JSON"
    needs = sorted(language for language in LANGUAGES if f"{language} " in command)
    if needs and not os.path.exists(f"{tools}/../clients.stamp"):
        return f"what {needs[0]!r} needs is not installed (scripts/install-test-tools --clients)"
    return None


def main(daybook, address, folder, tools, document, *flags):
    name = os.path.basename(document)
    if not os.path.exists(f"{tools}/grpcurl"):
        print(f"NOT RUN: {name}: there is no grpcurl to run its commands with", flush=True)
        return
    data = f"{folder}/{name}.data"
    clients = os.path.realpath(f"{tools}/../clients/bin")
    paths = f"{clients}:{tools}:{os.path.dirname(daybook)}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": paths, "DAYBOOK_DATA_DIR": data, "DAYBOOK_ADDRESS": address}
    with open(f"{folder}/documented.log", "a") as log:
        server = Server(daybook, address, data, list(flags), log, is_seeded=bool(flags))
        try:
            check(f"a server for the commands of {name} serves", server.start())
            for command, kind, expected in blocks(document):
                title = f"{name}: {' '.join(command.split())[:60]}"
                reason = missing(command, tools, address, paths)
                if reason:
                    print(f"NOT RUN: {title}: {reason}", flush=True)
                    continue
                command = command.replace("127.0.0.1:50051", address)
                done = subprocess.run(
                    ["bash", "-c", command], capture_output=True, text=True, env=environment, timeout=600
                )
                printed = done.stdout.replace(address, "127.0.0.1:50051")
                is_right = done.returncode == 0 and is_as_said(kind, expected, printed)
                check(title, is_right)
                if not is_right:
                    print(f"{done.stdout[-2000:]}{done.stderr[-2000:]}", flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
