"""Phones of others at the sample of a P-CSCF: PJSIP has media security to the edge, baresip knows
nothing of it.

Usage: phones.py HOST:PORT FIRST DIRECTORY

The edge is heard at HOST:PORT and has the core of the sample, FIRST is the first of 20 free ports,
DIRECTORY a directory for everything that is written. Ends with 0 if all is as it should be.
"""

import glob
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(HERE, "../telephony")]

from packets import PATIENCE  # noqa: E402
import phones  # noqa: E402
import tones  # noqa: E402

# PJSIP says at once what it would be told.
AGREED = "sdes-srtp;mediasec"
MEDIASEC = [
    ("Security-Client", AGREED),
    ("Security-Verify", AGREED),
    ("Require", "mediasec"),
    ("Proxy-Require", "mediasec"),
]
REGISTERED = {"domain": "ims.example", "password": "secret"}
# What each says, in hertz.
ALICE, CAROL = 500, 900
APPLIED = "a=3ge2ae:applied"
# How often alice offers anew in a call: she holds, and resumes.
CHANGES = 2


def main(edge, first, directory):
    """A call each way."""
    proxy = tuple(edge.rsplit(":", 1))
    alice = phones.Pjsua(
        *own(directory, "alice", int(first), ALICE),
        name="alice",
        proxy=f"sip:{edge};lr",
        headers=MEDIASEC,
        attributes=["a=3ge2ae:requested"],
        **REGISTERED,
    )
    carol = phones.Baresip(
        *own(directory, "carol", int(first) + 10, CAROL),
        name="carol",
        secured=False,
        proxy=proxy,
        **REGISTERED,
    )
    for phone in (alice, carol):
        phone.await_listener(PATIENCE)
    alice.await_event("registered")
    # baresip may be registered before it tells events.
    deadline = time.monotonic() + PATIENCE
    while "[1 binding]" not in carol.said():
        assert time.monotonic() < deadline, carol.said()
        time.sleep(0.05)
    call(alice, carol, "carol")
    # Each answer to it has it, and the offer to it.
    assert told(alice).count(APPLIED) == 1 + CHANGES, "alice was not told"
    call(carol, alice, "alice")
    assert told(alice).count(APPLIED) == 2 + 2 * CHANGES, "alice was not told"
    for phone in (alice, carol):
        phone.end(PATIENCE)


def own(directory, name, port, hertz):
    """The directory of a phone, its place and its tone."""
    directory = os.path.join(directory, name)
    os.mkdir(directory)
    tone = os.path.join(directory, "tone.wav")
    tones.write(tone, tones.tone(hertz, 60))
    return directory, phones.Place("127.0.0.1", port, port + 2), tone


def call(caller, callee, name):
    """Both hear each other, also after a hold of PJSIP; who has called hangs up."""
    for phone in (caller, callee):
        phone.forget()
    caller.dial(f"sip:{name}@ims.example")
    callee.await_event("incoming")
    callee.answer()
    for phone in (caller, callee):
        phone.await_event("established")
    talk(caller, callee)
    for phone in (caller, callee):
        if isinstance(phone, phones.Pjsua):
            changes(phone, phone.hold)
            changes(phone, phone.resume)
    talk(caller, callee)
    caller.hang_up()
    for phone in (caller, callee):
        phone.await_event("closed")


def talk(*both):
    """Both hear each other from now on."""
    ears = [(phone, phone.position()) for phone in both]
    for phone, since in ears:
        phone.hears(CAROL if isinstance(phone, phones.Pjsua) else ALICE, since)


def changes(phone, work):
    """A phone of PJSIP offers anew, and is answered."""
    answer = "Response msg 200/INVITE"
    before = told(phone).count(answer)
    work()
    deadline = time.monotonic() + PATIENCE
    while told(phone).count(answer) == before:
        assert time.monotonic() < deadline, "no answer"
        time.sleep(0.05)


def told(phone):
    """What a phone of PJSIP was sent, as its own log has it."""
    with open(os.path.join(phone.directory, "pjsua.log"), encoding="utf-8") as log:
        return log.read()


def tell_why(directory):
    """What the phones say of their calls, without keys."""
    for log in glob.glob(os.path.join(directory, "*", "*.log")):
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = [line for line in file if "inline:" not in line]
        print(log, "".join(lines[-120:]), sep="\n")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BaseException:
        tell_why(sys.argv[3])
        raise
