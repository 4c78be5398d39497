"""Class-incremental CIFAR-100: Fig. 2."""

from __future__ import annotations

from spec_rows import BETAS, CBP, L2, SHRINK_AND_PERTURB, Facts, Rows, Said, Table, ours, said

COMMON: Facts = (
    said("1.4: 450 train, 50 validation, 100 test images of a class", {"problem.train_per_class": 450})
    | said("1.4", {"problem.validation_per_class": 50, "problem.test_per_class": 100})
    | said("1.4: 5 classes an increment, 20 increments", {"problem.classes_per_task": 5, "length": 20})
    | said("1.4", {"problem.name": "class_incremental", "problem.side": 32, "precision": "float32"})
    | said("1.4: flip, pad 4 and crop, turn by up to 15 degrees", {"problem.flip": "on", "problem.crop": 4})
    | said("1.4", {"problem.rotation": 15.0})
    | said("1.4, B9: test images too", {"problem.augment_test": "on"})
    | said(
        "2.3: 64, 128, 256, 512; two blocks each",
        {"network.widths": [64, 128, 256, 512], "network.blocks": 2},
    )
    | said("2.3, B11: statistics of the batch where units are measured", {"network.probe": "batch"})
    | said("2.3", {"network.name": "resnet18", "procedure.name": "class_increments"})
    | said(
        "1.4: 200 epochs, batch 90, tested after each", {"procedure.epochs": 200, "procedure.batch_size": 90}
    )
    | said("1.4", {"procedure.test_every": 1})
    | said("1.4: 0.1, 0.02 from 60, 0.004 from 120, 0.0008 from 160", {"procedure.decay_at": [0.3, 0.6, 0.8]})
    | said("1.4", {"procedure.decay": 0.2, "algorithm.step_size": 0.1, "algorithm.momentum": 0.9})
    | said("1.4: all 100 outputs from the start", {"procedure.heads": "preallocated"})
    | said("1.4: back to the best validation", {"procedure.best_weights": "restored"})
    | said("1.4, B10: the best epoch", {"procedure.score": "max_epoch"})
    | said("1.4, B13: neither statistics nor momentum are cleared", {"procedure.reset_memory": "kept"})
    | said("4: 1000 images of the coming classes", {"procedure.probe_examples": 1000})
    | said("1.4", {"procedure.reset": "none", "algorithm.weight_decay": 5e-4})
)
KEPT: Facts = said("1.4", {"algorithm.momentum": 0.9, "algorithm.weight_decay": 5e-4})

FIGURE = Table(
    scale="paper",
    seeds=Said(30, "5: caption of Fig. 2 (15 in that of ED Fig. 1)"),
    common=COMMON,
    rows=(
        Rows(
            "base_{decay}",
            "6.1: CIFAR base",
            L2 | KEPT,
            {"decay": ("algorithm.weight_decay", "0.005 5e-4 5e-5")},
        ),
        Rows(
            "shrink_and_perturb_{noise}",
            "6.1: CIFAR S&P",
            SHRINK_AND_PERTURB | KEPT,
            {"noise": ("algorithm.noise_std", "1e-4 1e-5 1e-6")},
        ),
        Rows(
            "cbp_{maturity}_{rate}",
            "6.1: CIFAR CBP",
            CBP
            | BETAS
            | KEPT
            | said(
                "3.3: CIFAR",
                {
                    "algorithm.utility": "contribution",
                    "algorithm.utility_average": "running_sum",
                    "algorithm.count": "layer_width",
                    "algorithm.fraction": "accumulate",
                },
            ),
            {
                "maturity": ("algorithm.maturity_threshold", "1000 10000"),
                "rate": ("algorithm.replacement_rate", "1e-4 1e-5 1e-6"),
            },
        ),
        Rows("head", "1.4: head resetting", L2 | KEPT | said("1.4", {"procedure.reset": "head"}), {}),
        Rows("retrained", "1.4: retrained", L2 | KEPT | said("1.4", {"procedure.reset": "network"}), {}),
        Rows(
            "not_restored",
            "5b: C15",
            L2 | KEPT | ours("to judge C15", {"procedure.best_weights": "not_restored"}),
            {},
        ),
    ),
)

TABLES = {"class_incremental_cifar": FIGURE}
