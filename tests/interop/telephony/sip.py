"""As much of SIP as a session transfer takes: messages, and an element that speaks UDP (RFC 3261)."""

import re
import secrets
import socket
from dataclasses import dataclass, field

from packets import PATIENCE, bound_socket

BRANCH = "z9hG4bK"
# T1 of RFC 3261 17.1.1.1, in seconds: after it, a request is sent again.
T1 = 0.5
# Fields that a response repeats (RFC 3261 8.2.6.2).
REPEATED = ("via", "from", "to", "call-id", "cseq")


@dataclass
class Message:
    """A request or a response."""

    start: str
    fields: list = field(default_factory=list)
    body: str = ""

    @classmethod
    def parse(cls, octets):
        """What a datagram says."""
        head, _, body = octets.decode().partition("\r\n\r\n")
        start, *lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
        pairs = (line.split(":", 1) for line in lines)
        return cls(start, [(name.strip().lower(), value.strip()) for name, value in pairs], body)

    def encode(self):
        """The datagram."""
        kind = [("content-type", "application/sdp")] if self.body else []
        length = ("content-length", str(len(self.body.encode())))
        lines = [f"{name}: {value}" for name, value in [*self.fields, *kind, length]]
        return "\r\n".join([self.start, *lines, "", self.body]).encode()

    def get(self, name):
        """The first field of a name."""
        return next((value for known, value in self.fields if known == name), "")

    def all(self, name):
        """The values of all fields of a name, in their order."""
        values = [value for known, value in self.fields if known == name]
        return [one.strip() for value in values for one in value.split(",")]

    @property
    def status(self):
        """The status code; 0 for a request."""
        first, second, _ = self.start.split(" ", 2)
        return int(second) if first == "SIP/2.0" else 0

    @property
    def method(self):
        """The method, of a response that of its request."""
        return self.get("cseq").split()[1]

    @property
    def branch(self):
        """The branch of the topmost Via: which transaction it is of."""
        return re.search(r"branch=([^;,\s]+)", self.get("via")).group(1)

    @property
    def target(self):
        """Where the Contact is."""
        host, port = re.search(r"@([\d.]+):(\d+)", self.get("contact")).groups()
        return host, int(port)


@dataclass
class Dialog:
    """What the requests of a call have in common (RFC 3261 12)."""

    uri: str
    local: str
    remote: str
    call: str
    to: tuple
    sequence: int = 0
    route: tuple = ()


class Element:
    """A SIP element by its name in the figure; what it sends and receives goes into the trace."""

    def __init__(self, name, trace, host="127.0.0.1"):
        self.name, self.trace = name, trace
        if host.startswith("127."):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((host, 0))
        else:
            self.socket = bound_socket(host)
        self.address = self.socket.getsockname()
        trace.elements[self.address] = name

    def dial(self, uri, to, user):
        """A dialog that does not stand yet."""
        local = f"<{user}>;tag={secrets.token_hex(4)}"
        return Dialog(uri, local, f"<{uri}>", secrets.token_hex(8), to)

    def invite(self, dialog, body, *extra):
        """Offers a session description; tells the answer, which must be a 200 OK."""
        answer = self._request("INVITE", dialog, body, extra)
        if answer.status != 200:
            raise ConnectionError(f"{self.name}: {answer.start}")
        if ";tag=" not in dialog.remote:
            # Proxies that want to see what follows (RFC 3261 12.1.2).
            dialog.route = tuple(reversed(answer.all("record-route")))
        dialog.remote = answer.get("to")
        if not dialog.route:
            dialog.to = answer.target
        dialog.uri = re.search(r"<([^>]+)>", answer.get("contact")).group(1)
        self._send(self._made("ACK", dialog), dialog.to)
        return answer.body

    def bye(self, dialog):
        """Ends a dialog."""
        dialog.sequence += 1
        return self._transact(self._made("BYE", dialog), dialog.to)

    def serve(self):
        """The next request that is no ACK, and where it came from; `None` for `wake`."""
        while True:
            octets, there = self.socket.recvfrom(65536)
            if octets == b"":
                return None, there
            request = Message.parse(octets)
            if not request.status and request.method != "ACK":
                return request, there

    def wake(self):
        """Has `serve` tell that there is something else to do."""
        self.socket.sendto(b"", self.address)

    def respond(self, request, there, start, body=""):
        """Answers a request."""
        fields = [pair for pair in request.fields if pair[0] in REPEATED]
        if ";tag=" not in request.get("to"):
            tag = f";tag={secrets.token_hex(4)}"
            fields = [(n, v + tag if n == "to" else v) for n, v in fields]
        fields.append(("contact", self._contact()))
        response = Message(f"SIP/2.0 {start}", fields, body)
        self._send(response, there)
        return response

    def accept(self, request, there, body):
        """Answers an INVITE with a session description; tells the dialog that stands then."""
        response = self.respond(request, there, "200 OK", body)
        uri = re.search(r"<([^>]+)>", request.get("contact")).group(1)
        local, remote, call = (response.get(name) for name in ("to", "from", "call-id"))
        return Dialog(uri, local, remote, call, request.target)

    def _request(self, method, dialog, body, extra):
        dialog.sequence += 1
        request = self._made(method, dialog, *extra)
        request.body = body
        return self._transact(request, dialog.to)

    def _made(self, method, dialog, *extra):
        host, port = self.address
        return Message(
            f"{method} {dialog.uri} SIP/2.0",
            [
                ("via", f"SIP/2.0/UDP {host}:{port};branch={BRANCH}{secrets.token_hex(8)}"),
                ("max-forwards", "70"),
                ("from", dialog.local),
                ("to", dialog.remote),
                ("call-id", dialog.call),
                ("cseq", f"{dialog.sequence} {method}"),
                ("contact", self._contact()),
                *(("route", one) for one in dialog.route),
                *extra,
            ],
        )

    def _contact(self):
        return "<sip:{}@{}:{}>".format(self.name.lower().replace(" ", "-"), *self.address)

    def _send(self, message, to):
        self.trace.sip(self.address, to, message)
        self.socket.sendto(message.encode(), to)

    def _transact(self, request, to):
        """Sends a request until the final response; everything else is not expected meanwhile."""
        self._send(request, to)
        heard = False
        for _ in range(int(PATIENCE / T1)):
            self.socket.settimeout(T1)
            try:
                octets, there = self.socket.recvfrom(65536)
            except TimeoutError:
                if not heard:
                    self.socket.sendto(request.encode(), to)
                continue
            finally:
                self.socket.settimeout(None)
            response = Message.parse(octets)
            if not response.status or response.branch != request.branch:
                continue
            heard = True
            if response.status >= 200:
                # Elements of ours have told what they sent.
                if there == self.trace.phone:
                    self.trace.sip(there, self.address, response)
                return response
        raise TimeoutError(f"{self.name}: no answer to {request.start}")
