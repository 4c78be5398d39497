"""The fused kernels compute what the algorithms' definitions say: a class of its own tests each pair.

Adam is compared on the digits with a small step size: at 0.01 it is chaotic, and no two orders of summation
stay together. Which activations are paired with which algorithm by default is a choice for speed;
PERENNIAL_TESTS=all compares all pairs over 10,000 steps.
"""

from __future__ import annotations
