"""What checkpoints cost at the default interval: each block below is trained for some minutes, then stopped.

    PERENNIAL_DATA=folder python benchmarks/checkpoint_cost.py [--minutes 3.5] [rows]

Writes benchmarks/checkpoint_cost.md with all rows, or prints the named ones. Rows of MNIST need its images.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import perennial.one_thread  # noqa: F401  first: the numerical libraries read it when they are imported
from perennial import config, datasets, registry
from perennial.files import provenance
from perennial.jobs import checkpoint, sequences, stopping, training
from perennial.learning import engines

PAGE = Path(__file__).with_name("checkpoint_cost.md")
#: row -> experiment, variant, engine, seeds of the block
ROWS = {
    "regression": ("slowly_changing_regression", "relu_cbp_1e-4", "fused", 1000),
    "digits": ("permuted_digits", "cbp", "fused", 30),
    "digits_stacked": ("permuted_digits", "cbp", "stacked", 30),
    "mnist_100": ("permuted_mnist_width", "width_100", "fused", 10),
    "mnist_2000": ("permuted_mnist", "backprop_0.003", "fused", 1),
    "mnist_2000_adam": ("permuted_mnist", "adam_5e-5", "fused", 1),
    "mnist_2000_stacked": ("permuted_mnist", "backprop_0.003", "stacked", 10),
}


def row(study: config.Study, name: str, minutes: float) -> str:
    """Train one block for so long at the config's own interval: a line of the table."""
    experiment, variant, engine, count = ROWS[name]
    settings, seeds = study.settings(experiment, variant), list(range(count))
    dataset = registry.module("problems", settings["problem"]["name"]).DATASET
    with tempfile.TemporaryDirectory(prefix="cost-") as folder:
        met, data, kept_in = Path(folder, "met.h5"), Path(folder, "data.h5"), Path(folder, "checkpoints")
        sequences.make_block({key: settings[key] for key in ("problem", "length")}, seeds, met)
        if dataset:
            datasets.make(dataset, data, os.environ.get("PERENNIAL_DATA"))
        with checkpoint.opened(kept_in, {"settings": settings}, study.checkpoint_seconds) as kept:
            begin, cpu = time.monotonic(), time.process_time()
            clock = threading.Timer(60 * minutes, lambda: setattr(kept.request, "signal", "the clock"))
            clock.daemon = True
            clock.start()
            chosen_device, source = engines.device_of(engine, "cpu"), data if dataset else None
            try:
                training.train(settings, seeds, [met], source, engine, 1, name, chosen_device, kept)
                sys.exit(f"{name}: done before {minutes} minutes; it needs more seeds")
            except stopping.Stopped:
                elapsed = time.monotonic() - begin
            sizes = [path.stat().st_size for path in kept.files()]
        used, took = (time.process_time() - cpu) / 60, kept.saving / kept.saves
    share = 100 * took * (kept.saves - 1) / elapsed  # the last save was the stop's
    return (
        f"| {experiment}/{variant}, {engine} | {count} | {used:.1f} min | {kept.saves} | {took:.2g} s | "
        f"{max(sizes) / 1e6:.2g} MB | {share:.2g} % |"
    )


def main() -> None:
    """Measure and write the page, or print the rows that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}; all when left out")
    parser.add_argument("--minutes", type=float, default=3.5)
    options = parser.parse_args()
    study = config.load(Path(__file__).parents[1] / "config.yaml", scale="paper")
    head = [
        "# What checkpoints cost",
        "",
        f"Made by `python benchmarks/checkpoint_cost.py`: each block trained for {options.minutes:g} minutes with a",
        f"save every {study.checkpoint_seconds:g} s and one at the stop; the share of wall time that saving took.",
        "",
        f"Machine: {provenance.device()}.",
        "",
        "| block | runs | processor | saves | a save | file | share of the time |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    print("\n".join(head[-2:]), flush=True)
    lines = []
    for name in options.rows or ROWS:
        lines.append(row(study, name, options.minutes))
        print(lines[-1], flush=True)
    if not options.rows:
        PAGE.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
