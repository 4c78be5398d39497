"""Singular values of activation matrices, and the ranks made from them.

All functions work on stacks: leading axes are kept.
"""

from __future__ import annotations

import numpy as np

# Singular values below this share of the largest are rounding noise of the Gram matrix and count as zero.
# Squares are summed in double precision (2e-16), so values are good to the root of that, about 1.5e-8.
TOLERANCE = 1e-6


def singular_values(phi: np.ndarray) -> np.ndarray:
    """Singular values, largest first, from the eigenvalues of the smaller Gram matrix.

    Args:
        phi: [..., b, h] activations.

    Returns:
        [..., min(b, h)] float64; values under TOLERANCE times the largest are 0. A matrix that is not finite has
        none: all its values are NaN.
    """
    *stack, b, h = phi.shape
    finite = np.isfinite(phi).all((-2, -1), keepdims=True)  # [..., 1, 1]
    phi = np.where(finite, phi, 0)
    live = phi.reshape(-1, h).any(axis=0)  # a unit that is silent everywhere adds a value of 0, and much work
    phi = phi[..., live].astype(np.float64)
    wide = b < phi.shape[-1]
    gram = phi @ phi.swapaxes(-1, -2) if wide else phi.swapaxes(-1, -2) @ phi  # [..., n, n]
    values = np.zeros((*stack, min(b, h)))
    found = np.sqrt(np.clip(np.linalg.eigvalsh(gram)[..., ::-1], 0, None))
    values[..., : found.shape[-1]] = found
    values = np.where(values > TOLERANCE * values[..., :1], values, 0.0)
    return np.where(finite[..., 0], values, np.nan)


def effective_rank(values: np.ndarray) -> np.ndarray:
    """exp(-sum p ln p), p = singular values over their sum (Roy and Vetterli 2007): [..., n] -> [...].

    Between 1 and n; 0 for an all-zero matrix; NaN where the values are.
    """
    total = values.sum(-1, keepdims=True)
    p = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
    entropy = -np.sum(p * np.log(np.where(p > 0, p, 1.0)), axis=-1)
    return np.where(np.isnan(total[..., 0]), np.nan, np.where(total[..., 0] > 0, np.exp(entropy), 0.0))


def stable_rank(values: np.ndarray, share: float = 0.99) -> np.ndarray:
    """Smallest k whose k largest singular values exceed `share` of their sum (Nature 2024): [..., n] -> [...].

    The values are not squared. 0 for an all-zero matrix; NaN where the values are.
    """
    total = values.sum(-1, keepdims=True)
    below = np.cumsum(values, axis=-1) <= share * total
    rank = np.where(total[..., 0] > 0, np.minimum(below.sum(-1) + 1, values.shape[-1]), 0)
    return np.where(np.isnan(total[..., 0]), np.nan, rank)


def rank(values: np.ndarray) -> np.ndarray:
    """Number of values that are not 0: [..., n] -> [...]."""
    return np.where(np.isnan(values).any(-1), np.nan, (values > 0).sum(-1))


def approximate_rank(values: np.ndarray, share: float = 0.99) -> np.ndarray:
    """Smallest k whose k largest squared singular values hold at least `share` of their sum: [..., n] -> [...].

    0 for an all-zero matrix (Yang et al. 2019).
    """
    squares = values**2
    total = squares.sum(-1, keepdims=True)
    below = np.cumsum(squares, axis=-1) < share * total
    return np.where(total[..., 0] > 0, np.minimum(below.sum(-1) + 1, values.shape[-1]), total[..., 0])
