"""Session descriptions with one audio line and one `a=crypto` line (RFC 4566, RFC 4568)."""

import base64
import os
import re

LONG_TAG, SHORT_TAG = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"


def fresh_line(suite=LONG_TAG):
    """A line with a new key."""
    inline = base64.b64encode(os.urandom(30)).decode()
    return f"a=crypto:1 {suite} inline:{inline}"


def written(rtp, rtcp, line=None):
    """An offer or answer: A-law at these addresses, SRTP if there is a line."""
    profile = "RTP/SAVP" if line else "RTP/AVP"
    lines = [
        "v=0",
        f"o=- 0 {int.from_bytes(os.urandom(4))} IN IP4 {rtp[0]}",
        "s=-",
        f"c=IN IP4 {rtp[0]}",
        "t=0 0",
        f"m=audio {rtp[1]} {profile} 8",
        "a=rtpmap:8 PCMA/8000",
        "a=ptime:20",
        "a=sendrecv",
        f"a=rtcp:{rtcp[1]} IN IP4 {rtcp[0]}",
        *([line] if line else []),
    ]
    return "\r\n".join(lines) + "\r\n"


def moved(text, rtp, rtcp):
    """The same description with other addresses: somebody is in the path."""
    text = re.sub(r"(?m)^c=IN IP4 \S+", f"c=IN IP4 {rtp[0]}", text)
    text = re.sub(r"(?m)^m=audio \d+", f"m=audio {rtp[1]}", text)
    text = re.sub(r"(?m)^a=rtcp:.*\r\n", "", text)
    return re.sub(r"(?m)^(m=audio .*\r\n)", rf"\1a=rtcp:{rtcp[1]} IN IP4 {rtcp[0]}\r\n", text)


def media_at(text):
    """The addresses of RTP and RTCP."""
    host = re.search(r"(?m)^c=IN IP4 ([\d.]+)", text).group(1)
    port = int(re.search(r"(?m)^m=audio (\d+)", text).group(1))
    named = re.search(r"(?m)^a=rtcp:(\d+)(?: IN IP4 ([\d.]+))?", text)
    rtcp = (named.group(2) or host, int(named.group(1))) if named else (host, port + 1)
    return (host, port), rtcp


def line_of(text):
    """The `a=crypto` line; a secured description has exactly one here."""
    (line,) = re.findall(r"(?m)^a=crypto:.*?(?=\r?$)", text)
    return line


def key_of(line):
    """Suite, and key and salt, of a line."""
    suite, inline = re.search(r"(\S+) inline:([A-Za-z0-9+/=]+)", line).groups()
    return suite, base64.b64decode(inline)
