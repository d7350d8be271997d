"""Phones of others, each a process with a SIP stack, an SRTP and an ear of its own."""

import contextlib
import ctypes
import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

import numpy
import tones
from packets import PATIENCE, among_peers

HERE = os.path.dirname(os.path.abspath(__file__))
# Windows of a tone after which it counts as heard: half a second.
ENOUGH = 2


@dataclass
class Place:
    """Where a phone is: an address of its realm and ports that nobody else has.

    SIP takes two, TLS the second one; `rtp` is the first of eight.
    """

    host: str
    sip: int
    rtp: int


    def there(self):
        """The thread is where the phone is: on the loopback that of the gateway's namespace."""
        return contextlib.nullcontext() if self.host.startswith("127.") else among_peers()


def end_with_parent(by=signal.SIGKILL):
    """Has the kernel end this process with the one that started it (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, by)


class Phone:
    """A phone as a process, among the peers."""

    # What it has decoded, and what precedes the samples there.
    recording, HEADER = None, 0

    def __init__(self, command, directory, place, stdin=subprocess.DEVNULL, environment=()):
        self.place, self.directory = place, directory
        self.address = (place.host, place.sip)
        self.events, self.changed = [], threading.Condition()
        # What it says may contain keys: it stays in the directory of the test, which goes with it.
        self.log = os.path.join(directory, "phone.log")
        with open(self.log, "wb") as log, place.there():
            self.process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,
                env={**os.environ, **dict(environment)},
            )

    def await_listener(self, patience):
        """Waits until it listens for SIP."""
        deadline = time.monotonic() + patience
        told = f":{self.address[1]:04X} 00000000:0000 07"
        while True:
            with self.place.there(), open("/proc/thread-self/net/udp", encoding="ascii") as table:
                if told in table.read():
                    return
            assert self.process.poll() is None, f"the phone has ended: {self.said()}"
            assert time.monotonic() < deadline, f"the phone does not listen: {self.said()}"
            time.sleep(0.05)

    def end(self, patience):
        """Ends it after its calls."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(patience)
        finally:
            self.process.kill()

    def await_event(self, *names, after=0):
        """Waits for one of these events; tells its place and what was told with it."""
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while True:
                for number, (name, told) in enumerate(self.events):
                    if number >= after and name in names:
                        return number, told
                left = deadline - time.monotonic()
                assert left > 0, f"no {names} of {self.place}: {self.events[after:]}"
                self.changed.wait(min(left, 0.5))
                assert self.process.poll() is None, f"the phone has ended: {self.said()}"

    def forget(self):
        """Forgets what has happened so far."""
        with self.changed:
            self.events.clear()

    def has_seen(self, name):
        """Whether there was such an event."""
        with self.changed:
            return any(one == name for one, _ in self.events)

    def heard(self, since=0):
        """What it has decoded since then, 8,000 samples a second."""
        with contextlib.suppress(FileNotFoundError), open(self.recording, "rb") as file:
            file.seek(self.HEADER)
            octets = file.read()
            return numpy.frombuffer(octets[: len(octets) // 2 * 2], "<i2")[since:].astype(float)
        return numpy.zeros(0)

    def position(self):
        """How much it has decoded, for `heard` and `hears`."""
        return len(self.heard())

    def said(self):
        """The end of its log, without keys."""
        with open(self.log, encoding="utf-8", errors="replace") as log:
            lines = [line for line in log if "inline:" not in line]
        return "".join(lines[-30:])

    def hears(self, hertz, since=0):
        """Waits until it hears this tone."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = tones.heard(self.heard(since), (hertz,))
            if sum(windows for _, windows in found) >= ENOUGH:
                return
            assert self.process.poll() is None, f"the phone has ended: {self.said()}"
            assert time.monotonic() < deadline, f"{self.place} does not hear {hertz}: {found}"
            time.sleep(0.05)

    def tell(self, name, told):
        """Notes an event."""
        with self.changed:
            self.events.append((name, told))
            self.changed.notify_all()


class Pjsua(Phone):
    """PJSIP 2.15 by its Python module: a new offer with a new key is answered with a new key."""

    # Its files are WAV.
    HEADER = 44

    def __init__(self, directory, place, tone, **settings):
        self.recording = os.path.join(directory, "heard.wav")
        settings = {
            "host": place.host,
            "sip": place.sip,
            "rtp": place.rtp,
            "tone": tone,
            "recording": self.recording,
            "log": os.path.join(directory, "pjsua.log"),
            **settings,
        }
        script = [sys.executable, "-B", os.path.join(HERE, "pjsua.py"), json.dumps(settings)]
        # Commands one way, events the other.
        here, there = socket.socketpair()
        with there:
            super().__init__(script, directory, place, stdin=there)
        self.socket = here
        threading.Thread(target=self._listen, daemon=True).start()

    def command(self, name, **arguments):
        """Has it do something."""
        self.socket.sendall(json.dumps({"command": name, **arguments}).encode() + b"\n")

    def use(self, suites):
        """Offers and takes these from now on."""
        self.command("use", suites=suites)

    def dial(self, uri):
        """Calls somebody."""
        self.command("dial", uri=uri)

    def answer(self, status=200):
        """Answers the last call that came, for good or for now."""
        self.command("answer", status=status)

    def hold(self):
        """Holds its call."""
        self.command("hold")

    def resume(self):
        """Takes its call back."""
        self.command("resume")

    def hang_up(self):
        """Ends its call."""
        self.command("hang_up")

    def _listen(self):
        # The socket closes when the phone ends, perhaps with a reset.
        with contextlib.suppress(OSError), self.socket.makefile(encoding="utf-8") as lines:
            for line in lines:
                told = json.loads(line)
                self.tell(told.pop("event"), told)


class Baresip(Phone):
    """baresip 1.0 of Debian: keeps the keys of the first offer whatever later ones say."""

    MODULES = "aubridge g711 aufile srtp uuid account menu ctrl_tcp"
    # Its events in the words of all phones.
    EVENTS = {
        "CALL_INCOMING": "incoming",
        "CALL_PROGRESS": "early",
        "CALL_ESTABLISHED": "established",
        "CALL_CLOSED": "closed",
        "CALL_TRANSFER": "transfer",
    }

    def __init__(
        self,
        directory,
        place,
        tone,
        *,
        name="phone",
        secured=True,
        answers="manual",
        proxy=None,
        first=None,
        domain=None,
        password=None,
    ):
        self.control, self.responses = None, []
        self.recording = os.path.join(directory, "heard.raw")
        environment = {"LD_PRELOAD": _preloaded(directory), "AGW_TEST_HEARD": self.recording}
        if first is not None:
            environment["AGW_TEST_SEQUENCE"] = path = os.path.join(directory, "sequence")
            with open(path, "w+b") as file:
                file.write(struct.pack("=HH", first, 0))
                file.flush()
                self.sequence = mmap.mmap(file.fileno(), 4)
        self._configure(directory, place, tone)
        account = f"<sip:{name}@{place.host}:{place.sip}>;regint=0"
        if domain:
            account = f"<sip:{name}@{domain}>;auth_user={name};auth_pass={password};regint=600"
        account += f";answermode={answers}"
        account += ";mediaenc=srtp-mand" if secured else ""
        account += f';outbound="sip:{proxy[0]}:{proxy[1]}"' if proxy else ""
        for file, line in (("accounts", f"{account};audio_codecs=PCMA/8000/1"), ("contacts", "")):
            with open(os.path.join(directory, file), "w", encoding="ascii") as out:
                out.write(line + "\n")
        command = ["baresip", "-4", "-f", directory]
        super().__init__(command, directory, place, environment=environment)

    def await_listener(self, patience):
        """Waits until it listens for SIP, and takes commands."""
        super().await_listener(patience)
        deadline = time.monotonic() + patience
        while self.control is None:
            with self.place.there(), contextlib.suppress(ConnectionRefusedError):
                self.control = socket.create_connection((self.place.host, self.place.rtp))
            assert time.monotonic() < deadline, f"the phone takes no commands: {self.said()}"
            time.sleep(0.02)
        threading.Thread(target=self._listen, daemon=True).start()

    def command(self, name, parameters=""):
        """Has it do something; tells what it says to that."""
        with self.changed:
            before = len(self.responses)
        text = json.dumps({"command": name, "params": parameters})
        self.control.sendall(f"{len(text)}:{text},".encode())
        with self.changed:
            answered = self.changed.wait_for(lambda: len(self.responses) > before, PATIENCE)
            assert answered, f"no response to {name}"
            return self.responses[before]

    def dial(self, uri):
        """Calls somebody."""
        self.command("dial", uri)

    def answer(self):
        """Answers the call that came."""
        self.command("accept")

    def hold(self):
        """Holds its call."""
        self.command("hold")

    def resume(self):
        """Takes its call back."""
        self.command("resume")

    def hang_up(self):
        """Ends its call."""
        self.command("hangup")

    def transfer(self, uri):
        """Has the other party call somebody else (RFC 3515)."""
        self.command("transfer", uri)

    def count_on(self, numbers):
        """Has its sequence numbers go on without a packet."""
        left_out = struct.unpack_from("=H", self.sequence, 2)[0]
        struct.pack_into("=H", self.sequence, 2, left_out + numbers)

    def _configure(self, directory, place, tone):
        config = [
            f"sip_listen {place.host}:{place.sip}",
            f"net_interface {place.host}",
            f"rtp_ports {place.rtp}-{place.rtp + 7}",
            f"ctrl_tcp_listen {place.host}:{place.rtp}",
            f"audio_source aufile,{tone}",
            "audio_player aubridge,sink",
            "audio_alert aubridge,alert",
            "ringback_disabled yes",
            f"audio_path {directory}",
            "module_path /usr/lib/baresip/modules",
        ]
        for name in self.MODULES.split():
            kind = {"uuid": "module_tmp", "account": "module_tmp"}
            kind |= {"menu": "module_app", "ctrl_tcp": "module_app"}
            config.append(f"{kind.get(name, 'module')} {name}.so")
        with open(os.path.join(directory, "config"), "w", encoding="ascii") as file:
            file.write("\n".join(config) + "\n")

    def _listen(self):
        octets = b""
        # The connection ends with the phone, perhaps with a reset.
        with contextlib.suppress(OSError):
            while more := self.control.recv(65536):
                octets += more
                while True:
                    length, colon, rest = octets.partition(b":")
                    if not colon or len(rest) <= int(length):
                        break
                    self._hear(json.loads(rest[: int(length)]))
                    octets = rest[int(length) + 1 :]

    def _hear(self, message):
        if message.get("event"):
            name = self.EVENTS.get(message["type"], message["type"])
            self.tell(name, {"id": message.get("id"), "reason": message.get("param")})
            return
        with self.changed:
            self.responses.append(message)
            self.changed.notify_all()


def _preloaded(directory):
    """What baresip lacks, compiled."""
    library = os.path.join(directory, "preloaded.so")
    command = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library]
    subprocess.run(
        [*command, os.path.join(HERE, "baresip.c")], check=True, stdin=subprocess.DEVNULL
    )
    return library
