"""Forward and backward pass of one mini-batch of one run."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from perennial.learning.engines.pooled.kernels import compiled
from perennial.learning.engines.pooled.layout import Layout
from perennial.learning.engines.sums import LANES, padded


class Convolution:
    """One layer with its pooling and its ReLU, and the memory that it works in.

    Args:
        layout: of the network.
        layer: number of the layer.
        weights, gradients: of the whole network, [size].
        batch: examples of a mini-batch.
    """

    def __init__(
        self, layout: Layout, layer: int, weights: np.ndarray, gradients: np.ndarray, batch: int
    ) -> None:
        network, dtype = layout.network, layout.dtype
        (i, rows, columns), (o, m, n) = network.images[layer : layer + 2]
        self.filters, bias = (layout.view(weights, f"{kind}_{layer}") for kind in ("weight", "bias"))
        self.gradients = [layout.view(gradients, f"{kind}_{layer}") for kind in ("weight", "bias")]
        self.kernel = self.filters.shape[1]
        self.weight = torch.from_numpy(self.filters.transpose(0, 3, 1, 2))
        self.bias = torch.from_numpy(bias)
        self.pool, self.filter_gradient, self.image_gradient = compiled(rows, columns, i, self.kernel)
        # Behind the images there is room for the pad of the last row that is read.
        shape, count = (batch, rows, columns, i), batch * rows * columns * i
        self.flat, self.flat_gradient = (np.zeros(count + LANES, dtype) for _ in range(2))
        self.images, self.delta_below = (
            flat[:count].reshape(shape) for flat in (self.flat, self.flat_gradient)
        )
        self._tensor = torch.from_numpy(self.images).permute(0, 3, 1, 2)  # [b, i, y, x], channels last
        self._row = self.kernel * i
        self._padded = np.zeros((o, self.kernel, padded(self._row)), dtype)
        self.corner = np.zeros((batch, m, n, o), np.uint8)
        self.work = [self._room((o, m * n)), self._room((4, o))]

    def _room(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Working space of a kernel: starts, factors, terms. One place more, for an entry that does not count."""
        lists, length = shape
        dtype = self.filters.dtype
        return (
            np.zeros((lists, length + 1), np.int64),
            np.zeros((lists, length + 1), dtype),
            np.zeros(lists, np.int64),
        )

    def forward(self, h: np.ndarray) -> None:
        """From `images` to h [b, m, n, o]."""
        sums = torch.nn.functional.conv2d(self._tensor, self.weight, self.bias)
        self.pool(sums.permute(0, 2, 3, 1).contiguous().numpy(), h, self.corner)

    def backward(self, delta: np.ndarray, h: np.ndarray, below: bool) -> None:
        """Gradients of the layer, from the gradient of h; if asked, `delta_below`, the gradient of `images`."""
        of_filters, of_biases = self.gradients
        o, k = of_filters.shape[:2]
        self.filter_gradient(
            self.flat, delta, h, self.corner, self._padded.reshape(-1), of_biases, *self.work[0]
        )
        of_filters.reshape(o, k, self._row)[...] = self._padded[:, :, : self._row]
        if below:
            self._padded[:, :, : self._row] = self.filters.reshape(o, k, self._row)
            self._padded[:, :, self._row :] = 0
            self.image_gradient(
                self._padded.reshape(-1), self.flat_gradient, delta, h, self.corner, *self.work[1]
            )


class Pass:
    """A mini-batch on its way through the network and back.

    Args:
        layout: of the network.
        weights, gradients: of the whole network, [size]; the second is what `backward` fills.
        batch: examples of a mini-batch.
    """

    def __init__(self, layout: Layout, weights: np.ndarray, gradients: np.ndarray, batch: int) -> None:
        network = layout.network
        self.convolutions = [
            Convolution(layout, layer, weights, gradients, batch) for layer in range(network.convolutions)
        ]
        o, m, n = network.images[-1]
        self._last = np.zeros((batch, m, n, o), layout.dtype)
        self._delta = np.zeros_like(self._last)
        dense = range(network.convolutions, network.layers)
        self._dense = [
            tuple(
                torch.from_numpy(layout.view(flat, f"{kind}_{layer}"))
                for flat in (weights, gradients)
                for kind in ("weight", "bias")
            )
            for layer in dense
        ]
        self._all = torch.arange(batch)
        self._inputs: list[Any] = []  # of the fully connected layers, [b, i]

    def forward(self, table: np.ndarray, rows: np.ndarray) -> Any:
        """Outputs [b, o] for some rows of a table of images [n, y x i], channels last."""
        first = self.convolutions[0]
        np.take(table, rows, axis=0, out=first.images.reshape(len(rows), -1), mode="clip")
        for convolution, h in zip(self.convolutions, self._pooled(), strict=True):
            convolution.forward(h)
        x = torch.from_numpy(self._last).permute(0, 3, 1, 2).flatten(1)  # [b, m, n, o] -> [b, o m n]
        self._inputs = []
        for weight, bias, _, _ in self._dense:
            if self._inputs:
                x = x.relu_()
            self._inputs.append(x)
            x = torch.addmm(bias, x, weight)
        return x

    def backward(self, outputs: Any, targets: Any) -> None:
        """All gradients of the mean cross-entropy; targets [b]."""
        delta = torch.softmax(outputs, 1)
        delta[self._all, targets] -= 1
        delta /= len(targets)
        for layer in reversed(range(len(self._dense))):
            (weight, _, of_weight, of_bias), h = self._dense[layer], self._inputs[layer]
            torch.mm(h.t(), delta, out=of_weight)
            torch.sum(delta, 0, out=of_bias)
            delta = delta @ weight.t()
            if layer > 0:
                delta = torch.ops.aten.threshold_backward(delta, h, 0)
        b, m, n, o = self._delta.shape
        self._delta[...] = delta.numpy().reshape(b, o, m, n).transpose(0, 2, 3, 1)
        below = self._delta
        for layer in reversed(range(len(self.convolutions))):
            self.convolutions[layer].backward(below, self._pooled()[layer], layer > 0)
            below = self.convolutions[layer].delta_below

    def features(self) -> list[np.ndarray]:
        """Activations of the hidden layers as [b, p, h], p the places of a channel (1: fully connected)."""
        pooled = [h.reshape(len(h), -1, h.shape[3]) for h in self._pooled()]
        return [*pooled, *(x.numpy()[:, None] for x in self._inputs[1:])]

    def _pooled(self) -> list[np.ndarray]:
        """What each convolution leaves: the images of the next one."""
        return [*(convolution.images for convolution in self.convolutions[1:]), self._last]
