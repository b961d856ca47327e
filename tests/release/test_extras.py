"""A module whose extra is missing says so on import, in one sentence, and which extra that is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .built import ROOT
from .optional import OPTIONAL, Optional


@pytest.mark.parametrize("optional", OPTIONAL, ids=str)
def test_without_its_extra_a_module_says_which_to_install(optional: Optional) -> None:
    for library in optional.libraries:
        program = f"import sys; sys.modules[{library!r}] = None\nimport {optional.module}"
        done = subprocess.run(
            [sys.executable, "-c", program], check=False, cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == optional.complaint
