"""Options of `perennial plan`, apart from what it imports."""

from __future__ import annotations

import argparse

SECONDS = 45.0  # of wall time for rehearsals


def add(parser: argparse.ArgumentParser) -> None:
    """The options of the command, beside those of all."""
    parser.add_argument("experiments", nargs="*", help="experiments of the scale; default: all")
    parser.add_argument(
        "--cores", type=_positive, help="cores that would work; default: those of this machine"
    )
    parser.add_argument(
        "--nodes", type=_positive, default=1, help="machines with so many cores each; default: 1"
    )
    parser.add_argument("--fresh", action="store_true", help="time everything anew")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help=f"most wall time for timing; default: {SECONDS:.0f}"
    )
    parser.add_argument(
        "--compare", action="store_true", help="hold the plan against what finished blocks recorded"
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value
