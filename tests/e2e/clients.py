"""Three gRPC clients that are not Daybook's, behind one face.

Each learns the contracts from the server's reflection, as a stranger's client
would, and turns what comes back into an `Answer`. Used by `ask.py`.
"""

import base64
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

TIMEOUT_SECONDS = 20


@dataclass
class Answer:
    """What a call came to: the code's name, the message or the fields complained of."""

    code: str
    body: dict = field(default_factory=dict)
    bad_fields: list[str] = field(default_factory=list)


def bad_fields(details: bytes) -> list[str]:
    """The fields that a serialized google.rpc.BadRequest names."""
    return [v.field for v in error_details_pb2.BadRequest.FromString(details).field_violations]


class PythonClient:
    """grpcio, with messages built from the reflected descriptors."""

    name = "python"

    def __init__(self, address: str):
        self.channel = grpc.insecure_channel(address)
        self.reflected = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.reflected)

    def services(self) -> set[str]:
        return set(self.reflected.get_services())

    def call(self, service: str, method: str, request: dict) -> Answer:
        found = self.pool.FindServiceByName(service).FindMethodByName(method)
        request_class = message_factory.GetMessageClass(found.input_type)
        response_class = message_factory.GetMessageClass(found.output_type)
        invoke = self.channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=request_class.SerializeToString,
            response_deserializer=response_class.FromString,
        )
        message = json_format.ParseDict(request, request_class())
        try:
            response = invoke(message, timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return Answer(error.code().name, bad_fields=self._bad_fields(error))
        return Answer("OK", json_format.MessageToDict(response))

    @staticmethod
    def _bad_fields(error: grpc.RpcError) -> list[str]:
        status = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
        details = status_pb2.Status.FromString(status).details
        return [f for d in details if d.type_url.endswith("BadRequest") for f in bad_fields(d.value)]


class BufClient:
    """`buf curl`."""

    name = "buf curl"

    def __init__(self, program: Path, address: str):
        self.command = [program, "curl", "--protocol", "grpc", "--http2-prior-knowledge"]
        self.url = f"http://{address}"

    def services(self) -> set[str]:
        done = run([*self.command, "--list-services", self.url])
        return set(done.stdout.split())

    def stream(self, service: str, method: str, request: dict) -> list[dict]:
        """All messages of a stream of answers, once it has ended."""
        return messages(run(self._invocation(service, method, request)))

    def _invocation(self, service: str, method: str, request: dict) -> list:
        return [*self.command, f"{self.url}/{service}/{method}", "-d", json.dumps(request)]

    def call(self, service: str, method: str, request: dict) -> Answer:
        done = run(self._invocation(service, method, request))
        if done.returncode == 0:
            return Answer("OK", json.loads(done.stdout))
        error = json.loads(done.stderr)
        details = [d for d in error.get("details", []) if d["type"].endswith("BadRequest")]
        fields = [f for d in details for f in bad_fields(base64.b64decode(d["value"] + "=="))]
        return Answer(error["code"].upper(), bad_fields=fields)


class GrpcurlClient:
    """grpcurl."""

    name = "grpcurl"

    def __init__(self, program: Path, address: str):
        self.command = [program, "-plaintext", "-format-error"]
        self.address = address

    def services(self) -> set[str]:
        done = run([*self.command, self.address, "list"])
        return set(done.stdout.split())

    def stream(self, service: str, method: str, request: dict) -> list[dict]:
        """All messages of a stream of answers, once it has ended."""
        return messages(run(self._invocation(service, method, request)))

    def _invocation(self, service: str, method: str, request: dict) -> list:
        return [*self.command, "-d", json.dumps(request), self.address, f"{service}/{method}"]

    def call(self, service: str, method: str, request: dict) -> Answer:
        done = run(self._invocation(service, method, request))
        if done.returncode == 0:
            return Answer("OK", json.loads(done.stdout))
        error = json.loads(done.stderr)
        details = [d for d in error.get("details", []) if d["@type"].endswith("BadRequest")]
        fields = [f for d in details for f in self._bad_fields(d)]
        by_number = {code.value[0]: code.name for code in grpc.StatusCode}
        return Answer(by_number[error["code"]], bad_fields=fields)

    @staticmethod
    def _bad_fields(detail: dict) -> list[str]:
        # In words where the server's reflection knows google.rpc, else as bytes. The
        # words are in JSON's spelling, or the contract's if grpcurl brought them.
        if "@value" in detail:
            return bad_fields(base64.b64decode(detail["@value"]))
        violations = detail.get("fieldViolations") or detail.get("field_violations", [])
        return [violation["field"] for violation in violations]


def messages(done: subprocess.CompletedProcess) -> list[dict]:
    """The JSON values that a client printed one after the other."""
    decoder, found, text = json.JSONDecoder(), [], done.stdout.strip()
    while text:
        message, end = decoder.raw_decode(text)
        found.append(message)
        text = text[end:].lstrip()
    return found


def run(command: list) -> subprocess.CompletedProcess:
    """Runs a client to its end and keeps what it printed."""
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
