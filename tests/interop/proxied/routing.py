"""What a proxy does with calls: transfers, early media, forks."""

from scene import PLAIN, SAYS, SECURED, Scene, baresip, pjsua


def transfer(options):
    """The secured caller's call is transferred by its callee, who is out of it then."""
    cast = {"a": (baresip, SECURED, {}), "b": (baresip, PLAIN, {}), "c": (baresip, PLAIN, {})}
    scene = Scene(options, cast)
    scene.call("a", "b")
    scene.talk("a", "b")
    scene.phones["b"].transfer(scene.uri("a", "c"))
    scene.phones["c"].await_event("incoming")
    scene.phones["c"].answer()
    scene.phones["c"].await_event("established")
    scene.phones["b"].await_event("closed")
    scene.metrics.await_value(1, "agw_contexts")
    scene.talk("a", "c")
    (call,) = scene.ng.calls()
    scene.sealed(call)
    scene.hang_up("c", "a")
    scene.end({"a": "bc"})


def early_media(options):
    """The callee is heard before it answers."""
    scene = Scene(options, {"a": (baresip, SECURED, {}), "b": (pjsua, PLAIN, {})})
    a, b = scene.phones["a"], scene.phones["b"]
    a.dial(scene.uri("a", "b"))
    b.await_event("incoming")
    b.answer(183)
    a.await_event("early")
    a.hears(SAYS["b"])
    assert not a.has_seen("established")
    b.answer()
    call = scene.established("a", "b")
    scene.talk("a", "b")
    scene.sealed(call)
    scene.hang_up("b", "a")
    scene.end({"a": "b"})


def fork_by_branch(options):
    """Two phones ring, each with ports of its own at the gateway."""
    _fork(options, "both")


def fork_with_one_offer(options):
    """Two phones ring, and the proxy has asked the gateway once for both."""
    _fork(options, "either")


def _fork(options, callees):
    """Both give early media, one answers, the other is cancelled and leaves nothing."""
    cast = {"a": (baresip, SECURED, {}), "b": (pjsua, PLAIN, {}), "c": (pjsua, PLAIN, {})}
    scene = Scene(options, cast)
    a, b, c = (scene.phones[name] for name in "abc")
    a.dial(scene.uri("a", callees))
    for phone in (b, c):
        phone.await_event("incoming")
    for phone, hertz in ((b, SAYS["b"]), (c, SAYS["c"])):
        phone.answer(183)
        a.hears(hertz)
    assert not a.has_seen("established")
    b.answer()
    call = scene.established("a", "b")
    c.await_event("closed")
    scene.talk("a", "b")
    scene.sealed(call)
    scene.metrics.await_value(1, "agw_contexts")
    scene.await_terminations(2)
    scene.talk("a", "b")
    scene.hang_up("a", "b")
    scene.end({"a": "bc"})


SCENARIOS = (transfer, early_media, fork_by_branch, fork_with_one_offer)
