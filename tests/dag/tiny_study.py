"""A study so small that a table of accidents can be tried on it: two variants, two seeds, a figure, a claim."""

from __future__ import annotations

from pathlib import Path

from workflow_copy import ROOT

EXPERIMENT = """
title: Tiny
description: A test.
order: 1
problem: {{name: permuted_digits}}
network: {{name: mlp, hidden: [4], activation: relu}}
measures: {{online_accuracy: {{every: 1}}}}
scales:
  smoke: {{seeds: {seeds}, length: 3, variants: ["*"]}}
variants:
  slow:
    algorithm: {{name: backprop, step_size: {slow}}}
  fast:
    algorithm: {{name: backprop, step_size: 0.1}}
"""
CLAIMS = """
title: Tiny
windows:
  all: {last: 3, text: all three tasks}
headline: {metric: online_accuracy, window: all, better: higher}
claims:
  - id: T1
    statement: The larger step size learns faster.
    source: {figure: none, tag: a test}
    kind: ordinal
    parts:
      - label: fast minus slow
        statistic: {difference: [fast @ all, slow @ all]}
        band: {at_least: 0.01, why: a test}
"""
FIGURE = '''"""Both variants."""

from perennial.figures import _read, _style

TITLE, CAPTION = "Tiny", "A test."
PAIRS = [("tiny", "slow"), ("tiny", "fast")]


def needs(study):
    return PAIRS


def draw(metrics):
    figure, axes = _style.panels(1, 1)
    for colour, path in zip(("#000000", "#777777"), metrics.values()):
        _style.curve(axes[0, 0], _read.read(path, "online_accuracy"), colour)
    return figure
'''
CONFIG = "studies: [./mine]\nscale: smoke\ncheckpoint_seconds: 60\n"
LINKED = ("src", "rules", "envs", "Snakefile")


def make(folder: Path) -> Path:
    """A folder in which `snakemake` runs the tiny study with the repository's own code."""
    experiment = folder / "mine" / "tiny"
    (experiment / "figures").mkdir(parents=True)
    describe(folder)
    (experiment / "claims.yaml").write_text(CLAIMS)
    (experiment / "figures" / "both.py").write_text(FIGURE)
    (folder / "config.yaml").write_text(CONFIG)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    profile = folder / "profiles" / "default"
    profile.mkdir(parents=True)
    (profile / "profile.yaml").write_text((ROOT / "profiles/default/profile.yaml").read_text())
    return folder


def describe(folder: Path, seeds: int = 2, slow: float = 0.001) -> None:
    """Write the experiment's file."""
    text = EXPERIMENT.format(seeds=seeds, slow=slow)
    (folder / "mine" / "tiny" / "experiment.yaml").write_text(text)
