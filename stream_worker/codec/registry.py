"""HTTP client of a Confluent-compatible schema registry.

Speaks the three requests of the Confluent Schema Registry REST API that a worker needs; Apicurio Registry
answers the same under ``/apis/ccompat/v7``.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from schemas.wire import MAX_SCHEMA_ID
from stream_worker.codec.resolver import RegistryUnavailable, UnknownSchemaId

TIMEOUT_S: Final = 5.0

_CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
_SCHEMA_NOT_FOUND: Final = 40403
_REFUSALS: Final = frozenset({HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY})


class RegistrationRefusedError(Exception):
    """The registry will not take the schema: it is invalid, or breaks the subject's compatibility rule."""


class HttpRegistry:
    """A `RegistryClient` over HTTP, which registers schemas too. Safe to use from several threads.

    Parameters
    ----------
    url : str
        Base address, e.g. ``http://registry:8081``.
    auth : (str, str), optional
        User and password of basic authentication.
    timeout_s : float
        Limit of each step of a request (connect, send, receive), seconds.
    ca_file : str, optional
        Certificates to trust instead of the usual ones, PEM.

    Raises
    ------
    ValueError
        The address is not http:// or https:// with a host.
    OSError
        The certificates can't be read.
    """

    def __init__(
        self,
        url: str,
        *,
        auth: tuple[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        ca_file: str | None = None,
    ) -> None:
        self._shown = _without_password(url)
        self._client = httpx.Client(
            base_url=url,
            auth=auth,
            timeout=timeout_s,
            verify=ssl.create_default_context(cafile=ca_file) if ca_file else True,
            headers={"Accept": f"{_CONTENT_TYPE}, application/json"},
            # questions are rare, the answers are cached: no connection is worth keeping
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check(self) -> None:
        """Ask for the supported schema types; blocks for one request.

        Raises
        ------
        RegistryUnavailable
            There is no registry at this address, or it does not let this client in.
        """
        response = self._request("GET", "schemas/types")
        if response.status_code != HTTPStatus.OK:
            raise self._unexpected(response)
        if "AVRO" not in self._json(response, list):
            raise RegistryUnavailable(f"{self._shown}: the registry takes {response.text}: expected AVRO")

    def schema(self, schema_id: int) -> dict[str, Any]:
        """Return the Avro schema of an id, as parsed JSON; blocks for one request.

        An id above `MAX_SCHEMA_ID` is unknown without a question: Confluent's registry would answer it with
        a bare 404.

        Raises
        ------
        UnknownSchemaId
            The registry has no schema of that id, or one that is not Avro or refers to others.
        RegistryUnavailable
            No answer, or none that a registry gives: a bare 404 may come from a proxy, so only the
            registry's own error code 40403 counts as unknown.
        """
        if schema_id > MAX_SCHEMA_ID:
            raise UnknownSchemaId(f"registries count to {MAX_SCHEMA_ID}")
        response = self._request("GET", f"schemas/ids/{schema_id}")
        if response.status_code == HTTPStatus.NOT_FOUND and _error_code(response) == _SCHEMA_NOT_FOUND:
            raise UnknownSchemaId(f"the registry at {self._shown} has no schema of this id")
        if response.status_code != HTTPStatus.OK:
            raise self._unexpected(response)
        answer = self._json(response, dict)
        kind = answer.get("schemaType", "AVRO")
        if kind != "AVRO":
            raise UnknownSchemaId(f"the registry at {self._shown} has a schema of type {kind}: expected AVRO")
        if answer.get("references"):
            raise UnknownSchemaId(
                f"the registry at {self._shown} has a schema with references: expected one that stands alone"
            )
        return self._definition(answer)

    def register(self, subject: str, definition: Mapping[str, Any]) -> int:
        """Register a schema under a subject and return its id, the old one if it is there; one request.

        Raises
        ------
        RegistrationRefusedError
            The schema is invalid or incompatible with the subject's earlier ones.
        RegistryUnavailable
            No answer, or none that a registry gives.
        """
        path = f"subjects/{quote(subject, safe='')}/versions"
        response = self._request("POST", path, {"schemaType": "AVRO", "schema": json.dumps(definition)})
        if response.status_code in _REFUSALS:
            raise RegistrationRefusedError(f"{self._shown} refuses subject {subject}: {response.text}")
        if response.status_code != HTTPStatus.OK:
            raise self._unexpected(response)
        schema_id = self._json(response, dict).get("id")
        if not isinstance(schema_id, int):
            raise self._unexpected(response)
        return schema_id

    def _request(self, method: str, path: str, body: Mapping[str, str] | None = None) -> httpx.Response:
        headers = {} if body is None else {"Content-Type": _CONTENT_TYPE}
        content = None if body is None else json.dumps(body)
        try:
            return self._client.request(method, path, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise RegistryUnavailable(
                f"{method} {path} at {self._shown}: {type(error).__name__}: {error}"
            ) from error

    def _json(self, response: httpx.Response, kind: type[Any]) -> Any:
        try:
            answer = response.json()
        except ValueError as error:
            raise self._unexpected(response) from error
        if not isinstance(answer, kind):
            raise self._unexpected(response)
        return answer

    def _definition(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        try:
            definition: dict[str, Any] = json.loads(answer["schema"])
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise RegistryUnavailable(f"{self._shown} answers with no schema: {answer}") from error
        return definition

    def _unexpected(self, response: httpx.Response) -> RegistryUnavailable:
        request = response.request
        return RegistryUnavailable(
            f"{request.method} {request.url.path} at {self._shown} answers {response.status_code}:"
            f" {response.text[:200]!r}"
        )


def _without_password(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"the registry's address is not a URL: {error}") from None
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        shown = parsed.copy_with(userinfo=b"")
        raise ValueError(f"the registry's address is {str(shown)!r}: expected http:// or https:// and a host")
    return str(parsed.copy_with(userinfo=b""))


def _error_code(response: httpx.Response) -> Any:
    try:
        answer = response.json()
    except ValueError:
        return None
    return answer.get("error_code") if isinstance(answer, dict) else None
