"""Sequences of pairs of classes, one pair a task, as Continual ImageNet meets them.

The first tasks of a long sequence are the tasks of a shorter one. Which of the two comes first is random too.
"""

from __future__ import annotations

from math import comb

import numpy as np

from perennial import streams
from perennial.settings import Unfit

PAIRS, PARTNERS, SIDES = range(3)  # layers of the sequence stream
TRIES = 100  # permutations given up before a block of new pairs counts as impossible

Pair = tuple[int, int]


def pairs(how: str, seed: int, tasks: int, classes: int) -> np.ndarray:
    """[task, 2] uint16.

    Args:
        how: blockwise_norepeat, iid_norepeat or cycle500.
        seed: of the run.
        tasks: number of tasks.
        classes: there are.

    Raises:
        Unfit: there are not that many pairs, or none is left that keeps to the rule.
    """
    if how == "cycle500":
        block = _shuffled(seed, 0, 0, classes)
        found = np.resize(block, (tasks, 2))  # repeats from the start
    else:
        if tasks > comb(classes, 2):
            raise Unfit(
                f"continual_imagenet: {tasks} tasks are asked for, but {classes} classes make only "
                f"{comb(classes, 2)} different pairs"
            )
        found = (_blockwise if how == "blockwise_norepeat" else _independent)(seed, tasks, classes)
    return found.astype(np.uint16)


def _independent(seed: int, tasks: int, classes: int) -> np.ndarray:
    """[task, 2]: the first of all pairs, in random order."""
    first, second = np.triu_indices(classes, 1)  # [pair]
    chosen = streams.permutation(streams.Address(streams.SEQUENCE, seed, layer=PAIRS), len(first))[:tasks]
    found = np.stack([first[chosen], second[chosen]], axis=1)
    swap = streams.words(streams.Address(streams.SEQUENCE, seed, layer=SIDES), tasks) & 1 == 1
    return np.where(swap[:, None], found[:, ::-1], found)


def _blockwise(seed: int, tasks: int, classes: int) -> np.ndarray:
    """[task, 2]: blocks in which every class comes once (of an odd number one is left out), and no pair twice."""
    met: set[Pair] = set()
    blocks: list[np.ndarray] = []
    size = classes // 2
    while len(blocks) * size < tasks:
        block = _new_pairs(seed, len(blocks), classes, met)
        if block is None:
            raise Unfit(
                f"continual_imagenet: sequence: blockwise_norepeat found {len(blocks) * size} tasks of {classes} "
                f"classes, but {tasks} are asked for; ask for fewer, or for iid_norepeat"
            )
        met |= set(map(_unordered, block.tolist()))
        blocks.append(block)
    return np.concatenate(blocks)[:tasks]


def _new_pairs(seed: int, index: int, classes: int, met: set[Pair]) -> np.ndarray | None:
    """[task, 2] of a block: a random permutation, paired, in which pairs that were met exchange their partners.

    Drawing the whole permutation anew for one pair that was met would do as well, but not within a lifetime: with
    284 classes and 5,000 tasks the last block would take about e^17 of them.
    """
    for attempt in range(TRIES):
        block = _shuffled(seed, index, attempt, classes)
        if _exchange(block, met, streams.Address(streams.SEQUENCE, seed, index, attempt, PARTNERS)):
            return block
    return None


def _exchange(block: np.ndarray, met: set[Pair], address: streams.Address) -> bool:
    """Give each pair that was met another partner, from the first other pair, in random order, with which that works.

    Changes the block [task, 2] in place. False when a pair finds none.
    """
    again = [k for k, pair in enumerate(block.tolist()) if _unordered(pair) in met]
    draws = streams.words(address, len(again) * len(block)).reshape(len(again), len(block))
    for k, draw in zip(again, draws, strict=True):
        if _unordered(block[k]) not in met:
            continue  # an exchange with an earlier one helped this one too
        for other in np.argsort(draw, kind="stable"):
            mine, theirs = (block[k, 0], block[other, 1]), (block[other, 0], block[k, 1])
            if other != k and _unordered(mine) not in met and _unordered(theirs) not in met:
                block[[k, other], 1] = block[[other, k], 1]
                break
        else:
            return False
    return True


def _shuffled(seed: int, index: int, attempt: int, classes: int) -> np.ndarray:
    """[task, 2]: a permutation of the classes, paired."""
    address = streams.Address(streams.SEQUENCE, seed, task=index, step=attempt, layer=PAIRS)
    return streams.permutation(address, classes)[: classes // 2 * 2].reshape(-1, 2)


def _unordered(pair: np.ndarray | list[int] | Pair) -> Pair:
    first, second = int(pair[0]), int(pair[1])
    return (first, second) if first < second else (second, first)
