"""PPO on the Ant, Fig. 4. Sections are those of the specification of the reinforcement-learning part."""

from __future__ import annotations

from spec_rows import BETAS, CBP, Facts, Rows, Said, Table, ours, said

PPO: Facts = (
    said("3: buffer of 2048 steps", {"procedure.name": "ppo", "procedure.rollout": 2048})
    | said("3: 10 epochs of mini-batches of 128", {"procedure.epochs": 10, "procedure.batch_size": 128})
    | said("3: gamma and lambda", {"procedure.discount": 0.99, "procedure.trace": 0.95})
    | said("3: clip 0.2, 1.0 times the value error", {"procedure.clip": 0.2, "procedure.value_weight": 1.0})
    | said("1.1: time-outs are terminal", {"procedure.time_out": "terminal"})
    | said("5: windows of 1000 steps", {"procedure.window": 1000})
)
ANT: Facts = (
    said("1.2: RK4", {"environment.name": "ant", "environment.integrator": "rk4"})
    | said("1.2: paid on the terminal step", {"environment.alive_at_end": "paid"})
    | said("1.2: 27 inputs, first layer of fan-in 111", {"environment.observation": "live"})
    | said("2: 256 and 256, ReLU, LeCun uniform", {"network.name": "mlp_lecun", "network.hidden": [256, 256]})
    | said("1.2, 2", {"network.activation": "relu", "network.first_fan_in": 111})
    | said("4: constant in Fig. 4", {"environment.frictions": "constant"})
    | said("1.3: not used", {"environment.friction_low": 0.02, "environment.friction_high": 2.0})
    | said("1.3: not used", {"environment.friction_steps": 2_000_000})
    | ours("the code's tensors", {"precision": "float32"})
)
STEP: Facts = said("3: learning rate 1e-4", {"algorithm.step_size": 1e-4})
TUNED: Facts = STEP | said("3.1: beta1 = beta2 = 0.99, eps 1e-8", {
    "algorithm.name": "adam", "algorithm.beta_1": 0.99, "algorithm.beta_2": 0.99, "algorithm.epsilon": 1e-8,
})  # fmt: skip
CONTINUAL: Facts = CBP | TUNED | said("3.1, 3.2: on Adam with decay 1e-4; a fraction is a chance; moments are kept", {
    "algorithm.name": "cbp", "algorithm.optimiser": "adam", "algorithm.weight_decay": 1e-4,
    "algorithm.replacement_rate": 1e-4, "algorithm.maturity_threshold": 10_000, "algorithm.utility": "contribution",
    "algorithm.fraction": "bernoulli", "algorithm.count": "eligible", "algorithm.renewed_moments": "kept",
})  # fmt: skip

TABLES = {
    "ant_early": Table(
        scale="paper",
        seeds=Said(3, "10: tier A, 2 or 3 runs; the figure has 30"),
        common=PPO | ANT | ours("10: tier A, the first of 50 million steps", {"length": 2_000_000}),
        rows=(
            Rows(
                "std",
                "3.1",
                BETAS | STEP | said("3.1", {"algorithm.name": "adam", "algorithm.weight_decay": 0.0}),
            ),
            Rows("ns", "3.1", TUNED | said("3.1", {"algorithm.weight_decay": 0.0})),
            Rows("l2", "3.1", TUNED | said("3.1", {"algorithm.weight_decay": 1e-3})),
            Rows("cbp", "3.1", CONTINUAL),
        ),
    )
}
