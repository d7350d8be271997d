"""A call with a pylibsrtp peer on the access leg and a plain RTP peer on the core leg."""

import os

import pylibsrtp
from packets import ACCESS, CORE, Sockets, rtp, sequence_of

SUITES = {
    "AES_CM_128_HMAC_SHA1_80": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
    "AES_CM_128_HMAC_SHA1_32": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 16, 14),
    "AEAD_AES_128_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    "AEAD_AES_256_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
}

# The longest step ahead that libsrtp takes for one: less than 2^15.
JUMP = 0x7000


def fresh_key(suite):
    """A random master key followed by its salt."""
    _, key, salt = SUITES[suite]
    return os.urandom(key + salt)


def session(suite, key, *, sends):
    """A libsrtp session for one direction; it takes any SSRC."""
    kind = (
        pylibsrtp.Policy.SSRC_ANY_OUTBOUND if sends else pylibsrtp.Policy.SSRC_ANY_INBOUND
    )
    policy = pylibsrtp.Policy(key=key, ssrc_type=kind, srtp_profile=SUITES[suite][0])
    return pylibsrtp.Session(policy=policy)


def indices_towards(index):
    """Packet indices that lead from the start of a session to `index`, without the last one."""
    return range(0, index, JUMP)


def sender_at(suite, key, ssrc, index):
    """A session that sends `index` next: libsrtp tells no way to set the ROC, so it is led there."""
    sender = session(suite, key, sends=True)
    for reached in indices_towards(index):
        sender.protect(rtp(ssrc, reached, b"lead"))
    return sender


def receiver_at(suite, key, ssrc, index):
    """A session that expects `index` next, led there by a sender of its own."""
    sender = session(suite, key, sends=True)
    receiver = session(suite, key, sends=False)
    for reached in indices_towards(index):
        receiver.unprotect(sender.protect(rtp(ssrc, reached, b"lead")))
    return receiver


class SecuredCall:
    """SRTP at the access leg, RTP at the core leg, both open."""

    def __init__(self, iq, suite, *, first_index=0, addresses=(ACCESS, CORE)):
        self.suite = suite
        self.ssrc, self.core_ssrc = 0x11223344, 0x55667788
        self.ingress_key, self.egress_key = fresh_key(suite), fresh_key(suite)
        self.access, self.core = Sockets(addresses[0]), Sockets(addresses[1])
        # The first packet of the gateway's session is at this ROC; one before a wrap too.
        roc = first_index >> 16
        self.sender = sender_at(suite, self.ingress_key, self.ssrc, first_index)
        self.receiver = receiver_at(suite, self.egress_key, self.core_ssrc, first_index)
        reply = iq.Transact(commands=[self._secured(roc), self._plain()])
        access, core = (one.termination for one in reply.replies)
        self.context_id = access.context_id
        self.access.connect(access.streams[0])
        self.core.connect(core.streams[0])

    def _secured(self, roc):
        return {
            "reserve": {
                "realm": "access",
                "streams": [
                    {
                        "stream_id": 1,
                        "transport": "TRANSPORT_SECURED",
                        "remote": self.access.remote(),
                        "mode": "STREAM_MODE_SEND_RECEIVE",
                        "ingress_crypto": self._crypto(self.ingress_key, roc),
                        "egress_crypto": self._crypto(self.egress_key, roc),
                    }
                ],
            }
        }

    def _plain(self):
        return {
            "reserve": {
                "latest_context": True,
                "realm": "core",
                "streams": [
                    {
                        "stream_id": 1,
                        "transport": "TRANSPORT_PLAIN",
                        "remote": self.core.remote(),
                        "mode": "STREAM_MODE_SEND_RECEIVE",
                    }
                ],
            }
        }

    def _crypto(self, key, roc):
        octets = SUITES[self.suite][1]
        crypto = {
            "suite": f"SUITE_{self.suite}",
            "keys": [{"key": key[:octets], "salt": key[octets:]}],
        }
        if roc:
            crypto |= {"roc_on_rekey": "ROC_ON_REKEY_VALUE", "initial_roc": roc}
        return crypto

    def media_inwards(self, packet):
        """Sends one packet from the secured peer; the plain peer must receive its octets."""
        self.access.send_rtp(self.sender.protect(packet))
        self._same(packet, self.core.receive_rtp())

    def media_outwards(self, packet):
        """Sends one packet from the plain peer; the secured peer must be able to open it."""
        self.core.send_rtp(packet)
        self._same(packet, self.receiver.unprotect(self.access.receive_rtp()))

    def control_inwards(self, packet):
        """Sends one RTCP packet from the secured peer to the plain one."""
        self.access.send_rtcp(self.sender.protect_rtcp(packet))
        self._same(packet, self.core.receive_rtcp())

    def control_outwards(self, packet):
        """Sends one RTCP packet from the plain peer to the secured one."""
        self.core.send_rtcp(packet)
        self._same(packet, self.receiver.unprotect_rtcp(self.access.receive_rtcp()))

    def check_silence(self):
        """Nothing must be left over at either peer."""
        assert self.access.is_silent(), "the secured peer received more than was sent to it"
        assert self.core.is_silent(), "the plain peer received more than was sent to it"

    @staticmethod
    def _same(sent, received):
        assert sent == received, (
            f"sequence {sequence_of(sent)} sent, {sequence_of(received)} received:\n"
            f"  sent     {sent.hex()}\n  received {received.hex()}"
        )
