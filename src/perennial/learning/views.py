"""Networks as views into one tree of parameters, so that two of them may share a layer.

The parameters of a run are one flat dict, name -> [r, ...]. The only network of a learner calls its own `weight_0`
so; of several networks each has its name in front, `policy.weight_0`, unless the parameter is shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from perennial.learning.losses import NETWORK
from perennial.learning.networks import Units

NETWORK_STRIDE = (
    64  #: in the random streams a network's first layer is this times its number, which begins at 0
)

Weights = dict[str, Any]  # name -> [r, ...]


class View:
    """One network's parameters within the tree.

    Args:
        network: shapes and forward pass.
        name: of the network among the learner's.
        number: its place in the random streams.
        names: its own parameter names -> names in the tree.
    """

    def __init__(self, network: Any, name: str, number: int, names: Mapping[str, str]) -> None:
        self.network, self.name, self.number, self.names = network, name, number, dict(names)
        self.prefix = "" if name == NETWORK else f"{name}."
        self.has_buffers = bool(getattr(network, "buffer_names", ()))
        self.owned = {there for mine, there in self.names.items() if there == self.prefix + mine}

    def own(self, tree: Mapping[str, Any]) -> Weights:
        """The network's parameters, or its buffers, under its own names: the same arrays."""
        return {mine: tree[there] for mine, there in self.names.items() if there in tree}

    def init(self, seed: int, task: int, dtype: str) -> Weights:
        """Fresh parameters of one run under their names in the tree, without the axis r."""
        fresh = self.network.init(seed, task, dtype, NETWORK_STRIDE * self.number)
        return {self.names[name]: array for name, array in fresh.items()}


class HiddenLayer:
    """A hidden layer as an algorithm sees it: its units, whatever network it belongs to.

    Args:
        view: the network it belongs to; of a shared layer the first one.
        index: of the layer in that network.
        readers: (view, index) of every network that has this layer.
    """

    def __init__(self, view: View, index: int, readers: list[tuple[View, int]]) -> None:
        self.view, self.index, self.readers = view, index, readers
        self.address = index + NETWORK_STRIDE * view.number  #: of the layer in the random streams
        self.key = self.name("hidden")  #: of its branch of the algorithm's state
        self.bound = view.network.bounds[index]  #: of fresh incoming weights
        self.distribution = getattr(view.network, "distribution", "uniform")  #: normal: of the same variance

    def name(self, kind: str) -> str:
        """The name of an array of the layer in the tree or the state: `hidden_0`, `policy.gain_1`."""
        return f"{self.view.prefix}{kind}_{self.index}"

    def units(self, arrays: Mapping[str, Any]) -> Units:
        """What each unit owns: views of a tree of arrays shaped like the weights."""
        of_each = [view.network.units(view.own(arrays), index) for view, index in self.readers]
        outgoing = tuple(array for units in of_each for array in units.outgoing)
        biases = tuple(array for units in of_each for array in units.next_biases)
        return of_each[0]._replace(outgoing=outgoing, next_biases=biases)

    def by_unit(self, features: Any) -> Any:
        """Activations [r, b, h p] by unit and place: [r, b, h, p]."""
        return self.view.network.by_unit(self.index, features)


class Matrix(NamedTuple):
    """The parameters of one layer, hidden or head, by their names in the tree."""

    weight: str  #: [r, i, o], of a convolution [r, o, i, k, k]
    bias: str  #: [r, o]
    bound: float  #: of fresh weights
    head: bool  #: whether it is a network's last layer
    address: int  #: of the layer in the random streams


class Networks:
    """The networks of a learner, and all their hidden layers, a shared one once.

    Args:
        networks: name -> network. A single one is called `NETWORK`.
        shared: (name of a network, its own parameter name) -> (name of another network, that one's parameter name).
    """

    def __init__(
        self, networks: Mapping[str, Any], shared: Mapping[tuple[str, str], tuple[str, str]] | None = None
    ) -> None:
        shared = shared or {}
        self.views: dict[str, View] = {}
        for number, (name, network) in enumerate(networks.items()):
            names = {}
            for own in (*network.names, *getattr(network, "buffer_names", ())):
                owner, theirs = shared.get((name, own), (name, own))
                names[own] = theirs if owner == NETWORK else f"{owner}.{theirs}"
            self.views[name] = View(network, name, number, names)
        self.hidden = self._hidden()
        self._layers = {(view.name, index): layer for layer in self.hidden for view, index in layer.readers}

    def _hidden(self) -> list[HiddenLayer]:
        readers: dict[str, list[tuple[View, int]]] = {}  # by the first parameter of the layer in the tree
        for view in self.views.values():
            for index in range(view.network.layers - 1):
                readers.setdefault(view.names[f"weight_{index}"], []).append((view, index))
        return [HiddenLayer(*found[0], found) for found in readers.values()]

    @property
    def matrices(self) -> list[Matrix]:
        """Every layer of every network, the heads too, a shared one once."""
        found: dict[str, Matrix] = {}
        for view in self.views.values():
            for index, bound in enumerate(view.network.bounds):
                weight, bias = view.names[f"weight_{index}"], view.names[f"bias_{index}"]
                head, address = index == view.network.layers - 1, index + NETWORK_STRIDE * view.number
                found.setdefault(weight, Matrix(weight, bias, bound, head, address))
        return list(found.values())

    def layer(self, name: str, index: int) -> HiddenLayer:
        """Hidden layer number `index` of a network."""
        return self._layers[name, index]

    def init(self, seeds: list[int], task: int, dtype: str) -> Weights:
        """Fresh parameters of all runs as numpy arrays [r, ...]: of a shared one those of the network that owns it."""
        runs = []
        for seed in seeds:
            fresh: Weights = {}
            for view in self.views.values():
                own = view.init(seed, task, dtype)
                fresh |= {name: array for name, array in own.items() if name in view.owned}
            runs.append(fresh)
        return {name: np.stack([run[name] for run in runs]) for name in runs[0]}

    def buffers(self, runs: int, dtype: str) -> Weights:
        """Fresh buffers of all runs as numpy arrays [r, ...]: what networks remember beside their parameters."""
        fresh = {}
        for view in self.views.values():
            own = view.network.buffers(dtype) if view.has_buffers else {}
            fresh |= {view.names[name]: np.stack([array] * runs) for name, array in own.items()}
        return fresh

    @property
    def stackable(self) -> bool:
        """Whether runs may lie in one stack where each shows one example a step."""
        return all(getattr(view.network, "stackable", False) for view in self.views.values())


def single(network: Any) -> Networks:
    """The networks of a learner that has only one."""
    return Networks({NETWORK: network})
