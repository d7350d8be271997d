"""UE B: phones of others, with a SIP stack, an SRTP and an ear of their own.

`python phones.py SIP_PORT RTP_PORT TONE RECORDING` is a phone by pjsua2 that answers one call.
"""

import ctypes
import glob
import os
import signal
import subprocess
import sys
import time
import wave


def write_tone(path, samples):
    """A file of samples for a phone to play."""
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def end_with_parent():
    """Has the kernel end this process with the one that started it (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Phone:
    """A phone as a process."""

    def __init__(self, command, directory, port):
        self.address = ("127.0.0.1", port)
        self.directory = directory
        # What it says may contain keys: it stays in the directory of the test, which goes with it.
        with open(os.path.join(directory, "phone.log"), "wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,
            )

    def await_listener(self, patience):
        """Waits until it listens for SIP."""
        deadline = time.monotonic() + patience
        told = f":{self.address[1]:04X} 00000000:0000 07"
        while True:
            with open("/proc/thread-self/net/udp", encoding="ascii") as table:
                if told in table.read():
                    return
            assert self.process.poll() is None, "the phone has ended"
            assert time.monotonic() < deadline, "the phone does not listen"
            time.sleep(0.05)

    def hang_up(self, patience):
        """Ends it after its call."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(patience)
        finally:
            self.process.kill()

    def heard(self):
        """The samples that it has decoded, 8,000 a second."""
        (path,) = self.recordings()
        with wave.open(path, "rb") as file:
            assert file.getframerate() == 8000, file.getparams()
            return file.readframes(file.getnframes())


class Pjsua(Phone):
    """PJSIP 2.15 by its Python module: a new offer with a new key is answered with a new key."""

    def __init__(self, directory, sip, rtp, tone):
        self.recording = os.path.join(directory, "heard.wav")
        script = [sys.executable, "-B", __file__, str(sip), str(rtp), tone, self.recording]
        super().__init__(script, directory, sip)

    def recordings(self):
        """The file with what it has decoded."""
        return [self.recording]


class Baresip(Phone):
    """baresip 1.0 of Debian: keeps the keys of the first offer whatever later ones say."""

    MODULES = "aubridge g711 aufile sndfile srtp uuid account menu"

    def __init__(self, directory, sip, rtp, tone):
        config = [
            f"sip_listen 127.0.0.1:{sip}",
            "net_interface 127.0.0.1",
            f"rtp_ports {rtp}-{rtp + 9}",
            f"audio_source aufile,{tone}",
            "audio_player aubridge,sink",
            f"snd_path {directory}",
            "module_path /usr/lib/baresip/modules",
        ]
        for name in self.MODULES.split():
            kind = {"uuid": "module_tmp", "account": "module_tmp", "menu": "module_app"}
            config.append(f"{kind.get(name, 'module')} {name}.so")
        account = f"<sip:ue-b@127.0.0.1:{sip}>;regint=0;mediaenc=srtp-mand;answermode=auto"
        for name, lines in (
            ("config", config),
            ("accounts", [f"{account};audio_codecs=PCMA/8000/1"]),
            ("contacts", []),
        ):
            with open(os.path.join(directory, name), "w", encoding="ascii") as file:
                file.write("\n".join(lines) + "\n")
        super().__init__(["baresip", "-4", "-f", directory], directory, sip)

    def recordings(self):
        """The file with what it has decoded."""
        return glob.glob(os.path.join(self.directory, "dump-*-dec.wav"))


def answer_one_call(sip, rtp, tone, recording):
    """The phone by pjsua2: answers, plays the tone, records what it hears until it is hung up."""
    import pjsua2 as pj

    class Call(pj.Call):
        """The call."""

        ended = False

        def onCallState(self, prm):  # noqa: N802
            """Tells that it has ended."""
            Call.ended |= self.getInfo().state == pj.PJSIP_INV_STATE_DISCONNECTED

        def onCallMediaState(self, prm):  # noqa: N802
            """Connects the tone and the recorder, again after each new offer."""
            media = self.getAudioMedia(-1)
            player.startTransmit(media)
            media.startTransmit(recorder)

    class Account(pj.Account):
        """The subscriber."""

        call = None

        def onIncomingCall(self, prm):  # noqa: N802
            """Answers."""
            self.call = Call(self, prm.callId)
            answer = pj.CallOpParam()
            answer.statusCode = 200
            self.call.answer(answer)

    endpoint = pj.Endpoint()
    endpoint.libCreate()
    endpoint.libInit(endpoint_settings(pj))
    transport = pj.TransportConfig()
    transport.port, transport.boundAddress = sip, "127.0.0.1"
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
    endpoint.libStart()
    endpoint.audDevManager().setNullDev()
    for codec in endpoint.codecEnum2():
        endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMA") else 0)
    player, recorder = pj.AudioMediaPlayer(), pj.AudioMediaRecorder()
    player.createPlayer(tone)
    recorder.createRecorder(recording)
    account = Account()
    account.create(account_settings(pj, sip, rtp))

    asked_to_end = []
    signal.signal(signal.SIGTERM, lambda *_: asked_to_end.append(True))
    while not (Call.ended or asked_to_end):
        endpoint.libHandleEvents(20)
    account.call = recorder = player = None
    endpoint.libDestroy()


def endpoint_settings(pj):
    """A narrow-band phone without echo canceller and silence detection."""
    settings = pj.EpConfig()
    settings.uaConfig.threadCnt = 0
    settings.uaConfig.mainThreadOnly = True
    settings.logConfig.level = settings.logConfig.consoleLevel = 3
    media = settings.medConfig
    media.clockRate = media.sndClockRate = 8000
    media.ecTailLen, media.noVad = 0, True
    return settings


def account_settings(pj, sip, rtp):
    """SRTP is mandatory, by SDES."""
    settings = pj.AccountConfig()
    settings.idUri = f"sip:ue-b@127.0.0.1:{sip}"
    media = settings.mediaConfig
    media.srtpUse, media.srtpSecureSignaling = pj.PJMEDIA_SRTP_MANDATORY, 0
    media.srtpOpt.keyings.append(pj.PJMEDIA_SRTP_KEYING_SDES)
    for tag in (80, 32):
        crypto = pj.SrtpCrypto()
        crypto.name = f"AES_CM_128_HMAC_SHA1_{tag}"
        media.srtpOpt.cryptos.append(crypto)
    media.transportConfig.port, media.transportConfig.portRange = rtp, 8
    media.transportConfig.boundAddress = "127.0.0.1"
    return settings


if __name__ == "__main__":
    answer_one_call(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
