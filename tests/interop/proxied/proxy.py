"""Kamailio with its rtpengine module as the SIP proxy."""

import os
import signal
import subprocess
import time

from packets import PATIENCE
from phones import end_with_parent

# What it says of a gateway that has answered its ping.
FOUND = "support for it enabled"
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kamailio.cfg")


class Proxy:
    """A Kamailio that is beside the gateway, with an address in each realm."""

    def __init__(self, directory, addresses, ng, callees, suite):
        self.directory, self.ng = directory, ng
        self.access, self.core = addresses
        self.known = "\n    ".join(
            f'if ($rU == "{name}") {{ {"; ".join(_targets(name, uris))}; return; }}'
            for name, uris in callees.items()
            if uris
        )
        self.script = os.path.join(directory, "kamailio.cfg")
        self.log = os.path.join(directory, "kamailio.log")
        with open(self.log, "wb"):
            self.process = None
        self.offer(suite)

    def offer(self, suite):
        """Has the gateway offer this suite to phones; in force at the next start."""
        with open(SCRIPT, encoding="utf-8") as file:
            script = file.read()
        for word, value in (
            ("ACCESS_ADDRESS", "{}:{}".format(*self.access)),
            ("CORE_ADDRESS", "{}:{}".format(*self.core)),
            ("ACCESS_PORT", str(self.access[1])),
            ("NG_ADDRESS", self.ng),
            ("SUITE", f"SDES-only-{suite}"),
            ("CALLEES", self.known),
        ):
            script = script.replace(word, value)
        with open(self.script, "w", encoding="utf-8") as file:
            file.write(script)

    def start(self):
        """Starts it and waits until it has found the gateway: without it, it would refuse calls."""
        before = self.said().count(FOUND)
        run = os.path.join(self.directory, "run")
        os.makedirs(run, exist_ok=True)
        command = ["kamailio", "-DD", "-E", "-m", "64", "-M", "8", "-f", self.script]
        command += ["-Y", run, "-P", os.path.join(run, "pid")]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # So that it ends its children as well.
                preexec_fn=lambda: end_with_parent(signal.SIGTERM),
            )
        deadline = time.monotonic() + PATIENCE
        while self.said().count(FOUND) == before:
            assert self.process.poll() is None, f"Kamailio has ended: {self.said()}"
            assert time.monotonic() < deadline, f"Kamailio is not ready: {self.said()}"
            time.sleep(0.05)

    def stop(self):
        """Ends it with all its processes."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def said(self):
        """Its log."""
        with open(self.log, encoding="utf-8") as log:
            return log.read()


def _targets(name, uris):
    first, *others = uris
    told = [f'$ru = "{first}"']
    if name == "both":
        told.append("$avp(forks) = 1")
    return told + [f'append_branch("{uri}")' for uri in others]
