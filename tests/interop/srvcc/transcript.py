"""What was said during a run, in order: the log of the documentation, and its diagram."""

import re
import threading
import time

import description


# The domain of the play.
HOME = "@ims.example"


class Trace:
    """Messages between elements; keys stand in it by their names only."""

    def __init__(self):
        self.began = time.monotonic()
        self.elements, self.names = {}, {}
        self.phone = None
        self.lock = threading.Lock()
        self.entries = []

    def name(self, line, name):
        """Gives the key of an `a=crypto` line its name in the figure."""
        self.names.setdefault(description.key_of(line), name)

    def sip(self, source, to, message):
        """A SIP message was sent."""
        if message.status == 100:
            return
        self._add(self.elements[source], self.elements[to], lambda: self._of_sip(message))

    def iq(self, controller, gateway, commands):
        """A transaction was sent."""
        self._add(controller, gateway, lambda: ", ".join(commands))

    def reply(self, gateway, controller, what):
        """A transaction was answered."""
        self._add(gateway, controller, lambda: what)

    def lines(self):
        """The log, a line for each message, with the time since the beginning in seconds."""
        return [f"{at:7.3f}  {one} -> {other}: {told()}" for at, one, other, told in self.entries]

    def arrows(self):
        """The same without times."""
        return [line.split(maxsplit=1)[1] for line in self.lines()]

    def key(self, line):
        """The name of a key."""
        return self.names[description.key_of(line)]

    def _add(self, source, to, told):
        with self.lock:
            self.entries.append((time.monotonic() - self.began, source, to, told))

    def _of_sip(self, message):
        if message.status:
            what = f"{message.status} ({message.method})"
        else:
            method, uri, _ = message.start.split(" ")
            if method == "INVITE" and ";tag=" in message.get("to"):
                method = "re-INVITE"
            # A Contact says nothing: it is another one in every run.
            named = uri.startswith("tel:") or uri.endswith(HOME)
            what = f"{method} {uri}" if named and method == "INVITE" else method
        identity = re.search(r"<([^>]+)>", message.get("p-asserted-identity"))
        told = [what, *([f"C-MSISDN {identity.group(1)}"] if identity else [])]
        if message.body:
            told.append(re.search(r"(?m)^m=audio \d+ (\S+)", message.body).group(1))
            if "a=crypto:" in message.body:
                told.append(f"a=crypto {self.key(description.line_of(message.body))}")
        return ", ".join(told)
