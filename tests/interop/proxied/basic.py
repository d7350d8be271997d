"""Calls of each phone in either direction."""

from scene import PLAIN, SECURED, Scene, baresip, pjsua

OFFERED_BY_BARESIP = ["AES_CM_128_HMAC_SHA1_80"]


def secured_calls_plain(options):
    """baresip with SDES calls baresip without; the caller hangs up."""
    scene = Scene(options, {"a": (baresip, SECURED, {}), "b": (baresip, PLAIN, {})})
    call = scene.call("a", "b")
    scene.talk("a", "b")
    scene.sealed(call)
    scene.hang_up("a", "b")
    findings = scene.end({"a": "b"})["a"]
    assert findings.keys(True) == OFFERED_BY_BARESIP, findings.keys(True)


def plain_calls_secured(options):
    """The other way; the callee hangs up."""
    scene = Scene(options, {"a": (baresip, SECURED, {}), "b": (baresip, PLAIN, {})})
    call = scene.call("b", "a")
    scene.talk("a", "b")
    scene.sealed(call)
    scene.hang_up("a", "b")
    scene.end({"a": "b"})


def long_keys(options):
    """PJSIP with keys of 256 bits calls baresip."""
    suite = "AES_256_CM_HMAC_SHA1_80"
    cast = {"a": (pjsua, SECURED, {"suites": [suite]}), "b": (baresip, PLAIN, {})}
    scene = Scene(options, cast)
    call = scene.call("a", "b")
    scene.talk("a", "b")
    scene.sealed(call)
    scene.hang_up("b", "a")
    scene.end({"a": "b"})


SCENARIOS = (secured_calls_plain, plain_calls_secured, long_keys)
