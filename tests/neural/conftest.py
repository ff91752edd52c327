"""All tests of this room need torch and timm."""

import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install astrotl[torch]")
pytest.importorskip("timm", reason="timm is not installed: pip install astrotl[torch]")


def pytest_collection_modifyitems(items):
    for item in items:
        if "/neural/" in item.path.as_posix():
            item.add_marker(pytest.mark.torch)
