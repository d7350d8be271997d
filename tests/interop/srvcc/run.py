"""Secure SRVCC with a phone: TR 33.829 clause 6, first solution, against a running gateway.

Usage: run.py HEADING --iq ADDRESS --admin ADDRESS --ports FIRST --directory DIRECTORY

HEADING is that of a flow of proto/SRVCC.md; what was said must be what stands there. FIRST is the
first of 30 free ports, DIRECTORY a directory for the phone. Ends with 0 if all is as it should be.
"""

import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(HERE, "../telephony")]

import book  # noqa: E402
import description  # noqa: E402
import emsc  # noqa: E402
import phones  # noqa: E402
import tones  # noqa: E402
from iq import Iq  # noqa: E402
from judge import Judge  # noqa: E402
from ledger import Ledger  # noqa: E402
from media import Talker, Tap, wait_until  # noqa: E402
from packets import ACCESS, CORE, PATIENCE  # noqa: E402
from transcript import Trace  # noqa: E402

# What is heard tells who speaks.
UE_A_IN_IMS, UE_A_IN_CS, UE_B = 500, 900, 700
# From here, UE A's sequence numbers wrap before the transfer: its session is at ROC 1 then.
BEFORE_THE_WRAP = 65_450
# Packets that each must hear before anything else happens: three seconds.
ENOUGH = 150
# Seconds of UE B's tone: phones stumble where a file begins anew.
LONG_ENOUGH = 120
# Ports of the phone, counted from the first one: SIP, the tap's side towards it, its media.
SIP, TAP, MEDIA = 0, 4, 10


class Scene:
    """The call between UE A in IMS and UE B, and all that is around it."""

    def __init__(self, options, phone, suite, first):
        self.trace = Trace()
        self.ledger = Ledger(options.admin)
        tone_file = os.path.join(options.directory, "tone.wav")
        tones.write(tone_file, tones.tone(UE_B, LONG_ENOUGH))
        place = phones.Place("127.0.0.1", options.ports + SIP, options.ports + MEDIA)
        self.phone = phone(options.directory, place, tone_file)
        self.trace.phone = self.phone.address
        self.trace.elements[self.phone.address] = "UE B"
        self.phone.await_listener(PATIENCE)
        iq = Iq(options.iq)
        self.tap = Tap(CORE, options.ports + TAP)
        self.scc_as = emsc.SccAs(self.trace, self.tap, self.phone.address)
        self.ims_alg = emsc.ImsAlg("IMS-ALG", self.trace, iq)
        self.iq = iq
        self.k11, self.k12 = description.fresh_line(), description.fresh_line()
        self.k21 = description.fresh_line(suite)
        for name in ("k11", "k12", "k21"):
            self.trace.name(getattr(self, name), name.upper())
        k11, k12 = description.key_of(self.k11), description.key_of(self.k12)
        self.ims = Talker(
            ACCESS, UE_A_IN_IMS, 0xA1A1A1A1, first=first, sends=k11, receives=k12
        )
        self.cs = Talker(CORE, UE_A_IN_CS, 0xC5C5C5C5, first=7)

    def call(self):
        """UE A calls UE B, and they talk."""
        to_ue_a, self.to_ue_b = self.ims_alg.originate(
            self.ims, self.k11, self.k12, self.k21, self.scc_as
        )
        self.trace.name(description.line_of(self.scc_as.answer), "K22")
        self.ims.start(to_ue_a)
        wait_until(lambda: len(self.ims.heard) >= ENOUGH, "UE A hears UE B in IMS")
        wait_until(lambda: self.tap.counts["gateway"] >= ENOUGH, "UE B hears UE A in IMS")

    def hand_over(self, to_cs):
        """UE A changes its access, and they talk on."""
        self.cs.start(to_cs)
        self.ims.leave()
        before = self.tap.counts["gateway"]
        wait_until(lambda: len(self.cs.heard) >= ENOUGH, "UE A hears UE B in CS")
        wait_until(lambda: self.tap.counts["gateway"] >= before + ENOUGH, "UE B hears UE A in CS")

    def end(self, controller):
        """UE A hangs up."""
        self.cs.leave()
        controller.hang_up()
        self.phone.end(PATIENCE)
        self.counters = self.ledger.settled()
        context = {"context_id": self.ims_alg.context}
        controller.transact(("release the call", {"release": context}))
        self.ims.close()
        self.cs.close()
        self.tap.close()


def pjsua(directory, place, tone):
    """A phone of PJSIP that answers at once."""
    return phones.Pjsua(directory, place, tone, name="ue-b", answers=True)


def baresip(directory, place, tone):
    """A phone of baresip that answers at once."""
    return phones.Baresip(directory, place, tone, name="ue-b", answers="auto")


def session_transfer(options):
    """UE B is offered K1 and answers with K2."""
    # PJSIP has one key for each suite as long as a call lasts: for a fresh K2, the suite changes.
    # It keeps its ROC under a new key even for an SSRC that it has not heard: here that is 0.
    scene = Scene(options, pjsua, description.SHORT_TAG, 1)
    scene.call()
    msc = emsc.Emsc("eMSC", scene.trace, scene.iq)
    to_cs = msc.transfer(scene.ims_alg, scene.to_ue_b, scene.cs, scene.scc_as, scene.tap)
    scene.hand_over(to_cs)
    scene.scc_as.wake()
    scene.ims_alg.lose(release=True)
    scene.end(msc)
    judge = Judge(scene)
    judge.keys_of_remote_leg(["K21", "K1"], ["K22", "K2"])
    assert not judge.in_clear, f"{len(judge.in_clear)} RTCP packets of UE B in the clear"
    return scene, judge


def anchored(options):
    """UE B gets no message: only UE A's access leg is exchanged."""
    scene = Scene(options, baresip, description.LONG_TAG, BEFORE_THE_WRAP)
    scene.call()
    atcf = emsc.Atcf("ATCF", scene.trace, scene.iq)
    msc = emsc.Element("MSC server", scene.trace)
    atcf.anchored = description.written(*emsc.local(scene.to_ue_b), scene.k21)
    to_cs = atcf.transfer(scene.ims_alg, msc, scene.cs, scene.scc_as, scene.tap)
    scene.hand_over(to_cs)
    scene.scc_as.wake()
    scene.ims_alg.lose(release=False)
    scene.end(atcf)
    judge = Judge(scene)
    judge.keys_of_remote_leg(["K21"], ["K22"])
    judge.is_left_alone()
    return scene, judge


FLOWS = {"Session transfer": session_transfer, "Anchored in an ATGW": anchored}


def main():
    """Plays a flow, judges it, and compares it with what is written of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("heading", choices=FLOWS)
    for name in ("iq", "admin", "directory"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ports", required=True, type=int)
    options = parser.parse_args()
    scene, judge = FLOWS[options.heading](options)
    print("\n".join(scene.trace.lines()))
    judge.media()
    judge.sounds(UE_A_IN_IMS, UE_A_IN_CS, UE_B)
    print("\n".join(judge.findings))
    book.compare(options.heading, scene.trace.arrows())


if __name__ == "__main__":
    main()
