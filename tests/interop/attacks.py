"""Attacks on a call that stands at ROC 3 and goes on: nothing of them is forwarded, each packet is
counted under its reason, and every genuine packet between them arrives as it was sent.

Usage: attacks.py IQ ADMIN SCENARIO SUITE...
"""

import os
import struct
import sys

from call import SecuredCall, fresh_key, sender_at
from iq import Iq
from ledger import Ledger
from packets import ACCESS, BY_XDP, CORE, bound_socket, compound, payload, rtp

# So that the stream wraps to ROC 4 while an attack is under way.
FIRST = (3 << 16) + 65500
WINDOW = 128
# Further than any attack lasts, nearer than what the gateway takes for implausible.
AHEAD = 2000


class Scene:
    """A call with a genuine stream, and the ledger of its gateway."""

    def __init__(self, iq, admin, suite):
        self.suite = suite
        self.ledger = Ledger(admin)
        self.call = SecuredCall(iq, suite, first_index=FIRST)
        self.next = FIRST
        self.sent = {}
        self.genuine(6)

    def genuine(self, packets=1):
        """The stream goes on, both ways, with RTCP now and then; all of it arrives."""
        for _ in range(packets):
            packet = rtp(self.call.ssrc, self.next, payload(self.next))
            self.sent[self.next] = self.call.sender.protect(packet)
            self.call.access.send_rtp(self.sent[self.next])
            self.call._same(packet, self.call.core.receive_rtp())
            self.call.media_outwards(rtp(self.call.core_ssrc, self.next, payload(self.next)))
            if self.next % 16 == 0:
                self.call.control_inwards(compound(self.call.ssrc, self.next))
                self.call.control_outwards(compound(self.call.core_ssrc, self.next))
            self.next += 1

    def attack(self, packets, send, *reasons):
        """Sends every packet between genuine ones and expects it dropped for one of `reasons`;
        without any it must not even reach the relay."""
        packets = list(packets)
        before = self.ledger.settled()
        for packet in packets:
            send(packet)
            self.genuine()
        after = self.ledger.settled()
        dropped = after.dropped_since(before)
        counted = {reason: count for reason, count in dropped.items() if count}
        expected = len(packets) if reasons else 0
        assert sum(counted.values()) == expected, (len(packets), counted)
        assert set(counted) <= set(reasons), (reasons, counted)
        self.call.check_silence()

    def to_access_rtp(self, packet):
        """From the genuine peer's own address: the hardest case."""
        self.call.access.send_rtp(packet)

    def to_access_rtcp(self, packet):
        """The same for RTCP."""
        self.call.access.send_rtcp(packet)

    def sealed_ahead(self):
        """A sealed packet that stays new to the gateway for as long as an attack lasts."""
        index = self.next + AHEAD
        twin = sender_at(self.suite, self.call.ingress_key, self.call.ssrc, index)
        return twin.protect(rtp(self.call.ssrc, index, payload(index)))


def wrong_key(scene):
    """SRTP and SRTCP of somebody who has another key."""
    stranger = sender_at(scene.suite, fresh_key(scene.suite), scene.call.ssrc, scene.next)
    media = [
        stranger.protect(rtp(scene.call.ssrc, scene.next + ahead, payload(ahead)))
        for ahead in range(60)
    ]
    control = [stranger.protect_rtcp(compound(scene.call.ssrc, n)) for n in range(120)][100:]
    scene.attack(media, scene.to_access_rtp, "authentication")
    scene.attack(control, scene.to_access_rtcp, "authentication")


def flipped_bits(scene):
    """Every bit of the tag; every bit of header and payload start."""
    genuine = scene.sealed_ahead()
    tag = {"AES_CM_128_HMAC_SHA1_80": 10, "AES_CM_128_HMAC_SHA1_32": 4}.get(scene.suite, 16)
    end = len(genuine) * 8
    in_tag = [flipped(genuine, bit) for bit in range(end - tag * 8, end)]
    scene.attack(in_tag, scene.to_access_rtp, "authentication")
    in_payload = [flipped(genuine, bit) for bit in range(12 * 8, 20 * 8)]
    scene.attack(in_payload, scene.to_access_rtp, "authentication")
    # A header flipped may be no RTP any more, RTCP, too old, or another source.
    scene.attack(
        [flipped(genuine, bit) for bit in range(12 * 8)],
        scene.to_access_rtp,
        *("authentication", "not_media", "malformed", "wrong_component"),
        *("too_old", "implausible"),
    )


def flipped(packet, bit):
    """The packet with one bit turned."""
    octets = bytearray(packet)
    octets[bit // 8] ^= 0x80 >> bit % 8
    return bytes(octets)


def replay(scene):
    """The last packet, inside and at the edge of the window, across the wrap, and far behind."""
    scene.genuine(60)
    assert scene.next >> 16 == 4, "the stream is past the wrap"
    before_wrap = [index for index in scene.sent if index >> 16 == 3]
    assert scene.next - before_wrap[0] < WINDOW
    scene.attack([scene.sent[scene.next - 1]], scene.to_access_rtp, "replay")
    scene.attack([scene.sent[scene.next - 2]], scene.to_access_rtp, "replay")
    scene.attack(
        [scene.sent[index] for index in before_wrap[20:]], scene.to_access_rtp, "replay"
    )
    scene.genuine(2 * WINDOW)
    # Each is sent when `next` is one further than for the one before.
    top = scene.next - 1
    scene.attack([scene.sent[top - WINDOW + 1]], scene.to_access_rtp, "replay")
    top = scene.next - 1
    scene.attack([scene.sent[top - WINDOW]], scene.to_access_rtp, "too_old")
    scene.attack(
        [scene.sent[index] for index in before_wrap[:5]], scene.to_access_rtp, "too_old"
    )
    scene.attack([scene.sent[scene.next - 1]] * 40, scene.to_access_rtp, "replay")


def replay_of_control_packets(scene):
    """SRTCP has an index and a window of its own (RFC 3711 3.4)."""
    sealed = [scene.call.sender.protect_rtcp(compound(scene.call.ssrc, n)) for n in range(20)]
    for packet in sealed:
        scene.to_access_rtcp(packet)
        scene.call.core.receive_rtcp()
    scene.attack(reversed(sealed), scene.to_access_rtcp, "replay")


def foreign_replay(scene):
    """Genuine packets from another address: media must not follow them."""
    stranger = bound_socket(ACCESS)
    stranger.setblocking(False)

    def send(packet):
        stranger.sendto(packet, scene.call.access.to_rtp)

    recorded = [scene.sent[scene.next - 1 - behind] for behind in range(5)]
    scene.attack(recorded, send, "replay")
    try:
        raise AssertionError(f"media went to a stranger: {stranger.recv(4096).hex()}")
    except BlockingIOError:
        pass


def forged_unencrypted_control(scene):
    """SRTCP with the E bit 0: a forger's, and a genuine packet whose bit was cleared."""
    tag = 16 if "GCM" in scene.suite else 10
    forged = [
        compound(scene.call.ssrc, number) + struct.pack("!I", 5000 + number) + os.urandom(tag)
        for number in range(30)
    ]
    if tag == 16:  # The tag stands before the index (RFC 7714 9.3).
        forged = [one[:-20] + one[-16:] + one[-20:-16] for one in forged]
    scene.attack(forged, scene.to_access_rtcp, "unencrypted")
    sealed = bytearray(scene.call.sender.protect_rtcp(compound(scene.call.ssrc, 1)))
    sealed[-4 if tag == 16 else -14] &= 0x7F
    scene.attack([bytes(sealed)], scene.to_access_rtcp, "unencrypted")


def runts(scene):
    """Datagrams of every length from 0 to 64: prefixes of genuine ones, zeros, and noise."""
    sealed = scene.sealed_ahead()
    control = scene.call.sender.protect_rtcp(compound(scene.call.ssrc, 1))
    reasons = "authentication", "malformed", "not_media", "unencrypted"
    lengths = range(65)
    for whole, send in ((sealed, scene.to_access_rtp), (control, scene.to_access_rtcp)):
        scene.attack([whole[:length] for length in lengths], send, *reasons)
        scene.attack([bytes(length) for length in lengths], send, "malformed", "not_media")
        marked = [b"\x80" + bytes(length - 1) for length in lengths if length]
        scene.attack(marked, send, *reasons, "wrong_component", "too_old", "implausible")


def unknown_sources(scene):
    """A new SSRC with every packet, under a wrong key: few are tried, none is remembered."""
    key = fresh_key(scene.suite)
    flood = []
    for number in range(300):
        ssrc = int.from_bytes(os.urandom(4), "big")
        stranger = sender_at(scene.suite, key, ssrc, 0)
        flood.append(stranger.protect(rtp(ssrc, number, payload(number))))
    scene.attack(flood, scene.to_access_rtp, "authentication", "implausible")


def giants(scene):
    """Datagrams longer than any packet of media, genuine in their first octets."""
    sealed = scene.sealed_ahead()
    long = [sealed + bytes(length) for length in (4000, 9000, 60000)]
    # They come in fragments, which the xdp backend leaves to a kernel that has no such socket.
    reasons = () if BY_XDP else ("too_long",)
    scene.attack(long, scene.to_access_rtp, *reasons)
    scene.attack(long, scene.call.core.send_rtp, *reasons)


def plain_rtp_into_the_srtp_port(scene):
    """Plain RTP and RTCP with the genuine SSRC and fitting numbers."""
    media = [
        rtp(scene.call.ssrc, scene.next + ahead, payload(ahead), kind=8) for ahead in range(50)
    ]
    scene.attack(media, scene.to_access_rtp, "authentication")
    scene.attack(
        [rtp(scene.call.ssrc, scene.next + 9, b"")], scene.to_access_rtp, "malformed"
    )
    control = [compound(scene.call.ssrc, number) for number in range(20)]
    # What stands where the E bit is looked for is text, of the source description.
    scene.attack(control, scene.to_access_rtcp, "unencrypted")


def other_protocols(scene):
    """STUN, ZRTP, DTLS and TURN channels by their first octet (RFC 7983 7)."""
    stun = struct.pack("!HHI", 0x0001, 0, 0x2112A442) + os.urandom(12)
    dtls = bytes([22, 0xFE, 0xFD]) + os.urandom(60)
    firsts = [*range(0, 128, 3), *range(192, 256, 3)]
    packets = [stun, dtls] + [bytes([first]) + os.urandom(99) for first in firsts]
    for send in (scene.to_access_rtp, scene.to_access_rtcp, scene.call.core.send_rtp):
        scene.attack(packets, send, "not_media")


def the_wrong_port(scene):
    """RTCP on the RTP port without multiplexing, RTP on the RTCP port, on both legs."""
    control = [scene.call.sender.protect_rtcp(compound(scene.call.ssrc, n)) for n in range(10)]
    scene.attack(control, scene.to_access_rtp, "wrong_component")
    scene.attack([scene.sealed_ahead()] * 5, scene.to_access_rtcp, "wrong_component")
    plain = [compound(scene.call.core_ssrc, number) for number in range(10)]
    scene.attack(plain, scene.call.core.send_rtp, "wrong_component")
    media = [rtp(scene.call.core_ssrc, scene.next + 9, payload(1))]
    scene.attack(media, scene.call.core.send_rtcp, "wrong_component")


def a_foreign_source_on_the_plain_leg(scene):
    """Another port than the signalled one, on the RTP and on the RTCP port."""
    stranger = bound_socket(CORE)
    core = scene.call.core
    media = [rtp(scene.call.core_ssrc, scene.next + n, payload(n)) for n in range(50)]
    scene.attack(media, lambda one: stranger.sendto(one, core.to_rtp), "wrong_source")
    control = [compound(scene.call.core_ssrc, number) for number in range(10)]
    scene.attack(control, lambda one: stranger.sendto(one, core.to_rtcp), "wrong_source")


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        wrong_key,
        flipped_bits,
        replay,
        replay_of_control_packets,
        foreign_replay,
        forged_unencrypted_control,
        runts,
        unknown_sources,
        giants,
        plain_rtp_into_the_srtp_port,
        other_protocols,
        the_wrong_port,
        a_foreign_source_on_the_plain_leg,
    )
}

if __name__ == "__main__":
    _, target, admin_address, scenario_name, *suite_names = sys.argv
    gateway = Iq(target)
    for suite_name in suite_names:
        SCENARIOS[scenario_name](Scene(gateway, admin_address, suite_name))
