"""The real helm binary, once per run."""

from __future__ import annotations

import pytest
from support.helm import Helm, helm_binary


@pytest.fixture(scope="session")
def helm(tmp_path_factory) -> Helm:
    return Helm(helm_binary(), tmp_path_factory.mktemp("helm-home"))
