"""Images for all tests of this folder."""

from __future__ import annotations

import pytest
from cifar import small


@pytest.fixture(scope="session")
def data():
    """Made-up images of 100 classes."""
    return small.images()
