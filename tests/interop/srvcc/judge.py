"""Whether the call was as it should be: by what passed on UE B's leg, and by what was heard."""

import contextlib

import pylibsrtp
import tones
from media import identity, is_control, session

# Windows that make a second, less what the ends of a change take.
A_SECOND = 4


class Judge:
    """Looks at a scene that is over."""

    def __init__(self, scene):
        self.scene = scene
        self.keys = {name: key for key, name in scene.trace.names.items()}
        self.findings = []
        self.opened = {"gateway": [], "phone": []}
        self.in_clear = []

    def keys_of_remote_leg(self, gateway, phone):
        """Every packet on UE B's leg opens under the keys in force, first one, then the next."""
        self._open("gateway", gateway)
        self._open("phone", phone)

    def is_left_alone(self):
        """UE B heard of one INVITE and of its end, and its source went on."""
        arrows = [one.split(": ")[0] for one in self.scene.trace.arrows()]
        assert arrows.count("SCC AS -> UE B") == 3, arrows  # INVITE, ACK, BYE
        sources = {identity(packet)[0] for _, _, packet in self._media("phone")}
        assert len(sources) == 1, sources
        dropped = self.scene.counters.dropped
        refused = {reason: dropped.get(reason, 0) for reason in ("authentication", "replay")}
        assert not any(refused.values()), refused
        self._tell("UE B: one SSRC, no re-INVITE, no packet refused")

    def media(self):
        """Nothing is missing that the change of keys does not explain."""
        scene = self.scene
        assert scene.ims.refused == 0, f"{scene.ims.refused} packets that UE A cannot open"
        reports = scene.ims.reports() + scene.cs.reports()
        # baresip's first packet comes twice, in the clear and once more when it has its keys.
        sealed = [packet for _, _, packet in self.opened["phone"]]
        passed = [one for one in self.in_clear if reports.count(one) > sealed.count(one)]
        assert not passed, f"{len(passed)} RTCP packets in the clear got through"
        self._tell(f"UE B's RTCP in the clear: {len(self.in_clear)} packets, none got through")
        self._from_ue_b()
        self._to_ue_b()

    def sounds(self, in_ims, in_cs, ue_b):
        """UE B heard UE A in IMS, then in circuit-switched access; UE A heard UE B all along."""
        scene = self.scene
        at_ue_b = scene.phone.heard().astype(float)
        for who, samples, expected in (
            ("UE B", at_ue_b, [in_ims, in_cs]),
            ("UE A in IMS", scene.ims.audio().astype(float), [ue_b]),
            ("UE A in CS", scene.cs.audio().astype(float), [ue_b]),
        ):
            heard = tones.heard(samples, (in_ims, in_cs, ue_b))
            lasting = [hertz for hertz, windows in heard if windows >= A_SECOND]
            assert lasting == expected, f"{who} heard {heard}"
            self._tell(f"{who} heard " + ", then ".join(f"{hertz} Hz" for hertz in lasting))

    def _media(self, sender):
        return [one for one in self.opened[sender] if not is_control(one[2])]

    def _open(self, sender, names):
        """Opens all packets of a sender: (place in the record, name of the key, packet)."""
        sessions = [(name, session(self.keys[name], sends=False)) for name in names]
        current = 0
        for place, (who, packet) in enumerate(self.scene.tap.record):
            if who != sender:
                continue
            # A sender does not go back to a key for media; reports may come from both sides.
            candidates = sessions if is_control(packet) else sessions[current : current + 2]
            name, opened = _opened(candidates, packet)
            if name is None and sender == "phone" and is_control(packet):
                # baresip sends RTCP in the clear before it has keys and after it has let them go.
                self.in_clear.append(packet)
                continue
            assert name, f"{sender}: packet {place} is not sealed under {names}"
            assert opened != packet
            self.opened[sender].append((place, name, opened))
            if not is_control(packet):
                current = names.index(name)
        assert current == len(names) - 1, f"{sender}: no media was sealed under {names[-1]}"
        count = len(self.opened[sender])
        self._tell(f"UE B's leg, sent by the {sender}: {count} packets, all SRTP or SRTCP")

    def _from_ue_b(self):
        """What UE B sent and UE A did not get was refused for its key, before it was in force."""
        scene = self.scene
        heard = scene.ims.heard.keys() | scene.cs.heard.keys()
        media = [(place, name, identity(packet)) for place, name, packet in self._media("phone")]
        first = next(number for number, one in enumerate(media) if one[2] in heard)
        missing = [one for one in media[first:] if one[2] not in heard]
        in_force = scene.tap.record.index(("mark", "in force"))
        unexplained = [one for one in missing if one[0] > in_force or one[1] != "K2"]
        assert not unexplained, unexplained
        refused = scene.counters.dropped.get("authentication", 0)
        assert refused == len(missing), (refused, len(missing))
        self._tell(f"UE A got {len(media) - first - len(missing)} packets of UE B")
        if missing:
            self._tell(f"{len(missing)} packets of UE B were refused: K2, before it was in force")

    def _to_ue_b(self):
        """UE B's leg has all that UE A sent in IMS before the switch, and all of it in CS."""
        scene = self.scene
        passed = {identity(packet) for _, _, packet in self._media("gateway")}
        in_ims = [one in passed for one in scene.ims.sent]
        last = len(in_ims) - in_ims[::-1].index(True)
        assert all(in_ims[:last]), in_ims
        lost = [one for one in scene.cs.sent if one not in passed]
        assert not lost, f"{len(lost)} packets of UE A in CS did not get to UE B"
        self._tell(f"UE B was sent {last} packets of UE A in IMS and {len(scene.cs.sent)} in CS")

    def _tell(self, finding):
        self.findings.append(f"judged: {finding}")


def _opened(sessions, packet):
    """Under which key it opens, and what it is then; twice `None` if under none."""
    for name, receiver in sessions:
        open_it = receiver.unprotect_rtcp if is_control(packet) else receiver.unprotect
        with contextlib.suppress(pylibsrtp.Error):
            return name, open_it(packet)
    return None, None
