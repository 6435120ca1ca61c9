from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import schemas

ROOT = Path(schemas.__file__).parent.parent


def test_the_codec_needs_neither_broker_nor_network_nor_inference():
    code = (
        "import sys, stream_worker.codec\n"
        "heavy = {'onnxruntime', 'confluent_kafka', 'httpx', 'tensorflow', 'keras', 'model_build'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
