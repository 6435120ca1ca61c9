"""What the Makefile's own recipes do."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

MAKEFILE = Path(__file__).parents[2] / "Makefile"


def test_clean_leaves_the_sources_and_what_took_hours(tmp_path):
    kept = ("Makefile", ".cache/model/set/rows", "stream_worker/preprocessing/kernels.pyx")
    made = (".venv/bin/python", "dist/lensnet.whl", "stream_worker/preprocessing/kernels.cpython-311.so")
    for name in (*kept, *made):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    shutil.copy(MAKEFILE, tmp_path)
    subprocess.run(["make", "-C", tmp_path, "clean"], check=True, capture_output=True)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(kept)


def test_every_variable_is_used():
    text = MAKEFILE.read_text()
    assigned = set(re.findall(r"^([A-Z_]+) [:?]?=", text, re.MULTILINE))
    assert assigned - set(re.findall(r"\$\(([A-Z_]+)\)", text)) == {"SHELL"}
