"""The same network and training loop as anybody would write them: nn.Module, torch.optim, one run."""

from __future__ import annotations

import torch
from torch import nn


class Block(nn.Module):
    """Two convolutions and a skip."""

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.norm2 = nn.BatchNorm2d(channels)
        self.skip = None
        if stride > 1:
            self.skip = nn.Sequential(nn.Conv2d(inputs, channels, 1, stride), nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images to images."""
        h = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(h + (x if self.skip is None else self.skip(x)))


class Plain(nn.Module):
    """Stem, stages, mean, head."""

    def __init__(self, widths: list[int], outputs: int, blocks: int = 1) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, widths[0], 3, 1, 1), nn.BatchNorm2d(widths[0])
        made, before = [], widths[0]
        for stage, channels in enumerate(widths):
            for block in range(blocks):
                made.append(Block(before, channels, 2 if stage and not block else 1))
                before = channels
        self.blocks, self.head = nn.Sequential(*made), nn.Linear(before, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images [b, 3, y, x] to outputs [b, o]."""
        return self.head(self.blocks(torch.relu(self.norm(self.stem(x)))).mean((2, 3)))

    def convolutions(self) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
        """With their normalisation, in the order of our layers."""
        found = [(self.stem, self.norm)]
        for block in self.blocks:
            found += [(block.conv1, block.norm1), (block.conv2, block.norm2)]
        return found

    def take(self, state: dict) -> None:
        """Weights and buffers of one run, under our names and without the axis r."""
        w, b = state["weights"], state["buffers"]
        skips = {k: block.skip for k, block in enumerate(self.blocks) if block.skip is not None}
        pairs = [("", k, pair) for k, pair in enumerate(self.convolutions())]
        pairs += [("skip_", k, skip) for k, skip in skips.items()]
        with torch.no_grad():
            for kind, k, (conv, norm) in pairs:
                conv.weight.copy_(torch.tensor(w[f"{kind}weight_{k}"]))
                conv.bias.copy_(torch.tensor(w[f"{kind}bias_{k}"]))
                norm.weight.copy_(torch.tensor(w[f"{kind}gamma_{k}"]))
                norm.bias.copy_(torch.tensor(w[f"{kind}beta_{k}"]))
                norm.running_mean.copy_(torch.tensor(b[f"{kind}mean_{k}"]))
                norm.running_var.copy_(torch.tensor(b[f"{kind}variance_{k}"]))
            last = len(self.convolutions())
            self.head.weight.copy_(torch.tensor(w[f"weight_{last}"].T))
            self.head.bias.copy_(torch.tensor(w[f"bias_{last}"]))
