"""checkov on what the chart renders: everything it finds is mended, or skipped here with the reason.

checkov (Apache-2.0) brings 190 MB of its own, so it lives in an environment of its own, not in the lock file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.chart_values import CASES
from support.helm import ROOT, containers_of

VERSION = "3.3.30"
SKIPPED = {
    "CKV_K8S_15": "tags are releases and never move: IfNotPresent is right, and starts without the registry",
    "CKV_K8S_43": "image.digest pins the image where a site wants it; the default is the chart's own version",
    "CKV_K8S_35": "passwords are mounted as files; what comes from a Secret by environment is a user name, "
    "or extraEnvFrom that the site itself asked for",
}


def checkov(folder: Path) -> dict[str, Any]:
    """Failed checks of all manifests in a folder, those of `SKIPPED` among them."""
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "tool", "run", "-q", "--from", f"checkov=={VERSION}", "checkov"]
    done = subprocess.run(
        [*command, "-d", folder, "--framework", "kubernetes", "--compact", "--quiet", "-o", "json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "UV_TOOL_DIR": str(ROOT / ".cache" / "checkov"), "LOG_LEVEL": "ERROR"},
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def failed(found: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (check["check_id"], check["check_name"], check["resource"])
        for check in found["results"]["failed_checks"]
    }


@pytest.fixture(scope="module")
def found(helm, tmp_path_factory):
    """Of the default values, of everything off, of everything on, and of a container that may do all."""
    folder = tmp_path_factory.mktemp("manifests")
    for name in ("default", "everything off", "everything on"):
        (folder / f"{name.replace(' ', '-')}.yaml").write_text(yaml.safe_dump_all(helm.render(CASES[name])))
    planted = deepcopy(next(m for m in helm.render(CASES["default"]) if m["kind"] == "Deployment"))
    planted["metadata"]["name"] = "planted"
    next(iter(containers_of(planted)))["securityContext"] = {"privileged": True}
    (folder / "planted.yaml").write_text(yaml.safe_dump(planted))
    return checkov(folder)


def test_nothing_is_found_but_what_is_skipped_with_a_reason(found):
    assert found["summary"]["passed"] > 500
    assert found["summary"]["parsing_errors"] == 0
    others = {one for one in failed(found) if one[0] not in SKIPPED and "planted" not in one[2]}
    assert not others


def test_every_skip_is_still_needed(found):
    assert {one[0] for one in failed(found)} >= SKIPPED.keys()


def test_a_planted_privileged_container_is_caught(found):
    caught = {check for check, _, resource in failed(found) if "planted" in resource}
    assert "CKV_K8S_16" in caught  # "Container should not be privileged"
