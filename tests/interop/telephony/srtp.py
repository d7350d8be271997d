"""libsrtp 2 through ctypes: suites that pylibsrtp does not name, AES_256_CM among them."""

import ctypes

CIPHER_128, CIPHER_256, GCM_128, GCM_256 = 1, 5, 6, 7
# Cipher, octets of key and salt, octets of tags of RTP and RTCP.
SUITES = {
    "AES_CM_128_HMAC_SHA1_80": (CIPHER_128, 30, 10, 10),
    "AES_CM_128_HMAC_SHA1_32": (CIPHER_128, 30, 4, 10),
    "AES_256_CM_HMAC_SHA1_80": (CIPHER_256, 46, 10, 10),
    "AES_256_CM_HMAC_SHA1_32": (CIPHER_256, 46, 4, 10),
    "AEAD_AES_128_GCM": (GCM_128, 28, 16, 16),
    "AEAD_AES_256_GCM": (GCM_256, 44, 16, 16),
}
ANY_INBOUND = 2
CONFIDENTIALITY, AUTHENTICATION = 1, 2
HMAC_SHA1 = 3


class _Source(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("value", ctypes.c_uint)]


class _Crypto(ctypes.Structure):
    _fields_ = [
        ("cipher_type", ctypes.c_uint32),
        ("cipher_key_len", ctypes.c_int),
        ("auth_type", ctypes.c_uint32),
        ("auth_key_len", ctypes.c_int),
        ("auth_tag_len", ctypes.c_int),
        ("sec_serv", ctypes.c_int),
    ]


class _Policy(ctypes.Structure):
    _fields_ = [
        ("ssrc", _Source),
        ("rtp", _Crypto),
        ("rtcp", _Crypto),
        ("key", ctypes.c_char_p),
        ("keys", ctypes.c_void_p),
        ("num_master_keys", ctypes.c_ulong),
        ("deprecated_ekt", ctypes.c_void_p),
        ("window_size", ctypes.c_ulong),
        ("allow_repeat_tx", ctypes.c_int),
        ("enc_xtn_hdr", ctypes.c_void_p),
        ("enc_xtn_hdr_count", ctypes.c_int),
        ("next", ctypes.c_void_p),
    ]


class _Library:
    handle = None

    @classmethod
    def load(cls):
        """The library, initialised once."""
        if cls.handle is None:
            cls.handle = ctypes.CDLL("libsrtp2.so.1")
            assert cls.handle.srtp_init() == 0
        return cls.handle


class Opener:
    """Opens what is sealed under a key, of any source; `key` is key and salt.

    The tags of RTCP have 80 bits whatever those of RTP have (RFC 4568 6.2.2), unless told otherwise.
    """

    def __init__(self, suite, key, rtcp_tag=None):
        self.library = _Library.load()
        cipher, octets, *tags = SUITES[suite]
        tags[1] = rtcp_tag or tags[1]
        assert len(key) == octets, f"{suite} takes {octets} octets, not {len(key)}"
        # The policy points to it for as long as the session is made.
        self.policy = _Policy(ssrc=_Source(ANY_INBOUND, 0), key=key, window_size=1024)
        self.policy.rtp, self.policy.rtcp = (_crypto(cipher, octets, tag) for tag in tags)
        self.session = ctypes.c_void_p()
        made = self.library.srtp_create(ctypes.byref(self.session), ctypes.byref(self.policy))
        assert made == 0, f"srtp_create: {made}"

    def open(self, packet, is_control):
        """The packet in the clear; `None` if it does not open."""
        buffer = ctypes.create_string_buffer(packet, len(packet) + 256)
        length = ctypes.c_int(len(packet))
        work = self.library.srtp_unprotect_rtcp if is_control else self.library.srtp_unprotect
        status = work(self.session, buffer, ctypes.byref(length))
        return buffer.raw[: length.value] if status == 0 else None

    def __del__(self):
        if getattr(self, "session", None):
            self.library.srtp_dealloc(self.session)


def _crypto(cipher, octets, tag):
    both = CONFIDENTIALITY | AUTHENTICATION
    if cipher in (GCM_128, GCM_256):
        return _Crypto(cipher, octets, 0, 0, tag, both)
    return _Crypto(cipher, octets, HMAC_SHA1, 20, tag, both)
