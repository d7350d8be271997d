"""RTP and RTCP packets, built octet by octet (RFC 3550), and the sockets of a peer."""

import contextlib
import ctypes
import hashlib
import os
import socket
import struct

# How long a packet that must come is waited for, in seconds; nothing asserts how long it took.
PATIENCE = 20


def payload(number, octets=160):
    """A payload that is different for every number."""
    return hashlib.shake_128(struct.pack("!Q", number)).digest(octets)


def rtp(ssrc, sequence, content, *, kind=8, timestamp=None, csrc=(), extension=None, padding=0):
    """An RTP packet; `sequence` may be the whole packet index."""
    first = 0x80 | len(csrc) | (0x10 if extension is not None else 0) | (0x20 if padding else 0)
    timestamp = sequence * 160 if timestamp is None else timestamp
    header = struct.pack(
        "!BBHII", first, kind, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc
    )
    header += b"".join(struct.pack("!I", source) for source in csrc)
    if extension is not None:
        profile, words = extension
        header += struct.pack("!HH", profile, len(words) // 4) + words
    tail = bytes(padding - 1) + bytes([padding]) if padding else b""
    return header + content + tail


def sequence_of(packet):
    """The sequence number of an RTP or SRTP packet."""
    return struct.unpack_from("!H", packet, 2)[0]


def sender_report(ssrc, number):
    """A sender report of 28 octets without report blocks."""
    return struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, number, number * 160, number, number * 160)


def source_description(ssrc, name):
    """A source description with a CNAME."""
    item = bytes([1, len(name)]) + name + b"\0"
    item += bytes(-len(item) % 4)
    return struct.pack("!BBHI", 0x81, 202, len(item) // 4 + 1, ssrc) + item


def goodbye(ssrc):
    """A goodbye without reason."""
    return struct.pack("!BBHI", 0x81, 203, 1, ssrc)


def picture_loss(ssrc, media_ssrc):
    """A picture loss indication (RFC 4585): the usual reduced-size packet (RFC 5506)."""
    return struct.pack("!BBHII", 0x81, 206, 2, ssrc, media_ssrc)


def compound(ssrc, number, *, bye=False):
    """A compound packet: sender report, source description, perhaps a goodbye."""
    packet = sender_report(ssrc, number) + source_description(ssrc, b"peer@example.invalid")
    return packet + (goodbye(ssrc) if bye else b"")


# Where peers are; the loopback unless the test says otherwise.
ACCESS = os.environ.get("AGW_TEST_ACCESS", "127.0.0.1")
CORE = os.environ.get("AGW_TEST_CORE", "127.0.0.1")


# Whether the xdp backend is between them.
BY_XDP = os.environ.get("AGW_TEST_BACKEND") == "xdp"


@contextlib.contextmanager
def among_peers():
    """The thread is in the peers' network namespace, if they have one of their own."""
    place = os.environ.get("AGW_TEST_PEERS")
    if place is None:
        yield
        return
    with open("/proc/thread-self/ns/net", "rb") as home, open(place, "rb") as away:
        _enter(away)
        try:
            yield
        finally:
            _enter(home)


def _enter(namespace):
    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def bound_socket(address):
    """A UDP socket of a peer, at any port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with among_peers():
        one = socket.socket(family, socket.SOCK_DGRAM)
    one.bind((address, 0))
    return one


class Sockets:
    """The two sockets of a peer, RTP and RTCP."""

    def __init__(self, address):
        self.address = address
        self.rtp = bound_socket(address)
        self.rtcp = bound_socket(address)
        for one in (self.rtp, self.rtcp):
            one.settimeout(PATIENCE)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self.to_rtp = self.to_rtcp = None

    def remote(self):
        """What the controller signals about this peer."""

        def place(one):
            return {"ip": self.address, "port": one.getsockname()[1]}

        return {"rtp": place(self.rtp), "rtcp": place(self.rtcp)}

    def connect(self, local):
        """Takes the gateway's addresses from its reply."""
        self.to_rtp = (local.rtp.ip, local.rtp.port)
        self.to_rtcp = (local.rtcp.ip, local.rtcp.port)

    def send_rtp(self, packet):
        """Sends from the RTP socket to the gateway's RTP port."""
        self.rtp.sendto(packet, self.to_rtp)

    def send_rtcp(self, packet):
        """Sends from the RTCP socket to the gateway's RTCP port."""
        self.rtcp.sendto(packet, self.to_rtcp)

    def receive_rtp(self):
        """The next packet on the RTP socket."""
        return self.rtp.recv(4096)

    def receive_rtcp(self):
        """The next packet on the RTCP socket."""
        return self.rtcp.recv(4096)

    def is_silent(self):
        """Whether nothing waits on either socket."""
        for one in (self.rtp, self.rtcp):
            one.setblocking(False)
            try:
                one.recv(4096)
                return False
            except BlockingIOError:
                pass
            finally:
                one.settimeout(PATIENCE)
        return True
