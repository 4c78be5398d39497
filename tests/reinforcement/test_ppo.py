"""PPO: acting and learning against a plain loop with torch.optim; resumed to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from perennial import registry, streams
from perennial.learning import tree
from perennial.procedures import Group, _gaussian, _rollout, ppo
from perennial.settings import Unfit

ADAM = {
    "name": "adam",
    "step_size": 1e-3,
    "beta_1": 0.9,
    "beta_2": 0.99,
    "weight_decay": 1e-2,
    "epsilon": 1e-8,
}
CBP = {
    **ADAM, "name": "cbp", "optimiser": "adam", "utility": "contribution", "fraction": "bernoulli",
    "renewed_moments": "kept", "replacement_rate": 0.05, "maturity_threshold": 5,
}  # fmt: skip
REDO = {**ADAM, "name": "redo", "optimiser": "adam", "threshold": 0.5, "period": 3}
SMALL = {"rollout": 64, "batch_size": 16, "epochs": 2, "window": 20}
MEASURES = {
    "episodic_return": 100, "seldom_active_units": 60, "stable_rank_of_last": 60,
    "weight_magnitude_of_second": 20, "log_std": 20, "weight_change": 128,
}  # fmt: skip


def canonical(kind: str, own: dict) -> dict:
    return {"name": own["name"], **registry.parse(kind, own).model_dump()}


def settings(algorithm=ADAM, environment="pendulum", length=300, precision="float32", **changes) -> dict:
    world = {"ant": {"frictions": "drawn", "friction_steps": 30}, "pendulum": {"limit": 50}}[environment]
    return {
        "environment": canonical("environments", {"name": environment, **world}),
        "network": canonical("networks", {"name": "mlp_lecun", "hidden": [12, 10]}),
        "procedure": canonical("procedures", {"name": "ppo", **SMALL, **changes}),
        "algorithm": canonical("algorithms", algorithm),
        "measures": {name: {"every": every} for name, every in MEASURES.items()},
        "length": length,
        "precision": precision,
    }


def begin(own: dict, seeds: list[int]) -> ppo.PPO:
    module, choices = registry.world(own)
    met = [module.sequence(choices, seed, own["length"]) for seed in seeds]
    return ppo.start(Group(own, seeds, met))


def everything(course: ppo.PPO) -> list[bytes]:
    found = [np.ascontiguousarray(array).tobytes() for _, array in tree.leaves(course.snapshot())]
    for series in course.results():
        found += [array.tobytes() for array in (*series.positions, *series.values)]
    return found


@pytest.mark.parametrize("algorithm", [ADAM, CBP, REDO], ids=lambda own: own["name"])
@pytest.mark.parametrize("environment", ["pendulum", "ant"])
def test_a_course_is_cut_anywhere_and_goes_on_to_the_last_bit(environment, algorithm, monkeypatch):
    monkeypatch.setattr(ppo, "PIECE", 23)
    own = settings(algorithm, environment)
    whole, snapshots, done = begin(own, [0, 1]), [], 0
    for run_steps in whole.pieces():
        done += run_steps
        snapshots.append(whole.snapshot())
    assert done == whole.total == 600 == 2 * ppo.cost(own).steps and whole.updates == 4 * 8
    for kept in snapshots[:: len(snapshots) // 5]:
        resumed = begin(own, [0, 1])
        resumed.restore(kept)
        for _ in resumed.pieces():
            pass
        assert everything(resumed) == everything(whole)
    if environment == "ant":
        assert any(one.change > 0 for one in whole.environments)


@pytest.mark.parametrize("algorithm", [ADAM, CBP], ids=lambda own: own["name"])
def test_a_runs_numbers_do_not_depend_on_its_neighbours(algorithm):
    own = settings(algorithm)
    together, alone = begin(own, [0, 1, 2]), begin(own, [1])
    for course in (together, alone):
        for _ in course.pieces():
            pass
    pairs = zip(tree.leaves(together.state()), tree.leaves(alone.state()), strict=True)
    assert all(np.array_equal(a[1:2], b) for (_, a), (_, b) in pairs)
    for x, y in zip(together.results(), alone.results(), strict=True):
        assert len(y.values[0]) > 0 and np.array_equal(x.values[1], y.values[0])


class Plain(torch.nn.Module):
    """The same networks as a plain module."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.p = torch.nn.ParameterDict(
            {name.replace(".", "_"): torch.nn.Parameter(torch.tensor(w[0])) for name, w in weights.items()}
        )

    def net(self, name: str, x):
        for layer in range(3):
            x = x @ self.p[f"{name}_weight_{layer}"] + self.p[f"{name}_bias_{layer}"]
            x = torch.relu(x) if layer < 2 else x
        return x


@pytest.mark.parametrize("time_out", ["terminal", "bootstrap"])
def test_four_rollouts_equal_a_plain_loop_in_double_precision(time_out):
    """The oracle acts, estimates and learns by itself: torch.distributions, torch.optim.Adam, GAE by its recursion."""
    own = settings(length=256, precision="float64", time_out=time_out)
    course = begin(own, [5])
    plain = Plain(course.state()["weights"])
    for _ in course.pieces():
        pass
    module, choices = registry.world(own)
    environment = module.Environment(choices, 5, {})
    optimiser = torch.optim.Adam(plain.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-2)
    returns, total = [], 0.0
    for number in range(4):
        seen, acted, logs, rewards, ended, later = [], [], [], [], [], []
        for t in range(64):
            step = 64 * number + t
            x = torch.tensor(environment.observe())
            policy = torch.distributions.Normal(plain.net("policy", x), plain.p["policy_log_std"].exp())
            noise = _gaussian.Noise(5, 1).at(step)
            with torch.no_grad():
                a = policy.mean + policy.stddev * torch.tensor(noise, dtype=torch.float64)
                logs.append(policy.log_prob(a).sum())
            reward, end = environment.act(a.numpy(), step)
            total += reward
            seen.append(x)
            acted.append(a)
            rewards.append(reward)
            ended.append(end)
            later.append(0.0)
            if end:
                returns.append((step + 1, total))
                total = 0.0
                if time_out == "bootstrap":
                    later[-1] = plain.net("value", torch.tensor(environment.final)).item()
        x, a, log = torch.stack(seen), torch.stack(acted), torch.stack(logs)
        with torch.no_grad():
            last = plain.net("value", torch.tensor(environment.observe())).item()
            values = [*plain.net("value", x)[:, 0].tolist(), last]
        advantages, running = [0.0] * 64, 0.0
        for t in reversed(range(64)):
            following = later[t] if ended[t] else values[t + 1]
            error = rewards[t] + 0.99 * following - values[t]
            running = error + (0 if ended[t] else 0.99 * 0.95 * running)
            advantages[t] = running
        found = torch.tensor(advantages, dtype=torch.float64)
        targets, found = found + torch.tensor(values[:-1]), (found - found.mean()) / found.std()
        for epoch in range(2):
            address = streams.Address(streams.ORDER, 5, task=number + 1, step=epoch)
            for rows in np.split(streams.permutation(address, 64), 4):
                policy = torch.distributions.Normal(
                    plain.net("policy", x[rows]), plain.p["policy_log_std"].exp()
                )
                ratio = (policy.log_prob(a[rows]).sum(1) - log[rows]).exp()
                gain = torch.min(ratio * found[rows], ratio.clamp(0.8, 1.2) * found[rows]).mean()
                loss = ((plain.net("value", x[rows])[:, 0] - targets[rows]) ** 2).mean() - gain
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
    for name, w in course.state()["weights"].items():
        wanted = plain.p[name.replace(".", "_")].detach().numpy()
        assert np.abs(w[0] - wanted).max() < 1e-10, name
    episodes = course.results()[0]
    assert episodes.positions[0].tolist() == [step for step, _ in returns]
    assert episodes.values[0] == pytest.approx([value for _, value in returns], abs=1e-9)
    assert np.abs(course.state()["weights"]["policy.log_std"]).max() > 1e-4  # it is learnt, and decays


def test_continual_backpropagation_renews_units_of_both_networks_and_keeps_the_moments():
    own = settings(CBP, length=640)
    course, young, zeros = begin(own, [3]), set(), 0
    for _ in course.pieces():
        state = course.state()
        for name, layer in state["algorithm"].items():
            if (layer["age"] < course.updates).any():
                young.add(name)
        outgoing = state["weights"]["policy.weight_1"][0]  # [i, o]
        silent = ~outgoing.any(axis=1)
        zeros += int(silent.sum())
        if silent.any():
            assert state["optimiser"]["first_moment"]["policy.weight_1"][0][silent].any()
    assert young == {"policy.hidden_0", "policy.hidden_1", "value.hidden_0", "value.hidden_1"}
    assert course.updates == 80


def test_the_first_weights_are_lecuns_with_the_ants_fan_in():
    """Claim R22: the mean absolute weight of the second layer begins at 0.054."""
    own = settings(environment="ant", length=10)
    own["network"] = canonical("networks", {"name": "mlp_lecun", "first_fan_in": 111})
    weights = begin(own, [0]).state()["weights"]
    assert np.abs(weights["policy.weight_1"]).mean() == pytest.approx(0.5 * np.sqrt(3 / 256), rel=0.01)
    assert np.abs(weights["policy.weight_0"]).max() == pytest.approx(np.sqrt(3 / 111), rel=0.01)
    assert np.abs(weights["value.weight_2"]).max() == pytest.approx(np.sqrt(3 / 256), rel=0.05)
    assert not weights["policy.log_std"].any() and weights["policy.log_std"].shape == (1, 8)


def test_advantages_are_discounted_sums_of_errors():
    rng = np.random.RandomState(0)
    rewards, values = rng.normal(size=6), rng.normal(size=7)
    ended = np.array([False, False, True, False, False, False])
    later = np.where(ended, 2.5, 0.0)
    found, targets = _rollout.advantages(rewards, ended, later, values, 0.9, 0.8)
    following = [2.5 if end else value for end, value in zip(ended, values[1:], strict=True)]
    errors = rewards + 0.9 * np.array(following) - values[:-1]
    assert found[0] == pytest.approx(errors[0] + 0.72 * errors[1] + 0.72**2 * errors[2])
    assert found[4] == pytest.approx(errors[4] + 0.72 * errors[5]) and found[2] == errors[2]
    assert targets == pytest.approx(found + values[:-1])


def test_noise_is_a_function_of_seed_and_step():
    one, other = _gaussian.Noise(4, 3), _gaussian.Noise(4, 3)
    forwards = [one.at(step).copy() for step in range(200)]
    assert all(np.array_equal(other.at(step), forwards[step]) for step in (199, 3, 64, 63, 0))
    assert not np.array_equal(forwards[0], _gaussian.Noise(5, 3).at(0))


def test_what_does_not_fit_is_refused_in_one_line():
    with pytest.raises(Unfit, match="batch_size: 24 does not divide the rollout of 64"):
        ppo.cost(settings(batch_size=24))
    with pytest.raises(Unfit, match=r"seldom_active_units: every: 60 is no multiple of procedure.window, 40"):
        ppo.cost(settings(window=40))
