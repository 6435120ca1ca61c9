"""The registry client against a server that answers as told, for faults that no real one shows on demand."""

from __future__ import annotations

import base64
import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stream_worker.codec import BadPacket, Reason, RegistryUnavailable, SchemaResolver, UnknownSchemaId
from stream_worker.codec.registry import HttpRegistry, RegistrationRefusedError

SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}
FOUND = json.dumps({"schema": json.dumps(SCHEMA)})


@dataclass
class Server:
    """What to answer, and the requests that came."""

    url: str = ""
    status: int = 200
    body: str | bytes = FOUND
    hang: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, status, body):
        self.status, self.body = status, body


@pytest.fixture
def server():
    state = Server()
    state.hang.set()

    class Handler(BaseHTTPRequestHandler):
        def respond(self):
            length = int(self.headers.get("Content-Length", 0))
            state.requests.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
            state.hang.wait(5)
            content = state.body.encode() if isinstance(state.body, str) else state.body
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = respond  # noqa: N815 the names that http.server calls

        def log_message(self, *_arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield state
        state.hang.set()
        http.shutdown()
        thread.join()


@pytest.fixture
def registry(server):
    with HttpRegistry(server.url, timeout_s=30) as client:
        yield client


def test_a_schema_is_asked_for_by_its_id(server, registry):
    assert registry.schema(42) == SCHEMA
    method, path, headers, _ = server.requests[0]
    assert (method, path) == ("GET", "/schemas/ids/42")
    assert "application/vnd.schemaregistry.v1+json" in headers["Accept"]
    assert "Authorization" not in headers


@pytest.mark.parametrize("suffix", ["/apis/ccompat/v7", "/apis/ccompat/v7/"])
def test_the_address_may_have_a_path(server, suffix):
    with HttpRegistry(server.url + suffix) as registry:
        registry.schema(1)
    assert server.requests[0][1] == "/apis/ccompat/v7/schemas/ids/1"


def test_basic_authentication(server):
    with HttpRegistry(server.url, auth=("worker", "päss")) as registry:
        registry.schema(1)
    expected = base64.b64encode("worker:päss".encode()).decode()
    assert server.requests[0][2]["Authorization"] == f"Basic {expected}"


def test_an_id_that_the_registry_does_not_know(server, registry):
    server.answer(404, json.dumps({"error_code": 40403, "message": "Schema not found"}))
    with pytest.raises(UnknownSchemaId, match="has no schema of this id"):
        registry.schema(42)


@pytest.mark.parametrize("schema_id", [2**31, 2**32 - 1])
def test_an_id_that_no_registry_can_have_is_unknown_without_a_question(server, registry, schema_id):
    """Confluent's registry answers it with a 404 without its own code, as a wrong address would."""
    server.answer(404, '{"error_code": 404, "message": "HTTP 404 Not Found"}')
    with pytest.raises(BadPacket, match=f"schema id {schema_id}: registries count to 2147483647") as caught:
        SchemaResolver("candidate", registry).resolve(b"\x00" + schema_id.to_bytes(4, "big") + b"garbage")
    assert caught.value.reason == Reason.UNKNOWN_SCHEMA
    assert server.requests == []


def test_the_largest_id_is_asked_for(server, registry):
    assert registry.schema(2**31 - 1) == SCHEMA


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"schemaType": "PROTOBUF", "schema": "message M {}"}, "type PROTOBUF: expected AVRO"),
        ({"schema": '"n.R"', "references": [{"name": "n.R"}]}, "references"),
    ],
)
def test_a_schema_that_is_no_avro_of_its_own(server, registry, answer, message):
    server.answer(200, json.dumps(answer))
    with pytest.raises(UnknownSchemaId, match=message):
        registry.schema(42)


def test_an_empty_list_of_references_is_none(server, registry):
    server.answer(200, json.dumps({"schema": json.dumps(SCHEMA), "schemaType": "AVRO", "references": []}))
    assert registry.schema(42) == SCHEMA


NOT_A_REGISTRYS_ANSWER = {
    "a proxy's 404": (404, "<html>Not found</html>"),
    "a 404 in JSON without the registry's code": (404, '{"status": 404}'),
    "another of the registry's codes": (404, '{"error_code": 40401, "message": "Subject not found"}'),
    "a 404 with a list": (404, "[40403]"),
    "unauthorised": (401, '{"error_code": 40101}'),
    "forbidden": (403, ""),
    "moved": (301, ""),
    "too many requests": (429, ""),
    "fault": (500, '{"error_code": 50001, "message": "Error in the backend data store"}'),
    "no gateway": (502, "Bad gateway"),
    "no content": (200, ""),
    "no JSON": (200, "<html>Log in</html>"),
    "no text": (200, b"\xff\xfe\x00"),
    "no object": (200, "[1]"),
    "no schema": (200, "{}"),
    "null schema": (200, '{"schema": null}'),
    "a schema that is no JSON": (200, '{"schema": "{"}'),
    "a schema nested too deep": (200, json.dumps({"schema": "[" * 100_000})),
}


@pytest.mark.parametrize(
    ("status", "body"), NOT_A_REGISTRYS_ANSWER.values(), ids=NOT_A_REGISTRYS_ANSWER.keys()
)
def test_anything_else_means_that_the_registry_is_not_available(server, registry, status, body):
    """None of these says that the packet is bad, so none may quarantine it."""
    server.answer(status, body)
    with pytest.raises(RegistryUnavailable, match=r"127\.0\.0\.1"):
        registry.schema(42)


def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with HttpRegistry(url) as registry, pytest.raises(RegistryUnavailable, match=f"{url}: ConnectError"):
        registry.schema(1)


def test_a_registry_that_does_not_answer_in_time(server):
    server.hang.clear()
    with (
        HttpRegistry(server.url, timeout_s=0.1) as registry,
        pytest.raises(RegistryUnavailable, match="Timeout"),
    ):
        registry.schema(1)


def test_the_client_works_again_once_the_registry_does(server, registry):
    server.answer(503, "")
    with pytest.raises(RegistryUnavailable, match="answers 503"):
        registry.schema(1)
    server.answer(200, FOUND)
    assert registry.schema(1) == SCHEMA


def test_a_schema_is_registered_under_its_subject(server, registry):
    server.answer(200, '{"id": 7}')
    assert registry.register("lensnet.candidates-value", SCHEMA) == 7
    method, path, headers, body = server.requests[0]
    assert (method, path) == ("POST", "/subjects/lensnet.candidates-value/versions")
    assert headers["Content-Type"] == "application/vnd.schemaregistry.v1+json"
    sent = json.loads(body)
    assert sent["schemaType"] == "AVRO"
    assert json.loads(sent["schema"]) == SCHEMA


def test_a_subject_is_quoted(server, registry):
    server.answer(200, '{"id": 7}')
    registry.register("a/b c?", SCHEMA)
    assert server.requests[0][1] == "/subjects/a%2Fb%20c%3F/versions"


@pytest.mark.parametrize("status", [409, 422])
def test_a_refused_schema(server, registry, status):
    server.answer(status, '{"message": "incompatible with version 1"}')
    with pytest.raises(RegistrationRefusedError, match=r"refuses subject s: .*incompatible with version 1"):
        registry.register("s", SCHEMA)


@pytest.mark.parametrize(
    ("status", "body"), [(500, ""), (200, "{}"), (200, '{"id": "7"}'), (200, "[]"), (404, "")]
)
def test_a_registration_without_a_registrys_answer(server, registry, status, body):
    server.answer(status, body)
    with pytest.raises(RegistryUnavailable):
        registry.register("s", SCHEMA)


def test_check_asks_whether_avro_is_taken(server, registry):
    server.answer(200, '["JSON", "AVRO"]')
    registry.check()
    assert server.requests[0][:2] == ("GET", "/schemas/types")
    for status, body in ((200, '["JSON"]'), (200, "{}"), (401, ""), (404, "")):
        server.answer(status, body)
        with pytest.raises(RegistryUnavailable):
            registry.check()


@pytest.mark.parametrize(
    "url", ["", "registry:8081", "ftp://registry", "http://", "/schemas", "http://registry:port", "kafka://r"]
)
def test_an_address_that_is_no_http_address(url):
    with pytest.raises(ValueError, match="the registry's address is"):
        HttpRegistry(url)


def test_passwords_are_not_shown(server):
    url = server.url.replace("http://", "http://worker:s3cret@")
    server.answer(500, "")
    with HttpRegistry(url) as registry:
        with pytest.raises(RegistryUnavailable) as caught:
            registry.schema(1)
        assert "Authorization" in server.requests[0][2]
        assert "s3cret" not in f"{caught.value!r} {registry!r} {vars(registry)['_shown']}"
    with pytest.raises(ValueError, match="the registry's address") as refused:
        HttpRegistry("ftp://worker:s3cret@registry")
    assert "s3cret" not in str(refused.value)


def test_missing_certificates(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        HttpRegistry("https://registry", ca_file=str(tmp_path / "none.pem"))
