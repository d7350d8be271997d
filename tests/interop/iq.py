"""A controller that knows the Iq API only through reflection: no generated code.

What it does not know either: the messages of error details, which no service mentions; their
descriptors are spelled out here, by the numbers of google/rpc/*.proto.
"""

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

SERVICE = "agw.iq.v1.IqService"


class Refused(Exception):
    """A request that the gateway refused, with the details of its status."""

    def __init__(self, error):
        super().__init__(f"{error.code().name}: {error.details()}")
        self.code = error.code().name
        self.message = error.details()
        self.reason, self.domain, self.metadata, self.violations = "", "", {}, []
        for detail in _status_details(error):
            if detail.Is(ERROR_INFO.DESCRIPTOR):
                info = _unpack(detail, ERROR_INFO)
                self.reason, self.domain = info.reason, info.domain
                self.metadata = {entry.key: entry.value for entry in info.metadata}
            elif detail.Is(BAD_REQUEST.DESCRIPTOR):
                request = _unpack(detail, BAD_REQUEST)
                self.violations = [violation.field for violation in request.field_violations]


class Iq:
    """A service of the gateway, its control service by default; every method is a method here."""

    def __init__(self, target, service=SERVICE):
        self.name = service
        self.channel = grpc.insecure_channel(target)
        grpc.channel_ready_future(self.channel).result(timeout=30)
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)
        self.service = self.pool.FindServiceByName(service)

    def message(self, name, **fields):
        """A message of the package by its name; nested ones are dictionaries, enums are words."""
        descriptor = self.pool.FindMessageTypeByName(f"agw.iq.v1.{name}")
        return message_factory.GetMessageClass(descriptor)(**fields)

    def __getattr__(self, name):
        method = self.service.methods_by_name.get(name)
        if method is None:
            raise AttributeError(name)
        request = message_factory.GetMessageClass(method.input_type)
        response = message_factory.GetMessageClass(method.output_type)
        path = f"/{self.name}/{name}"
        open_call = (
            self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        )
        stub = open_call(
            path,
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )

        def call(**fields):
            try:
                return stub(request(**fields), timeout=60)
            except grpc.RpcError as error:
                raise Refused(error) from None

        return call


def _status_details(error):
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            return STATUS.FromString(value).details
    return []


def _unpack(detail, message_class):
    message = message_class()
    assert detail.Unpack(message)
    return message


def _error_details():
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="error_details.proto",
        package="google.rpc",
        syntax="proto3",
        dependency=["google/protobuf/any.proto"],
    )

    def add(message, *fields):
        described = file.message_type.add(name=message)
        for number, name, kind, label, type_name in fields:
            described.field.add(
                number=number, name=name, type=kind, label=label, type_name=type_name
            )

    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    text, whole, message = field.TYPE_STRING, field.TYPE_INT32, field.TYPE_MESSAGE
    add(
        "Status",
        (1, "code", whole, one, None),
        (2, "message", text, one, None),
        (3, "details", message, many, ".google.protobuf.Any"),
    )
    # On the wire a map is its entries.
    add("MetadataEntry", (1, "key", text, one, None), (2, "value", text, one, None))
    add(
        "ErrorInfo",
        (1, "reason", text, one, None),
        (2, "domain", text, one, None),
        (3, "metadata", message, many, ".google.rpc.MetadataEntry"),
    )
    add("FieldViolation", (1, "field", text, one, None), (2, "description", text, one, None))
    add(
        "BadRequest",
        (1, "field_violations", message, many, ".google.rpc.FieldViolation"),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(any_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return [
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"google.rpc.{name}"))
        for name in ("Status", "ErrorInfo", "BadRequest")
    ]


STATUS, ERROR_INFO, BAD_REQUEST = _error_details()
