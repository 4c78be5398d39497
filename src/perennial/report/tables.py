"""Tables of verdicts in the READMEs: `perennial tables` makes them from judged claims, and nothing else does.

Beside an experiment's README lies `verdicts.json`: what the table was made from, by which machine and commit. So a
table can be made again without the results, and a test can tell one that belongs to other claims or settings.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from perennial.claims import summary
from perennial.config import Study
from perennial.files import store

FILE, BEGIN, END = "verdicts.json", "<!-- verdicts -->", "<!-- /verdicts -->"


def write(study: Study, readme: Path) -> list[Path]:
    """Write the tables of all experiments that are judged at the study's scale, and the short one of the project.

    Args:
        readme: of the project; left alone where it has no place for a table.

    Returns:
        the files written.
    """
    written = []
    for name in study.experiments():
        home = study.experiment(name).home
        judged = study.folder / "claims" / f"{name}.json"
        if home is None or not judged.is_file():
            continue
        found = record(study, name, json.loads(judged.read_text(encoding="utf-8")))
        text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        store.write_bytes(home / FILE, text.encode())
        written += [home / FILE, *_fill(home / "README.md", of_experiment(found))]
    return written + _fill(readme, of_project(study))


def record(study: Study, name: str, judged: dict[str, Any]) -> dict[str, Any]:
    """What a table needs of the judged claims of an experiment, and what it was made from."""
    made = judged["provenance"]
    keys = ("id", "statement", "n", "estimate", "low", "high", "published", "verdict", "parts_text")
    return {
        "experiment": name,
        "scale": study.scale,
        "machine": made["device"],
        "git": made["git"],
        "digest": digest(study, name),
        "claims": [{key: claim[key] for key in keys} for claim in judged["claims"]],
    }


def digest(study: Study, name: str) -> str:
    """16 hex digits for the claims of an experiment and the settings of its variants at the study's scale."""
    settings = {variant: study.settings(name, variant) for variant in study.variants(name)}
    seeds = {variant: study.seeds(name, variant) for variant in settings}
    found = hashlib.sha256(json.dumps([settings, seeds], sort_keys=True).encode())
    statements = study.claims(name).model_dump_json(exclude={"file", "curves"})  # not where they lie
    found.update(statements.encode())
    return found.hexdigest()[:16]


def known(study: Study) -> dict[str, dict[str, Any]]:
    """The records beside the experiments of all studies: experiment -> record."""
    homes = {name: experiment.home for name, experiment in study.all_experiments.items() if experiment.home}
    files = {name: home / FILE for name, home in homes.items() if (home / FILE).is_file()}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in files.items()}


def of_experiment(found: dict[str, Any]) -> str:
    """The table of an experiment's README."""
    lines = [
        "| claim | in short | ours (95 % interval), n | published | verdict |",
        "| --- | --- | --- | --- | --- |",
    ]
    for claim in found["claims"]:
        verdict = f"{claim['verdict']} ({claim['parts_text']})" if claim["parts_text"] else claim["verdict"]
        cells = [claim["id"], claim["statement"], _ours(claim), claim["published"] or "—", verdict]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", _made(found)])


def of_project(study: Study) -> str:
    """The short table of the project's README: an experiment a row."""
    lines = ["| experiment | verdicts on its claims | one of them |", "| --- | --- | --- |"]
    for name, found in known(study).items():
        words = summary.of_claims([claim["verdict"] for claim in found["claims"]])
        one = next((claim for claim in found["claims"] if claim["estimate"] is not None), None)
        title, home = study.experiment(name).title, study.experiment(name).home
        link = f"[{title}](studies/{home.parent.name}/{home.name}/README.md)" if home else title
        shown = f"{one['id']}: {_ours(one)}, published {one['published'] or '—'}" if one else "—"
        lines.append(f"| {link} | {words} | {shown} |")
    return "\n".join(lines)


def _ours(claim: dict[str, Any]) -> str:
    """`0.805 (0.768 to 0.841), 30`."""
    if claim["estimate"] is None:
        return "—"
    interval = "" if claim["low"] is None else f" ({claim['low']:.4g} to {claim['high']:.4g})"
    return f"{claim['estimate']:.4g}{interval}, {claim['n']}"


def _made(found: dict[str, Any]) -> str:
    commit, plus, changes = found["git"].partition("+")
    state = f"commit {commit[:12]}{plus}{changes}"
    return f"Scale {found['scale']}; {found['machine']}; {state}. Made by `perennial tables`."


def _fill(path: Path, table: str) -> list[Path]:
    """Put a table between the marks of a page."""
    if not path.is_file() or BEGIN not in (text := path.read_text(encoding="utf-8")):
        return []
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    store.write_bytes(path, f"{before}{BEGIN}\n{table}\n{END}{after}".encode())
    return [path]


def between(path: Path) -> str:
    """The table that stands between the marks of a page."""
    return path.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()
