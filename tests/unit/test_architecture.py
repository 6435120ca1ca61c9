"""What importing the packages loads: checked in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

WORKER_MODULES = (
    "stream_worker.plans, stream_worker.worker, stream_worker.cli.stages, stream_worker.demo.run,"
    " stream_worker.dumping.run, stream_worker.cli.replay, stream_worker.replay.topic"
)


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_the_worker_never_loads_the_training_side():
    loaded = loaded_after(f"import {WORKER_MODULES}")
    assert "stream_worker" in loaded
    assert not loaded & {"model_build", "tensorflow", "keras", "tf2onnx", "onnx", "MulensModel"}


@pytest.mark.parametrize(
    "blocked", ["tensorflow", "keras", "onnx", "MulensModel", "matplotlib", "pyarrow", "orjson"]
)
def test_the_worker_imports_where_training_packages_are_absent(blocked):
    loaded_after(f"import sys; sys.modules[{blocked!r}] = None\nimport {WORKER_MODULES}")


def test_a_subscriber_needs_no_extra():
    absent = ("onnxruntime", "scipy", "pyarrow", "matplotlib", "orjson", "opentelemetry")
    loaded_after(
        f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
        "import stream_worker.subscriber, stream_worker.cli.tail\n"
        "from stream_worker.plans import record_decoder\n"
        "from stream_worker.settings import Settings\n"
        "record_decoder(Settings(), 'alert')"
    )


def test_simulating_loads_neither_network_nor_kafka():
    loaded = loaded_after("import model_build.season.cli, model_build.season.command")
    assert {"model_build", "pyarrow"} <= loaded
    assert not loaded & {"tensorflow", "keras", "onnx", "onnxruntime", "confluent_kafka"}


def test_help_is_light():
    loaded = loaded_after("import stream_worker.cli")
    assert not loaded & {"numpy", "onnxruntime", "confluent_kafka", "astropy"}


def test_preprocessing_loads_only_numerics():
    ours = loaded_after("import stream_worker.preprocessing") - loaded_after("import numpy")
    third_party = {name for name in ours if name not in sys.stdlib_module_names and not name.startswith("_")}
    assert third_party <= {"stream_worker", "numpy", "cython_runtime"}  # the last is a part of the kernels
