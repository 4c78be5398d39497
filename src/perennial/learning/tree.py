"""The one walker over nested dicts: parameters, optimiser memories and snapshots are all trees of arrays or tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Tree = Any  #: nested dicts with text keys; leaves are numpy arrays or tensors


def each(function: Callable[..., Any], *trees: Tree) -> Tree:
    """A tree of what `function` makes of the leaves of one tree, or of several with the same keys."""
    if isinstance(trees[0], dict):
        return {key: each(function, *(tree[key] for tree in trees)) for key in trees[0]}
    return function(*trees)


def leaves(tree: Tree, path: str = "") -> Iterator[tuple[str, Any]]:
    """(`/weights/bias_0`, leaf) of every leaf, sorted by name at each level."""
    if isinstance(tree, dict):
        for key in sorted(tree):
            yield from leaves(tree[key], f"{path}/{key}")
    else:
        yield path, tree


def joined(trees: list[Tree]) -> Tree:
    """Trees of arrays joined along their first axis, r. Always a copy."""
    return each(lambda *arrays: np.concatenate(arrays), *trees)


def stacked(trees: list[Tree]) -> Tree:
    """Trees of single runs, without an axis r, as one tree with it."""
    return each(lambda *arrays: np.stack(arrays), *trees)


def run_of(tree: Tree, run: int) -> Tree:
    """One run of a tree of arrays, axis r of length 1."""
    return each(lambda array: np.ascontiguousarray(array[run : run + 1]), tree)


def numbers(tree: Tree) -> Tree:
    """Tensors as numpy arrays on the host, copied."""
    return each(lambda tensor: tensor.detach().cpu().numpy().copy(), tree)
