"""Compiles the loops of the preprocessing when the package is built or installed for development.

The C compiler is a wheel as well (`ziglang`), the same on every machine: nothing needs one of its own, and
the wheels are built for any processor of their kind, without fused operations, so that all find the same.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SOURCE = "stream_worker/preprocessing/kernels.pyx"
_GLIBC = "2.28"


class CompiledKernels(BuildHookInterface[Any]):
    """Puts the compiled module beside its source, for a wheel and for an editable install alike."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Compile, and make the wheel one of this platform."""
        source = Path(self.root, _SOURCE)
        module = source.with_suffix(sysconfig.get_config_var("EXT_SUFFIX"))
        with TemporaryDirectory(prefix="lensnet-build-") as folder:
            generated, built = Path(folder, "kernels.c"), Path(folder, module.name)
            _run("cython", "-3", str(source), "-o", str(generated))
            _run("ziglang", "cc", *_flags(), str(generated), "-o", str(built))
            part = module.with_name(f".{module.name}.part")
            part.write_bytes(built.read_bytes())
            part.chmod(0o755)
            part.replace(module)  # a running process keeps the one that it has loaded
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append(str(module.relative_to(self.root)))


def _flags() -> list[str]:
    flags = ["-shared", "-fPIC", "-O3", "-ffp-contract=off", "-DNDEBUG", "-s", "-w"]
    if sys.platform == "linux":
        flags += ["-target", f"{platform.machine()}-linux-gnu.{_GLIBC}"]
    elif sys.platform == "darwin":
        flags += ["-undefined", "dynamic_lookup"]
    return [*flags, f"-I{sysconfig.get_paths()['include']}"]


def _run(module: str, *args: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *args], check=False)  # noqa: S603 - fixed commands
    if done.returncode:
        raise SystemExit(f"compiling {_SOURCE} failed: {module} ended with code {done.returncode}")
