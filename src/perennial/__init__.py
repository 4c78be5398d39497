"""Perennial rebuilds studies of loss of plasticity as one Snakemake DAG, and says what it reproduced."""

from __future__ import annotations

from typing import Any

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """`perennial.load` is imported at its first use: most of the package must start fast."""
    if name == "load":
        from perennial.files.loading import load

        return load
    raise AttributeError(f"module 'perennial' has no attribute '{name}'")
