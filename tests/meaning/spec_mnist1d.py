"""MNIST-1D: benchmark, learned step size, double descent, pooling, by the sections of this study's specification."""

from __future__ import annotations

from spec_rows import BETAS, Facts, Rows, Said, Table, ours, said

DATA: Facts = said(
    "1.1: defaults of the generator",
    {
        "problem.name": "mnist1d",
        "problem.num_samples": 5000,
        "problem.train_split": 0.8,
        "problem.template_len": 12,
        "problem.padding": [36, 60],
        "problem.scale_coeff": 0.4,
        "problem.max_translation": 48,
        "problem.corr_noise_scale": 0.25,
        "problem.iid_noise_scale": 0.02,
        "problem.shear_scale": 0.75,
        "problem.shuffle_seq": False,
        "problem.final_seq_length": 40,
        "problem.seed": 42,
        "problem.label_noise": 0.0,
        "problem.arrangement": "as_made",
        "problem.second_seed": None,
    },
) | ours("not used unless positions are permuted", {"problem.permutation_seed": 42})
SHUFFLED: Facts = said(
    "3.1: the columns of train and test by the seed-42 permutation", {"problem.arrangement": "permuted"}
)
LOOP: Facts = said(
    "2: contiguous slices of 100 in order, evaluated every 250 steps",
    {
        "procedure.name": "supervised",
        "procedure.batch_size": 100,
        "procedure.batches": "sequential",
        "measures.test_accuracy.every": 250,
        "precision": "float32",
    },
)
ADAM: Facts = BETAS | said(
    "2: Adam, step size 0.01, no weight decay",
    {"algorithm.name": "adam", "algorithm.step_size": 0.01, "algorithm.weight_decay": 0.0},
)
BENCHMARK: Facts = DATA | LOOP | ADAM | said("3.1, 2: steps 0 to 6000", {"length": 6001})
MLP: Facts = said(
    "3.1, 0.8: 40-100-100-10, the second hidden layer residual",
    {
        "network.name": "residual_mlp",
        "network.hidden": [100, 100],
        "network.residual": True,
        "network.activation": "relu",
    },
)
LOGISTIC: Facts = (
    MLP
    | said("3.1: linear", {"network.hidden": []})
    | ours("without hidden layers not used", {"network.residual": True})
)
CNN: Facts = said(
    "3.1: 25 channels, kernels 5, 3, 3, stride 2, padding 1",
    {
        "network.name": "conv1d",
        "network.channels": [25, 25, 25],
        "network.kernels": [5, 3, 3],
        "network.stride": 2,
        "network.padding": 1,
        "network.pool": "none",
    },
)
GRU: Facts = said("3.1: bidirectional, hidden 6", {"network.name": "gru", "network.hidden": 6})
SEEDS = Said(10, "ours: at least 5; published are one to three runs")

MODELS = Table(
    scale="paper",
    seeds=SEEDS,
    common=BENCHMARK,
    rows=(Rows("logistic", "3.1", LOGISTIC), Rows("mlp", "3.1", MLP), Rows("cnn", "3.1", CNN)),
)
PRIORS = Table(
    scale="paper",
    seeds=SEEDS,
    common=BENCHMARK | SHUFFLED,
    rows=(
        Rows("logistic_shuffled", "3.1", LOGISTIC),
        Rows("mlp_shuffled", "3.1", MLP),
        Rows("cnn_shuffled", "3.1", CNN),
    ),
)
RECURRENT = Table(
    scale="paper",
    seeds=SEEDS,
    common=BENCHMARK | GRU,
    rows=(Rows("gru", "3.1", {}), Rows("gru_shuffled", "3.1", SHUFFLED)),
)
LEARNED = Table(
    scale="paper",
    seeds=SEEDS,
    common=DATA
    | said(
        "3.9: 40-50-10, tanh",
        {"network.name": "residual_mlp", "network.hidden": [50], "network.activation": "tanh"},
    )
    | ours("with one hidden layer not used", {"network.residual": True})
    | said(
        "3.9: batch 50, 200 steps of plain SGD, torch seed, the same first weights in every outer step",
        {
            "procedure.name": "unrolled",
            "procedure.batch_size": 50,
            "procedure.inner_updates": 200,
            "procedure.first_weights": "torch",
            "algorithm.name": "backprop",
            "algorithm.momentum": 0.0,
            "precision": "float32",
        },
    ),
    rows=(
        Rows(
            "from_{begin}",
            "3.9: two trials",
            said(
                "3.9: outer step size 0.3, 50 outer steps", {"procedure.outer_step_size": 0.3, "length": 50}
            ),
            {"begin": ("algorithm.step_size", "1.5 0.15")},
        ),
        Rows(
            "fixed_{step}",
            "4, M35: grid search (ours: its points)",
            ours("the step size stays, one inner training", {"procedure.outer_step_size": 0.0, "length": 1}),
            {"step": ("algorithm.step_size", "0.32 0.52 0.62 0.72 1.02")},
        ),
    ),
)

DESCENT: Facts = (
    DATA
    | LOOP
    | said(
        "3.7: 16000 samples, a quarter for training",
        {"problem.num_samples": 16000, "problem.train_split": 0.25},
    )
    | said("3.7: 500 epochs of 40 reshuffled batches", {"procedure.batches": "reshuffled", "length": 20000})
    | said(
        "3.7: SGD 0.01, momentum 0.9",
        {"algorithm.name": "backprop", "algorithm.step_size": 0.01, "algorithm.momentum": 0.9},
    )
    | said("3.7: errors after training", {"measures.test_accuracy.every": 19999})
)
NOISE: Facts = said("3.7: 15 % of the training labels are drawn anew", {"problem.label_noise": 0.15})
PLAIN_MLP: Facts = said("3.7: 40-h-h-10, ReLU, not residual", {"network.name": "residual_mlp"}) | said(
    "3.7", {"network.residual": False, "network.activation": "relu"}
)
WIDTHS = (2, 3, 4, 5, 7, 9, 12, 16, 21, 27, 36, 47, 61, 80, 104, 135, 177, 230, 300)
CHANNELS = (*range(2, 30, 2), *range(30, 105, 5))
DOUBLE_DESCENT = Table(
    scale="paper",
    seeds=Said(5, "ours: at least 5; published is one run each"),
    common=DESCENT,
    rows=(
        *(
            Rows(f"clean_mlp_{h}x{h}", "3.7", PLAIN_MLP | said("3.7", {"network.hidden": [h, h]}))
            for h in WIDTHS
        ),
        *(
            Rows(f"noisy_mlp_{h}x{h}", "3.7", PLAIN_MLP | NOISE | said("3.7", {"network.hidden": [h, h]}))
            for h in WIDTHS
        ),
        *(
            Rows(
                f"noisy_cnn_{c}x{c}x{c}",
                "3.7",
                CNN | NOISE | said("3.7: as 3.1", {"network.channels": [c, c, c]}),
            )
            for c in CHANNELS
        ),
    ),
)


def pooled(examples: int, **network: object) -> Facts:
    """A size of the pooling benchmark: n for training, 1,000 for tests."""
    total = examples + 1000
    data = {"problem.num_samples": total, "problem.train_split": 1 - 1000 / total}
    own = {"channels": [20, 20], "kernels": [3, 3], "stride": 1, "padding": 1, "pool": "none", **network}
    return said(
        "3.11", data | {"network.name": "conv1d"} | {f"network.{key}": value for key, value in own.items()}
    )


MODELS_POOLED: dict[str, dict[str, object]] = {
    "no_pool": {},
    "stride_2": {"stride": 2},
    "max": {"pool": "max"},
    "average": {"pool": "average"},
    "l2": {"pool": "l2"},
}
POOLING = Table(
    scale="paper",
    seeds=Said(5, "ours: at least 5; published is one seed"),
    common=BENCHMARK | said("3.11: evaluated every 100 steps", {"measures.test_accuracy.every": 100}),
    rows=tuple(
        Rows(f"{name}_{examples}", "3.11", pooled(examples, **own))
        for name, own in MODELS_POOLED.items()
        for examples in (1000, 2000, 5000, 10000, 20000, 50000)
    ),
)

FEW = [
    *(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.78, 0.8, 0.82, 0.84, 0.86, 0.88, 0.9, 91 / 99),
    *(0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99),
]
SEARCH: Facts = (
    DATA
    | BETAS
    | MLP
    | said("3.2: hidden size 500", {"network.hidden": [500, 500]})
    | said(
        "3.2: lr 2e-2", {"algorithm.name": "adam", "algorithm.step_size": 0.02, "algorithm.weight_decay": 0.0}
    )
    | said(
        "3.2: 1502 updates of 100 examples; step 1000 is scored",
        {
            "procedure.name": "lottery_ticket",
            "procedure.updates": 1502,
            "procedure.batch_size": 100,
            "procedure.prune_from": "step_1000",
            "precision": "float32",
        },
    )
    | said(
        "3.3: batch 500, steps 0 to 6000",
        {"procedure.transfer_batch": 500, "procedure.transfer_updates": 6001},
    )
    | said("3.2: smallest first", {"procedure.score": "magnitude"})
    | said("3.5, 0.4", {"procedure.adjacency": "as_published"})
    | said("3.6: the runs of 2020", {"procedure.seeded": "2020"})
)
ALONE: Facts = ours("there is none", {"procedure.transfer": False})
AT_25: Facts = ours(
    "5: 25 sparsities, with the 92 % point",
    {"procedure.sparsities": FEW, "procedure.ticket": 16, "length": 25},
)
AT_100: Facts = said(
    "3.2: i/99, i = 0 to 99; s_91 is the ticket",
    {"procedure.sparsities": [], "procedure.ticket": 91, "length": 100},
)
RANDOM: Facts = said("3.2: fresh uniform numbers every round", {"procedure.score": "random"})
LOTTERY = Table(
    scale="paper",
    seeds=Said(5, "ours: at least 5; published are two trials"),
    common=SEARCH | ALONE,
    rows=(
        Rows("magnitude", "3.2", AT_25),
        Rows("random", "3.2", AT_25 | RANDOM),
        Rows("magnitude_100", "3.2", AT_100),
        Rows("random_100", "3.2", AT_100 | RANDOM),
    ),
)
TO_TICKET: Facts = ours("the rounds up to the ticket's", {"length": 17})
TRANSFER = Table(
    scale="paper",
    seeds=Said(10, "3.6: at least 5 settle the contested panel; published are two trials"),
    common=SEARCH | said("3.3: new data, seed 43", {"problem.second_seed": 43, "procedure.transfer": True}),
    rows=(
        Rows("rewound", "3.3 to 3.5", AT_25 | TO_TICKET),
        Rows(
            "unrelated", "3.6: the run of 2024", AT_25 | TO_TICKET | said("0.1", {"procedure.seeded": "2024"})
        ),
        Rows("rewound_100", "3.3 to 3.5", AT_100 | ours("the rounds up to the ticket's", {"length": 92})),
    ),
)

PIXELS = Table(
    scale="paper",
    seeds=Said(3, "ours: nothing depends on chance"),
    common=DATA
    | LOGISTIC
    | ADAM
    | said(
        "3.12, 3.13: only the data matter",
        {"procedure.name": "supervised", "procedure.batch_size": 100, "procedure.batches": "sequential"},
    )
    | ours("one update, which is not looked at", {"length": 1, "precision": "float32"}),
    rows=(Rows("pixels", "3.12, 3.13", {}),),
)

TABLES = {
    "raw_pixels": PIXELS,
    "lottery_tickets": LOTTERY,
    "ticket_transfer": TRANSFER,
    "double_descent": DOUBLE_DESCENT,
    "pooling": POOLING,
    "model_benchmark": MODELS,
    "spatial_priors": PRIORS,
    "recurrent_benchmark": RECURRENT,
    "learned_step_size": LEARNED,
}
