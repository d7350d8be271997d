"""A SIP server in Python that has the gateway do all of SDP, without any generated code.

Usage: alg.py IQ
"""

import base64
import os
import sys

from grpc_health.v1 import health_pb2, health_pb2_grpc
from iq import Iq, Refused

SERVICE = "agw.alg.v1.AlgService"
METHODS = {
    "Offer",
    "Answer",
    "Reject",
    "Delete",
    "Query",
    "List",
    "Register",
    "RegisterAnswer",
    "QueryRegistration",
}
ACCESS = {"place": "PLACE_ACCESS", "realm": "access", "protected_signalling": True}
CORE = {"place": "PLACE_CORE", "realm": "core"}
CALL = "3c26700857a87f84@10.0.0.7"
UE = "sip:alice@example.net;gr=1"
# RegisterVerdict.
GO_ON = 1


def sdp(address, port, profile, *attributes):
    """The description of a phone with one audio stream."""
    lines = [
        "v=0",
        f"o=- 1 1 IN IP4 {address}",
        "s=-",
        f"c=IN IP4 {address}",
        "t=0 0",
        f"m=audio {port} {profile} 8",
        *attributes,
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def a_call_takes_three_requests(alg):
    """Offer, Answer, Delete: what comes back is sent on, and keys stay on their side."""
    key = base64.b64encode(os.urandom(30)).decode()
    crypto = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}"
    phone = os.environ["AGW_TEST_ACCESS"]
    core = os.environ["AGW_TEST_CORE"]

    offered = alg.Offer(
        transaction_id="invite-1",
        dialogue={"call_id": CALL, "from_tag": "a"},
        sdp=sdp(phone, 30000, "RTP/SAVP", crypto, "a=3ge2ae:requested"),
        offerer=ACCESS,
        answerer=CORE,
    )
    assert b" RTP/AVP 8\r\n" in offered.sdp, offered.sdp
    assert b"crypto" not in offered.sdp and b"3ge2ae" not in offered.sdp
    answered = alg.Answer(
        dialogue={"call_id": CALL, "from_tag": "a", "to_tag": "b"},
        sdp=sdp(core, 40000, "RTP/AVP"),
    )
    assert b" RTP/SAVP 8\r\n" in answered.sdp
    assert b"a=3ge2ae:applied\r\n" in answered.sdp
    assert answered.sdp.count(b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:") == 1
    assert key.encode() not in answered.sdp
    assert answered.context_id == offered.context_id != 0

    (call,) = alg.Query(call={"call_id": CALL}).calls
    assert [(tags.caller_tag, tags.callee_tag) for tags in call.dialogues] == [("a", "b")]
    assert {stream.side for stream in call.streams} == {1, 2}
    assert all(stream.HasField("statistics") for stream in call.streams)
    deleted = alg.Delete(call={"call_id": CALL, "from_tag": "a", "to_tag": "b"})
    assert list(deleted.context_ids) == [offered.context_id]
    assert len(deleted.streams) == 2


def a_ue_registers_and_is_called_as_it_did(alg):
    """Register, RegisterAnswer, and an offer to a side that names the UE."""
    sdes = {"name": "Security-Client", "value": "sdes-srtp;mediasec"}
    option = {"name": "Proxy-Require", "value": "mediasec"}
    challenged = alg.Register(ue=UE, headers=[sdes, option], protected_signalling=True)
    assert (challenged.verdict, list(challenged.headers)) == (GO_ON, [])
    assert list(challenged.security_server) == ["sdes-srtp;mediasec"]
    verify = {"name": "Security-Verify", "value": challenged.security_server[0]}
    accepted = alg.Register(ue=UE, headers=[sdes, option, verify], protected_signalling=True)
    assert accepted.verdict == GO_ON
    assert alg.RegisterAnswer(ue=UE, status=200, expires_s=600).HasField("registration")
    registration = alg.QueryRegistration(ue=UE).registration
    assert registration.protected_signalling and list(registration.mechanisms) == [1]

    offer = {
        "sdp": sdp(os.environ["AGW_TEST_CORE"], 40000, "RTP/AVP"),
        "offerer": CORE,
        "answerer": {"place": "PLACE_ACCESS", "realm": "access", "ue": UE},
    }
    offered = alg.Offer(dialogue={"call_id": "to-ue", "from_tag": "a"}, **offer)
    assert b" RTP/SAVP 8\r\n" in offered.sdp and b"a=3ge2ae:applied" in offered.sdp
    assert [call.call_id for call in alg.List().calls] == ["to-ue"]
    alg.Delete(call={"call_id": "to-ue"})
    assert not alg.RegisterAnswer(ue=UE, status=200).HasField("registration")
    offered = alg.Offer(dialogue={"call_id": "plain", "from_tag": "a"}, **offer)
    assert b" RTP/AVP 8\r\n" in offered.sdp and b"crypto" not in offered.sdp
    alg.Delete(call={"call_id": "plain"})


def a_refusal_says_what_the_caller_is_to_be_sent(alg):
    """The status of the SIP response stands beside reason and code."""
    for expected, request in (
        (("NOT_FOUND", "UNKNOWN_CALL", "481"), lambda: alg.Delete(call={"call_id": "none"})),
        (
            ("INVALID_ARGUMENT", "DESCRIPTION", "400"),
            lambda: alg.Offer(
                dialogue={"call_id": "bad", "from_tag": "a"},
                sdp=b"no description",
                offerer=CORE,
                answerer=CORE,
            ),
        ),
    ):
        try:
            answer = request()
        except Refused as refused:
            told = (refused.code, refused.reason, refused.metadata["sip_status"])
            assert told == expected, (told, refused.message)
            assert refused.domain == "agw.alg.v1", refused.domain
        else:
            raise AssertionError(f"not refused: {answer}")


def the_service_has_a_health(alg):
    """By its name."""
    health = health_pb2_grpc.HealthStub(alg.channel)
    answer = health.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=30)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


if __name__ == "__main__":
    sip_server = Iq(sys.argv[1], SERVICE)
    assert set(sip_server.service.methods_by_name) == METHODS
    the_service_has_a_health(sip_server)
    a_call_takes_three_requests(sip_server)
    a_ue_registers_and_is_called_as_it_did(sip_server)
    a_refusal_says_what_the_caller_is_to_be_sent(sip_server)
