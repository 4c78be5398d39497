"""Recompute S1, S3 and the digits' numbers from the run files with h5py and numpy alone, and compare.

Usage: python tests/recompute.py results/laptop. Shares no code with the package, so that it checks it.
"""

import csv
import sys
from pathlib import Path

import h5py
import numpy as np

# Quantile 0.975 of Student's t for the numbers of seeds in use.
T_QUANTILE = {10: 2.262157, 30: 2.045230}


def read(root, experiment, variant, metric):
    """[seed, ...] of one variant, seeds in order."""
    found = {}
    for path in sorted((root / "runs" / experiment / variant).glob("seeds_*.h5")):
        with h5py.File(path) as file:
            found |= {name: group[metric][...] for name, group in file.items() if name.startswith("seed_")}
    return np.stack([found[name] for name in sorted(found)])


def interval(values):
    """Mean and 95 % interval over seeds."""
    n = len(values)
    half = T_QUANTILE[n] * values.std(ddof=1) / np.sqrt(n)
    return n, values.mean(), values.mean() - half, values.mean() + half


def numbers(root):
    """(name, n, mean, low, high, the ledger's row to agree with or None)."""
    study = "slowly_changing_regression"
    linear, relu = (read(root, study, v, "squared_error") for v in ("linear_0.003", "relu_0.01"))
    yield "S1 linear, whole stream", *interval(linear.mean(1)), "S1"
    yield "S3 ReLU 0.01, first bin", *interval(relu[:, 0]), None
    yield "S3 ReLU 0.01, last ten bins", *interval(relu[:, -10:].mean(1)), None
    yield "S3 ReLU - linear, 0 to 0.12 M", *interval((relu - linear)[:, :3].mean(1)), None
    yield "S3 ReLU - linear, 0.28 to 0.48 M", *interval((relu - linear)[:, 7:12].mean(1)), None
    yield "ReLU - linear, last ten bins", *interval((relu - linear)[:, -10:].mean(1)), None
    end, ten = {}, {}
    for name in ("backprop", "l2", "shrink_and_perturb", "cbp", "fresh"):
        accuracy = read(root, "permuted_digits", name, "online_accuracy")
        end[name], ten[name] = accuracy[:, -50:].mean(1), accuracy[:, 7:12].mean(1)
        best = np.convolve(accuracy.mean(0), np.ones(11) / 11, mode="valid").max()
        yield f"{name}, last 50 tasks (best 11 tasks: {best:.2f})", *interval(end[name]), None
    yield "CBP, last 50 - tasks 8 to 12", *interval(end["cbp"] - ten["cbp"]), "D2"
    yield "backprop - fresh, last 50", *interval(end["backprop"] - end["fresh"]), "D4"
    yield "CBP - fresh, last 50", *interval(end["cbp"] - end["fresh"]), "D5"


def main(root):
    """Print every number; end with 1 if one disagrees with the ledger."""
    with open(root / "claims.csv", newline="") as file:
        ledger = {row["id"]: row for row in csv.DictReader(file)}
    wrong = 0
    for name, n, *found, claim in numbers(root):
        row = ledger[claim] if claim else None
        agrees = row is None or (
            int(row["n"]) == n
            and np.allclose(
                found, [float(row[key]) for key in ("estimate", "low", "high")], rtol=1e-4, atol=1e-4
            )
        )
        wrong += not agrees
        mark = (
            "" if row is None else f"  agrees with {claim}" if agrees else f"  DISAGREES with {claim}: {row}"
        )
        print(f"{name:52s} n={n:<3d} {found[0]:9.4f} [{found[1]:.4f}, {found[2]:.4f}]{mark}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
