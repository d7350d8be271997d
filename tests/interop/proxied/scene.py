"""Phones on both sides of a proxy and its gateway, and what is known of them."""

import json
import os
import time

import phones
import tones
from capture import PORTS, Capture, Findings
from gateway import Agwctl, Metrics, Ng
from packets import ACCESS, CORE, PATIENCE
from proxy import Proxy

# What each says, in hertz.
SAYS = {"a": 500, "b": 900, "c": 700}
# Who calls them calls b and c: with ports of their own at the gateway, and with the same ports.
FORKS = ("both", "either")
# Seconds of a tone: phones stumble where a file begins anew.
LONG_ENOUGH = 60
# The ports, counted from the first one: two for the proxy, then the phones in their order.
OF_PHONES = 2
SECURED, PLAIN = True, False
USUAL = "AES_CM_128_HMAC_SHA1_80"


class Clock:
    """Tells what takes how long."""

    def __init__(self):
        self.began = self.last = time.monotonic()

    def tell(self, what):
        """Tells how long this took, for who reads the output of a test."""
        now = time.monotonic()
        print(f"{now - self.began:7.3f} (+{now - self.last:.3f})  {what}", flush=True)
        self.last = now


class Scene:
    """A proxy, and the phones that `cast` names: how each is made, and whether it is secured."""

    def __init__(self, options, cast, suite=USUAL):
        self.options, self.clock = options, Clock()
        self.ng, self.metrics = Ng(options.ng), Metrics(options.admin)
        self.agwctl = Agwctl(options.agwctl, options.iq)
        self.phones, self.secured, self.captures = {}, {}, {}
        places, callees = {}, {}
        for number, (name, (_, secured, _)) in enumerate(cast.items()):
            host = ACCESS if secured else CORE
            first = options.ports + OF_PHONES + PORTS * number
            places[name] = phones.Place(host, first, first + 2)
            callees[name] = [f"sip:{name}@{host}:{first}"]
        for name in FORKS:
            callees[name] = [uri for one in ("b", "c") for uri in callees.get(one, ())]
        access = (options.proxy_access, options.ports)
        core = (options.proxy_core, options.ports + 1)
        self.proxy = Proxy(self._directory("proxy"), (access, core), options.ng, callees, suite)
        self.proxy.start()
        self.clock.tell("the proxy listens")
        for name, (make, secured, settings) in cast.items():
            directory, place = self._directory(name), places[name]
            tone = os.path.join(directory, "tone.wav")
            tones.write(tone, tones.tone(SAYS[name], LONG_ENOUGH))
            proxy = access if secured else core
            self.phones[name] = make(directory, place, tone, name, secured, proxy, **settings)
            self.secured[name] = secured
            if secured:
                device = "lo" if place.host.startswith("127.") else "access"
                self.captures[name] = Capture(directory, place, device, options.proxy_access)
        for phone in self.phones.values():
            phone.await_listener(PATIENCE)
        self.clock.tell("the phones listen")
        for capture in self.captures.values():
            capture.mark()
        self.clock.tell("the captures run")

    def uri(self, caller, callee):
        """How a phone calls another one: by the proxy."""
        proxy = self.proxy.access if self.secured[caller] else self.proxy.core
        return "sip:{}@{}:{}".format(callee, *proxy)

    def call(self, caller, callee):
        """A call that is answered; tells its identifier."""
        for phone in self.phones.values():
            phone.forget()
        self.phones[caller].dial(self.uri(caller, callee))
        self.phones[callee].await_event("incoming")
        self.phones[callee].answer()
        return self.established(caller, callee)

    def established(self, caller, callee):
        """Waits until both say so; tells the identifier of the call."""
        self.phones[callee].await_event("established")
        call = self.phones[caller].await_event("established")[1]["id"]
        self.clock.tell(f"{caller} and {callee} are connected")
        return call

    def talk(self, one, other):
        """Both hear each other from now on."""
        pair = [(self.phones[one], SAYS[other]), (self.phones[other], SAYS[one])]
        since = [phone.position() for phone, _ in pair]
        for (phone, hertz), position in zip(pair, since, strict=True):
            phone.hears(hertz, position)
        self.clock.tell(f"{one} and {other} hear each other")

    def sealed(self, call):
        """The call's SRTP is opened and sealed, and nothing else is taken for it."""
        told = self.ng.sealing(call)
        assert told["opened"] > 0 and told["sealed"] > 0, told
        assert told["authentication failures"] == 0, told

    def renegotiate(self, work):
        """Does something that makes a phone offer anew; waits until the gateway has the answer."""
        told = "agw_ng_requests_total", {"command": "answer", "result": "ok"}
        before = self.metrics.value(told[0], **told[1])
        work()
        self.metrics.await_value(lambda value: value > before, told[0], **told[1])

    def hang_up(self, one, *others):
        """One hangs up, the others notice, and nothing is left."""
        ends = [(phone, len(phone.events)) for phone in map(self.phones.get, (one, *others))]
        self.phones[one].hang_up()
        for phone, after in ends:
            phone.await_event("closed", after=after)
        self.nothing_is_left()

    def await_terminations(self, count):
        """Waits until the one context that there is has this many."""
        deadline = time.monotonic() + PATIENCE
        while True:
            told = json.loads(self.agwctl.run("--output", "json", "contexts", "list"))
            (context,) = told["contexts"]
            if len(context["terminations"]) == count:
                return
            assert time.monotonic() < deadline, context
            time.sleep(0.05)

    def nothing_is_left(self):
        """The gateway has neither call nor context."""
        self.metrics.await_value(0, "agw_contexts")
        self.metrics.await_value(0, "agw_alg_calls")
        assert self.ng.calls() == []
        self.clock.tell("nothing is left")

    def end(self, heard):
        """Ends everything and judges what passed; `heard` is whom each secured phone heard.

        Tells the findings by phone.
        """
        found, short_tags, repeated = {}, 0, 0
        for phone in self.phones.values():
            phone.end(PATIENCE)
        self.clock.tell("the phones have ended")
        for name, capture in self.captures.items():
            capture.stop()
            self.clock.tell(f"what {name} sent and was sent is there")
            findings = found[name] = Findings(capture)
            print("\n".join(findings.lines()))
            # baresip sends RTCP in the clear before it has keys and after it has let them go, its
            # SRTCP has tags as short as its SRTP, and a new description has its index begin anew.
            lax = isinstance(self.phones[name], phones.Baresip)
            findings.check(SAYS[name], [SAYS[one] for one in heard[name]], lax)
            short_tags += findings.short_tags
            repeated += findings.repeated
            self.clock.tell(f"what {name} sent and was sent is judged")
        for reason, most in (("authentication", short_tags), ("replay", repeated)):
            dropped = self.metrics.value("agw_packets_dropped_total", reason=reason)
            assert dropped <= most, f"{dropped} packets dropped: {reason}"
        unknown = self.metrics.value("agw_ng_unknown_flags_total")
        assert unknown == 0, f"{unknown} flags that the gateway does not know"
        self.proxy.stop()
        self.clock.tell("all has ended")
        return found

    def _directory(self, name):
        directory = os.path.join(self.options.directory, name)
        os.mkdir(directory)
        return directory


def baresip(directory, place, tone, name, secured, proxy, **settings):
    """A phone of baresip."""
    return phones.Baresip(
        directory, place, tone, name=name, secured=secured, proxy=proxy, **settings
    )


def pjsua(directory, place, tone, name, secured, proxy, suites=(USUAL,), **settings):
    """A phone of PJSIP."""
    return phones.Pjsua(
        directory,
        place,
        tone,
        name=name,
        proxy="sip:{}:{};lr".format(*proxy),
        suites=list(suites) if secured else [],
        **settings,
    )
