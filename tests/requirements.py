"""Skips that can be forbidden: `PERENNIAL_REQUIRE=browser,slurm` makes such a skip a failure."""

from __future__ import annotations

import os

import pytest


def required() -> set[str]:
    """The parts that this test run must not skip."""
    return {part.strip() for part in os.environ.get("PERENNIAL_REQUIRE", "").split(",") if part.strip()}


def require_or_skip(part: str, condition: object, reason: str) -> None:
    """Go on when `condition` holds; otherwise skip with the reason, or fail when the part is required.

    Args:
        part: name of the part, for example "browser".
        condition: whether the part can be tested here.
        reason: why not, for people.
    """
    if condition:
        return
    if part in required():
        pytest.fail(f"PERENNIAL_REQUIRE asks for {part}, but {reason}", pytrace=False)
    pytest.skip(reason)
