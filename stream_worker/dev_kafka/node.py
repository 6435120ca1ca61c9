"""One Kafka node in a temporary folder, as a process of this one."""

from __future__ import annotations

import base64
import os
import random
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stream_worker.dev_kafka.config import bootstrap_servers, server_properties
from stream_worker.dev_kafka.errors import StartError
from stream_worker.dev_kafka.guard import guarded
from stream_worker.dev_kafka.jars import fetch_jars
from stream_worker.dev_kafka.ports import Ports, free_ports
from stream_worker.dev_kafka.readiness import wait_until_ready
from stream_worker.dev_kafka.tools import require_java

ENVIRONMENT_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
_TAIL_LINES = 40
_PORT_RACES = 3
# A node lives for minutes: the optimising compiler costs it, and the workers beside it, more than it gives.
_QUICK_COMPILER = "-XX:TieredStopAtLevel=1"
_LOG4J = Path(__file__).with_name("log4j2.properties")


class KafkaNode:
    """A broker that is its own KRaft controller; it keeps its ports and data from one start to the next.

    Not thread-safe. Attributes: ``folder`` (everything of this node), ``log`` (the output of all its starts),
    ``keep_log`` (set it to have :meth:`discard` spare the log).

    Parameters
    ----------
    java : str
        Path of a Java 17 or newer.
    jars : Path
        Folder with Kafka's jars.
    folder : Path
        An empty folder of its own.
    tied : bool
        End the node when this process ends, even if it is killed. False: it lives on until it is stopped.
    """

    def __init__(self, *, java: str, jars: Path, folder: Path, tied: bool = True) -> None:
        self.folder = folder
        self.log = folder / "server.log"
        self.keep_log = False
        self._data = folder / "data"
        self._properties = folder / "server.properties"
        self._java = [java, _QUICK_COMPILER, f"-Dlog4j2.configurationFile={_LOG4J}", "-cp", f"{jars}/*"]
        self._tied = tied
        self._cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self._ports: Ports | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect; known once the node has started, and the same at every later start."""
        if self._ports is None:
            raise RuntimeError("the Kafka node has not been started yet: it has no ports")
        return bootstrap_servers(self._ports)

    @property
    def pid(self) -> int | None:
        """The Java process, None while it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, *, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start the node, again after :meth:`stop` or :meth:`kill`, and wait until it answers.

        Raises
        ------
        StartError
            It did not answer within ``timeout_s``, or ended; the message has the tail of its log.
        """
        if self.pid is not None:
            raise RuntimeError(f"the Kafka node runs already, as process {self.pid}")
        if self._ports is not None:
            self._launch()
            self._wait(self.bootstrap_servers, timeout_s)
            return
        for race in range(_PORT_RACES):
            ports = free_ports(random.Random())
            self._format(ports)
            self._launch()
            try:
                self._wait(bootstrap_servers(ports), timeout_s)
            except StartError:
                if race == _PORT_RACES - 1 or not self._lost_its_port():
                    raise
            else:
                self._ports = ports
                return

    def stop(self, *, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Shut the node down in order (SIGTERM), killing it after ``timeout_s``; data and ports stay."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the node (SIGKILL) and wait until it is gone; data and ports stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def discard(self) -> None:
        """Stop the node and remove its folder, all but the log if ``keep_log`` is set."""
        self.stop()
        shutil.rmtree(self._data if self.keep_log else self.folder, ignore_errors=True)

    def tail(self) -> str:
        """Return the last lines of the log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-_TAIL_LINES:])

    def _format(self, ports: Ports) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        self._data.mkdir()
        self._properties.write_text(server_properties(ports, self._data))
        tool = ["kafka.tools.StorageTool", "format", "--standalone", f"--cluster-id={self._cluster_id}"]
        with self.log.open("ab") as log:
            answer = subprocess.run(  # noqa: S603 Java with arguments of our own
                guarded([*self._java, *tool, f"--config={self._properties}"], remove=self._data),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if answer.returncode != 0:
            raise self._start_error(f"Kafka's storage could not be formatted (code {answer.returncode})")

    def _launch(self) -> None:
        # A small heap is enough: Kafka leaves records to the page cache.
        command = [*self._java, "-Xmx768m", "kafka.Kafka", str(self._properties)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 Java with arguments of our own
                guarded(command, remove=self._data) if self._tied else command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C is for this process, which then stops the node
            )

    def _wait(self, servers: str, timeout_s: float) -> None:
        if wait_until_ready(
            servers, cluster_id=self._cluster_id, timeout_s=timeout_s, alive=lambda: self.pid is not None
        ):
            return
        if self.pid is None:
            code = self._process.returncode if self._process else None
            raise self._start_error(f"the Kafka node ended while it started (code {code})")
        self.kill()
        raise self._start_error(f"the Kafka node at {servers} did not answer within {timeout_s:g} s")

    def _start_error(self, what: str) -> StartError:
        return StartError(f"{what}; the last lines of {self.log}:\n{self.tail()}")

    def _lost_its_port(self) -> bool:
        return "java.net.BindException" in self.log.read_text(errors="replace")


def create_node(
    *, env: Mapping[str, str] = os.environ, say: Callable[[str], None] | None = None, tied: bool = True
) -> KafkaNode:
    """Return a node, not started, in a new temporary folder, fetching Kafka's jars at the first use.

    Parameters
    ----------
    env : mapping
        Where PATH, JAVA_HOME and XDG_CACHE_HOME are looked up.
    say : callable, optional
        Told, one line at a time, of what takes long.
    tied : bool
        See :class:`KafkaNode`.

    Raises
    ------
    MissingToolError, DownloadError
        Java or Maven is missing; the jars could not be fetched.
    """
    java = require_java(env)
    jars = fetch_jars(env, say or (lambda _: None))
    return KafkaNode(java=java, jars=jars, folder=Path(tempfile.mkdtemp(prefix="lensnet-kafka-")), tied=tied)


@contextmanager
def kafka_node(
    *, env: Mapping[str, str] = os.environ, say: Callable[[str], None] | None = None
) -> Iterator[KafkaNode]:
    """Run a Kafka node of one's own for the length of a ``with`` block, whatever the environment says.

    The node and its folder are gone afterwards. If the block raised an ``Exception``, or set ``keep_log``,
    the log stays. The parameters and errors are those of :func:`create_node`, and StartError.
    """
    node = create_node(env=env, say=say)
    try:
        node.start()
        yield node
    except Exception as error:
        node.keep_log = True
        error.add_note(f"Kafka's log is kept: {node.log}")
        raise
    finally:
        node.discard()


@dataclass(frozen=True, slots=True)
class Kafka:
    """A Kafka to use: where it is, and the node behind it if it was started for this use."""

    bootstrap_servers: str
    node: KafkaNode | None


@contextmanager
def dev_kafka(
    *, env: Mapping[str, str] = os.environ, say: Callable[[str], None] | None = None
) -> Iterator[Kafka]:
    """Provide a Kafka for a ``with`` block: what KAFKA_BOOTSTRAP_SERVERS names, else a :func:`kafka_node`."""
    given = env.get(ENVIRONMENT_VARIABLE)
    if given:
        yield Kafka(bootstrap_servers=given, node=None)
        return
    with kafka_node(env=env, say=say) as node:
        yield Kafka(bootstrap_servers=node.bootstrap_servers, node=node)
