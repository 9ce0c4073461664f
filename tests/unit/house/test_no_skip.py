"""tests/conftest.py: a skip is listed with its reason, and fails where CLUSTER_NO_SKIP allows none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SKIPPING = "import pytest\ndef test_one():\n    pytest.skip('no compiler here')\n"
SKIPPING_ALL = "import pytest\npytest.skip('no machine here', allow_module_level=True)\n"


@pytest.mark.parametrize(("flag", "code"), [("1", 1), ("", 0)])
@pytest.mark.parametrize(
    ("text", "reason"), [(SKIPPING, "no compiler here"), (SKIPPING_ALL, "no machine here")], ids=["test", "module"]
)
def test_a_skip_is_a_failure_where_none_is_allowed(
    tmp_path: Path, flag: str, code: int, text: str, reason: str
) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text("def test_good():\n    pass\n")
    (tmp_path / "test_skip.py").write_text(text)
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rsfE", "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"CLUSTER_NO_SKIP": flag, "PYTHONWARNINGS": "ignore"},
        cwd=tmp_path,
        check=False,
        timeout=100,
    )
    assert (result.returncode != 0) == bool(code), result.stdout
    assert reason in result.stdout
