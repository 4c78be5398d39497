"""Collect what is finished under a study's folder. Reads only; a missing or bad file becomes a remark."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perennial.claims import records, summary
from perennial.claims.verdict import VERDICTS
from perennial.files import identity, lineage, provenance, store
from perennial.files import series as stored
from perennial.report import origins, plates, series, settling, shapes, switches

DETAILED = 300  # variants that the page shows in detail, of all experiments together
REMARKS, FILES = 50, 200  # that it shows


@dataclass
class Variant:
    """What is known about one variant: finished seeds, settings, cost, where it ran."""

    experiment: str
    name: str
    planned: int
    seeds: int = 0
    diverged: dict[int, int] = field(default_factory=dict)  # seed -> the update at which it was first seen
    settings: dict[str, Any] = field(default_factory=dict)
    remark: str = ""
    cost: dict[str, float] = field(default_factory=dict)
    trained: dict[str, Any] = field(default_factory=dict)  # how its blocks were: results/README.md
    record: dict[str, Any] = field(default_factory=dict)  # of its metrics file
    runs: dict[str, str] = field(default_factory=dict)  # files, as named from the page -> checksum
    checksum: str = ""
    detailed: bool = True  # with its settings, its origin and its curves; others are named

    @property
    def label(self) -> str:
        """`permuted_digits/cbp`."""
        return f"{self.experiment}/{self.name}"

    @property
    def mixed(self) -> dict[str, list[str]]:
        """In what its blocks differ."""
        return origins.differences([self.trained])

    @property
    def unlike(self) -> dict[str, list[str]]:
        """The same without what is harmless: its seeds need not agree bit for bit."""
        return {words: values for words, values in self.mixed.items() if words != origins.HARMLESS}

    @property
    def settings_text(self) -> str:
        """Settings as JSON for people: lists of numbers stay on one line."""
        text = json.dumps(self.settings, indent=2, sort_keys=True)
        return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)


def gather(study: Any, code: str = "", left_out: Iterable[str] = ()) -> dict[str, Any]:
    """Everything the template shows.

    Args:
        study: as `perennial.config.load` gives it.
        code: hash of the code of the page.
        left_out: lines about files that were left out already.
    """
    folder = Path(study.folder)
    variants, curves = _results(study, folder)
    names = _experiments(study, folder)
    by_experiment = {name: [v for v in variants if v.experiment == name] for name in names}
    about = {name: _about(study, name) for name in by_experiment}
    bad = [line.removeprefix(f"{folder}/") for line in left_out]
    judged, own = _judged(folder, bad)
    figures = plates.plates(study, folder, bad)
    inputs = _inputs(folder, variants)
    remarks = [f"{v.label}: {v.remark}" for v in variants if v.remark] + origins.outdated(folder, inputs)
    remarks += list(dict.fromkeys(bad))
    remarks += [f"{v.label}: {stored.told(v.diverged, v.seeds)}" for v in variants if v.diverged]
    return {
        "scale": study.scale,
        "claims": _grouped(judged, about),
        "tally": _tally(judged, folder),
        "comparisons": own,
        "figures": figures,
        "curves": curves,
        "experiments": by_experiment,
        "about": about,
        "switches": _switches(variants),
        "costs": {name: _cost(found) for name, found in by_experiment.items() if any(v.seeds for v in found)},
        "provenance": _provenance(variants),
        "record": origins.record(study, code, inputs),
        "remarks": remarks[:REMARKS],
        "more_remarks": len(remarks[REMARKS:]),
        "most_files": FILES,
        "mixed": origins.alike((v.label, v.unlike) for v in variants if v.unlike),
        "differing": {
            "variants": origins.alike((v.label, v.mixed) for v in variants if v.mixed),
            "comparisons": origins.alike(
                origins.comparisons(judged, own, {(v.experiment, v.name): v.trained for v in variants})
            ),
        },
    }


def _inputs(folder: Path, variants: list[Variant]) -> dict[str, str]:
    """What the page is made of: name, as seen from it -> checksum. Without what could not be read."""
    known = {folder / "metrics" / v.experiment / f"{v.name}.h5": v.checksum for v in variants if v.seeds}
    found = {}
    for path in origins.results(folder):
        if path.suffix != ".h5" or path in known:
            with suppress(store.BadFile):  # it is a remark already
                name = provenance.name_from(folder / "report.html", path)
                found[name] = known.get(path) or provenance.checksum_of(path)
    return found


def _experiments(study: Any, folder: Path) -> list[str]:
    """Those of the study, then those that only the disk knows."""
    active = list(study.experiments())
    return active + sorted({p.parent.name for p in folder.glob("metrics/*/*.h5")} - set(active))


def _results(study: Any, folder: Path) -> tuple[list[Variant], dict[str, Any]]:
    """Status of every variant, and the per-seed curves of those with a good metrics file."""
    variants: list[Variant] = []
    measured: dict[tuple[str, str], dict[str, Any]] = {}
    names = _experiments(study, folder)
    listed = {experiment: _listed(study, folder, experiment) for experiment in names}
    many = sum(map(len, listed.values())) > DETAILED
    for experiment, found_here in listed.items():
        for place, variant in enumerate(found_here):
            variant.detailed = not many or place < max(1, DETAILED // len(names))
            variants.append(variant)
            path = folder / "metrics" / experiment / f"{variant.name}.h5"
            if path.exists() and (found := _opened(variant, path)):
                measured[experiment, variant.name] = found
    curves = series.packed(measured)
    curves["left_out"] = sum(v.seeds > 0 for v in variants) - len(measured)
    for name, entry in curves["experiments"].items():
        entry["title"] = _about(study, name)["title"]
        entry["printed"] = _printed(study, name, entry)
    return variants, curves


def _opened(variant: Variant, path: Path) -> dict[str, Any] | None:
    """Fill in what a metrics file tells of a variant; the curves of one that is shown in detail.

    A file that cannot be read, or lacks something, is a remark.
    """
    try:
        with store.open_checked(path) as file:
            if reason := identity.mismatch(file.attrs, "metrics", variant.experiment, variant.name):
                variant.remark = f"metrics file left out: {reason}"
                return None
            found = series.measured(file) if variant.detailed else None
            _read(variant, path, file)
            return found
    except store.BadFile as error:
        variant.remark = f"metrics file set aside here: {str(error).removeprefix(f'{path}: ')}"
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
        OverflowError,
        RuntimeError,
        OSError,
    ) as error:
        variant.seeds, variant.cost, variant.diverged = 0, {}, {}
        reason = " ".join(str(error).split())
        variant.remark = f"metrics file left out: it is none of this version ({reason[:200]})"
    return None


def _judged(folder: Path, bad: list[str]) -> tuple[list[dict], list[dict]]:
    """Claims and comparisons that can be shown; the others get a line."""
    found: dict[str, list[dict]] = {"claims": [], "comparisons": []}
    for path, file in records.files(folder / "claims", bad).items():
        for kind, entries in found.items():
            for place, entry in enumerate(file[kind]):
                if reason := shapes.wrong(kind, entry):
                    bad.append(f"{path}: {kind}.{place} is left out: {reason}")
                else:
                    entries.append(entry)
    bad[:] = [line.removeprefix(f"{folder}/") for line in bad]
    return found["claims"], found["comparisons"]


def _printed(study: Any, experiment: str, ours: dict[str, Any]) -> dict[str, dict]:
    """Published curves that belong under ours, as the claims of the experiment name them."""
    if experiment not in study.all_experiments:
        return {}
    return series.printed(study.claims(experiment), ours)


def _listed(study: Any, folder: Path, experiment: str) -> list[Variant]:
    """Active variants in the order of the config, then finished ones that are no longer asked for."""
    active = list(study.variants(experiment)) if experiment in study.experiments() else []
    found = [
        Variant(experiment, v, len(study.seeds(experiment, v)), settings=study.settings(experiment, v))
        for v in active
    ]
    on_disk = sorted(p.stem for p in (folder / "metrics" / experiment).glob("*.h5"))
    extra = [v for v in on_disk if v not in active]
    stray = "finished, but not part of this scale now"
    return found + [Variant(experiment, v, 0, remark=stray) for v in extra]


def _read(variant: Variant, path: Path, file: Any) -> None:
    """Fill in what the root attributes of a metrics file tell."""
    attributes = file.attrs
    variant.seeds = len(attributes["seeds"])
    variant.planned = variant.planned or variant.seeds
    variant.diverged = {int(k): int(v) for k, v in json.loads(attributes.get("diverged", "{}")).items()}
    variant.settings = variant.settings or json.loads(attributes["settings"])
    variant.trained = {**dict.fromkeys(origins.WORDS, ()), **json.loads(attributes.get("trained", "{}"))}
    variant.trained.setdefault("versions", {})
    variant.record = {key: str(attributes.get(key, "")) for key in ("code", "git")}
    variant.checksum = provenance.checksum(file)
    runs = lineage.inputs(path, {"inputs": json.loads(attributes.get("inputs", "{}"))})
    variant.runs = {provenance.name_from(path.parents[2] / "report.html", run): c for run, c in runs.items()}
    keys = ("wall_seconds", "cpu_seconds", "peak_memory_bytes", "run_steps")
    variant.cost = {key: float(attributes[key]) for key in keys}


def _about(study: Any, experiment: str) -> dict[str, str]:
    if experiment not in study.experiments():
        return {"title": experiment.replace("_", " "), "description": "Not part of this scale now."}
    entry = study.experiment(experiment)
    return {"title": entry.title, "description": entry.description}


def _grouped(judged: list[dict], about: dict[str, dict]) -> list[dict[str, Any]]:
    """Claims by experiment: those of the study in its order, then the others."""
    order = {name: place for place, name in enumerate(about)}
    groups: dict[str, dict[str, Any]] = {}
    anchors: set[str] = set()
    for claim in sorted(judged, key=lambda c: order.get(c["experiment"], len(order))):
        name = claim["experiment"]
        title = about.get(name, {}).get("title", name.replace("_", " "))
        group = groups.setdefault(name, {"name": name, "title": title, "ours": True, "claims": []})
        anchor = f"{name}-{claim['id']}" if claim["id"] in anchors else claim["id"]  # a copied experiment's
        anchors.add(anchor)
        group["claims"].append(claim | {"anchor": anchor})
        group["ours"] = group["ours"] and claim["ours"]
    return list(groups.values())


def _tally(judged: list[dict], folder: Path) -> dict[str, Any]:
    """How many published claims, and how many of ours, got each verdict."""
    count = Counter((bool(c["ours"]), c["verdict"]) for c in judged)
    rows = {v: {"published": count[False, v], "ours": count[True, v]} for v in VERDICTS}
    told = {
        whose: summary.of_claims([claim["verdict"] for claim in judged if bool(claim["ours"]) == ours])
        for whose, ours in (("published", False), ("ours", True))
    }
    settle = settling.told(folder, judged)
    return {"rows": rows, "published": sum(r["published"] for r in rows.values()), "told": told, "settle": settle,
            "ours": sum(r["ours"] for r in rows.values()), "all": len(judged)}  # fmt: skip


def _switches(variants: list[Variant]) -> list[dict[str, Any]]:
    """Every switch with the values that this study uses."""
    settings = {f"{v.experiment}/{v.name}": v.settings for v in variants}
    rows = []
    for switch in switches.table():
        used = switches.used(switch, settings)
        rows.append({"switch": switch, "default": switches.shown(switch.default), "used": used})
    return rows


def _cost(found: list[Variant]) -> dict[str, float]:
    """Sums over variants (peak memory: the largest)."""
    done = [v.cost for v in found if v.cost]
    total = {k: sum(c[k] for c in done) for k in ("wall_seconds", "cpu_seconds", "run_steps")}
    total["peak_memory_bytes"] = max(c["peak_memory_bytes"] for c in done)
    total["variants"] = len(done)
    total["runs"] = sum(v.seeds for v in found)
    return total


def _provenance(variants: list[Variant]) -> dict[str, list]:
    """Distinct versions, git states, engines and devices over all finished variants."""
    done = [v.trained for v in variants if v.seeds]
    versions: dict[str, set[str]] = {}
    for trained in done:
        for package, found in trained["versions"].items():
            versions.setdefault(package, set()).update(found)
    return {
        "versions": sorted((package, ", ".join(sorted(found))) for package, found in versions.items()),
        "git": sorted({git for trained in done for git in trained["git"]}),
        "engines": sorted({engine for trained in done for engine in trained["engine"]}),
        "devices": sorted({device for trained in done for device in trained["device"]}),
    }
