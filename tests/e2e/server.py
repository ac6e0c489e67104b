"""What checks that start servers of their own share."""

import socket
import subprocess
import time


def check(name, is_right):
    print(f"{'ok' if is_right else 'FAILED':7} {name}", flush=True)


def same(name, seen, wanted):
    """Checks that two values are equal, and shows them where they are not."""
    is_right = seen == wanted
    check(name if is_right else f"{name}: {seen!r:.300}, wanted {wanted!r:.300}", is_right)


def within(seconds, condition):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """A server with data of its own, which can be killed as hard as can be."""

    def __init__(self, daybook, address, data, flags, log, is_seeded=False):
        self.command = [daybook, "serve", "--listen", address, "--data-dir", data, *flags]
        self.command += [] if is_seeded else ["--no-seed"]
        self.health = [daybook, "health", "--address", f"http://{address}"]
        self.log, self.process = log, None

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return within(60, lambda: subprocess.run(self.health, **quiet).returncode == 0)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(20) == 0
