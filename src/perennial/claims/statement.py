"""Claims as data: the grammar of an experiment's `claims.yaml`, checked when it is read.

A statistic is written as an expression that gives one number per seed:

    relu_0.01 @ end                         mean of the experiment's main metric over the window `end`
    backprop dead_units @ end               the same for another metric, its layers averaged
    backprop dead_units[1] @ end            one of its layers (counted from 1)
    backprop effective_rank% @ end          dimensions in percent of each layer's width
    cbp test_accuracy_by_epoch^ @ end       epochs until a task's accuracy is within 1 point of its best
    cbp algorithm.replacement_rate          a recorded setting; one of a list: network.hidden.0
    500                                     a number
    other_experiment/cbp dead_units @ end   a variant of another experiment; not run where that is not active
    {difference: [A, B]}                    A minus B, paired by seed
    {ratio: [A, B]}                         A over B, seed by seed
    {spread: [A, B, C]}                     worst minus best of several, chosen on the other half of the seeds
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from perennial.claims.curves import Published
from perennial.claims.expression import SETTING, Expression, terms
from perennial.errors import UserError, shown

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the compiled one where there is one


class ClaimError(UserError, ValueError):
    """Claims that cannot be judged. The message is one line that names the file and the place."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Window(_Model):
    """Which points of a curve a term averages over.

    `from`/`to`: coordinates, half open. `points`: the first and the last of the points meant, counted from 1;
    for variants whose coordinates differ. `last`: the last so many points. `extremum`: `width` points around
    the lowest or highest place. The place comes from the published curve or the other half of the seeds,
    never from the seeds it is applied to.
    """

    text: str
    start: float | None = Field(None, alias="from")
    stop: float | None = Field(None, alias="to")
    points: tuple[int, int] | None = None
    last: int | None = Field(None, ge=1)
    extremum: Literal["minimum", "maximum"] | None = None
    place: Literal["published", "other_half"] | None = None
    relative_to: str | None = None  # a published series whose ups and downs are taken off first
    width: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _one_way(self) -> Window:
        between = self.start is not None and self.stop is not None
        ways = [between, self.points is not None, self.last is not None, bool(self.extremum)]
        if sum(ways) != 1 or (self.extremum and not self.place):
            raise ValueError("give one of: from and to, points, last, extremum with place")
        if self.points and not 1 <= self.points[0] <= self.points[1]:
            raise ValueError("points are the first and the last, counted from 1")
        if self.extremum and self.width % 2 == 0:
            raise ValueError("width must be odd, so that the window has a centre")
        return self


class Band(_Model):
    """Where a statistic must lie. It never depends on our own number of seeds."""

    why: str
    centre: float | None = None
    tolerance: float | None = Field(None, gt=0)  # the claim's own tolerance
    published_se: float | None = Field(None, ge=0)  # one published standard error
    read_off: float | None = Field(None, ge=0)  # error of reading the figure
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _closed(self) -> Band:
        if self.centre is not None:
            if (self.tolerance is None) == (self.published_se is None):
                raise ValueError("a centre needs either tolerance or published_se (with read_off)")
        elif self.at_least is None and self.at_most is None:
            raise ValueError("give centre, at_least or at_most")
        return self

    @property
    def limits(self) -> tuple[float, float]:
        """Lower and upper edge; infinite where the band is open."""
        if self.centre is None:
            low = float("-inf") if self.at_least is None else self.at_least
            return low, float("inf") if self.at_most is None else self.at_most
        reach = self.tolerance
        if reach is None:
            reach = 3 * (self.published_se or 0.0) + (self.read_off or 0.0)
        return self.centre - reach, self.centre + reach


class Part(_Model):
    """One statement that can be judged by one interval."""

    label: str
    statistic: Expression
    band: Band | None = None  # None only for observations: shown, not judged
    kind: Literal["quantitative", "ordinal"] | None = None
    published: float | str | None = (
        "curve"  # number or text; "curve": the same statistic of the digitised curves
    )
    units: str | None = None
    about_divergence: bool = False  # runs that diverged count; elsewhere they leave the part open

    @model_serializer(mode="wrap")
    def _short(self, handler: Any) -> dict[str, Any]:
        """Without what is not said, so that a new key changes no old claim's digest."""
        found = handler(self)
        return found if self.about_divergence else {k: v for k, v in found.items() if k != "about_divergence"}


class Source(_Model):
    figure: str
    tag: str


class Claim(_Model):
    id: str
    statement: str
    source: Source
    kind: Literal["quantitative", "ordinal"]
    quantifier: Literal["all", "most"] = "all"
    parts: tuple[Part, ...] = Field(min_length=1)
    observations: tuple[Part, ...] = ()
    note: str = ""

    @field_validator("parts", "observations", mode="before")
    @classmethod
    def _expanded(cls, value: Any) -> Any:
        return tuple(part for entry in value for part in _expand(entry)) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _bands(self) -> Claim:
        missing = [part.label for part in self.parts if part.band is None]
        if missing:
            raise ValueError(f"part '{missing[0]}' of {self.id} has no band")
        return self


class Headline(_Model):
    """What a user's own algorithm is compared on."""

    metric: str
    window: str
    better: Literal["lower", "higher"]


class Claims(_Model):
    """All claims of one experiment."""

    experiment: str
    file: Path | None = None  # None: no claims
    curves: Published = Published()  # what is published
    title: str
    ours: bool = False  # True: nothing published to compare with
    figure: str | None = None  # digitised figure whose series carry the variants' names
    figures: dict[str, tuple[str, ...]] = {}  # metric -> such figures; the first that covers a window counts
    series: dict[str, str] = {}  # variant -> series, where the names differ
    headline: Headline | None = None
    windows: dict[str, Window] = {}
    claims: tuple[Claim, ...] = ()

    @property
    def metric(self) -> str | None:
        """The headline's metric, which a term is of that names none."""
        return self.headline.metric if self.headline else None

    @model_validator(mode="after")
    def _known(self) -> Claims:
        if self.headline and self.headline.window not in self.windows:
            raise ValueError(f"headline: no window '{self.headline.window}'")
        for claim in self.claims:
            for part in (*claim.parts, *claim.observations):
                for term in terms(part.statistic, self.metric):
                    if term[2] != SETTING and term[2] not in self.windows:
                        raise ValueError(f"{claim.id}, {part.label}: no window '{term[2]}'")
        return self

    def digitised(self, metric: str) -> tuple[str, ...]:
        """Digitised figures that show a metric."""
        headline = self.headline is not None and metric == self.metric
        return (*self.figures.get(metric, ()), *([self.figure] if self.figure and headline else []))

    def variants(self) -> set[str]:
        """Every variant that some claim names; of another experiment as `experiment/variant`."""
        parts = [part for claim in self.claims for part in (*claim.parts, *claim.observations)]
        return {variant for part in parts for variant, _, _ in terms(part.statistic, self.metric)}

    def elsewhere(self) -> list[tuple[str, str]]:
        """(experiment, variant) pairs of other experiments that some claim names."""
        named = sorted(variant.partition("/") for variant in self.variants() if "/" in variant)
        return [(experiment, variant) for experiment, _, variant in named]

    def read_from(self) -> list[Path]:
        """The files that make the verdicts: these claims, and the digitised figures that they name."""
        named = {*(figure for figures in self.figures.values() for figure in figures), self.figure}
        shown = [path for name, path in self.curves.files().items() if name in named]
        return [self.file, *shown] if self.file else []


def _expand(entry: Any) -> list[Any]:
    """One part per combination of the `each` lists, with `{name}` filled in wherever it is written."""
    if not isinstance(entry, dict) or "each" not in entry:
        return [entry]
    lists = {key: list(map(str, values)) for key, values in entry["each"].items()}
    body = {key: value for key, value in entry.items() if key != "each"}
    return [
        _fill(body, dict(zip(lists, choice, strict=True))) for choice in itertools.product(*lists.values())
    ]


def _fill(value: Any, words: dict[str, str]) -> Any:
    if isinstance(value, str):
        return value.format(**words)
    if isinstance(value, list):
        return [_fill(item, words) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, words) for key, item in value.items()}
    return value


def load(experiment: str, file: Path | None) -> Claims:
    """The claims of an experiment; none when it has no file of claims.

    Args:
        file: `claims.yaml` in the experiment's folder; None where it has none.

    Raises:
        ClaimError: one line that names the file and the first mistake in it.
    """
    if file is None:
        return Claims(experiment=experiment, title=experiment, ours=True)
    known = {"experiment": experiment, "file": file, "curves": Published(file.resolve().parent)}
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER)
        return Claims.model_validate({**found, **known} if isinstance(found, dict) else found)
    except yaml.YAMLError as error:
        raise ClaimError(f"{shown(file)}: not YAML ({' '.join(str(error).split())})") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise ClaimError(f"{shown(file)}: {place}: {first['msg']}") from None
