"""The open door of the web scenarios."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from porch import Porch, porch


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Porch]:
    """A server with nobody at its door yet."""
    async with porch(tmp_path) as opened:
        yield opened
