"""New keys in the middle of a call."""

from types import SimpleNamespace

import description
from media import Talker, wait_until
from packets import ACCESS
from scene import PLAIN, SAYS, SECURED, Scene, baresip, pjsua
from sip import Element

ENOUGH = 50


class Untold:
    """Nobody keeps what is said."""

    def __init__(self):
        self.elements, self.phone = {}, None

    def sip(self, source, to, message):
        """A SIP message was sent."""


class ScriptedPhone:
    """A secured phone that does as it is told: SIP of ours, SRTP by libsrtp."""

    def __init__(self, scene, callee):
        self.element = Element("phone", Untold(), ACCESS)
        own = "sip:phone@{}:{}".format(*self.element.address)
        uri = "sip:{}@{}:{}".format(callee, *scene.proxy.access)
        self.dialog = self.element.dial(uri, scene.proxy.access, own)
        self.talker = Talker(ACCESS, SAYS["a"], 0xA1A1A1A1)
        self.line = None

    def offer(self, suite=description.LONG_TAG):
        """Offers a fresh key; from the answer on, both directions are under the new keys."""
        fresh = description.fresh_line(suite)
        places = self.talker.sockets.remote()
        places = [(places[one]["ip"], places[one]["port"]) for one in ("rtp", "rtcp")]
        answer = self.element.invite(self.dialog, description.written(*places, fresh))
        line = description.line_of(answer)
        self.talker.take_keys(description.key_of(fresh), description.key_of(line))
        told, self.line = (self.line, line), line
        return answer, told

    def hears(self, more=ENOUGH):
        """Waits until it has opened more packets."""
        before = len(self.talker.heard)
        wait_until(lambda: len(self.talker.heard) >= before + more, "the phone hears")


def new_key_by_reinvite(options):
    """A phone offers a new key, and then another suite: both go on at once."""
    scene = Scene(options, {"b": (baresip, PLAIN, {"answers": "auto"})})
    phone, b = ScriptedPhone(scene, "b"), scene.phones["b"]
    answer, _ = phone.offer()
    local = (SimpleNamespace(ip=host, port=port) for host, port in description.media_at(answer))
    phone.talker.start(SimpleNamespace(**dict(zip(("rtp", "rtcp"), local, strict=True))))
    phone.hears()
    b.hears(SAYS["a"])
    for suite in (description.LONG_TAG, description.SHORT_TAG):
        since = b.position()
        _, (before, after) = phone.offer(suite)
        # The gateway's own key stays as long as its suite does (RFC 4568 7.1.4).
        keys = [description.key_of(line) for line in (before, after)]
        assert (keys[0][1] == keys[1][1]) == (keys[0][0] == keys[1][0]), "not the key of the suite"
        phone.hears()
        b.hears(SAYS["a"], since)
    (call,) = scene.ng.calls()
    scene.sealed(call)
    # What was sealed before the phone had the answer may be lost to it, nothing later.
    refused = phone.talker.refused
    phone.hears()
    assert phone.talker.refused == refused, phone.talker.refused
    phone.talker.leave()
    phone.element.bye(phone.dialog)
    b.await_event("closed")
    scene.nothing_is_left()
    phone.talker.close()
    scene.end({})


def reinvite_of_pjsip(options):
    """PJSIP repeats its key in re-INVITEs, also when its suites were changed."""
    scene = Scene(options, {"a": (pjsua, SECURED, {}), "b": (baresip, PLAIN, {})})
    call = scene.call("a", "b")
    scene.talk("a", "b")
    scene.renegotiate(scene.phones["a"].hold)
    scene.renegotiate(scene.phones["a"].resume)
    scene.talk("a", "b")
    scene.phones["a"].use([description.SHORT_TAG])
    scene.renegotiate(scene.phones["a"].resume)
    scene.talk("a", "b")
    scene.sealed(call)
    scene.hang_up("a", "b")
    findings = scene.end({"a": "b"})["a"]
    for from_phone in (True, False):
        assert findings.keys(from_phone) == [description.LONG_TAG], "not the first key"


def reinvite_of_the_callee(options):
    """Its callee sends PJSIP a re-INVITE: suite and keys stay on both sides."""
    suites = [description.SHORT_TAG, description.LONG_TAG]
    cast = {"a": (pjsua, SECURED, {"suites": suites}), "b": (baresip, PLAIN, {})}
    scene = Scene(options, cast)
    call = scene.call("a", "b")
    scene.talk("a", "b")
    scene.renegotiate(lambda: scene.phones["b"].command("reinvite"))
    scene.talk("a", "b")
    scene.sealed(call)
    scene.hang_up("b", "a")
    findings = scene.end({"a": "b"})["a"]
    assert findings.keys(True) == suites, "a key that the call did not begin with"
    assert findings.keys(False) == suites[:1], "another key, or not that of the first suite"


SCENARIOS = (new_key_by_reinvite, reinvite_of_pjsip, reinvite_of_the_callee)
