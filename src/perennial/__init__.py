"""Perennial rebuilds studies of loss of plasticity as one Snakemake DAG, and says what it reproduced."""

from __future__ import annotations

from typing import Any

__all__ = ["load", "load_mnist1d"]


def __getattr__(name: str) -> Any:
    """`perennial.load` and the like are imported at their first use: most of the package must start fast."""
    if name == "load":
        from perennial.files.loading import load

        return load
    if name == "load_mnist1d":
        from perennial.datasets._load_mnist1d import load_mnist1d

        return load_mnist1d
    raise AttributeError(f"module 'perennial' has no attribute '{name}'")
