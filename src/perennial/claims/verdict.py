"""Verdicts: an interval against a band, and many parts against one claim.

The band never depends on our number of seeds. *Reproduced*: the whole 95 % interval lies inside.
*Contradicted*: wholly outside. Otherwise *inconclusive*, with the number of seeds that would settle it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from perennial.analyses.student import quantile

REPRODUCED, CONTRADICTED, INCONCLUSIVE, NOT_RUN = "reproduced", "contradicted", "inconclusive", "not run"
VERDICTS = (REPRODUCED, CONTRADICTED, INCONCLUSIVE, NOT_RUN)
FEWEST = 3  # with fewer seeds an interval may be narrow by luck alone
NOT_DIVERGED = "runs that do not diverge, not more seeds"
MOST = 1_000_000  # beyond this an estimate is taken to sit on the band's edge

Limits = tuple[float, float]


@dataclass(frozen=True)
class Interval:
    """Mean of per-seed values with its 95 % Student t interval (NaN ends with one seed)."""

    n: int
    estimate: float
    low: float
    high: float
    sd: float

    @property
    def se(self) -> float:
        return self.sd / math.sqrt(self.n) if self.n else math.nan


def interval(values: np.ndarray) -> Interval:
    """Mean, 95 % interval and standard deviation (n - 1) of values of shape [seed]."""
    n = len(values)
    if n == 0:
        return Interval(0, math.nan, math.nan, math.nan, math.nan)
    with np.errstate(
        invalid="ignore", over="ignore"
    ):  # a diverged run makes the interval NaN, and stays visible
        mean = float(np.mean(values))
        if n == 1:
            return Interval(1, mean, math.nan, math.nan, math.nan)
        sd = float(np.std(values, ddof=1))
    half = quantile(n) * sd / math.sqrt(n)
    return Interval(n, mean, mean - half, mean + half, sd)


@dataclass(frozen=True)
class Verdict:
    """A verdict with its reason, and how many seeds would settle an open one."""

    verdict: str
    reason: str
    needed_n: int | None = None
    needed: str = ""


def judge_interval(found: Interval, limits: Limits) -> Verdict:
    """Verdict of one part: `found` against the band `limits` (infinite ends are open)."""
    low, high = limits
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        reason = "one seed has no interval" if found.n == 1 else "some seeds are not finite numbers"
        return Verdict(INCONCLUSIVE, reason, *((FEWEST, f"at least {FEWEST} seeds") if found.n == 1 else ()))
    if found.high < low or found.low > high:
        return Verdict(CONTRADICTED, "the whole 95 % interval lies outside the band")
    if low <= found.low and found.high <= high:
        if found.n >= FEWEST:
            return Verdict(REPRODUCED, "the whole 95 % interval lies inside the band")
        reason = f"only {found.n} seeds: fewer than {FEWEST} can never reproduce a claim"
        return Verdict(INCONCLUSIVE, reason, FEWEST, f"at least {FEWEST} seeds")
    reason = "the 95 % interval crosses the edge of the band"
    needed_n = seeds_needed(found, limits)
    if needed_n is None:
        return Verdict(INCONCLUSIVE, reason, None, "none would (the estimate sits on the edge of the band)")
    return Verdict(INCONCLUSIVE, reason, needed_n, f"about {needed_n} seeds")


def with_diverged(verdict: Verdict, diverged: int, seeds: int, counted: bool) -> Verdict:
    """The verdict of a part where runs diverged: open, as their numbers mean nothing, and the count is told.

    Args:
        diverged: seeds with a run that did.
        counted: the part is about that, and stays as it is.
    """
    if not diverged:
        return verdict
    told = f"{diverged} of {seeds} seeds diverged"
    if counted:
        return replace(verdict, reason=f"{verdict.reason}; {told}")
    return Verdict(INCONCLUSIVE, f"{told}: their loss or weights are no finite numbers", None, NOT_DIVERGED)


def seeds_needed(found: Interval, limits: Limits) -> int | None:
    """Seeds at which the interval, centred where it is, would clear the nearest edge; None: none would."""
    gap = min(abs(found.estimate - edge) for edge in limits)
    if math.isinf(gap) or found.sd == 0:
        return FEWEST
    if not gap > 0 or not math.isfinite(found.sd):
        return None

    def clears(n: int) -> bool:
        return quantile(n) * found.sd / math.sqrt(n) <= gap

    if not clears(MOST):
        return None
    first, last = FEWEST - 1, MOST  # clears(last) holds; find the first n that does
    while last - first > 1:
        middle = (first + last) // 2
        first, last = (first, middle) if clears(middle) else (middle, last)
    return last


@dataclass(frozen=True)
class Judged:
    """One part after judgement. `interval` is None when the part was not run."""

    label: str
    verdict: Verdict
    interval: Interval | None = None
    limits: Limits = (-math.inf, math.inf)

    @property
    def slack(self) -> float:
        """Distance of the estimate from the nearest edge in standard errors; negative outside."""
        if self.interval is None:
            return math.inf
        low, high = self.limits
        room = min(self.interval.estimate - low, high - self.interval.estimate)
        if math.isnan(room):
            return -math.inf  # not finite: nothing is worse
        se = self.interval.se
        return room / se if se > 0 else math.copysign(math.inf, room)


def combine(parts: list[Judged], quantifier: str = "all") -> tuple[Verdict, int | None]:
    """Verdict of a claim from its parts, and the index of the binding (worst) part.

    all: every part reproduced; one contradicted part contradicts the claim.
    most: more than half of the parts reproduced; contradicted once at least half are.
    Parts that were not run leave at most an inconclusive claim, unless those there contradict it.
    """
    judged = [i for i, part in enumerate(parts) if part.verdict.verdict != NOT_RUN]
    if not judged:
        reasons = list(dict.fromkeys(part.verdict.reason for part in parts))
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        return Verdict(NOT_RUN, reasons[0] + more), None
    of = {
        kind: [i for i in judged if parts[i].verdict.verdict == kind] for kind in (REPRODUCED, CONTRADICTED)
    }
    verdict = _verdict(len(of[REPRODUCED]), len(of[CONTRADICTED]), len(judged), len(parts), quantifier)
    alike = [i for i in judged if parts[i].verdict.verdict == verdict]
    binding = min(alike or judged, key=lambda i: (parts[i].slack, i))
    worst = parts[binding]
    if verdict == INCONCLUSIVE:
        return _open(parts, judged, worst, quantifier), binding
    if len(parts) == 1:
        return Verdict(verdict, worst.verdict.reason), binding
    count = f"{len(of[verdict])} of {len(parts)} parts {verdict}"
    return Verdict(verdict, f"{count}; the worst is: {worst.label}"), binding


def _verdict(reproduced: int, contradicted: int, judged: int, total: int, quantifier: str) -> str:
    if quantifier == "most":
        if 2 * contradicted >= total:
            return CONTRADICTED
        return REPRODUCED if 2 * reproduced > total and judged == total else INCONCLUSIVE
    if contradicted:
        return CONTRADICTED
    return REPRODUCED if reproduced == total else INCONCLUSIVE


def _open(parts: list[Judged], judged: list[int], worst: Judged, quantifier: str) -> Verdict:
    """Why a claim is open and what would settle it."""
    reproduced = sum(parts[i].verdict.verdict == REPRODUCED for i in judged)
    contradicted = sum(parts[i].verdict.verdict == CONTRADICTED for i in judged)
    undecided = [parts[i] for i in judged if parts[i].verdict.verdict == INCONCLUSIVE]
    if len(parts) == 1:
        return worst.verdict
    counts = [f"{reproduced} of {len(parts)} parts reproduced"]
    counts += [f"{contradicted} contradicted"] if contradicted else []
    counts += [f"{len(undecided)} open (worst: {worst.label})"] if undecided else []
    counts += [f"{len(parts) - len(judged)} not run"] if len(judged) < len(parts) else []
    reason = ", ".join(counts)
    if len(judged) < len(parts) and not any(part.slack < 0 for part in undecided):
        return Verdict(INCONCLUSIVE, reason, None, "the missing parts, not more seeds")
    if quantifier == "most":
        return Verdict(INCONCLUSIVE, reason, worst.verdict.needed_n, worst.verdict.needed)
    return Verdict(INCONCLUSIVE, reason, *_settles(undecided))


def _settles(undecided: list[Judged]) -> tuple[int | None, str]:
    """One part outside its band would contradict alone; otherwise every open part has to come in."""
    if any(part.verdict.needed == NOT_DIVERGED for part in undecided):
        return None, NOT_DIVERGED
    outside = [part.verdict.needed_n for part in undecided if part.slack < 0 and part.verdict.needed_n]
    inside = [part.verdict.needed_n for part in undecided]
    if outside:
        needed = min(outside)
    elif all(n is not None for n in inside):
        needed = max(n for n in inside if n is not None)
    else:
        return None, "none would (an estimate sits on the edge of its band)"
    return needed, f"about {needed} seeds"
