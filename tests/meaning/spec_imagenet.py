"""Continual ImageNet: Fig. 1b and 1c."""

from __future__ import annotations

from spec_rows import BACKPROP, CBP, L2, SHRINK_AND_PERTURB, Facts, Rows, Said, Table, ours, said

MOMENTUM: Facts = said("1.1, 3.1: SGD with momentum 0.9", {"algorithm.momentum": 0.9})
COMMON: Facts = (
    said(
        "1.1: 1000 classes; of each the first 600 images train, the last 100 test", {"problem.classes": 1000}
    )
    | said("1.1", {"problem.train_per_class": 600, "problem.test_per_class": 100})
    | said("1.1: recommended generator", {"problem.sequence": "blockwise_norepeat"})
    | said("1.1: value scale, minus a mean image; float32", {"problem.centring": "mean_image"})
    | said("1.1", {"problem.name": "continual_imagenet", "precision": "float32"})
    | said("1.1: 250 epochs of mini-batches of 100", {"procedure.epochs": 250, "procedure.batch_size": 100})
    | said("1.1: the head starts from 0 before every task", {"procedure.reset": "head"})
    | said("1.1, B7: not its momentum", {"procedure.name": "task_epochs", "procedure.head_velocity": "kept"})
    | said("1.1: the figures use the last epoch's test accuracy", {"measures.test_accuracy.every": 1})
)
CONVNET: Facts = said(
    "2.1: 32, 64, 128 channels, then 128 and 128 units",
    {"network.name": "convnet", "network.channels": [32, 64, 128], "network.hidden": [128, 128]},
)
LINEAR: Facts = said(
    "1.1: softmax regression on the 3072 inputs", {"network.name": "mlp", "network.hidden": []}
) | ours("without hidden units it is not used", {"network.activation": "relu"})
# 1.1: the authors record the accuracy after every epoch of every task.
SPARSE: Facts = ours("every 50th task of so many is enough", {"measures.test_accuracy_by_epoch.every": 50})
TASKS_2000: Facts = said("1.1, 5: 2000 tasks for backpropagation", {"length": 2000})
TASKS_5000: Facts = said("1.1, 5: 5000 tasks for the methods", {"length": 5000})
DECAYS = ("algorithm.weight_decay", "3e-5 1e-5 3e-6 1e-6")


def steps(values: str) -> tuple[str, str]:
    return "algorithm.step_size", values


FIGURE = Table(
    scale="paper",
    # 6.1 has 30 runs of what Fig. 1 shows, and 10 of the rest of each grid; here all have 30.
    seeds=Said(30, "6.1: runs of the settings that are shown"),
    common=COMMON | SPARSE,
    rows=(
        Rows(
            "backprop_{step}",
            "6.1: BP (its grid is not fully known: 0.03 is marked as doubtful)",
            CONVNET | BACKPROP | MOMENTUM | TASKS_2000,
            {"step": steps("0.1 0.01 0.003 0.001 1e-4")},
        ),
        Rows(
            "l2_{step}_{decay}",
            "6.1: L2",
            CONVNET | L2 | MOMENTUM | TASKS_5000,
            {"step": steps("0.1 0.03 0.01 0.003"), "decay": DECAYS},
        ),
        Rows(
            "shrink_and_perturb_{step}_{decay}_{noise}",
            "6.1: S&P",
            CONVNET | SHRINK_AND_PERTURB | MOMENTUM | TASKS_5000,
            {
                "step": steps("0.03 0.01"),
                "decay": DECAYS,
                "noise": ("algorithm.noise_std", "1e-4 1e-5 1e-6 1e-7"),
            },
        ),
        Rows(
            "cbp_{step}_{rate}",
            "6.1: CBP",
            CONVNET
            | CBP
            | MOMENTUM
            | TASKS_5000
            | said("3.3, 6.1: ImageNet, m = 100", {"algorithm.maturity_threshold": 100})
            | said(
                "3.3: ImageNet",
                {"algorithm.utility": "adaptable_contribution", "algorithm.fraction": "accumulate"},
            )
            | said("3.3, B5: convGnT counts the layer's width", {"algorithm.count": "layer_width"}),
            {
                "step": steps("0.03 0.01"),
                "rate": ("algorithm.replacement_rate", "0.003 0.001 3e-4 1e-4 3e-5"),
            },
        ),
        Rows(
            "linear",
            "1.1: linear baseline",
            LINEAR
            | BACKPROP
            | MOMENTUM
            | said("1.1: constant over all tasks of the figure", {"length": 2000})
            | ours("1.1, 9.2: not given; tried on 40 tasks", {"algorithm.step_size": 0.001}),
        ),
        Rows(
            "fresh",
            "5b: I12, I15",
            CONVNET
            | BACKPROP
            | MOMENTUM
            | said("6.1: chosen step size of BP", {"algorithm.step_size": 0.01})
            | ours(
                "a network on its first task, 50 times, for the article compares with one",
                {"procedure.reset": "network", "length": 50, "measures.test_accuracy_by_epoch.every": 1},
            ),
        ),
    ),
)

FIRST_TASKS = Table(
    scale="laptop",
    seeds=Said(5, "ours: what two processors can train in hours; 30 in Fig. 1b left"),
    common=COMMON
    | ours(
        "7: the images at hand, 284 classes of 500 and 50",
        {"problem.classes": 284, "problem.train_per_class": 500, "problem.test_per_class": 50},
    )
    | said("5: Fig. 1b left, tasks 1 to 10", {"length": 10})
    | said("1.1: after every epoch", {"measures.test_accuracy_by_epoch.every": 1}),
    rows=(
        Rows("backprop_{step}", "5: Fig. 1b left", CONVNET | BACKPROP | MOMENTUM, {"step": steps("0.01")}),
    ),
)

TABLES = {"continual_imagenet": FIGURE, "continual_imagenet_first_tasks": FIRST_TASKS}
