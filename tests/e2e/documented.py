"""Runs the commands of a document, and holds what they answer against the answers in it.

    documented.py DAYBOOK ADDRESS FOLDER TOOLS DOCUMENT

Commands and answers are the blocks `sh` and `json` of the document: an answer belongs to the command
before it. Starts a server of its own, with its data in that folder; TOOLS is the folder with grpcurl.
Prints a line a check, as `scripts/e2e` does.
"""

import json
import os
import re
import subprocess
import sys

from server import Server, check


def blocks(path):
    """Commands with the answers that the document has of them, if it has one."""
    with open(path) as file:
        found = re.findall(r"^```(sh|json)\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)
    pairs = []
    for kind, text in found:
        if kind == "sh":
            pairs.append([text, None])
        else:
            pairs[-1][1] = json.loads(text)
    return pairs


def main(daybook, address, folder, tools, document):
    if not os.path.exists(f"{tools}/grpcurl"):
        print("NOT RUN: there is no grpcurl to run documented commands with", flush=True)
        return
    data = f"{folder}/documented"
    paths = f"{tools}:{os.path.dirname(daybook)}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": paths, "DAYBOOK_DATA_DIR": data}
    with open(f"{folder}/documented.log", "w") as log:
        server = Server(daybook, address, data, [], log)
        try:
            check("a server for documented commands serves", server.start())
            for command, expected in blocks(document):
                command = command.replace("127.0.0.1:50051", address)
                done = subprocess.run(
                    ["bash", "-c", command], capture_output=True, text=True, env=environment, timeout=60
                )
                is_right = done.returncode == 0
                if is_right and expected is not None:
                    answer = json.loads(done.stdout)
                    # The moment of the answer.
                    answer.pop("asOf", None)
                    is_right = answer == expected
                check(f"{os.path.basename(document)}: {command.split()[-1]}", is_right)
        finally:
            server.stop()


main(*sys.argv[1:])
