"""The proxy restarts, the gateway drains: calls go on."""

from scene import PLAIN, SECURED, Scene, baresip


def proxy_restarts(options):
    """Kamailio goes and comes back in the middle of a call."""
    scene = Scene(options, {"a": (baresip, SECURED, {}), "b": (baresip, PLAIN, {})})
    call = scene.call("a", "b")
    scene.talk("a", "b")
    scene.proxy.stop()
    scene.talk("a", "b")
    scene.proxy.start()
    scene.sealed(call)
    scene.hang_up("a", "b")
    scene.end({"a": "b"})


def gateway_drains(options):
    """A draining gateway keeps its call and refuses others in the words that mean another one."""
    cast = {"a": (baresip, SECURED, {}), "b": (baresip, PLAIN, {}), "c": (baresip, PLAIN, {})}
    scene = Scene(options, cast)
    call = scene.call("a", "b")
    scene.talk("a", "b")
    scene.agwctl.run("service", "drain")
    scene.phones["c"].dial(scene.uri("c", "a"))
    place, told = scene.phones["c"].await_event("closed")
    assert "503" in told["reason"], told
    assert "load limit" in scene.proxy.said(), scene.proxy.said()
    refused = scene.ng.ask("offer", **{"call-id": "x", "from-tag": "y", "sdp": OFFER})
    assert refused["result"] == "error", refused
    assert refused["error-reason"] == "Parallel session limit reached", refused
    scene.talk("a", "b")
    scene.sealed(call)
    scene.agwctl.run("service", "restore")
    scene.hang_up("a", "b")
    scene.phones["c"].dial(scene.uri("c", "a"))
    scene.phones["a"].await_event("incoming")
    scene.phones["a"].answer()
    scene.phones["c"].await_event("established", after=place)
    scene.talk("a", "c")
    scene.hang_up("c", "a")
    scene.end({"a": "bc"})


OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 192.0.2.2",
        "s=-",
        "c=IN IP4 192.0.2.2",
        "t=0 0",
        "m=audio 30000 RTP/AVP 8",
        "",
    ]
)

SCENARIOS = (proxy_restarts, gateway_drains)
