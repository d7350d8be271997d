"""Kamailio with its rtpengine module as the SIP proxy."""

import os
import signal
import subprocess
import time

from packets import PATIENCE
from phones import end_with_parent

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kamailio.cfg")


class Proxy:
    """A Kamailio that is beside the gateway, with an address in each realm."""

    def __init__(self, directory, addresses, ng, callees, suite):
        self.directory = directory
        self.access, self.core = addresses
        with open(SCRIPT, encoding="utf-8") as file:
            script = file.read()
        known = "\n    ".join(
            f'if ($rU == "{name}") {{ {"; ".join(_targets(uris))}; return; }}'
            for name, uris in callees.items()
        )
        for word, value in (
            ("ACCESS_ADDRESS", "{}:{}".format(*self.access)),
            ("CORE_ADDRESS", "{}:{}".format(*self.core)),
            ("ACCESS_PORT", str(self.access[1])),
            ("NG_ADDRESS", ng),
            ("SUITE", f"SDES-only-{suite}"),
            ("CALLEES", known),
        ):
            script = script.replace(word, value)
        self.script = os.path.join(directory, "kamailio.cfg")
        with open(self.script, "w", encoding="utf-8") as file:
            file.write(script)
        self.process = None

    def start(self):
        """Starts it and waits until it listens."""
        run = os.path.join(self.directory, "run")
        os.makedirs(run, exist_ok=True)
        command = ["kamailio", "-DD", "-E", "-m", "64", "-M", "8", "-f", self.script]
        command += ["-Y", run, "-P", os.path.join(run, "pid")]
        with open(os.path.join(self.directory, "kamailio.log"), "ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,
            )
        deadline = time.monotonic() + PATIENCE
        while not all(self._listens(port) for _, port in (self.access, self.core)):
            assert self.process.poll() is None, f"Kamailio has ended: {self.said()}"
            assert time.monotonic() < deadline, f"Kamailio does not listen: {self.said()}"
            time.sleep(0.05)

    def stop(self):
        """Ends it with all its processes."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)

    def said(self):
        """Its log."""
        with open(os.path.join(self.directory, "kamailio.log"), encoding="utf-8") as log:
            return log.read()

    def _listens(self, port):
        with open("/proc/thread-self/net/udp", encoding="ascii") as table:
            return f":{port:04X} 00000000:0000 07" in table.read()


def _targets(uris):
    first, *others = uris
    told = [f'$ru = "{first}"']
    if others:
        told.append("$avp(forks) = 1")
    return told + [f'append_branch("{uri}")' for uri in others]
