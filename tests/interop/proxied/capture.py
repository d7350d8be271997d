"""What passed between a secured phone, its proxy and the gateway: captured, dissected, opened."""

import base64
import os
import re
import secrets
import signal
import socket
import struct
import subprocess
import time

import tones
from media import identity, is_control
from packets import PATIENCE
from phones import end_with_parent
from srtp import SUITES, Opener

# Ports that a phone's place has after its first one; the last is of the marks.
PORTS = 12
# Where the frames begin in a capture file, and the length of what precedes each.
FILE_HEADER, FRAME_HEADER = 24, 16
ETHERNET, UDP = 14, 8
# The suites that tshark 4.0 knows from descriptions.
DISSECTED = {"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"}


class Capture:
    """A capture of a phone's datagrams, SIP and media."""

    def __init__(self, directory, place, device, gateway):
        self.place, self.file = place, os.path.join(directory, f"{place.sip}.pcap")
        self.mark_port = place.sip + PORTS - 1
        self.gateway = gateway
        ports = f"udp portrange {place.sip}-{self.mark_port}"
        command = ["dumpcap", "-q", "-P", "-i", device, "-f", ports, "-w", self.file]
        log = open(os.path.join(directory, "dumpcap.log"), "ab")
        with log, place.there():
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent
            )
            self.marker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.marker.bind((place.host, self.mark_port))

    def mark(self):
        """Waits until the file has all that has passed so far."""
        mark = b"mark " + secrets.token_hex(8).encode()
        deadline = time.monotonic() + PATIENCE
        while True:
            self.marker.sendto(mark, (self.gateway, self.mark_port))
            if os.path.exists(self.file):
                with open(self.file, "rb") as file:
                    if mark in file.read():
                        return
            assert self.process.poll() is None, "dumpcap has ended"
            assert time.monotonic() < deadline, "dumpcap does not see the mark"
            time.sleep(0.05)

    def stop(self):
        """Ends the capture with all that has passed so far."""
        self.mark()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        self.marker.close()

    def datagrams(self):
        """All that passed: whether the phone sent it, whether it is SIP, the octets."""
        with open(self.file, "rb") as file:
            octets = file.read()
        at = FILE_HEADER
        while at + FRAME_HEADER <= len(octets):
            length = struct.unpack_from("<I", octets, at + 8)[0]
            frame = octets[at + FRAME_HEADER : at + FRAME_HEADER + length]
            at += FRAME_HEADER + length
            header = ETHERNET + (frame[ETHERNET] & 15) * 4
            if frame[12:14] != b"\x08\x00" or frame[ETHERNET + 9] != socket.IPPROTO_UDP:
                continue
            source, to = struct.unpack_from("!HH", frame, header)
            if self.mark_port in (source, to):
                continue
            from_phone = self.place.sip <= source < self.mark_port
            yield from_phone, self.place.sip in (source, to), frame[header + UDP :]


class Findings:
    """What a capture shows: media opened under the keys of the descriptions that passed."""

    def __init__(self, capture):
        self.capture = capture
        # By who sends: the phone, or the gateway.
        self.openers = {True: [], False: []}
        self.suites = set()
        self.media = {True: {}, False: {}}
        self.controls = {True: 0, False: 0}
        # RTCP of the phone: without SRTCP, under tags of 32 bits, and under an index used before.
        self.in_clear = self.short_tags = self.repeated = 0
        # SIP, each message with whether the phone sent it.
        self.messages = []
        datagrams = list(capture.datagrams())
        for from_phone, is_sip, octets in datagrams:
            if is_sip:
                self._read(from_phone, octets.decode(errors="replace"))
        for from_phone, is_sip, octets in datagrams:
            if not is_sip:
                self._open(from_phone, octets)

    def check(self, said, heard, lax):
        """All media was SRTP; the phone said and was sent these tones, nothing else.

        `lax` lets its RTCP be what baresip makes of it.
        """
        for from_phone, expected in ((True, [said]), (False, heard)):
            assert self.media[from_phone], f"no media, sent by the phone: {from_phone}"
            found = tones.heard(self._samples(from_phone), (500, 700, 900))
            tones_found = {hertz for hertz, _ in found}
            assert tones_found == set(expected), f"sent by the phone: {from_phone}: {found}"
        odd = self.in_clear, self.short_tags, self.repeated
        assert not any(odd) or lax, f"RTCP in the clear, under 32 bits, under an old index: {odd}"
        if self.suites <= DISSECTED:
            self._dissect()

    def lines(self):
        """What is to be told of it."""
        for from_phone, who in ((True, "phone"), (False, "gateway")):
            count, controls = len(self.media[from_phone]), self.controls[from_phone]
            yield f"judged: sent by the {who}: {count} SRTP, {controls} SRTCP, all authentic"
        told = f"in the clear: {self.in_clear}, under 32 bits: {self.short_tags}"
        yield f"judged: RTCP of the phone {told}, under an index used before: {self.repeated}"
        yield f"judged: suites: {sorted(self.suites)}"

    def sequences(self, from_phone):
        """The sequence numbers of media, in the order of arrival."""
        return [sequence for _, sequence in self.media[from_phone]]

    def keys(self, from_phone):
        """The suites of the keys in descriptions, one for each key."""
        return sorted(suite for suite, *_ in self.openers[from_phone])

    def says(self, from_phone, line):
        """Whether a message had this line."""
        return any(line in told.split("\r\n") for by, told in self.messages if by == from_phone)

    def _read(self, from_phone, message):
        self.messages.append((from_phone, message))
        for suite, inline in re.findall(r"(?m)^a=crypto:\d+ (\S+) inline:([^|\s]+)", message):
            if suite not in SUITES:
                continue
            key = base64.b64decode(inline)
            known = [(one, octets) for one, octets, _ in self.openers[from_phone]]
            if (suite, key) not in known:
                self.openers[from_phone].append((suite, key, Opener(suite, key)))

    def _open(self, from_phone, packet):
        control = is_control(packet)
        openers = self.openers[from_phone]
        for number, (suite, _, opener) in enumerate(openers):
            opened = opener.open(packet, control)
            if opened is None:
                continue
            # What opened one opens the next.
            openers.insert(0, openers.pop(number))
            self.suites.add(suite)
            assert opened[12:] != packet[12 : len(opened)]
            if control:
                self.controls[from_phone] += 1
            else:
                ssrc, sequence = identity(opened)
                self.media[from_phone].setdefault((ssrc, sequence), opened[12:])
            return
        told = f"sent by the phone: {from_phone}, RTCP: {control}, {packet[:12].hex()}"
        last = list(self.media[from_phone])[-1:]
        assert from_phone and control, f"not sealed under a key of SIP: {told}, after {last}"
        if _is_whole(packet):
            self.in_clear += 1
            return
        # An opener of its own has seen no index before.
        if any(Opener(*known[:2]).open(packet, control) for known in openers):
            self.repeated += 1
            return
        short = (Opener(*known[:2], rtcp_tag=4) for known in openers if known[0].endswith("_32"))
        assert any(one.open(packet, control) for one in short), f"under no key of SIP: {told}"
        self.short_tags += 1

    def _samples(self, from_phone):
        payloads = [one for one in self.media[from_phone].values() if len(one) == 160]
        return tones.from_alaw(b"".join(payloads)).astype(float)

    def _dissect(self):
        """tshark takes from SIP that this is SRTP, and finds a tag in every packet."""
        fields = ["udp.srcport", "rtp.seq", "srtp.auth_tag"]
        command = ["tshark", "-n", "-2", "-r", self.capture.file, "-T", "fields"]
        command += ["-d", f"udp.port=={self.capture.place.sip},sip"]
        command += [word for field in fields for word in ("-e", field)]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE,
            check=True,
        )
        ours = range(self.capture.place.sip, self.capture.mark_port)
        tagged = {True: 0, False: 0}
        for line in done.stdout.splitlines():
            source, sequence, tag = line.split("\t")
            if sequence:
                assert tag, f"tshark sees RTP without a tag: {line}"
                tagged[int(source) in ours] += 1
        assert all(tagged.values()), f"tshark sees no SRTP: {tagged}"


def _is_whole(packet):
    """Whether a compound RTCP packet ends where it says: SRTCP has an index and a tag behind it."""
    at = 0
    while at + 4 <= len(packet) and packet[at] >> 6 == 2 and is_control(packet[at:]):
        at += 4 + 4 * struct.unpack_from("!H", packet, at + 2)[0]
    return at == len(packet)
