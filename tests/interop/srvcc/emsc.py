"""The elements of a session transfer, played: IMS-ALG, SCC AS, eMSC, and MSC server with ATCF.

They speak SIP with each other and with UE B, and `agw.iq.v1` with the gateway. What an eMSC does
to the gateway is `Emsc.transfer`; the rest is there so that it has somebody to talk to.
"""

import threading

import description
from media import wait_until
from sip import Element

STN_SR = "tel:+491710000999"
C_MSISDN = "tel:+491710000001"
UE_A, UE_B = "sip:ue-a@ims.example", "sip:ue-b@ims.example"
IDENTITY = ("p-asserted-identity", f"<{C_MSISDN}>")
ATU_STI = "sip:atu-sti@ims.example"
# How many packets UE B sends while its answer is on the way to the eMSC.
ON_THE_WAY = 3
OPEN = "STREAM_MODE_SEND_RECEIVE"
# In one context, terminations are numbered from 1.
IMS_ACCESS, REMOTE, CS_ACCESS = 1, 2, 3


class Controller(Element):
    """A SIP element that controls the gateway."""

    gateway = "gateway"

    def __init__(self, name, trace, iq):
        super().__init__(name, trace)
        self.iq = iq

    def transact(self, *named):
        """Carries out commands, all or none; each goes with what the log says of it."""
        self.trace.iq(self.name, self.gateway, [told for told, _ in named])
        reply = self.iq.Transact(commands=[command for _, command in named])
        self.trace.reply(self.gateway, self.name, "in force")
        return [one.termination for one in reply.replies if one.HasField("termination")]


def secured(stream, ingress=None, egress=None):
    """A stream in SRTP: the peer's line opens what arrives, the gateway's seals what leaves."""
    stream = {"stream_id": 1, **stream}
    if ingress:
        stream["ingress_crypto"] = {"sdes_line": ingress}
    if egress:
        stream["egress_crypto"] = {"sdes_line": egress}
    return stream


def at(text):
    """The peer's addresses in a session description, as the gateway wants them."""
    rtp, rtcp = description.media_at(text)
    return {"rtp": place(rtp), "rtcp": place(rtcp)}


def place(address):
    """An address as the gateway wants it."""
    return {"ip": address[0], "port": address[1]}


def local(stream):
    """The gateway's addresses of RTP and RTCP."""
    return (stream.rtp.ip, stream.rtp.port), (stream.rtcp.ip, stream.rtcp.port)


class ImsAlg(Controller):
    """Serves UE A while it is in IMS: media security to the access edge on its leg."""

    def originate(self, ue_a, k11, k12, k21, scc_as):
        """UE A calls UE B; tells the gateway's addresses for UE A and for UE B."""
        access = {"remote": ue_a.sockets.remote(), "transport": "TRANSPORT_SECURED"}
        reply = self.transact(
            (
                "reserve IMS access (ingress K11, egress K12)",
                {"reserve": {"realm": "access", "streams": [secured(access, k11, k12)]}},
            ),
            (
                "reserve remote leg",
                {
                    "reserve": {
                        "latest_context": True,
                        "realm": "core",
                        "streams": [{"stream_id": 1, "transport": "TRANSPORT_SECURED"}],
                    }
                },
            ),
        )
        self.context = reply[0].context_id
        to_ue_a, to_ue_b = (one.streams[0] for one in reply)
        offer = description.written(*local(to_ue_b), k21)
        self.dialog = self.dial(UE_B, scc_as.address, UE_A)
        answer = self.invite(self.dialog, offer, IDENTITY)
        k22 = description.line_of(answer)
        change = secured({"remote": at(answer)}, k22, k21)
        configure = {"context_id": self.context, "termination_id": REMOTE, "streams": [change]}
        gates = {"context_id": self.context, "mode": OPEN}
        self.transact(
            ("configure remote leg (ingress K22, egress K21)", {"configure": configure}),
            ("open gates", {"change_through_connection": gates}),
        )
        return to_ue_a, to_ue_b

    def lose(self, release):
        """The SCC AS ends UE A's leg in IMS; unless that was done, the gateway's goes too."""
        request, there = self.serve()
        assert request.method == "BYE", request.start
        self.respond(request, there, "200 OK")
        if release:
            place = {"context_id": self.context, "termination_id": IMS_ACCESS}
            self.transact(("release IMS access", {"release": place}))


class SccAs(Element):
    """Anchors the session (TS 23.237): whoever is UE A's access leg now, UE B keeps its dialog."""

    def __init__(self, trace, tap, phone):
        super().__init__("SCC AS", trace)
        self.tap, self.phone = tap, phone
        self.remote = self.access = self.source = self.answer = None
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self):
        while True:
            request, there = self.serve()
            if request is None:
                # The transfer is complete: the source access leg goes (TS 23.237 6.3.2.1.4).
                self.bye(self.source)
                continue
            if request.method == "BYE":
                self.bye(self.remote)
                self.respond(request, there, "200 OK")
                return
            assert request.method == "INVITE", request.start
            # UE B takes its time; without this the offer would come again.
            self.respond(request, there, "100 Trying")
            self._invited(request, there)

    def _invited(self, request, there):
        uri = request.start.split(" ")[1]
        if uri == UE_B:
            # The session begins: it is anchored.
            user = f"sip:ue-b@127.0.0.1:{self.phone[1]}"
            self.remote = self.dial(user, self.phone, UE_A)
            self.access = self.accept(request, there, self._offered(request.body))
            return
        # Which session is transferred is told by the C-MSISDN (TS 23.237 6.3.2.1.4).
        assert request.get("p-asserted-identity") == f"<{C_MSISDN}>", request.start
        assert uri in (STN_SR, ATU_STI), uri
        # Anchored media does not change for UE B (TS 24.237 12.7).
        answer = self.answer
        if uri == STN_SR:
            answer = self._offered(request.body)
            # The way back takes time (steps 6 and 7); UE B talks on, under K2 by now.
            before = self.tap.counts["phone"]
            wait_until(lambda: self.tap.counts["phone"] >= before + ON_THE_WAY, "UE B talks on")
        self.source, self.access = self.access, self.accept(request, there, answer)

    def _offered(self, offer):
        gateway = description.media_at(offer)
        inside = [one.getsockname() for one in self.tap.inside]
        answer = self.invite(self.remote, description.moved(offer, *inside))
        if not self.tap.threads:
            self.tap.start(gateway, description.media_at(answer))
        outside = [one.getsockname() for one in self.tap.outside]
        self.answer = description.moved(answer, *outside)
        return self.answer


class Emsc(Controller):
    """The MSC server enhanced for SRVCC with the CS-MGW: figure 6.3-1."""

    gateway = "CS-MGW"

    def transfer(self, ims_alg, to_ue_b, cs, scc_as, tap):
        """UE A hands over; tells the gateway's addresses for UE A in circuit-switched access."""
        k1 = description.fresh_line()
        self.trace.name(k1, "K1")
        offer = description.written(*local(to_ue_b), k1)
        self.dialog = self.dial(STN_SR, scc_as.address, C_MSISDN)
        answer = self.invite(self.dialog, offer, IDENTITY)
        k2 = description.line_of(answer)
        self.trace.name(k2, "K2")
        return self._relay(ims_alg.context, (k1, k2), at(answer), cs, tap)

    def hang_up(self):
        """UE A hangs up."""
        self.bye(self.dialog)

    def _relay(self, context, keys, ue_b, cs, tap):
        """The relay call request with both keys."""
        k1, k2 = keys
        plain = {"stream_id": 1, "transport": "TRANSPORT_PLAIN", "mode": OPEN}
        plain["remote"] = cs.sockets.remote()
        reserve = {"context_id": context, "realm": "core", "streams": [plain]}
        change = secured({"remote": ue_b}, k2, k1)
        configure = {"context_id": context, "termination_id": REMOTE, "streams": [change]}
        topology = {
            "context_id": context,
            "from_termination_id": REMOTE,
            "to_termination_id": CS_ACCESS,
        }
        tap.mark("asked")
        reply, *_ = self.transact(
            ("relay call: reserve CS access", {"reserve": reserve}),
            ("configure remote leg (ingress K2, egress K1)", {"configure": configure}),
            ("set topology remote leg = CS access", {"set_topology": topology}),
        )
        tap.mark("in force")
        assert reply.termination_id == CS_ACCESS, reply
        return reply.streams[0]


class Atcf(Controller):
    """Anchors media in its ATGW: at a transfer it exchanges the access leg and nothing else."""

    gateway = "ATGW"

    def transfer(self, ims_alg, msc, cs, scc_as, tap):
        """The MSC server's INVITE with the STN-SR; tells the gateway's addresses for it."""
        told = {}

        def answer():
            request, there = self.serve()
            assert request.get("p-asserted-identity") == f"<{C_MSISDN}>", request.start
            told["local"] = self._exchange(ims_alg.context, at(request.body), tap)
            text = description.written(*local(told["local"]))
            self.accept(request, there, text)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        remote = cs.sockets.remote()
        addresses = [(remote[one]["ip"], remote[one]["port"]) for one in ("rtp", "rtcp")]
        offer = description.written(*addresses)
        self.msc, self.dialog = msc, msc.dial(STN_SR, self.address, C_MSISDN)
        msc.invite(self.dialog, offer, IDENTITY)
        thread.join()
        # The SCC AS learns that UE A has moved; the media it knows is what it was.
        self.update = self.dial(ATU_STI, scc_as.address, C_MSISDN)
        self.invite(self.update, self.anchored, IDENTITY)
        return told["local"]

    def hang_up(self):
        """UE A hangs up; the ATCF passes that on."""

        def answer():
            request, there = self.serve()
            assert request.method == "BYE", request.start
            self.bye(self.update)
            self.respond(request, there, "200 OK")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        self.msc.bye(self.dialog)
        thread.join()

    def _exchange(self, context, cs, tap):
        plain = {"stream_id": 1, "transport": "TRANSPORT_PLAIN", "mode": OPEN, "remote": cs}
        reserve = {"context_id": context, "realm": "core", "streams": [plain]}
        topology = {
            "context_id": context,
            "from_termination_id": REMOTE,
            "to_termination_id": CS_ACCESS,
        }
        place = {"context_id": context, "termination_id": IMS_ACCESS}
        tap.mark("asked")
        reply, *_ = self.transact(
            ("reserve CS access", {"reserve": reserve}),
            ("set topology remote leg = CS access", {"set_topology": topology}),
            ("release IMS access", {"release": place}),
        )
        tap.mark("in force")
        assert reply.termination_id == CS_ACCESS, reply
        return reply.streams[0]
