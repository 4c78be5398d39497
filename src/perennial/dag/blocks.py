"""Plan blocks of seeds around what is finished on disk.

A block is a file `seeds_{first}-{last}.h5`. Finished blocks are kept as they are; only seeds that no finished
block covers are cut into new ones. So more seeds, or another block size, never touch finished work.
New blocks never overlap finished ones. That makes the plan stable: it does not change while its own blocks
get finished, and a process that plans later (a cluster job) finds the same blocks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from perennial.files import seams, store

Block = tuple[int, int]  #: first and last seed, both included

NAME = re.compile(r"seeds_(\d+)-(\d+)\.h5")


def file_name(block: Block) -> str:
    """`seeds_0-29.h5`."""
    return f"seeds_{block[0]}-{block[1]}.h5"


def seeds_of(block: Block) -> range:
    """All seeds of a block."""
    return range(block[0], block[1] + 1)


def parse(text: str) -> Block:
    """`0-29` -> (0, 29)."""
    first, last = text.split("-")
    return int(first), int(last)


def finished(folder: Path) -> list[Block]:
    """The blocks in a folder, by their file names alone."""
    found = (NAME.fullmatch(path.name) for path in Path(folder).glob("seeds_*.h5"))
    return sorted((int(m[1]), int(m[2])) for m in found if m)


def cut(seeds: Collection[int], size: int) -> list[Block]:
    """Consecutive runs of at most `size` seeds."""
    blocks: list[Block] = []
    for seed in sorted(set(seeds)):
        if blocks and seed == blocks[-1][1] + 1 and len(seeds_of(blocks[-1])) < size:
            blocks[-1] = (blocks[-1][0], seed)
        else:
            blocks.append((seed, seed))
    return blocks


def keep(found: Iterable[Block], wanted: Collection[int]) -> list[Block]:
    """The finished blocks that are needed to cover the wanted seeds, the widest first where they overlap."""
    kept: list[Block] = []
    open_seeds = set(wanted)
    for block in sorted(found, key=_widest_first):
        if open_seeds & set(seeds_of(block)):
            kept.append(block)
            open_seeds -= set(seeds_of(block))
    return kept


def plan(found: Iterable[Block], seeds: Collection[int], size: int) -> list[Block]:
    """Blocks that cover `seeds`: finished ones as they are, the rest cut anew.

    Args:
        found: the finished blocks, from `finished`.
        seeds: the wanted seeds.
        size: the most seeds of a new block.

    Returns:
        blocks in the order of their seeds. A finished block may hold more seeds than were wanted.
    """
    kept = keep(found, seeds)
    covered = {seed for block in kept for seed in seeds_of(block)}
    return sorted(kept + cut(set(seeds) - covered, size))


def plan_along(found: Iterable[Block], blocks: Iterable[Block]) -> list[Block]:
    """Blocks that cover all `blocks`, cut along them where nothing is finished.

    Sequences are planned along the blocks that read them. If the sequences are deleted, the same files are
    planned again whatever the block size is now, so the inputs of finished runs do not change.
    """
    blocks = sorted(blocks, key=_widest_first)
    kept = keep(found, {seed for block in blocks for seed in seeds_of(block)})
    covered = {seed for block in kept for seed in seeds_of(block)}
    new: list[Block] = []
    for block in blocks:
        missing = set(seeds_of(block)) - covered
        new += cut(missing, size=len(missing))
        covered |= missing
    return sorted(kept + new)


def overlapping(blocks: Iterable[Block], block: Block) -> list[Block]:
    """Those of `blocks` that share a seed with `block`."""
    return [other for other in blocks if other[0] <= block[1] and block[0] <= other[1]]


def bad_files(folder: Path) -> dict[Path, str]:
    """The block files in a folder whose end mark is missing or wrong, each with the reason."""
    paths = (Path(folder) / file_name(block) for block in finished(folder))
    return {path: reason for path in paths if (reason := store.check(path))}


def set_aside_bad(folder: Path, dry_run: bool, say: Callable[[str], object] = print) -> list[Path]:
    """Rename the bad block files of a folder to `.bad`, or only report them in a dry run.

    Args:
        say: is given one line for each bad file.

    Returns:
        the bad files, under their old names.
    """
    bad = bad_files(folder)
    for path, reason in bad.items():
        block = NAME.fullmatch(path.name)
        assert block is not None
        set_aside(path, reason, f"seeds {block[1]} to {block[2]} will be made again", dry_run, say)
    return list(bad)


def set_aside(
    path: Path, reason: str, then: str, dry_run: bool, say: Callable[[str], object] = print
) -> None:
    """Rename one bad file to `.bad`, or only report it in a dry run.

    Args:
        then: what follows from it, for people.

    Raises:
        store.CannotWrite: it cannot be renamed.
    """
    if dry_run:
        say(f"{path}: {reason}; a real run sets it aside, {then}")
        return
    aside = path.with_name(path.name + ".bad")
    try:
        seams.reach("blocks.before_set_aside", path)
        path.replace(aside)
        seams.reach("blocks.set_aside", path)
    except OSError as error:
        raise store.CannotWrite(aside, error, f"{path.name} {reason}; delete it") from None
    say(f"{path}: {reason}; set aside as {aside.name}, {then}")


def _widest_first(block: Block) -> tuple[int, int]:
    return block[0], -block[1]
