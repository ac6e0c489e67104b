"""Asks two Daybooks without end, while one after the other is restarted.

    rolling.py ADDRESS ADDRESS STOP_FILE

A client like many: grpcio, both addresses behind one channel, calls spread by
round robin, and a standard retry policy. Ends when the file is there. Prints how
many requests there were and how many failed; fails where one did. Started by
`scripts/e2e`.
"""

import json
import os
import sys
import threading
import time

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

CALLERS = 8
CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "timeout": "10s",
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}


def main(one: str, other: str, stop: str) -> int:
    # Each caller has a connection of its own to each of the two.
    options = [
        ("grpc.service_config", json.dumps(CONFIG)),
        ("grpc.use_local_subchannel_pool", 1),
        # Else it is both addresses with a comma between, which is no name of a host.
        ("grpc.default_authority", "daybook"),
    ]
    pool = descriptor_pool.DescriptorPool(
        ProtoReflectionDescriptorDatabase(grpc.insecure_channel(one))
    )
    method = pool.FindMethodByName("daybook.v1.LedgerService.ListUsers")
    request_class = message_factory.GetMessageClass(method.input_type)
    response_class = message_factory.GetMessageClass(method.output_type)
    failed, asked = [], [0] * CALLERS

    def call(number: int):
        with grpc.insecure_channel(f"ipv4:{one},{other}", options=options) as channel:
            invoke = channel.unary_unary(
                "/daybook.v1.LedgerService/ListUsers",
                request_serializer=request_class.SerializeToString,
                response_deserializer=response_class.FromString,
            )
            while not os.path.exists(stop):
                try:
                    answer = invoke(request_class(page_size=5), timeout=10)
                    asked[number] += 1
                    if len(answer.users) != 5:
                        failed.append("a page of another length")
                except grpc.RpcError as error:
                    failed.append(f"{error.code().name}: {error.details()}")
                time.sleep(0.002)

    threads = [threading.Thread(target=call, args=[number]) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{sum(asked)} requests, {len(failed)} failed: {sorted(set(failed))}", flush=True)
    return 1 if failed or sum(asked) < 100 else 0


sys.exit(main(*sys.argv[1:]))
