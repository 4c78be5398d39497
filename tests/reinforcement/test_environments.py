"""Environments against gymnasium's, step for step; friction that acts; states from which a run goes on."""

from __future__ import annotations

import gymnasium
import mujoco
import numpy as np
import pytest

from perennial import registry
from perennial.environments import _mujoco

ORACLES = {
    "ant": lambda: gymnasium.make("Ant-v4", use_contact_forces=False),
    "hopper": lambda: gymnasium.make("Hopper-v4"),
    "walker2d": lambda: gymnasium.make("Walker2d-v4"),
    "pendulum": lambda: gymnasium.make("Pendulum-v1"),
}
BODIES = ("ant", "hopper", "walker2d")


def begin(name: str, seed: int = 3, length: int = 100, **settings):
    module = registry.module("environments", name)
    choices = module.Settings(**settings)
    return module.Environment(choices, seed, module.sequence(choices, seed, length))


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.filterwarnings("ignore")
def test_the_same_actions_give_the_same_observations_rewards_and_ends(name):
    """For 1,000 steps over many episodes, each begun from the same positions."""
    own, oracle = begin(name), ORACLES[name]().unwrapped
    oracle.reset(seed=0)
    oracle.set_state(own.data.qpos.copy(), own.data.qvel.copy())
    actions = np.random.RandomState(0).uniform(-1.5, 1.5, (1000, own.model.nu))
    episodes, begun = 0, 0
    for step, action in enumerate(actions):
        reward, ended = own.act(action, step)
        seen, wanted, unhealthy, _, _ = oracle.step(action)
        assert reward == pytest.approx(wanted, abs=1e-10)
        assert ended == (unhealthy or step + 1 - begun >= 1000)
        assert np.abs((own.final if ended else own.observe()) - seen).max() < 1e-10
        if ended:
            episodes, begun = episodes + 1, step + 1
            oracle.reset()  # clears the simulation, as ours has
            oracle.set_state(own.data.qpos.copy(), own.data.qvel.copy())
    assert episodes > 0


def test_the_pendulum_moves_as_gymnasiums():
    own, oracle = begin("pendulum", reward_scale=1), ORACLES["pendulum"]().unwrapped
    oracle.reset(seed=0)
    oracle.state = np.array([own.angle, own.speed])
    for step, action in enumerate(np.random.RandomState(0).uniform(-3, 3, (200, 1))):
        reward, ended = own.act(action, step)
        _, wanted, _, _, _ = oracle.step(action)
        assert reward == pytest.approx(wanted, abs=1e-10) and ended == (step == 199)
    assert own.final[:2] == pytest.approx([np.cos(oracle.state[0]), np.sin(oracle.state[0])], abs=1e-10)


@pytest.mark.parametrize("name", [*BODIES, "pendulum"])
def test_a_run_goes_on_from_a_state_to_the_last_bit(name):
    one = begin(name)
    actions = np.random.RandomState(1).uniform(-1, 1, (300, 8))[:, : registry_actions(name)]
    for step in range(100):
        one.act(actions[step], step)
    other = begin(name)
    other.load(one.state())
    for step in range(100, 300):
        assert one.act(actions[step], step) == other.act(actions[step], step)
        assert np.array_equal(one.observe(), other.observe())


def registry_actions(name: str) -> int:
    module = registry.module("environments", name)
    return module.size(module.Settings()).outputs


def test_friction_changes_at_the_end_of_an_episode_only_and_really_acts():
    slippery = {"frictions": "drawn", "friction_steps": 40}
    own = begin("ant", length=4000, **slippery)
    wanted = own.friction
    assert len(wanted) == 101 and ((wanted >= 0.02) & (wanted <= 2)).all()
    rng, seen, last, touched = np.random.RandomState(2), [own.change], 0, 0
    for step in range(2500):
        before = own.change
        _, ended = own.act(rng.uniform(-1, 1, 8), step)
        assert (own.model.geom_friction[:, 0] == wanted[own.change]).all()
        if own.change != before:
            assert ended and step + 1 - last > 40
            last = step + 1
            seen.append(own.change)
        elif own.data.ncon:
            assert own.data.contact[0].friction[0] == wanted[own.change]
            touched += 1
    assert len(seen) >= 2 and seen == list(range(len(seen))) and touched > 100


def test_a_resumed_run_meets_the_same_frictions():
    slippery = {"frictions": "drawn", "friction_steps": 40}
    one, rng = begin("ant", length=4000, **slippery), np.random.RandomState(2)
    for step in range(2500):
        one.act(rng.uniform(-1, 1, 8), step)
    assert one.change > 0
    other = begin("ant", length=4000, **slippery)
    other.load(one.state())
    assert other.model.geom_friction[0, 0] == one.friction[one.change] == other.friction[other.change]
    assert other.changed == one.changed


def test_the_frictions_are_log_uniform_and_those_of_the_seed():
    choices = _mujoco.Settings(frictions="drawn", friction_steps=1)
    found = np.log10(_mujoco.frictions(choices, 5, 20_000)["friction"])
    counts, _ = np.histogram(found, 10, (np.log10(0.02), np.log10(2)))
    assert counts.sum() == 20_001 and np.abs(counts - 2000).max() < 5 * np.sqrt(2000)
    assert len(_mujoco.frictions(_mujoco.Settings(frictions="drawn"), 5, 20_000_000)["friction"]) == 11
    assert not np.array_equal(found[:5], np.log10(_mujoco.frictions(choices, 6, 4)["friction"]))


def test_switches_change_what_they_say():
    padded, live = begin("ant", observation="padded"), begin("ant")
    assert np.array_equal(padded.observe()[:27], live.observe()) and not padded.observe()[27:].any()
    assert len(padded.observe()) == 111
    assert begin("ant", integrator="euler").model.opt.integrator == mujoco.mjtIntegrator.mjINT_EULER
    feet = [
        begin("walker2d", walker_foot_friction=way).model.geom("foot_geom").friction[0]
        for way in ("unequal", "equal")
    ]
    assert feet == [0.9, 1.9]


def test_the_bonus_of_the_last_step_is_a_switch():
    paid, unpaid = begin("hopper"), begin("hopper", alive_at_end="unpaid")
    differences = []
    for step in range(200):
        action = np.full(3, 1.0)
        (one, ended), (other, _) = paid.act(action, step), unpaid.act(action, step)
        differences.append(one - other)
        if ended:
            break
    assert ended and differences[-1] == pytest.approx(1) and not np.any(differences[:-1])
