"""Digests of short runs by compiled loops, which are the same on every machine with x86-64-v3: tests/golden.json.

    python tests/golden.py            compare
    python tests/golden.py --write    write the file anew, after a change that is meant to change numbers
    ... --only NAME ...               some of them
    ... --for-this-cpu                compile for all that the CPU at hand has, not for x86-64-v3 alone

A digest covers the last state of a run (weights, optimiser, algorithm) and its performance at every step.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import perennial.one_thread  # noqa: F401  first: the numerical libraries read it when they are imported

FILE = Path(__file__).with_suffix(".json")
SEED = 0
DIGITS = ("backprop", "l2", "shrink_and_perturb", "cbp")  # variants of the study
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "elu", "swish")


def runs() -> dict[str, Callable[[], str]]:
    """Name -> a function that trains and returns the digest."""
    found: dict[str, Callable[[], str]] = {}
    for name in DIGITS:
        found[f"digits/{name}"] = lambda name=name: _digest(_digits(name))
    for name in ACTIVATIONS:
        found[f"regression/{name}"] = lambda name=name: _digest(_regression("backprop", name))
    for name in ("adam", "l2", "shrink_and_perturb", "cbp"):
        found[f"regression/{name}"] = lambda name=name: _digest(_regression(name, "relu"))
    for name in ("backprop", "cbp"):
        found[f"mnist/{name}"] = lambda name=name: _digest(_mnist(name), 500)
    return found


def _digits(variant: str) -> dict[str, Any]:
    """Two tasks of the study's own variant."""
    from perennial import config

    study = config.load(Path(__file__).parents[1] / "config.yaml")
    return study.settings("permuted_digits", variant, length=2)


def _regression(algorithm: str, activation: str) -> dict[str, Any]:
    """Two tasks of 10,000 examples each."""
    from fidelity import support

    changes = {"activation": activation, "flip_every": 10_000, "length": 2, "precision": "float32"}
    return support.variant(support.REGRESSION, support.hyper(algorithm), **changes)


def _mnist(algorithm: str) -> dict[str, Any]:
    """One task on digits blown up to the format of MNIST."""
    from fidelity import support

    changes = {"hidden": [100, 100, 100], "precision": "float32", "length": 1}
    return support.variant(support.MNIST, support.hyper(algorithm), **changes)


def _digest(settings: dict[str, Any], images: int = 1797) -> str:
    import numpy as np
    from fidelity import support

    from perennial import procedures
    from perennial.jobs import outcome
    from perennial.learning import engines

    engine = engines.choose(procedures.need(settings), device="cpu")
    assert engine in engines.COMPILED, engine
    stream = support.stream({**settings, "measures": {}}, [SEED], engine, images)
    seen = []
    for index in range(settings["length"]):
        tasks = [problem.task(index) for problem in stream.problems]
        seen.append(stream.learner.train(tasks, index))
    state = {**stream.learner.state(), "performance": np.concatenate(seen, axis=1)}
    return f"{engine} {outcome.digest(state, 0)[:32]}"


def digests(names: Iterable[str]) -> dict[str, str]:
    """Name -> engine and digest."""
    known = runs()
    return {name: known[name]() for name in names}


def recorded() -> dict[str, str]:
    """What the file says."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def main() -> int:
    """Compare, or write; 1 where a digest differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--for-this-cpu", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(runs()), metavar="NAME")
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    if options.for_this_cpu:
        from perennial.files import compilation

        compilation.compile_for(portable=False)
    found = digests(options.only or runs())
    if options.write:
        whole = (recorded() if options.only else {}) | found
        FILE.write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return 0
    known = recorded()
    different = [name for name in found if found[name] != known.get(name)]
    for name in different:
        print(f"{name}: {found[name]}, recorded {known.get(name, 'nothing')}")
    print(f"{len(found) - len(different)} of {len(found)} digests as recorded")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
