"""Every suite that a phone has, in the directions in which it has it."""

from scene import PLAIN, SECURED, Scene, baresip, pjsua

COUNTER_MODE = [
    f"AES_{name}_HMAC_SHA1_{tag}" for name in ("CM_128", "256_CM") for tag in (80, 32)
]
GALOIS = ["AEAD_AES_128_GCM", "AEAD_AES_256_GCM"]


def offered_by_pjsip(options):
    """PJSIP calls with one suite after the other."""
    scene = Scene(options, {"a": (pjsua, SECURED, {}), "b": (baresip, PLAIN, {})})
    for suite in COUNTER_MODE:
        scene.phones["a"].use([suite])
        _talk_and_part(scene, "a", "b")
    findings = scene.end({"a": "b"})["a"]
    assert findings.suites == set(COUNTER_MODE), findings.suites


def taken_by_pjsip(options):
    """PJSIP is called with one suite after the other."""
    cast = {"a": (pjsua, SECURED, {"suites": COUNTER_MODE}), "b": (baresip, PLAIN, {})}
    _taken(Scene(options, cast), COUNTER_MODE)


def taken_by_baresip(options):
    """baresip is called with one suite after the other; under 32 bits its RTCP is its own."""
    cast = {"a": (baresip, SECURED, {}), "b": (baresip, PLAIN, {})}
    _taken(Scene(options, cast), COUNTER_MODE[:2] + GALOIS)


def _taken(scene, suites):
    for suite in suites:
        scene.proxy.stop()
        scene.proxy.offer(suite)
        scene.proxy.start()
        _talk_and_part(scene, "b", "a")
    findings = scene.end({"a": "b"})["a"]
    assert findings.suites == set(suites), findings.suites


def _talk_and_part(scene, caller, callee):
    call = scene.call(caller, callee)
    scene.talk("a", "b")
    scene.sealed(call)
    scene.hang_up("a", "b")


SCENARIOS = (offered_by_pjsip, taken_by_pjsip, taken_by_baresip)
