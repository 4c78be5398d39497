"""Collect what is finished under a study's folder. Reads only; a missing or bad file becomes a remark."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from perennial import registry
from perennial.claims import records, summary
from perennial.claims.verdict import VERDICTS
from perennial.files import identity, lineage, provenance, store
from perennial.report import origins, pictures, series, switches


@dataclass
class Variant:
    """What is known about one variant: finished seeds, settings, cost, where it ran."""

    experiment: str
    name: str
    planned: int
    seeds: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    remark: str = ""
    cost: dict[str, float] = field(default_factory=dict)
    trained: dict[str, Any] = field(default_factory=dict)  # how its blocks were: results/README.md
    record: dict[str, Any] = field(default_factory=dict)  # of its metrics file
    runs: dict[str, str] = field(default_factory=dict)  # files, as named from the page -> checksum
    checksum: str = ""

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


def gather(study: Any, code: str = "") -> dict[str, Any]:
    """Everything the template shows.

    Args:
        study: as `perennial.config.load` gives it.
        code: hash of the code of the page.
    """
    folder = Path(study.folder)
    variants, curves = _results(study, folder)
    names = _experiments(study, folder)
    by_experiment = {name: [v for v in variants if v.experiment == name] for name in names}
    about = {name: _about(study, name) for name in by_experiment}
    judged, own = records.read(folder / "claims"), records.read_comparisons(folder / "claims")
    inputs = provenance.checksums(_good(origins.results(folder), variants), folder / "report.html")
    remarks = [f"{v.label}: {v.remark}" for v in variants if v.remark] + origins.outdated(folder, inputs)
    return {
        "scale": study.scale,
        "claims": _grouped(judged, about),
        "tally": _tally(judged),
        "comparisons": own,
        "figures": _figures(study, folder),
        "curves": curves,
        "experiments": by_experiment,
        "about": about,
        "switches": _switches(variants),
        "costs": {name: _cost(found) for name, found in by_experiment.items() if any(v.seeds for v in found)},
        "provenance": _provenance(variants),
        "record": origins.record(study, code, inputs),
        "remarks": remarks,
        "mixed": origins.alike((v.label, v.unlike) for v in variants if v.unlike),
        "differing": {
            "variants": origins.alike((v.label, v.mixed) for v in variants if v.mixed),
            "comparisons": origins.alike(
                origins.comparisons(judged, own, {(v.experiment, v.name): v.trained for v in variants})
            ),
        },
    }


def _good(paths: list[Path], variants: list[Variant]) -> list[Path]:
    """Without the metrics files that could not be read."""
    bad = {(v.experiment, v.name) for v in variants if not v.seeds}
    return [path for path in paths if path.suffix != ".h5" or (path.parent.name, path.stem) not in bad]


def _experiments(study: Any, folder: Path) -> list[str]:
    """Those of the study, then those that only the disk knows."""
    active = list(study.experiments())
    return active + sorted({p.parent.name for p in folder.glob("metrics/*/*.h5")} - set(active))


def _results(study: Any, folder: Path) -> tuple[list[Variant], dict[str, Any]]:
    """Status of every variant, and the per-seed curves of those with a good metrics file."""
    variants, files = [], {}
    with ExitStack() as stack:
        for experiment in _experiments(study, folder):
            for variant in _listed(study, folder, experiment):
                path = folder / "metrics" / experiment / f"{variant.name}.h5"
                variants.append(variant)
                if not path.exists():
                    continue
                try:
                    file = stack.enter_context(store.open_checked(path))
                except store.BadFile as error:
                    variant.remark = f"metrics file set aside here: {str(error).removeprefix(f'{path}: ')}"
                    continue
                if reason := identity.mismatch(file.attrs, "metrics", experiment, variant.name):
                    variant.remark = f"metrics file left out: {reason}"
                    continue
                _read(variant, path, file)
                files[experiment, variant.name] = file
        curves = series.curves(files)
    for name, entry in curves["experiments"].items():
        entry["title"] = _about(study, name)["title"]
        entry["printed"] = _printed(study, name, entry)
    return variants, curves


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


def _tally(judged: list[dict]) -> dict[str, Any]:
    """How many published claims, and how many of ours, got each verdict."""
    count = Counter((bool(c["ours"]), c["verdict"]) for c in judged)
    rows = {v: {"published": count[False, v], "ours": count[True, v]} for v in VERDICTS}
    told = {
        whose: summary.of_claims([claim["verdict"] for claim in judged if bool(claim["ours"]) == ours])
        for whose, ours in (("published", False), ("ours", True))
    }
    settle = summary.to_settle([claim for claim in judged if "settled_by" in claim])
    return {"rows": rows, "published": sum(r["published"] for r in rows.values()), "told": told, "settle": settle,
            "ours": sum(r["ours"] for r in rows.values()), "all": len(judged)}  # fmt: skip


def _figures(study: Any, folder: Path) -> list[dict[str, Any]]:
    """Figures of the study, then others on disk; those not drawn yet are named."""
    names = list(study.figures())
    names += sorted(p.stem for p in folder.glob("figures/*.svg") if p.stem not in names)
    return [_figure(study, name, folder / "figures" / f"{name}.svg") for name in names]


def _figure(study: Any, name: str, path: Path) -> dict[str, Any]:
    try:
        module = study.figure(name)
        title, caption = module.TITLE, module.CAPTION
    except registry.UnknownName:  # its file was removed since it was drawn
        title, caption = name.replace("_", " "), ""
    drawn = path.exists()
    picture = pictures.inline(path, name, title, caption) if drawn else Markup("")
    return {"name": name, "title": title, "caption": caption, "drawn": drawn, "picture": picture}


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
