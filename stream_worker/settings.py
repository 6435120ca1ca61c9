"""Settings of the worker: defaults, then a TOML file, then the environment; every fault is listed at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from stream_worker.bundle.shipped import shipped_bundle
from stream_worker.rule_settings import RuleSettings

ENV_PREFIX = "LENSNET_"
SETTINGS_FILE_VARIABLE = "LENSNET_SETTINGS_FILE"
_NOT_SETTINGS = frozenset({SETTINGS_FILE_VARIABLE, "LENSNET_REALDATA"})
_SENSITIVE = re.compile(
    r"passw|passphrase|secret|token|jaas|pem|oauthbearer\.config|credential|assertion"
    r"|(?<![a-z])key(?![a-z])(?!\.(location|file)$)",
    re.IGNORECASE,
)
_MASK = "**********"
_PROPERTY_SECTIONS = frozenset({"properties", "consumer_properties", "producer_properties", "secret_files"})
_ADDRESSES = (("registry", "url"), ("tracing", "endpoint"))
"""Settings that may hold ``user:password@``."""
_UNDERSCORED_PROPERTIES = frozenset({"log_level", "enabled_events"})
_VALUE_NOT_SHOWN = frozenset({"extra_forbidden", "model_type", "dict_type"})
_OWNED_PROPERTIES = {
    "bootstrap.servers": "set kafka.bootstrap_servers",
    "group.id": "set score.group_id or deduplicate.group_id",
    "isolation.level": "always read_committed",
    "enable.auto.commit": "offsets are committed in the transaction",
    "enable.auto.offset.store": "offsets are committed in the transaction",
    "auto.offset.reset": "a new group begins with the first record; gaps are told",
    "enable.partition.eof": "the loop does not expect it",
    "transactional.id": "unique per process start",
    "enable.idempotence": "always on",
    "acks": "always all",
}


class SettingsError(Exception):
    """The settings cannot be used; the message lists every fault. Exit with code 2."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"  - {fault}" for fault in faults))


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _as_properties(value: Any) -> Any:
    return {name: _as_property(v) for name, v in value.items()} if isinstance(value, Mapping) else value


def _as_property(value: Any) -> Any:
    """Librdkafka takes strings; TOML also has booleans and numbers."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def is_sensitive(name: str) -> bool:
    """Whether a setting or a librdkafka property of this name may hold a secret."""
    return _SENSITIVE.search(name) is not None


def without_credentials(url: str) -> str:
    """Return an address without ``user:password@``, however malformed it is."""
    return re.sub(r"^([a-z][a-z0-9+.-]*://)?.*@", r"\1", url, flags=re.IGNORECASE | re.DOTALL)


def _is_http(url: str) -> bool:
    try:
        parsed = urlsplit(url)
        _ = parsed.port  # parsed, and checked, when asked for
    except ValueError:
        return False
    return parsed.scheme in {"http", "https"} and bool(parsed.hostname)


def _unreadable(path: Path) -> str | None:
    """Why a text file cannot be read."""
    try:
        path.read_text()
    except OSError as error:
        return f"{path}: {error.strerror}"
    except UnicodeDecodeError:
        return f"{path}: not text"
    return None


Properties = Annotated[dict[str, SecretStr], BeforeValidator(_as_properties)]


class KafkaSettings(_Section):
    """Broker, transactions, and any librdkafka property (SASL, TLS, tuning)."""

    bootstrap_servers: str = Field(default="localhost:9092", min_length=1)
    properties: Properties = Field(default_factory=dict, description="librdkafka properties of every client")
    consumer_properties: Properties = Field(default_factory=dict, description="the same, of consumers only")
    producer_properties: Properties = Field(default_factory=dict, description="the same, of producers only")
    secret_files: dict[str, Path] = Field(
        default_factory=dict, description="librdkafka properties whose value is the content of a file"
    )
    transaction_timeout_ms: int = Field(default=10_000, ge=1_000, le=900_000)
    session_timeout_ms: int = Field(default=10_000, ge=1_000)
    max_poll_interval_ms: int = Field(default=120_000, ge=10_000)
    prefetch_bytes: int = Field(default=16 * 2**20, ge=2**20, description="bound of librdkafka's own queue")

    @field_validator("properties", "consumer_properties", "producer_properties", "secret_files")
    @classmethod
    def _not_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        clashes = [f"{name} ({_OWNED_PROPERTIES[name]})" for name in value if name in _OWNED_PROPERTIES]
        if clashes:
            raise ValueError(f"the worker itself sets {', '.join(clashes)}")
        return value

    @field_validator("secret_files")
    @classmethod
    def _readable(cls, value: dict[str, Path]) -> dict[str, Path]:
        faults = [f"{name}: {fault}" for name, path in value.items() if (fault := _unreadable(path))]
        if faults:
            raise ValueError(f"cannot read {', '.join(faults)}")
        return value

    def client_properties(self, *overlays: Mapping[str, SecretStr]) -> dict[str, str]:
        """All pass-through properties in clear, for a librdkafka client; never log the result."""
        merged = dict(self.properties)
        for overlay in overlays:
            merged.update(overlay)
        clear = {name: secret.get_secret_value() for name, secret in merged.items()}
        clear.update({name: path.read_text().strip() for name, path in self.secret_files.items()})
        return clear


class RegistrySettings(_Section):
    """A Confluent-compatible schema registry; without a url, single-object encoding is used."""

    url: str | None = None
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    timeout_s: float = Field(default=5.0, gt=0)

    @field_validator("url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and not _is_http(value):
            raise ValueError(f"{without_credentials(value)!r} is not http:// or https:// and a host")
        return value

    @field_validator("password_file")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None and (fault := _unreadable(value)):
            raise ValueError(f"cannot read {fault}")
        return value

    @model_validator(mode="after")
    def _of_somebody(self) -> Self:
        if not self.username and (self.password is not None or self.password_file is not None):
            raise ValueError("a password is of a user: set registry.username")
        return self

    def clear_password(self) -> str | None:
        """Return the password in clear, from the file where one is named; never log the result."""
        if self.password_file is not None:
            return self.password_file.read_text().strip()
        return self.password.get_secret_value() if self.password else None


class TopicSettings(_Section):
    """Names of the topics."""

    candidates: str = "lensnet.candidates"
    scores: str = "lensnet.scores"
    scored: str = "lensnet.scored"
    lightcurves: str = "lensnet.lightcurves"
    quarantine: str = "lensnet.quarantine"
    outcomes: str = "lensnet.outcomes"
    neighbours: str = "lensnet.neighbours"

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = list(self.model_dump().values())
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"topics must differ, these are named twice: {', '.join(twice)}")
        return self


class InferenceSettings(_Section):
    """ONNX Runtime."""

    provider: Literal["cpu", "cuda"] = "cpu"
    allow_fallback: bool = Field(default=False, description="run on the CPU where CUDA will not start")
    intra_op_threads: int = Field(default=2, ge=1, le=256)
    max_batch: int = Field(default=16, ge=1, le=4096, description="candidates per inference call")


class LoopSettings(_Section):
    """How many records one transaction holds, and how long the loop gathers them."""

    max_records: int = Field(default=256, ge=1, le=100_000)
    max_bytes: int = Field(default=32 * 2**20, ge=2**20)
    max_wait_ms: int = Field(default=200, ge=1, le=60_000, description="longest wait to fill a batch")
    drain_timeout_s: float = Field(default=25.0, gt=0, description="time a stop may take before it is forced")
    stuck_after_s: float = Field(default=60.0, ge=10, description="a loop silent for so long is ended")
    backoff_initial_s: float = Field(default=0.2, gt=0)
    backoff_max_s: float = Field(default=15.0, gt=0)


class StageSettings(_Section):
    """One stage's consumer group."""

    group_id: str = Field(min_length=1)


class HttpSettings(_Section):
    """Metrics and health end points."""

    host: str = "0.0.0.0"  # noqa: S104 - kubelet probes and scrapes come from outside the pod
    port: int = Field(default=9108, ge=0, le=65535, description="0 takes a free port")


class LogSettings(_Section):
    """Logs: JSON, or readable lines on a terminal."""

    format: Literal["auto", "json", "console"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class TracingSettings(_Section):
    """Traces of single candidates, sent to a collector; needs the extra ``otel``."""

    endpoint: str | None = Field(
        default=None,
        description="OTLP over HTTP, e.g. http://collector:4318/v1/traces; none turns traces off",
    )
    sample_ratio: float = Field(default=1.0, ge=0, le=1, description="share of new traces that are kept")

    @field_validator("endpoint")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        if value is not None and not _is_http(value):
            raise ValueError(f"{without_credentials(value)!r} is not http:// or https:// and a host")
        return value


class Settings(_Section):
    """Everything the worker can be told."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    registry: RegistrySettings = Field(default_factory=RegistrySettings)
    topics: TopicSettings = Field(default_factory=TopicSettings)
    rules: RuleSettings = Field(default_factory=RuleSettings)
    inference: InferenceSettings = Field(default_factory=InferenceSettings)
    loop: LoopSettings = Field(default_factory=LoopSettings)
    score: StageSettings = Field(default_factory=lambda: StageSettings(group_id="lensnet-score"))
    deduplicate: StageSettings = Field(default_factory=lambda: StageSettings(group_id="lensnet-deduplicate"))
    http: HttpSettings = Field(default_factory=HttpSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    bundle: Path = Field(default_factory=shipped_bundle, description="model bundle, folder or tar")
    bundle_sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of its manifest.json; any other bundle is refused",
    )
    max_packet_bytes: int = Field(
        default=2 * 2**20, ge=1024, le=16 * 2**20, description="larger packets are quarantined"
    )
    _file: Path | None = PrivateAttr(default=None)
    quarantine_raw_bytes: int = Field(default=2 * 2**20, ge=0, le=8 * 2**20, description="raw bytes kept")

    @property
    def file(self) -> Path | None:
        """The file that they were read from."""
        return self._file

    def describe(self) -> dict[str, Any]:
        """Settings for a log line: what may be a secret is masked, by its name or within an address."""
        shown = self.model_dump(mode="json")
        for section, name in _ADDRESSES:
            if shown[section][name] is not None:
                shown[section][name] = without_credentials(shown[section][name])
        for section in ("properties", "consumer_properties", "producer_properties"):
            clear = getattr(self.kafka, section)
            shown["kafka"][section] = {
                name: _shown_property(name, value.get_secret_value()) for name, value in clear.items()
            }
        return shown


def load_settings(
    environ: Mapping[str, str], *, file: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Settings from defaults, file, environment and overrides, the later ones winning.

    Parameters
    ----------
    environ
        Environment. ``LENSNET_KAFKA__BOOTSTRAP_SERVERS`` sets ``kafka.bootstrap_servers``;
        ``KAFKA_BOOTSTRAP_SERVERS`` does too; ``LENSNET_KAFKA__PROPERTIES__SASL_MECHANISM`` sets the
        librdkafka property ``sasl.mechanism`` (a file spells such names as librdkafka does);
        ``LENSNET_SETTINGS_FILE`` names the file.
    file
        TOML file; ``None`` takes the one that the environment names, if any.
    overrides
        Nested values from the command line.

    Raises
    ------
    SettingsError
        With every fault found.
    """
    file = file or (Path(environ[SETTINGS_FILE_VARIABLE]) if environ.get(SETTINGS_FILE_VARIABLE) else None)
    faults: list[str] = []
    values: dict[str, Any] = {}
    if file is not None:
        values = _read_toml(file, faults)
    _merge(values, _from_environment(environ, faults))
    _merge(values, dict(overrides or {}))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        faults += [
            f"{'.'.join(map(str, e['loc'])) or 'settings'}: {_fault(e)}{_shown_input(e)}"
            for e in error.errors(include_url=False)
        ]
        raise SettingsError(faults) from None
    if faults:
        raise SettingsError(faults)
    settings._file = file  # noqa: SLF001 - the model is frozen for everybody else
    return settings


def _shown_property(name: str, value: str) -> str:
    if is_sensitive(name):
        return _MASK
    return without_credentials(value) if "://" in value else value


def _fault(error: Any) -> str:
    """What is wrong; of an unknown setting the one that may have been meant."""
    if error["type"] != "extra_forbidden":
        return str(error["msg"]).removeprefix("Value error, ")
    *sections, name = map(str, error["loc"])
    section: Any = Settings
    for one in sections:
        section = section.model_fields[one].annotation
    known = list(section.model_fields)
    if close := get_close_matches(name, known, 1):
        return f"no such setting, did you mean {close[0]}?"
    return f"no such setting, expected one of {', '.join(known)}"


def _shown_input(error: Any) -> str:
    value = error.get("input")
    path = ".".join(map(str, error["loc"]))
    # a misplaced value may be a secret: only those of known settings are shown
    if error["type"] in _VALUE_NOT_SHOWN or is_sensitive(path) or "properties" in path:
        return ""
    if error["loc"] in _ADDRESSES or isinstance(value, dict | BaseModel):
        return ""
    return f", got {value!r}"


def _read_toml(file: Path, faults: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(f"settings file {file}: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"settings file {file}: {error}")
    return {}


def _from_environment(environ: Mapping[str, str], faults: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        values["kafka"] = {"bootstrap_servers": environ["KAFKA_BOOTSTRAP_SERVERS"]}
    for name, value in sorted(environ.items()):
        if not name.startswith(ENV_PREFIX) or name in _NOT_SETTINGS:
            continue
        path = name.removeprefix(ENV_PREFIX).lower().split("__")
        if path[0] not in Settings.model_fields:
            faults.append(f"environment variable {name}: no such setting {path[0]!r}")
            continue
        if path[0] == "kafka" and len(path) > 2 and path[1] in _PROPERTY_SECTIONS:
            path[2] = _property_name(path[2])
        target: Any = values
        for part in path[:-1]:
            target = target.setdefault(part, {}) if isinstance(target, dict) else None
        if isinstance(target, dict):
            target[path[-1]] = value
        else:
            faults.append(f"environment variable {name}: another one sets a section of its name to a value")
    return values


def _property_name(name: str) -> str:
    """Librdkafka's names have dots; those of environment variables cannot."""
    return name if name in _UNDERSCORED_PROPERTIES else name.replace("_", ".")


def _merge(into: dict[str, Any], extra: Mapping[str, Any]) -> None:
    for key, value in extra.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
