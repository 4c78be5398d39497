"""The random streams in torch, for all runs of a stack at once: the numbers of `perennial.streams`, bit for bit.

Words are held in int64 (torch has no full set of operations on uint32); a product wraps around, which leaves
the right bits in place. No data leave the device and no generator is touched. The clock and the layer may be
numbers, or tensors on the device: seeds [r], task and step [1], layer [r, 1].
"""

from __future__ import annotations

from typing import Any

from perennial.lazy import torch
from perennial.streams import (
    COS,
    GROUP,
    HALF_PI,
    LANES,
    LN2,
    LOG,
    MULTIPLY_0,
    MULTIPLY_1,
    ROUNDS,
    SIN,
    SQRT_HALF,
    SUM4_MEAN,
    SUM4_SCALE,
    WEYL_0,
    WEYL_1,
)
from perennial.streams.clock import Clock
from perennial.streams.kernels import one_on_a_gpu

MASK = 0xFFFFFFFF


def _groups(purpose: int, clock: Clock, layer: Any, groups: int, device: Any) -> Any:
    """[r, groups, word, lane] int64."""
    c0 = torch.arange(groups * LANES, device=device).unsqueeze(
        0
    )  # [1, block]; the rounds spread it to [r, block]
    c1, c2, c3 = layer, clock.step, clock.task
    k0, k1 = purpose, torch.as_tensor(clock.seeds, device=device).unsqueeze(1)  # [r, 1]
    for _ in range(ROUNDS):
        p0, p1 = c0 * MULTIPLY_0, c2 * MULTIPLY_1
        c0, c1, c2, c3 = ((p1 >> 32) & MASK) ^ c1 ^ k0, p1 & MASK, ((p0 >> 32) & MASK) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    blocks = torch.stack([c0, c1, c2, c3], dim=1)  # [r, word, block]
    return blocks.view(len(clock.seeds), 4, groups, LANES).transpose(1, 2)


@one_on_a_gpu
def uniforms(purpose: int, clock: Clock, layer: Any, count: int, device: Any = "cpu") -> Any:
    """[r, count] float32 uniforms in [0, 1), one row for each run's seed."""
    words = _groups(purpose, clock, layer, -(-count // GROUP), device)
    return ((words >> 8).to(torch.float32) * 2.0**-24).reshape(len(clock.seeds), -1)[:, :count]


def uniforms_at(purpose: int, clock: Clock, layers: Any, count: int) -> Any:
    """Several draws of every run at once: [r, n, count], one for each of the layers [r, n] in the stream."""
    return _at(uniforms, purpose, clock, layers, count)


def normals_at(purpose: int, clock: Clock, layers: Any, count: int) -> Any:
    """The same of standard normals."""
    return _at(normals, purpose, clock, layers, count)


def _at(draw: Any, purpose: int, clock: Clock, layers: Any, count: int) -> Any:
    runs, n = layers.shape
    seeds = torch.as_tensor(clock.seeds, device=layers.device).unsqueeze(1).expand(-1, n).reshape(-1)  # [r n]
    flat = clock._replace(seeds=seeds)
    return draw(purpose, flat, layers.reshape(-1, 1), count, layers.device).view(runs, n, count)


@one_on_a_gpu
def normals(purpose: int, clock: Clock, layer: Any, count: int, device: Any = "cpu") -> Any:
    """[r, count] float32 standard normals; see `perennial.streams.normals`, which this repeats step by step."""
    words = _groups(purpose, clock, layer, -(-count // GROUP), device)
    radius, angle = words[:, :, 0::2], words[:, :, 1::2]  # [r, groups, pair, lane]
    u = ((radius >> 9).to(torch.float32) + 0.5) * 2.0**-23
    bits = u.view(torch.int32)
    exponent = ((bits >> 23) - 126).to(torch.float32)
    mantissa = ((bits & 0x007FFFFF) | 0x3F000000).view(torch.float32)
    low = mantissa < float(SQRT_HALF)
    exponent = torch.where(low, exponent - 1, exponent)
    x = torch.where(low, mantissa + mantissa, mantissa) - 1
    series = torch.full_like(x, float(LOG[0]))
    for c in LOG[1:]:
        series = series * x + float(c)
    square = x * x
    log_u = (exponent * float(LN2) + x) + (series * x * square - 0.5 * square)
    # torch's single-precision root is not always correctly rounded; the double one, rounded, is
    length = torch.sqrt((-2.0 * log_u).to(torch.float64)).to(torch.float32)
    fraction = (((angle << 2) & MASK) >> 9).to(torch.float32) + 0.5
    theta = (fraction * 2.0**-23 - 0.5) * float(HALF_PI)
    s = theta * theta
    sin_0, sin_1, sin_2, cos_0, cos_1, cos_2 = map(float, (*SIN, *COS))
    sine = ((sin_0 * s + sin_1) * s + sin_2) * s * theta + theta
    cosine = ((cos_0 * s + cos_1) * s + cos_2) * s * s + (1.0 - 0.5 * s)
    quadrant = angle >> 30
    odd = (quadrant & 1) == 1
    first, second = torch.where(odd, -sine, cosine), torch.where(odd, cosine, sine)
    length = torch.where(quadrant >= 2, -length, length)
    both = torch.stack([length * first, length * second], dim=3)  # [r, groups, pair, 2, lane]
    return both.reshape(len(clock.seeds), -1)[:, :count]


@one_on_a_gpu
def sum4(purpose: int, clock: Clock, layer: Any, count: int, device: Any = "cpu") -> Any:
    """[r, count] float32 sums of four 4-bit uniforms, scaled to mean 0 and variance 1."""
    w = _groups(purpose, clock, layer, -(-count // (2 * GROUP)), device)
    w = w.reshape(len(clock.seeds), -1, 1, GROUP)
    pairs = (w & 0x0F0F0F0F) + ((w >> 4) & 0x0F0F0F0F)
    sums = (pairs & 0x00FF00FF) + ((pairs >> 8) & 0x00FF00FF)
    halves = torch.cat([sums & 0xFFFF, sums >> 16], dim=2)  # [r, groups, half, 64]
    scaled = (halves.to(torch.float32) - float(SUM4_MEAN)) * float(SUM4_SCALE)
    return scaled.reshape(len(clock.seeds), -1)[:, :count]


def noise_for(
    weights: dict[str, Any], names: list[str], kind: str, purpose: int, clock: Clock
) -> dict[str, Any]:
    """Noise for every weight: one long draw, `gaussian` or `sum4`, cut up in the order of `names`.

    Each array of `weights` has a leading run axis r; the noise has the same shapes and type.
    """
    counts = [weights[name][0].numel() for name in names]
    one = weights[names[0]]
    draw = {"gaussian": normals, "sum4": sum4}[kind](purpose, clock, 0, sum(counts), one.device)  # [r, all]
    parts = draw.to(one.dtype).split(counts, dim=1)
    return {name: part.reshape(weights[name].shape) for name, part in zip(names, parts, strict=True)}
