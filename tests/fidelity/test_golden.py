"""Compiled loops give the same bits everywhere: recorded digests of short runs, whatever CPU the code is made for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import golden
import pytest
from numpy._core._multiarray_umath import __cpu_features__ as features

from perennial.files import compilation

TESTS = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    bool(compilation.missing_instructions()), reason="this CPU lacks instructions of x86-64-v3"
)
# Two loops of the digits are compiled by other tests too; each of the other loops takes seconds to compile.
QUICK = ("digits/backprop", "digits/cbp", "regression/tanh")


def command(*words: str, **variables: str) -> str:
    """Run tests/golden.py in a process of its own; what it prints."""
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    done = subprocess.run(
        [sys.executable, str(TESTS / "golden.py"), *words],
        env=here,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_run_has_a_digest():
    assert list(golden.recorded()) == sorted(golden.runs())


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in sorted(golden.runs())],
)
def test_digest_is_as_recorded(name):
    assert golden.digests([name]) == {name: golden.recorded()[name]}


def test_loops_compiled_for_this_cpu_give_the_same_bits():
    assert "1 of 1" in command("--for-this-cpu", "--only", "digits/backprop")


@pytest.mark.slow
def test_all_loops_compiled_for_this_cpu_give_the_same_bits():
    assert f"{len(golden.runs())} of" in command("--for-this-cpu")


def test_libraries_for_an_older_cpu_give_the_same_bits():
    """NumPy, its linear algebra and the C library choose their code by the CPU; here they take that of an older one."""
    newer = [name for name, there in features.items() if there and name.startswith("AVX512")]
    older = {
        "NPY_DISABLE_CPU_FEATURES": " ".join(newer),
        "OPENBLAS_CORETYPE": "Haswell",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-FMA",
    }
    assert f"{len(QUICK)} of {len(QUICK)}" in command("--only", *QUICK, **older)
