"""What may stand in config.yaml and in an experiment.yaml: one model for each, and the JSON schemas made from them.

Settings of problems, networks, algorithms and procedures are not listed here. Their own files declare them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, create_model

from perennial import registry
from perennial.settings import Settings

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXPERIMENT_SCHEMA = "experiment.schema.json"
Precision = Literal["float32", "float64"]
Engine = Literal["auto", "lanes", "fused", "pooled", "dense", "graphed", "recorded", "stacked"]
GpuPrecision = Literal["fp32", "tf32"]
Device = Literal["auto", "cpu", "cuda"]


def _part(value: Any) -> Any:
    """`algorithm: cbp` is short for `algorithm: {name: cbp}`."""
    if isinstance(value, str):
        return {"name": value}
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is not allowed (must be a name, or a mapping with a name)")
    return dict(value)


def _by_variant(one: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """What reads a value for all variants, or a mapping of names or patterns to such values."""

    def read(value: Any) -> dict[str, Any]:
        if isinstance(value, Mapping):
            if not value:
                raise ValueError("{} is not allowed (must name variants)")
            return {str(pattern): one(own) for pattern, own in value.items()}
        return {"*": one(value)}

    return read


def _seeds(value: Any) -> list[int]:
    """A number of seeds n stands for 0 ... n-1; a list is taken as it is."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return list(range(value))
    whole = isinstance(value, list) and all(isinstance(s, int) and not isinstance(s, bool) for s in value)
    if whole and value and min(value) >= 0 and len(set(value)) == len(value):
        return sorted(value)
    rule = "must be a whole number >= 1, or a list of different seeds >= 0"
    raise ValueError(f"{value!r} is not allowed ({rule})")


def _count(value: Any) -> int:
    """A whole number, of all variants or of one."""
    return _whole(value, "must be a whole number >= 1, or a mapping of variants to such numbers")


def _whole(value: Any, rule: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError(f"{value!r} is not allowed ({rule})")


def _grid_values(value: Any) -> list[Any]:
    """The values of one grid key. YAML reads 1e-4 as text (it wants 1.0e-4); here it is a number."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"{value!r} is not allowed (must be a list of values)")
    return [_number(item) for item in value]


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Part = Annotated[dict[str, Any], BeforeValidator(_part), WithJsonSchema({"type": ["object", "string"]})]
SEEDS_SCHEMA = {"type": ["integer", "array"], "minimum": 1, "items": {"type": "integer", "minimum": 0}}
COUNT_SCHEMA = {"type": "integer", "minimum": 1}


def _schema(one: dict[str, Any]) -> WithJsonSchema:
    """A value, or a mapping of variants to values."""
    return WithJsonSchema(
        {"anyOf": [one, {"type": "object", "minProperties": 1, "additionalProperties": one}]}
    )


Seeds = Annotated[dict[str, list[int]], BeforeValidator(_by_variant(_seeds)), _schema(SEEDS_SCHEMA)]
Counts = Annotated[dict[str, int], BeforeValidator(_by_variant(_count)), _schema(COUNT_SCHEMA)]
BlockSize = Annotated[
    int | str,
    BeforeValidator(
        lambda value: value if value == "auto" else _whole(value, "must be auto, or a whole number >= 1")
    ),
    WithJsonSchema({"anyOf": [{"const": "auto"}, COUNT_SCHEMA]}),
]
GridValues = Annotated[list[Any], BeforeValidator(_grid_values)]


class Measure(Settings):
    """How often something is measured."""

    every: int = Field(1, ge=1, description="measure at every so many tasks, or average over so many")


class Data(Settings):
    """Where downloaded data lie."""

    root: str = Field("", description="folder with data sets; empty: the environment's PERENNIAL_DATA")


class ScaleEntry(Settings):
    """How much of one experiment a scale runs."""

    seeds: Seeds = Field(description="number of seeds (0 ... n-1), or a list of them; or these by variant")
    length: Counts = Field(
        description="length of each run, in the unit of its procedure; or such numbers by variant"
    )
    block_size: Counts | None = Field(
        None, description="most seeds of one training job, 30 otherwise; or such numbers by variant"
    )
    variants: list[str] = Field(["*"], min_length=1, description="names or patterns such as relu_*")


class VariantEntry(Settings):
    """One way of learning, or several with a grid."""

    algorithm: Part = Field(description="name and settings of a file in algorithms/")
    problem: Part = Field({}, description="changes to the settings of the experiment's problem")
    environment: Part = Field({}, description="changes to the settings of the experiment's environment")
    network: Part = Field({}, description="changes to the experiment's network")
    procedure: Part = Field({}, description="changes to the experiment's procedure")
    measures: dict[str, Any] = Field({}, description="changes to the experiment's measures")
    grid: dict[str, GridValues] = Field(
        {}, description="dotted key (algorithm.step_size) -> values; makes one variant for each combination"
    )


class ExperimentEntry(Settings):
    """A problem or an environment, what is measured on it, and the variants that are compared."""

    title: str = Field(description="one line for people")
    description: str = Field("", description="a few sentences for the report")
    order: int | None = Field(None, description="place in its study; those without one come last, by name")
    problem: Part = Field({}, description="name and settings of a file in problems/")
    environment: Part = Field({}, description="name and settings of a file in environments/")
    network: Part = Field(description="name and settings of a file in networks/")
    procedure: Part = Field({"name": "task_stream"}, description="name and settings of a file in procedures/")
    measures: dict[str, Any] = Field(description="name -> {every: tasks}")
    precision: Precision | None = Field(None, description="another precision for this experiment")
    all_by_default: bool = Field(True, description="false: not part of a plain run, only of its own target")
    scales: dict[str, Any] = Field({}, description="scale -> how much of this experiment it runs")
    variants: dict[str, Any] = Field(min_length=1, description="name -> variant")


#: Folders of modules of a user's own, one list for each kind.
Folders = create_model(
    "Folders",
    __base__=Settings,
    **{
        kind: (list[str], Field([], description=f"folders with {kind} of your own"))
        for kind in registry.PACKAGES
    },
)  # type: ignore[call-overload]


class File(Folders):
    """What config.yaml, --configfile and --config say together."""

    scale: str = Field(description="which scale to run")
    results: str = Field("results", min_length=1, description="folder of all results")
    block_size: BlockSize = Field(
        "auto", description="most seeds of one training job; auto: as the experiment's scale says, or 30"
    )
    engine: Engine = Field("auto", description="how it runs, never what it computes")
    device: Device = Field("auto", description="where it runs, never what it computes")
    portable: bool = Field(
        True,
        description="compile loops for x86-64-v3, not for all that the CPU at hand has; never what they compute",
    )
    checkpoint_seconds: float = Field(
        60, ge=0, description="at least so long between two checkpoints of a training job"
    )
    precision: Precision = Field("float32", description="numbers used in training")
    gpu_precision: GpuPrecision = Field(
        "fp32",
        description="products of float32 numbers on a GPU: fp32, or tf32, which keeps 10 bits of the factors",
    )
    data: dict[str, Any] = Field({}, description="where downloaded data lie")
    studies: list[str] = Field([], description="folders of experiments: names in studies/, or paths")
    experiments: dict[str, Any] = Field(
        {}, description="name -> an experiment without a folder, or keys laid over one that has a folder"
    )


def config_schema() -> dict[str, Any]:
    """The JSON schema of config.yaml, for editors."""
    whole = _entry(File)
    whole["properties"]["data"] |= _entry(Data)
    laid_over = {"$ref": f"{EXPERIMENT_SCHEMA}#/$defs/experiment"}
    whole["properties"]["experiments"]["additionalProperties"] = laid_over
    return {"$schema": DIALECT, **whole}


def experiment_schema(names: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """The JSON schema of an experiment.yaml, for editors.

    Args:
        names: kind -> modules to describe; all that are found when not given.
    """
    names = names or {kind: registry.names(kind) for kind in registry.PARTS.values()}
    experiment, variant = _entry(ExperimentEntry), _entry(VariantEntry)
    for part, kind in registry.PARTS.items():
        for entry in (experiment, variant):
            if part in entry["properties"]:
                description = entry["properties"][part]["description"]
                entry["properties"][part] = {"$ref": f"#/$defs/{kind}", "description": description}
    for entry in (experiment, variant):
        entry["properties"]["measures"]["additionalProperties"] = _entry(Measure)
    experiment["properties"]["variants"]["additionalProperties"] = variant
    experiment["properties"]["scales"]["additionalProperties"] = _entry(ScaleEntry)
    required = experiment.pop("required")  # what is laid over an experiment may be a single key
    defs = {"experiment": experiment, **{kind: _choice(kind, names[kind]) for kind in sorted(names)}}
    return {"$schema": DIALECT, "$ref": "#/$defs/experiment", "required": required, "$defs": defs}


def _entry(model: type[Settings]) -> dict[str, Any]:
    """A model's schema without the titles that pydantic makes up."""
    found = model.model_json_schema()
    for field in found.get("properties", {}).values():
        field.pop("title", None)
    found.pop("title", None)
    return found


def _choice(kind: str, names: list[str]) -> dict[str, Any]:
    """A part: a bare name, or a mapping with that module's keys. A variant may leave the name out."""
    parts = [_module_entry(kind, name) for name in names]
    return {"anyOf": [{"enum": names}, *parts]}


def _module_entry(kind: str, name: str) -> dict[str, Any]:
    entry = _entry(registry.module(kind, name).Settings)
    entry.pop("required", None)  # grids and merged parts give the rest
    entry["properties"] = {"name": {"const": name}, **entry.get("properties", {})}
    return entry
