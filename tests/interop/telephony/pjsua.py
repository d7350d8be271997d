"""A phone by pjsua2 as a process.

`python pjsua.py SETTINGS` takes commands at standard input, which is a socket, and tells there what
happens: a line of JSON each. SETTINGS is JSON: `host`, `sip`, `rtp`, `tone`, `recording`, `log`, and
perhaps `name`, `proxy` (a URI), `suites` (none: plain RTP) and `answers` (calls are answered at once).
With `domain` it registers there, by the proxy, with `password` and with `headers`, a list of pairs; its
offers have `attributes`, lines of the media.
"""

import json
import os
import signal
import socket
import sys

import pjsua2 as pj

SUITES = ["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"]


class Call(pj.Call):
    """A call."""

    def __init__(self, phone, number=pj.PJSUA_INVALID_ID):
        super().__init__(phone.account, number)
        self.phone = phone

    def onCallState(self, prm):  # noqa: N802
        """Tells how far it has come."""
        info = self.getInfo()
        names = {
            pj.PJSIP_INV_STATE_EARLY: "early",
            pj.PJSIP_INV_STATE_CONFIRMED: "established",
            pj.PJSIP_INV_STATE_DISCONNECTED: "closed",
        }
        if info.state in names:
            reason = f"{info.lastStatusCode} {info.lastReason}"
            self.phone.tell(names[info.state], id=info.callIdString, reason=reason)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.phone.forget(self)

    def onCallSdpCreated(self, prm):  # noqa: N802
        """Adds to an offer what PJSIP knows nothing of."""
        attributes = self.phone.settings.get("attributes", ())
        if attributes and not prm.remSdp.wholeSdp:
            prm.sdp.wholeSdp += "".join(f"{line}\r\n" for line in attributes)

    def onCallMediaState(self, prm):  # noqa: N802
        """Connects the tone and the recorder, again after each new offer."""
        # What it tells lasts no longer than the whole.
        info = self.getInfo()
        for number, media in enumerate(info.media):
            if media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                audio = self.getAudioMedia(number)
                self.phone.player.startTransmit(audio)
                audio.startTransmit(self.phone.recorder)


class Account(pj.Account):
    """The subscriber."""

    phone = None

    def onRegState(self, prm):  # noqa: N802
        """Tells what became of a registration."""
        self.phone.tell("registered" if prm.code == 200 else "unregistered", reason=str(prm.code))

    def onIncomingCall(self, prm):  # noqa: N802
        """Answers, or tells."""
        call = Call(self.phone, prm.callId)
        self.phone.calls.append(call)
        self.phone.tell("incoming", id=call.getInfo().callIdString, reason="")
        if self.phone.settings.get("answers", False):
            self.phone.answer(200)


class Phone:
    """The phone."""

    def __init__(self, settings):
        self.settings, self.calls, self.ended = settings, [], []
        self.socket = socket.socket(fileno=os.dup(0))
        self.socket.setblocking(False)
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        self.endpoint.libInit(endpoint_settings(settings))
        transport = pj.TransportConfig()
        transport.port, transport.boundAddress = settings["sip"], settings["host"]
        transport.publicAddress = settings["host"]
        self.endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            priority = 255 if codec.codecId.startswith("PCMA") else 0
            self.endpoint.codecSetPriority(codec.codecId, priority)
        self.player, self.recorder = pj.AudioMediaPlayer(), pj.AudioMediaRecorder()
        self.player.createPlayer(settings["tone"])
        self.recorder.createRecorder(settings["recording"])
        self.account = Account()
        self.account.phone = self
        self.account.create(account_settings(settings))

    def tell(self, name, **told):
        """Tells what has happened."""
        self.socket.sendall(json.dumps({"event": name, **told}).encode() + b"\n")

    def forget(self, call):
        """Puts a call that has ended aside: PJSIP may still have it in hand."""
        self.calls.remove(call)
        self.ended.append(call)

    def use(self, suites):
        """Offers and takes these in calls from now on."""
        self.settings["suites"] = suites
        self.account.modify(account_settings(self.settings))

    def answer(self, status):
        """Answers the last call that came."""
        parameters = pj.CallOpParam()
        parameters.statusCode = status
        self.calls[-1].answer(parameters)

    def dial(self, uri):
        """Calls somebody."""
        call = Call(self)
        self.calls.append(call)
        call.makeCall(uri, pj.CallOpParam(True))

    def hold(self):
        """Holds its call."""
        self.calls[-1].setHold(pj.CallOpParam(True))

    def resume(self):
        """Takes its call back."""
        parameters = pj.CallOpParam(True)
        parameters.opt.flag = pj.PJSUA_CALL_UNHOLD
        self.calls[-1].reinvite(parameters)

    def hang_up(self):
        """Ends its call."""
        self.calls[-1].hangup(pj.CallOpParam(True))

    def serve(self):
        """Works until it is asked to end, or nobody is left to ask."""
        asked_to_end = []
        signal.signal(signal.SIGTERM, lambda *_: asked_to_end.append(True))
        octets = b""
        while not asked_to_end:
            self.endpoint.libHandleEvents(20)
            try:
                more = self.socket.recv(65536)
            except BlockingIOError:
                continue
            if not more:
                break
            *lines, octets = (octets + more).split(b"\n")
            for line in lines:
                arguments = json.loads(line)
                getattr(self, arguments.pop("command"))(**arguments)
        # What its recorder still has.
        self.recorder = None
        self.endpoint.libHandleEvents(20)
        # Its own way out takes a second more and stumbles over calls that it has already ended.
        os._exit(0)


def endpoint_settings(settings):
    """A narrow-band phone without echo canceller and silence detection."""
    config = pj.EpConfig()
    config.uaConfig.threadCnt = 0
    config.uaConfig.mainThreadOnly = True
    config.logConfig.level, config.logConfig.consoleLevel = 4, 0
    config.logConfig.filename = settings["log"]
    media = config.medConfig
    media.clockRate = media.sndClockRate = 8000
    media.ecTailLen, media.noVad = 0, True
    return config


def account_settings(settings):
    """SRTP is mandatory, by SDES, or there is none."""
    config = pj.AccountConfig()
    name, host, sip = settings.get("name", "phone"), settings["host"], settings["sip"]
    config.idUri = f"sip:{name}@{host}:{sip}"
    if "proxy" in settings:
        config.sipConfig.proxies.append(settings["proxy"])
    if "domain" in settings:
        config.idUri, password = f"sip:{name}@{settings['domain']}", settings["password"]
        config.regConfig.registrarUri = f"sip:{settings['domain']}"
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", name, 0, password))
        for field, value in settings.get("headers", ()):
            header = pj.SipHeader()
            header.hName, header.hValue = field, value
            config.regConfig.headers.append(header)
    media = config.mediaConfig
    suites = settings.get("suites", SUITES)
    media.srtpSecureSignaling = 0
    media.srtpUse = pj.PJMEDIA_SRTP_MANDATORY if suites else pj.PJMEDIA_SRTP_DISABLED
    media.srtpOpt.keyings.append(pj.PJMEDIA_SRTP_KEYING_SDES)
    for suite in suites:
        crypto = pj.SrtpCrypto()
        crypto.name = suite
        media.srtpOpt.cryptos.append(crypto)
    media.transportConfig.port, media.transportConfig.portRange = settings["rtp"], 8
    media.transportConfig.boundAddress = host
    return config


if __name__ == "__main__":
    Phone(json.loads(sys.argv[1])).serve()
