"""Hold and resume, with sequence numbers that go on meanwhile and wrap."""

from scene import PLAIN, SECURED, Scene, baresip

# What is left to the wrap when a call begins, and how far both count on while it is held.
BEFORE_THE_WRAP = 700
WHILE_HELD = 900


def hold_across_the_wrap(options):
    """Both phones' sequence numbers wrap while the call is held; then the other one holds it."""
    first = 65_536 - BEFORE_THE_WRAP
    settings = {"first": first}
    cast = {"a": (baresip, SECURED, settings), "b": (baresip, PLAIN, settings)}
    scene = Scene(options, cast)
    call = scene.call("a", "b")
    scene.talk("a", "b")
    for holder in ("a", "b"):
        scene.renegotiate(scene.phones[holder].hold)
        if holder == "a":
            for phone in scene.phones.values():
                phone.count_on(WHILE_HELD)
        scene.renegotiate(scene.phones[holder].resume)
        scene.talk("a", "b")
    scene.sealed(call)
    scene.hang_up("a", "b")
    findings = scene.end({"a": "b"})["a"]
    for from_phone in (True, False):
        sequences = findings.sequences(from_phone)
        assert sequences[0] >= first and sequences[-1] < WHILE_HELD, sequences
        assert findings.says(from_phone, "a=sendonly"), "nobody holds"
        assert findings.says(not from_phone, "a=recvonly"), "nobody is held"


SCENARIOS = (hold_across_the_wrap,)
