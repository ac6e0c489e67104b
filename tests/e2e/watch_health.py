"""Watches a Daybook's health and prints each change as it comes.

    watch_health.py ADDRESS SECONDS

Ends well once it was SERVING, then NOT_SERVING, then SERVING again; else fails
when the seconds are over. Started by `scripts/e2e`.
"""

import sys

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

WANTED = ["SERVING", "NOT_SERVING", "SERVING"]


def watch(address: str, seconds: float):
    """Yields the name of each status that the server reports."""
    channel = grpc.insecure_channel(address)
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
    method = pool.FindServiceByName("grpc.health.v1.Health").FindMethodByName("Watch")
    request_class = message_factory.GetMessageClass(method.input_type)
    response_class = message_factory.GetMessageClass(method.output_type)
    statuses = response_class.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number
    invoke = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        request_serializer=request_class.SerializeToString,
        response_deserializer=response_class.FromString,
    )
    for response in invoke(request_class(), timeout=seconds):
        yield statuses[response.status].name


def main(address: str, seconds: str) -> int:
    seen = []
    try:
        for status in watch(address, float(seconds)):
            print(status, flush=True)
            seen.append(status)
            if seen == WANTED:
                return 0
    except grpc.RpcError as error:
        print(f"ended: {error.code().name}", flush=True)
    return 1


sys.exit(main(*sys.argv[1:]))
