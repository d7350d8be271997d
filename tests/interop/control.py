"""What a controller finds of the API without any generated code of it.

Usage: control.py IQ
"""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from iq import SERVICE, Iq, Refused

# From the procedures of TS 23.334 clause 8 and what goes with them.
METHODS = {
    "ReserveConnectionPoint",
    "ConfigureConnectionPoint",
    "ReserveAndConfigureConnectionPoint",
    "ChangeThroughConnection",
    "SetTopology",
    "Release",
    "StageKey",
    "ActivateKey",
    "CancelKey",
    "Transact",
    "TransactStream",
    "AuditValue",
    "AuditCapabilities",
    "SubscribeEvents",
    "ServiceChange",
    "GetStatus",
    "SetGroup",
    "RemoveGroup",
    "ConfirmTerminations",
    "AdoptContexts",
    "CompareContexts",
}


def reflection_knows_the_service_in_both_versions(iq):
    """v1 and v1alpha have the same messages, so those of one serve for both."""
    for version in ("v1", "v1alpha"):
        call = iq.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        (response,) = call(iter([request]), timeout=30)
        services = {service.name for service in response.list_services_response.service}
        assert {SERVICE, "grpc.health.v1.Health"} <= services, (version, services)
    assert set(iq.service.methods_by_name) == METHODS


def the_gateway_says_that_it_serves(iq):
    """Health of the whole and of the service; an unknown service is not found."""
    health = health_pb2_grpc.HealthStub(iq.channel)
    for service in ("", SERVICE):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=30)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, service
    try:
        health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=30)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND
    else:
        raise AssertionError("a service that is none has a health")


def a_refusal_names_reason_and_field(iq):
    """Status, H.248 code, reason and path, decoded from the details; and nothing changed."""
    good = {"stream_id": 1, "transport": "TRANSPORT_PLAIN"}
    crypto = {
        "suite": "SUITE_AES_CM_128_HMAC_SHA1_80",
        "keys": [{"key": bytes(range(15)), "salt": bytes(range(14))}],
    }
    bad = {"stream_id": 2, "transport": "TRANSPORT_SECURED", "ingress_crypto": crypto}
    commands = [{"reserve": {"streams": [good]}}, {"reserve": {"streams": [good, bad]}}]

    refused = refusal(iq.Transact, commands=commands)

    field = "commands[1].reserve.streams[1].ingress_crypto.keys[0].key"
    assert refused.code == "INVALID_ARGUMENT", refused.code
    assert refused.domain == "agw.iq.v1", refused.domain
    assert refused.reason == "KEY_LENGTH", refused.reason
    assert refused.metadata["field"] == field, refused.metadata
    assert refused.metadata["command"] == "1", refused.metadata
    assert int(refused.metadata["h248_code"]) >= 400, refused.metadata
    assert refused.violations == [field], refused.violations
    assert bytes(range(15)).hex() not in refused.message
    assert list(iq.AuditValue().contexts) == []


def what_does_not_exist_is_not_found(iq):
    """Unknown context, termination and stream each have a reason of their own."""
    stream = {"stream_id": 1, "transport": "TRANSPORT_PLAIN"}
    reply = iq.ReserveConnectionPoint(reserve={"correlation_id": "found", "streams": [stream]})
    context = reply.termination.context_id
    mode = "STREAM_MODE_SEND_RECEIVE"
    for reason, place in (
        ("UNKNOWN_CONTEXT", {"context_id": context ^ 1}),
        ("UNKNOWN_TERMINATION", {"context_id": context, "termination_id": 9}),
        ("UNKNOWN_STREAM", {"context_id": context, "termination_id": 1, "stream_id": 9}),
    ):
        change = place | {"mode": mode}
        refused = refusal(iq.ChangeThroughConnection, change_through_connection=change)
        assert (refused.code, refused.reason) == ("NOT_FOUND", reason), refused

    (found,) = iq.AuditValue(correlation_id="found", include_statistics=True).contexts
    assert found.context_id == context
    assert iq.Release(release={"context_id": context}).released.context_ended


def refusal(method, **fields):
    """The refusal of a request that must not succeed."""
    try:
        answer = method(**fields)
    except Refused as refused:
        return refused
    raise AssertionError(f"not refused: {answer}")


if __name__ == "__main__":
    gateway = Iq(sys.argv[1])
    reflection_knows_the_service_in_both_versions(gateway)
    the_gateway_says_that_it_serves(gateway)
    a_refusal_names_reason_and_field(gateway)
    what_does_not_exist_is_not_found(gateway)
