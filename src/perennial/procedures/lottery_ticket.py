"""Lottery tickets: rounds of training, pruning and starting again; then the found ticket learns other data.

One run is one search (Greydanus and Kobak 2024, after Frankle and Carbin 2019). Each round scores the parameters of
every layer, its biases among them, drops the lowest to the round's sparsity, puts all others back to where they began,
and trains. Masks are applied before every forward pass; the optimiser knows nothing of them. With `transfer` the ticket
of one round, a random ticket of the same sparsity and the dense network then learn a second data set: as it is, with
its positions reversed, with its positions permuted, and from other first weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from perennial import registry
from perennial.lazy import torch
from perennial.learning import algorithms, tree, views
from perennial.learning.engines import stacked
from perennial.learning.learner import Need, State
from perennial.learning.losses import LossSpec
from perennial.problems import Size
from perennial.procedures import Cost, Group, Series, _tasks
from perennial.procedures._tickets import Training, masked, pruned, scores
from perennial.settings import Settings as Base
from perennial.settings import Unfit, switch

LENGTH = "rounds"
MEASURES = ("test", "transfer", "masks")
PIECE = 250  # updates
PUBLISHED = 99  # the published sparsities are 0/99, 1/99, ... 99/99
CONDITIONS = {"new": "as_made", "flipped": "reversed", "permuted": "permuted", "reinitialised": "as_made"}
TICKETS = ("dense", "lottery", "random")
NEIGHBOURS = (2, 3, 4)


class Settings(Base):
    """Settings of a search for lottery tickets."""

    updates: int = Field(1502, ge=1, description="updates of one round")
    batch_size: int = Field(
        100, ge=1, description="examples of one update of a round; must divide the training examples"
    )
    sparsities: list[float] = Field(
        [], description="share of the parameters that each round has dropped; empty: 0/99, 1/99, ... 99/99"
    )
    score: Literal["magnitude", "random"] = Field(
        "magnitude",
        description="what ranks the parameters: their size, which nests the masks, or chance anew each round",
    )
    ticket: int = Field(91, ge=1, description="number of the round, from 0, whose masks are the ticket")
    transfer: bool = Field(False, description="after the search, tickets learn the problem's second data set")
    transfer_updates: int = Field(6001, ge=1, description="updates on the second data set")
    transfer_batch: int = Field(500, ge=1, description="examples of one update on the second data set")
    prune_from: Literal["step_1000", "last"] = switch(
        "step_1000",
        "which weights of a round are scored: those after step 1000, or the last ones",
        paper="the trained weights",
        code="the last of its checkpoints, which lie 1,000 steps apart: step 1000 of 1,501",
    )
    seeded: Literal["2020", "2024"] = switch(
        "2020",
        "whether tickets begin the transfer at the weights with which they were found",
        paper="rewound to the same initialisation",
        code="2020: the seed recreates the weights; since 2024 the seed leaves PyTorch out, so they are unrelated",
    )
    adjacency: Literal["as_published", "right"] = switch(
        "as_published",
        "runs of four kept neighbours of the lottery ticket",
        paper="not mentioned",
        code="the fourth neighbour is looked up in the random ticket",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Settings:
        if any(not 0 <= s <= 1 for s in self.sparsities) or sorted(self.sparsities) != self.sparsities:
            raise ValueError("sparsities: must rise, each in [0, 1]")
        return self

    def sparsity(self, index: int) -> float:
        """Of a round."""
        return self.sparsities[index] if self.sparsities else index / PUBLISHED


class LotteryTicket:
    """One group of runs: a `perennial.procedures.Course`. Its trainings are the rounds, then those of the transfer."""

    def __init__(self, group: Group) -> None:
        torch.set_num_threads(1)
        settings = self.settings = group.settings
        self.seeds, self.options = group.seeds, registry.parse("procedures", settings["procedure"])
        module, choices = registry.world(settings)
        self.problems = [
            module.Problem(choices, seed, met, group.dataset)
            for seed, met in zip(group.seeds, group.sequences, strict=True)
        ]
        one = self.problems[0]
        self.networks = views.single(_tasks.network(settings, Size(one.inputs, one.outputs, 0)))
        self.algorithm = registry.module("algorithms", settings["algorithm"]["name"])
        self.hyper = registry.parse("algorithms", settings["algorithm"])
        self.loss = LossSpec(one.loss)
        self.trainings = _trainings(settings)
        _check(settings, self.options, one)
        self.total = sum(training.updates for training in self.trainings) * len(group.seeds)
        self.training, self.update = 0, 0  # which one runs, and its updates so far
        shapes = self._first(0, 0)
        ones = {name: np.ones(array.shape, bool) for name, array in shapes.items()}
        #: by run: masks of this training, and of both tickets
        self.masks = [dict(ones) for _ in group.seeds]
        self.tickets = [{"lottery": dict(ones), "random": dict(ones)} for _ in group.seeds]
        self.states = [self._begun(r) for r in range(len(group.seeds))]
        self.scored: list[dict[str, np.ndarray]] = [
            dict(shapes) for _ in group.seeds
        ]  # weights that are scored next
        self.taken: dict[str, list[np.ndarray]] = {}  # series -> [r] of each point

    # ---- trainings

    def _first(self, run: int, number: int) -> dict[str, np.ndarray]:
        """First weights of a run; number 0 are those of the search."""
        return self.networks.init([self.seeds[run]], number, self.settings["precision"])

    def _begun(self, run: int) -> State:
        """The state with which a training begins, as tensors."""
        first = self._first(
            run, self.trainings[self.training].initial if self.training < len(self.trainings) else 0
        )
        return tree.each(
            torch.tensor, algorithms.begun(self.algorithm, self.hyper, self.networks, {"weights": first})
        )

    def pieces(self) -> Iterator[int]:
        """Some updates of a training in all runs; at its end, what follows from it."""
        while self.training < len(self.trainings):
            training = self.trainings[self.training]
            stop = min(self.update + PIECE, training.updates)
            for r in range(len(self.seeds)):
                self._go(r, training, self.update, stop)
            steps, self.update = stop - self.update, stop
            if stop == training.updates:
                self._end()
            yield steps * len(self.seeds)

    def _data(self, run: int, training: Training) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        problem = self.problems[run]
        if training.condition is None:
            task = problem.task(0)
            return task.inputs, task.targets, *problem.test(0)
        return problem.second(CONDITIONS[training.condition])

    def _go(self, run: int, training: Training, begin: int, stop: int) -> None:
        state, masks = self.states[run], tree.each(torch.from_numpy, self.masks[run])
        inputs, targets, *test = self._data(run, training)
        x, y, size = torch.tensor(inputs), torch.tensor(targets), training.batch
        dtype = state["weights"]["weight_0"].dtype
        for update in range(begin, stop):
            masked(state["weights"], masks)
            first = update * size % len(y)
            batch = {
                "inputs": x[None, first : first + size].to(dtype),
                "targets": y[None, first : first + size],
            }
            clock = algorithms.Clock([self.seeds[run]], self.training, update)
            stacked.take_step(self.algorithm, self.hyper, self.networks, state, self.loss, batch, clock, 1.0)
            if update in training.tests:
                masked(state["weights"], masks)
                self._test(run, training, update, *test)
            if update == self._scored_at(training):
                masked(state["weights"], masks)
                self.scored[run] = tree.numbers(state["weights"])

    def _scored_at(self, training: Training) -> int:
        last = training.updates - 1
        return min(1000, last) if self.options.prune_from == "step_1000" else last

    def _test(
        self, run: int, training: Training, update: int, inputs: np.ndarray, targets: np.ndarray
    ) -> None:
        kind = "test" if training.condition is None else "transfer"
        for name in self._of_kind(kind):
            if kind == "transfer" and update % self.settings["measures"][name]["every"]:
                continue
            outputs = stacked.forward(self.algorithm, self.hyper, self.networks, self.states[run], inputs)
            value = registry.module("measures", name).measure(outputs, targets)
            series = name if training.condition is None else f"{name}_{training.condition}_{training.ticket}"
            self._note(series, run, value)

    def _note(self, series: str, run: int, value: float) -> None:
        """Runs go one after the other through a piece: points are kept by run until all have them."""
        self.taken.setdefault(f"{series}/{run}", []).append(np.array(value))

    def _of_kind(self, kind: str) -> list[str]:
        return [name for name in self.settings["measures"] if kind == registry.module("measures", name).KIND]

    def _end(self) -> None:
        """A training is done: masks and first weights of the next."""
        self.training, self.update = self.training + 1, 0
        if self.training == len(self.trainings):
            return
        following = self.trainings[self.training]
        for r in range(len(self.seeds)):
            if following.condition is None:
                self._prune(r, following.round)
            elif following.ticket == "dense":
                self.masks[r] = {name: np.ones_like(mask) for name, mask in self.masks[r].items()}
            else:
                self.masks[r] = self.tickets[r][following.ticket]
            self.states[r] = self._begun(r)

    def _prune(self, run: int, number: int) -> None:
        """Masks of a round; of the ticket's round also those of a random ticket, and what its neighbours are."""
        sparsity, layers = self.options.sparsity(number), self.networks.views["net"].network.layers
        by_chance = scores(self.seeds[run], number, self.scored[run])
        ranked = by_chance if self.options.score == "random" else tree.each(np.abs, self.scored[run])
        self.masks[run] = pruned(ranked, sparsity, layers)
        if number == self.options.ticket:
            self.tickets[run] = {"lottery": self.masks[run], "random": pruned(by_chance, sparsity, layers)}
            for name in self._of_kind("masks"):
                self._adjacency(run, name)

    def _adjacency(self, run: int, name: str) -> None:
        layers = {kind: own["weight_0"][0].T for kind, own in self.tickets[run].items()}  # [i, h] -> [h, i]
        for kind, kept in layers.items():
            for r in NEIGHBOURS:
                bug = self.options.adjacency == "as_published" and kind == "lottery" and r == 4
                value = registry.module("measures", name).measure(kept, r, layers["random"] if bug else kept)
                self._note(f"{name}_{kind}", run, value)

    # ---- what is kept

    def snapshot(self) -> State:
        """Where the runs stand: weights, masks, tickets, what is scored next, and what was measured."""
        at = {"training": np.array(self.training), "update": np.array(self.update)}
        taken = {name.replace("/", "."): np.array(points) for name, points in self.taken.items()}
        return {**at, "state": self.state(), "scored": tree.joined(self.scored), "taken": taken}

    def restore(self, kept: State) -> None:
        """Go on from a snapshot.

        Raises:
            ValueError: it is of other runs.
        """
        training, update = int(kept["training"]), int(kept["update"])
        if not 0 <= training <= len(self.trainings):
            raise ValueError(f"{training} of {len(self.trainings)} trainings are done")
        self.training, self.update = training, update
        for r in range(len(self.seeds)):
            own = tree.run_of(kept["state"], r)
            self.masks[r], self.tickets[r] = own.pop("masks"), own.pop("tickets")
            self.states[r] = tree.each(torch.tensor, own)
            self.scored[r] = tree.run_of(kept["scored"], r)
        self.taken = {name.replace(".", "/"): list(points) for name, points in kept["taken"].items()}

    def state(self) -> State:
        """Weights, what the algorithm remembers, masks and tickets, [r, ...]."""
        runs = [
            {**tree.numbers(state), "masks": masks, "tickets": tickets}
            for state, masks, tickets in zip(self.states, self.masks, self.tickets, strict=True)
        ]
        return tree.joined(runs)

    def results(self) -> list[Series]:
        """Tests by sparsity (percent dropped), transfers by step, neighbours by how many there are in a row."""
        names = list(dict.fromkeys(name.partition("/")[0] for name in self.taken))
        return [self._series(name) for name in names]

    def _series(self, name: str) -> Series:
        own = next(measure for measure in self.settings["measures"] if name.startswith(measure))
        module, every = registry.module("measures", own), self.settings["measures"][own]["every"]
        values = [np.array(self.taken[f"{name}/{r}"]) for r in range(len(self.seeds))]
        points = len(values[0])
        axis, x = {
            "test": ("sparsity", 100 * np.array([self.options.sparsity(k) for k in range(points)])),
            "transfer": ("step", np.arange(points) * every),
            "masks": ("neighbours", np.array(NEIGHBOURS[:points])),
        }[module.KIND]
        return Series(name, axis, [x], values, module.UNITS, module.DESCRIPTION, module.SOURCE)


def _trainings(settings: dict[str, Any]) -> list[Training]:
    """Every training of a run, in order."""
    options, rounds = registry.parse("procedures", settings["procedure"]), settings["length"]
    kinds = {name: registry.module("measures", name).KIND for name in settings["measures"]}
    every = min(
        (settings["measures"][name]["every"] for name in kinds if kinds[name] == "transfer"), default=1
    )
    tests = range(0, options.transfer_updates, every)
    last = (options.updates - 1) // 100 * 100  # the last of the evaluations, which are 100 steps apart
    found = [Training(options.updates, options.batch_size, (last,), round=k) for k in range(rounds)]
    for place, condition in enumerate(CONDITIONS if options.transfer else ()):
        for ticket in TICKETS:
            again = condition == "reinitialised"
            initial = int(again) if options.seeded == "2020" else 2 + place
            found.append(
                Training(options.transfer_updates, options.transfer_batch, tests, condition=condition, ticket=ticket,
                         initial=initial)
            )  # fmt: skip
    return found


def _check(settings: dict[str, Any], options: Settings, problem: Any) -> None:
    rounds, listed = settings["length"], len(options.sparsities) or PUBLISHED + 1
    if rounds > listed:
        raise Unfit(f"lottery_ticket: length: {rounds} rounds, but there are {listed} sparsities")
    if settings["network"]["name"] not in ("mlp", "residual_mlp"):
        raise Unfit(
            "lottery_ticket: takes fully connected networks only (allowed: network: mlp, residual_mlp)"
        )
    if options.transfer and (rounds <= options.ticket or settings["problem"].get("second_seed") is None):
        raise Unfit("lottery_ticket: transfer: needs the ticket's round and the problem's second_seed")
    for key in ("batch_size", *(["transfer_batch"] if options.transfer else [])):
        if len(problem.task(0).targets) % getattr(options, key):
            raise Unfit(
                f"lottery_ticket: {key}: {getattr(options, key)} does not divide the training examples"
            )
    for name in settings["measures"]:
        if registry.module("measures", name).KIND not in MEASURES:
            raise Unfit(f"lottery_ticket: measures: {name}: cannot be taken of a search")


def need(settings: dict[str, Any]) -> Need | None:
    """No engine: the course masks the weights before every step of the definition."""
    return None


def cost(settings: dict[str, Any]) -> Cost:
    """All rounds, and the transfer if there is one."""
    one = _tasks.cost_of(settings, 1)
    updates = sum(training.updates for training in _trainings(settings))
    return Cost(updates, 2 * one.memory, one.weights)


def start(group: Group) -> LotteryTicket:
    """A group of runs before their first round."""
    return LotteryTicket(group)
