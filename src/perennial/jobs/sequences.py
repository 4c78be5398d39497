"""What each seed will meet: target networks, bit flips, permutations. The same for every algorithm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from perennial import registry
from perennial.files import identity, provenance, store
from perennial.problems import Arrays


def make_block(settings: dict[str, Any], seeds: list[int], output: Path, code: str = "") -> None:
    """Write the sequences of a block of seeds.

    Args:
        settings: `problem` or `environment` (name and settings) and `length`.
        seeds: one group `seed_0007` each.
        output: the HDF5 file to write.
        code: hash of the code that draws them.
    """
    module, choices = registry.world(settings)

    def fill(file: Any) -> None:
        file.attrs.update({part: settings[part]["name"] for part in registry.WORLDS if part in settings})
        file.attrs["length"] = settings["length"]
        for seed in seeds:
            group = file.create_group(f"seed_{seed:04d}")
            for key, array in module.sequence(choices, seed, settings["length"]).items():
                group.create_dataset(key, data=array, compression="gzip", shuffle=True)
        provenance.finish(file, provenance.record("sequences", _met(settings), code, {}))
        file.attrs.update(identity.attributes("", "", seeds))

    store.write(Path(output), fill)


def check_settings(paths: list[Path], settings: dict[str, Any]) -> None:
    """Whether files hold the sequences that runs of these settings meet.

    Raises:
        store.BadFile: a file is damaged, or holds others.
    """
    for path in paths:
        with store.open_checked(path) as file:
            if reason := identity.mismatch(file.attrs, "sequences", settings=_met(settings)):
                raise store.BadFile(f"{path}: {reason}")


def _met(settings: dict[str, Any]) -> dict[str, Any]:
    """Of a variant's settings, those that determine its sequences."""
    return {key: settings[key] for key in (*registry.WORLDS, "length") if key in settings}


def read(paths: list[Path], seeds: list[int]) -> list[Arrays]:
    """The sequences of `seeds`, in that order, from the files that hold them.

    Raises:
        store.BadFile: a file is damaged, or no file holds a seed.
    """
    found: dict[int, Arrays] = {}
    for path in paths:
        with store.open_checked(path) as file:
            for seed in seeds:
                if (name := f"seed_{seed:04d}") in file:
                    found[seed] = {key: data[...] for key, data in file[name].items()}
    missing = [seed for seed in seeds if seed not in found]
    if missing:
        raise store.BadFile(f"no sequences of seeds {missing} in {', '.join(map(str, paths)) or 'no file'}")
    return [found[seed] for seed in seeds]
