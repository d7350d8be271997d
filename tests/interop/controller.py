"""A controller in one file, without generated code: connects, sets calls up with keys of its own and
by session descriptions, listens to events, answers heartbeats, finds its way after a restart, and
releases.

Usage: controller.py unix:/run/agwd/iq.sock
       controller.py gateway:7400 NAME ca.pem me.pem me.key

The variables UE and CORE name the peers' addresses, 127.0.0.1 if they are not set.

Needs the packages grpcio and grpcio-reflection.
"""

import base64
import itertools
import os
import sys
import time
import uuid

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

UE, CORE = (os.environ.get(name, "127.0.0.1") for name in ("UE", "CORE"))
DEADLINE = 10
ATTEMPTS = 5
FULL_OR_BROKEN = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)


class Service:
    """A service of the gateway: its procedures are methods here, messages are keyword arguments."""

    def __init__(self, channel, name):
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        self.channel, self.service = channel, pool.FindServiceByName(name)

    def __getattr__(self, name):
        method = self.service.methods_by_name[name]
        request = message_factory.GetMessageClass(method.input_type)
        answer = message_factory.GetMessageClass(method.output_type)
        stream = method.server_streaming
        open_call = self.channel.unary_stream if stream else self.channel.unary_unary
        call = open_call(
            f"/{self.service.full_name}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=answer.FromString,
        )
        return lambda **fields: call(request(**fields), timeout=None if stream else DEADLINE)


class Controller:
    """A controller with one gateway."""

    def __init__(self, channel, name):
        self.connect(channel)
        # What its calls are found by in audits.
        self.name, self.calls, self.seen = name, set(), 0
        # Begins before the first call, so that no event is missed.
        self.epoch = self.iq.GetStatus().gateway.restart_epoch

    def connect(self, channel):
        self.iq = Service(channel, "agw.iq.v1.IqService")
        self.alg = Service(channel, "agw.alg.v1.AlgService")

    def call_with_keys(self):
        """Both sides, both keys and the gates in one transaction over agw.iq.v1."""
        # K11 is UE A's and opens what it sends; K12 is ours and seals what it is sent.
        k11, k12 = crypto_line(), crypto_line()
        core = {
            "stream_id": 1,
            "transport": "TRANSPORT_PLAIN",
            "remote": {"rtp": {"ip": CORE, "port": 51100}},
            "mode": "STREAM_MODE_SEND_RECEIVE",
        }
        access = {
            **core,
            "transport": "TRANSPORT_SECURED",
            "remote": {"rtp": {"ip": UE, "port": 51000}},
            "ingress_crypto": {"sdes_line": k11},
            "egress_crypto": {"sdes_line": k12},
        }
        commands = [
            {"reserve": {"realm": "access", "heartbeat_ms": 1000, "streams": [access]}},
            {"reserve": {"latest_context": True, "realm": "core", "streams": [core]}},
        ]
        answer = patiently(self.iq.Transact, transaction_id=str(uuid.uuid4()), commands=commands)
        # The keys are in force: now UE A is answered with K12 and the address of its side.
        context = answer.replies[0].termination.context_id
        self.calls.add(context)
        return context

    def call_with_sdp(self, call_id):
        """Descriptions in, descriptions to send on out, over agw.alg.v1."""
        dialogue = {"call_id": call_id, "from_tag": "tag-a"}
        patiently(
            self.alg.Offer,
            transaction_id=str(uuid.uuid4()),
            dialogue=dialogue,
            sdp=description(UE, 51200, "RTP/SAVP", crypto_line(), "a=3ge2ae:requested"),
            offerer={"place": "PLACE_ACCESS", "realm": "access", "protected_signalling": True},
            answerer={"place": "PLACE_CORE", "realm": "core"},
        )
        answered = patiently(
            self.alg.Answer,
            transaction_id=str(uuid.uuid4()),
            dialogue={**dialogue, "to_tag": "tag-b"},
            sdp=description(CORE, 51300, "RTP/AVP"),
        )
        self.calls.add(answered.context_id)
        return answered.context_id

    def listen(self, last):
        """Reads events from where it left off, answers heartbeats, until one of a kind comes."""
        events = self.iq.SubscribeEvents(after_sequence=self.seen, restart_epoch=self.epoch)
        for told in events:
            event, self.seen = told.event, told.event.sequence
            context, kind = event.subject.context_id, event.WhichOneof("kind")
            if kind == "termination_heartbeat":
                termination = event.subject.termination_id
                word = {"context_id": context, "termination_id": termination}
                word["known"] = context in self.calls
                self.iq.ConfirmTerminations(terminations=[word])
            if kind == "context_released":
                self.calls.discard(context)
            if kind == last:
                events.cancel()
                return

    def come_back(self, channel):
        """After a broken connection: tells which calls are gone.

        In another life of the gateway all of them are; in the same life, those that only we know.
        What only the gateway knows is released.
        """
        self.connect(channel)
        epoch = self.iq.GetStatus().gateway.restart_epoch
        if epoch != self.epoch:
            gone, self.calls = self.calls, set()
            self.epoch, self.seen = epoch, 0
            return gone
        there, token = set(), ""
        for _ in itertools.count():
            page = self.iq.AuditValue(page_size=1000, page_token=token)
            # Who is local sees the calls of others as well.
            own = (context for context in page.contexts if context.controller == self.name)
            there.update(context.context_id for context in own)
            token = page.next_page_token
            if not token:
                break
        for context in there - self.calls:
            self.release(context)
        gone = self.calls - there
        self.calls &= there
        return gone

    def release(self, context):
        """Ends a call; the answer has its last counters."""
        release = {"context_id": context}
        return patiently(self.iq.Release, transaction_id=str(uuid.uuid4()), release=release)


def patiently(call, **request):
    """Asks again, under the same transaction id, while the gateway is full or the connection breaks.

    Another gateway may have room at once: a controller that has more than one asks there instead.
    """
    pause = 0.1
    for _ in range(1, ATTEMPTS):
        try:
            return call(**request)
        except grpc.RpcError as error:
            if error.code() not in FULL_OR_BROKEN:
                raise
            time.sleep(pause)
            pause *= 2
    return call(**request)


def crypto_line():
    """A line with a fresh key and salt: 16 and 14 octets (RFC 4568 6.2.1)."""
    key = base64.b64encode(os.urandom(30)).decode()
    return f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}"


def description(ip, port, profile, *attributes):
    """What a UE with one audio stream writes."""
    at = f"IN IP6 {ip}" if ":" in ip else f"IN IP4 {ip}"
    lines = ["v=0", f"o=- 1 1 {at}", "s=-", f"c={at}", "t=0 0"]
    lines += [f"m=audio {port} {profile} 8", *attributes]
    return "".join(f"{line}\r\n" for line in lines).encode()


def channel(address, *certificates):
    """A connection over a unix socket or the loopback, or with certificates."""
    if not certificates:
        # Of a unix socket gRPC would make its path the authority, which HTTP/2 does not allow.
        return grpc.insecure_channel(address, [("grpc.default_authority", "localhost")])
    authority, certificate, key = (open(path, "rb").read() for path in certificates)
    return grpc.secure_channel(
        address, grpc.ssl_channel_credentials(authority, key, certificate)
    )


def main(address, name="local", *certificates):
    controller = Controller(channel(address, *certificates), name)
    with_keys = controller.call_with_keys()
    with_sdp = controller.call_with_sdp("call-2@ue-a")
    print(f"calls: context {with_keys}, context {with_sdp}")
    controller.listen("termination_heartbeat")
    # As after a broken connection: what is left of the calls, and what happened meanwhile.
    gone = controller.come_back(channel(address, *certificates))
    assert not gone and controller.calls == {with_keys, with_sdp}, gone
    controller.release(with_keys)
    controller.alg.Delete(call={"call_id": "call-2@ue-a"})
    while controller.calls:
        controller.listen("context_released")


if __name__ == "__main__":
    main(*sys.argv[1:])
