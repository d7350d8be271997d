"""Parties whose media is made here: one that talks and listens, and a tap on the way to a phone."""

import socket
import struct
import threading
import time

import description
import pylibsrtp
import tones
from packets import PATIENCE, Sockets, bound_socket, rtp

SAMPLES = 160


PROFILES = {
    description.LONG_TAG: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    description.SHORT_TAG: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
}


def session(key, *, sends):
    """A libsrtp session for one direction, of a suite and a key; it takes any SSRC."""
    suite, octets = key
    kind = (
        pylibsrtp.Policy.SSRC_ANY_OUTBOUND if sends else pylibsrtp.Policy.SSRC_ANY_INBOUND
    )
    policy = pylibsrtp.Policy(key=octets, ssrc_type=kind, srtp_profile=PROFILES[suite])
    return pylibsrtp.Session(policy=policy)


def is_control(packet):
    """Whether it is RTCP (RFC 5761 4)."""
    return 192 <= packet[1] <= 223


def identity(packet):
    """SSRC and sequence number."""
    return struct.unpack_from("!I", packet, 8)[0], struct.unpack_from("!H", packet, 2)[0]


def wake(one):
    """Ends who listens at a socket: nobody else sends datagrams without content."""
    one.sendto(b"", one.getsockname())


def wait_until(done, what):
    """Waits for something that must happen."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, f"this does not come: {what}"
        time.sleep(0.02)


class Talker:
    """One end of a call: plays a tone and keeps what it hears, in SRTP if it has keys."""

    def __init__(self, address, hertz, ssrc, *, first=0, sends=None, receives=None):
        self.sockets = Sockets(address)
        self.ssrc, self.index = ssrc, first
        self.tone = tones.to_alaw(tones.tone(hertz))
        self.keys = (None, None)
        self.sender = self.receiver = None
        self.take_keys(sends, receives)
        self.sent, self.heard, self.refused = [], {}, 0
        self.ends = threading.Event()
        self.threads = []

    def take_keys(self, sends, receives):
        """Seals and opens under these from now on; a key that stays keeps its session."""
        before, self.keys = self.keys, (sends, receives)
        if sends != before[0]:
            self.sender = session(sends, sends=True)
        if receives != before[1]:
            self.receiver = session(receives, sends=False)

    def start(self, local):
        """Talks and listens, now that the gateway's addresses are known."""
        self.sockets.connect(local)
        self.threads = [
            threading.Thread(target=work, daemon=True) for work in (self._talk, self._listen)
        ]
        for thread in self.threads:
            thread.start()

    def leave(self):
        """Says nothing more, but listens on."""
        self.ends.set()
        self.threads[0].join()

    def close(self):
        """Ends it."""
        self.leave()
        wake(self.sockets.rtp)
        self.threads[1].join()

    def audio(self):
        """What it heard, in the order of the sequence numbers."""
        first = next(iter(self.heard))[1]
        order = sorted(self.heard, key=lambda one: (one[0], one[1] - first & 0xFFFF))
        return tones.from_alaw(b"".join(self.heard[one] for one in order))

    def reports(self):
        """The RTCP packets that it got, once it has ended."""
        reports = []
        self.sockets.rtcp.setblocking(False)
        while True:
            try:
                packet = self.sockets.receive_rtcp()
            except BlockingIOError:
                return reports
            reports.append(self.receiver.unprotect_rtcp(packet) if self.receiver else packet)

    def _talk(self):
        due = time.monotonic()
        number = 0
        while not self.ends.is_set():
            at = number * SAMPLES % len(self.tone)
            packet = rtp(self.ssrc, self.index, self.tone[at : at + SAMPLES])
            identified = identity(packet)
            sealed = self.sender.protect(packet) if self.sender else packet
            self.sent.append(identified)
            self.sockets.send_rtp(sealed)
            self.index, number = self.index + 1, number + 1
            due += 0.02
            time.sleep(max(0, due - time.monotonic()))

    def _listen(self):
        while True:
            try:
                packet = self.sockets.receive_rtp()
            except TimeoutError:
                continue
            if packet == b"":
                return
            try:
                opened = self.receiver.unprotect(packet) if self.receiver else packet
            except pylibsrtp.Error:
                self.refused += 1
                continue
            self.heard[identity(opened)] = opened[12:]


class Tap:
    """In the path of UE B's leg: every datagram passes and is kept, octet by octet, in order."""

    def __init__(self, address, port):
        self.outside = [bound_socket(address) for _ in range(2)]
        self.inside = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for component, one in enumerate(self.inside):
            one.bind(("127.0.0.1", port + component))
        for one in (*self.outside, *self.inside):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self.lock = threading.Lock()
        # ("phone" or "gateway" for who sent it, or "mark"; octets, or the mark's name)
        self.record = []
        self.counts = {"phone": 0, "gateway": 0}
        self.threads = []

    def start(self, gateway, phone):
        """Passes datagrams, now that both ends' addresses are known."""
        for component in range(2):
            out, within = self.outside[component], self.inside[component]
            self._spawn(within, out, gateway[component], "phone")
            self._spawn(out, within, phone[component], "gateway")

    def mark(self, name):
        """Notes that something happens now."""
        with self.lock:
            self.record.append(("mark", name))

    def close(self):
        """Ends it."""
        for one in (*self.outside, *self.inside):
            wake(one)
        for thread in self.threads:
            thread.join()

    def _spawn(self, source, through, to, sender):
        def work():
            while True:
                packet = source.recv(4096)
                if packet == b"":
                    return
                with self.lock:
                    self.record.append((sender, packet))
                    self.counts[sender] += not is_control(packet)
                through.sendto(packet, to)

        self.threads.append(threading.Thread(target=work, daemon=True))
        self.threads[-1].start()
