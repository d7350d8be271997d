"""The gateway's ledger, read from its metrics: received = forwarded + the sum of all drops."""

import re
import time
import urllib.request
from dataclasses import dataclass

from packets import PATIENCE

SAMPLE = re.compile(r"^agw_packets_(\w+)_total\{([^}]*)\} (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass
class Entry:
    """The counters at one moment, summed over the workers."""

    received: int
    forwarded: int
    dropped: dict

    def dropped_since(self, before):
        """How many packets were dropped since `before`, by reason."""
        return {
            reason: count - before.dropped.get(reason, 0)
            for reason, count in self.dropped.items()
        }

    def closes(self):
        """Whether every packet that was received has become of something."""
        return self.received == self.forwarded + sum(self.dropped.values())


class Ledger:
    """The ledger of a gateway by its admin address."""

    def __init__(self, admin):
        self.url = f"http://{admin}/metrics"

    def settled(self):
        """The counters once they stand still and close; they are told with a little delay."""
        deadline = time.monotonic() + PATIENCE
        last = self._read()
        while True:
            time.sleep(0.15)
            now = self._read()
            if now == last and now.closes():
                return now
            last = now
            assert time.monotonic() < deadline, f"the ledger does not close: {now}"

    def _read(self):
        with urllib.request.urlopen(self.url, timeout=PATIENCE) as answer:
            text = answer.read().decode()
        entry = Entry(0, 0, {})
        for name, labels, value in SAMPLE.findall(text):
            count = int(float(value))
            if name == "received":
                entry.received += count
            elif name == "forwarded":
                entry.forwarded += count
            elif name == "dropped":
                reason = dict(LABEL.findall(labels))["reason"]
                entry.dropped[reason] = entry.dropped.get(reason, 0) + count
        return entry
