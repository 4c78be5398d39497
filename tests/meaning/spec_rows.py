"""What the specification says about the settings of published runs, as tables: the grammar, and what all share.

The tables (`spec_regression.py`, `spec_mnist.py`, `spec_imagenet.py`) were written from the specification of the
supervised studies and not from the configuration. The specification restates the article, its preprint and the
authors' code; it is not part of the repository. Numbers such as 1.3 or 6.1 are its sections, I12 its claims, B7 its
bugs. Where a run differs from it on purpose, or where it leaves something open, the value stands under `ours`, with
the reason.
"""

from __future__ import annotations

import fnmatch
import itertools
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Said(NamedTuple):
    """A value, and where the specification says so (or why ours is another)."""

    value: Any
    where: str


Facts = dict[str, Said]  # dotted key of a setting -> what is said


def said(section: str, values: dict[str, Any]) -> Facts:
    """What a section of the specification says."""
    return {key: Said(value, section) for key, value in values.items()}


def ours(reason: str, values: dict[str, Any]) -> Facts:
    """What the specification leaves open, or what differs from it on purpose."""
    return {key: Said(value, f"ours: {reason}") for key, value in values.items()}


@dataclass(frozen=True)
class Rows:
    """Variants that one line of the specification describes: one for each combination of `each`.

    Attributes:
        names: of the variants, with `{word}` for each word of `each`.
        section: where the specification lists them.
        facts: what they have beyond what the whole experiment has.
        each: word -> (dotted key, its values as names write them).
    """

    names: str
    section: str
    facts: Facts
    each: dict[str, tuple[str, str]] = field(default_factory=dict)

    def expand(self) -> dict[str, Facts]:
        """Facts of each variant."""
        found = {}
        for choice in itertools.product(*(values.split() for _, values in self.each.values())):
            words = dict(zip(self.each, choice, strict=True))
            chosen = {self.each[word][0]: _value(text) for word, text in words.items()}
            found[self.names.format(**words)] = self.facts | said(self.section, chosen)
        return found


@dataclass(frozen=True)
class Table:
    """All variants of one published experiment.

    Attributes:
        scale: at which it has the published size.
        seeds: number of runs; `seeds_of` has other numbers, by patterns of names, the first that fits.
        common: facts of every variant; `rows` override them.
    """

    scale: str
    seeds: Said
    common: Facts
    rows: tuple[Rows, ...]
    seeds_of: dict[str, Said] = field(default_factory=dict)

    def runs(self, variant: str) -> Said:
        """Number of runs of a variant."""
        own = (said for pattern, said in self.seeds_of.items() if fnmatch.fnmatchcase(variant, pattern))
        return next(own, self.seeds)

    def variants(self) -> dict[str, Facts]:
        """Facts of each variant, by name.

        Raises:
            ValueError: two rows describe the same variant.
        """
        found: dict[str, Facts] = {}
        for rows in self.rows:
            for name, facts in rows.expand().items():
                if name in found:
                    raise ValueError(f"two rows describe {name}")
                found[name] = self.common | facts
        return found


def _value(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


SGD = said("3.1: plain SGD outside ImageNet", {"algorithm.momentum": 0.0})
BETAS = said(
    "3.1: beta1=0.9, beta2=0.999, eps=1e-8",
    {"algorithm.beta_1": 0.9, "algorithm.beta_2": 0.999, "algorithm.epsilon": 1e-8},
)
BACKPROP = SGD | said("3.1", {"algorithm.name": "backprop"})
L2 = SGD | said("3.1", {"algorithm.name": "l2"})
ADAM = BETAS | said(
    "3.1: weight decay only if used", {"algorithm.name": "adam", "algorithm.weight_decay": 0.0}
)
SHRINK_AND_PERTURB = SGD | said(
    "3.2: Gaussian noise after every update, shrinking by the optimiser's weight decay",
    {"algorithm.name": "shrink_and_perturb", "algorithm.noise": "gaussian", "algorithm.optimiser": "sgd"},
)
CBP = (
    SGD
    | BETAS
    | said(
        "3.3: eta=0.99; bias transfer is a no-op; momentum of renewed weights is kept",
        {
            "algorithm.name": "cbp",
            "algorithm.optimiser": "sgd",
            "algorithm.weight_decay": 0.0,
            "algorithm.utility_decay": 0.99,
            "algorithm.bias_transfer": "off",
            "algorithm.renewed_velocity": "kept",
            "algorithm.renewed_weights": "layer",
            "algorithm.renewed_moments": "zero",
        },
    )
    | said("3.3: running averages, bias corrected", {"algorithm.utility_average": "corrected"})
    | ours("without Adam it is not used", {"algorithm.adam_bias_correction": "standard"})
)
STREAM = ours("all that torch does is float32", {"precision": "float32"}) | said(
    "1.2, 1.3: one pass without boundaries, nothing starts afresh",
    {"procedure.name": "task_stream", "procedure.reset": "none"},
)
