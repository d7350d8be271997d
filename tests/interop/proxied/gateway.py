"""The gateway as its operator and its proxy see it: ng, metrics, agwctl."""

import json
import re
import secrets
import socket
import subprocess
import time
import urllib.request

from packets import PATIENCE


class Ng:
    """A client of ng in JSON."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, int(port)))
        self.socket.settimeout(1)

    def ask(self, command, **arguments):
        """The reply to a request; it is asked again until there is one."""
        cookie = secrets.token_hex(8)
        request = f"{cookie} {json.dumps({'command': command, **arguments})}".encode()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.socket.send(request)
            try:
                told, _, reply = self.socket.recv(65536).partition(b" ")
            except TimeoutError:
                continue
            if told.decode() == cookie:
                return json.loads(reply)
        raise TimeoutError(f"no reply to {command}")

    def sealing(self, call_id):
        """What `query` tells of SRTP of a call: opened, sealed, wrong tags, replays."""
        reply = self.ask("query", **{"call-id": call_id})
        assert reply["result"] == "ok", reply
        return reply["srtp"]

    def calls(self):
        """The identifiers of the calls that there are."""
        return self.ask("list")["calls"]


class Metrics:
    """The gateway's metrics."""

    def __init__(self, admin):
        self.url = f"http://{admin}/metrics"

    def page(self):
        """All of them."""
        with urllib.request.urlopen(self.url, timeout=PATIENCE) as answer:
            return answer.read().decode()

    def value(self, name, **labels):
        """The sum of a metric's samples that have these labels."""
        total = 0
        for line in self.page().splitlines():
            found = re.match(rf"{name}(?:\{{(.*)\}})? (\S+)$", line)
            wanted = [f'{label}="{value}"' for label, value in labels.items()]
            if found and all(one in (found.group(1) or "") for one in wanted):
                total += float(found.group(2))
        return total

    def await_value(self, expected, name, **labels):
        """Waits until a metric has this value, or one for which `expected` holds."""
        is_expected = expected if callable(expected) else lambda value: value == expected
        deadline = time.monotonic() + PATIENCE
        while not is_expected(value := self.value(name, **labels)):
            assert time.monotonic() < deadline, f"{name} {labels} stays {value}"
            time.sleep(0.05)


class Agwctl:
    """The operator's tool."""

    def __init__(self, program, iq):
        self.command = [program, "--endpoint", f"http://{iq}"]

    def run(self, *arguments):
        """Runs it; it must succeed. Tells what it wrote."""
        done = subprocess.run(
            [*self.command, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"agwctl {arguments}: {done.stdout}{done.stderr}"
        return done.stdout
