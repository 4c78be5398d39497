"""The command `perennial`: one run in this process, the verdicts, and a look at the config.

perennial run permuted_digits cbp --seed 3      train one seed here, without Snakemake (for a debugger)
perennial verdicts                              the table of verdicts, and where the report is
perennial tables                                write the tables of verdicts in the READMEs
perennial provenance results/laptop/report.html what a result was made from, and whether that is still there
perennial check                                 whether the config is good
perennial plan                                  what a run would do and cost on this machine
perennial schema                                write the JSON schemas that editors use
"""

from __future__ import annotations

import perennial.one_thread  # noqa: F401  first: the numerical libraries read it when they are imported

# isort: split
import argparse
import csv
import json
import sys
from pathlib import Path
from typing import get_args

from perennial import config
from perennial.claims import records, summary
from perennial.claims.verdict import VERDICTS
from perennial.config import Study, entries
from perennial.config.folders import layer
from perennial.config.study import sequence_key
from perennial.dag import stage_code
from perennial.errors import UserError
from perennial.files import lineage, store

SCHEMAS = Path(__file__).parent / "config"
COLUMNS = ("id", "experiment", "n", "estimate", "low", "high", "published", "verdict", "parts")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1


def run(options: argparse.Namespace) -> int:
    """Train one seed of one variant in this process and say where its file lies."""
    from perennial import datasets
    from perennial.jobs import sequences, training

    study = _study(options)
    settings = study.settings(options.experiment, options.variant, options.length)
    folder = study.folder / "single" / options.experiment / options.variant
    name = f"seeds_{options.seed}-{options.seed}.h5"
    dataset_name = stage_code.dataset_of(settings)
    dataset = study.results / "data" / f"{dataset_name}.h5" if dataset_name else None
    if dataset and store.check(dataset):
        datasets.make(dataset_name, dataset, study.data_root, code=stage_code.dataset(dataset_name))
    sequence = folder / "sequences" / name
    met = sequence_key(settings)
    sequences.make_block(met, [options.seed], sequence, stage_code.sequences(met))
    training.train_block(
        settings,
        [options.seed],
        folder / name,
        sequences=[sequence],
        dataset=dataset,
        engine=options.engine or study.engine,
        device=options.device or study.device,
        portable=study.portable,
        threads=1,
        code=stage_code.train(settings),
        experiment=options.experiment,
        variant=options.variant,
        label=f"{options.experiment}/{options.variant}",
        checkpoints=folder / "checkpoints" / f"seeds_{options.seed}-{options.seed}",
        checkpoint_seconds=study.checkpoint_seconds,
    )
    _print_last_values(folder / name, options.seed)
    print(folder / name)
    return 0


def verdicts(options: argparse.Namespace) -> int:
    """Print the table of verdicts of the scale, or of one experiment, and the path of its report."""
    from perennial.report import settling

    study = _study(options)
    folder, only = study.folder, options.experiment
    if only:
        study.experiment(only)  # a slip of the pen is told with the known names
    path = folder / "claims.csv"
    if not path.is_file():
        print(f"{path}: not there yet; `make` or `snakemake` makes it", file=sys.stderr)
        return 1
    with open(path, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if only in (None, row["experiment"])]
    print(table(rows))
    judged = [row for row in rows if row["verdict"] in VERDICTS]
    print("\n" + summary.of_claims([row["verdict"] for row in judged]))
    known = [claim for claim in records.read(folder / "claims") if only in (None, claim["experiment"])]
    if line := settling.told(folder, known) or summary.to_settle(judged):
        print(line)
    print(f"report: {folder / 'report.html'}")
    return 0


def tables(options: argparse.Namespace) -> int:
    """Write the tables of verdicts in the READMEs of the project and of its studies."""
    from perennial.report import tables

    for path in tables.write(_study(options), options.config.parent / "README.md"):
        print(path)
    return 0


def provenance(options: argparse.Namespace) -> int:
    """Print what a result file was made from, down to the data; 1 where an input is gone or another version now."""
    chain = lineage.Chain(options.file)
    for line in chain.lines():
        print(line)
    if chain.broken:
        print(f"{options.file}: {len(chain.broken)} of its inputs are gone, or another version now")
    return 1 if chain.broken else 0


def check(options: argparse.Namespace) -> int:
    """Say in one line what a good config asks for."""
    study = _study(options)
    parts = [
        f"{name} ({len(study.variants(name))} variants, {_seeds(study, name)} seeds, {_length(study, name)})"
        for name in study.experiments()
    ]
    print(f"{study.file}: good; scale {study.scale}: {', '.join(parts)}")
    return 0


def plan(options: argparse.Namespace) -> int:
    """Say what a run would do, and what it would cost on this machine."""
    from perennial.estimate import command

    command.plan(_study(options), options)
    return 0


def _seeds(study: Study, experiment: str) -> str:
    """`30`, or `30 to 400` where variants have different numbers of them."""
    counts = sorted({len(study.seeds(experiment, variant)) for variant in study.variants(experiment)})
    return " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))


def _length(study: Study, experiment: str) -> str:
    """`800 tasks`, or `48 to 4800 tasks` where variants differ."""
    variants = study.variants(experiment)
    counts = sorted({study.length(experiment, variant) for variant in variants})
    units = dict.fromkeys(study.unit(experiment, variant) for variant in variants)
    return f"{' to '.join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))} {' or '.join(units)}"


def schema(options: argparse.Namespace) -> int:
    """Write the JSON schemas of config.yaml and experiment.yaml into the package."""
    for name, text in schema_texts().items():
        (SCHEMAS / name).write_text(text, encoding="utf-8")
        print(SCHEMAS / name)
    return 0


def schema_texts(names: dict[str, list[str]] | None = None) -> dict[str, str]:
    """The JSON schemas by the names of their files.

    Args:
        names: kind -> modules to describe; all that are found when not given.
    """
    found = {
        "config.schema.json": entries.config_schema(),
        entries.EXPERIMENT_SCHEMA: entries.experiment_schema(names),
    }
    return {name: json.dumps(schema, indent=2) + "\n" for name, schema in found.items()}


def table(rows: list[dict[str, str]]) -> str:
    """Rows of the claims table in aligned columns."""
    lines = [COLUMNS, *(tuple(row[column] for column in COLUMNS) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (map(str.ljust, line, widths) for line in lines)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def _print_last_values(path: Path, seed: int) -> None:
    """The last value of every metric: enough to see whether a run makes sense."""
    with store.open_checked(path) as file:
        for name, data in sorted(file[f"seed_{seed:04d}"].items()):
            if data.size:  # a network without hidden layers has no units to be dead
                print(f"{name}: {data[-1].mean():.6g} {data.attrs.get('units', '')} (last of {len(data)})")


def _study(options: argparse.Namespace) -> Study:
    return config.load([layer(path) for path in (options.config, *options.configfile)], scale=options.scale)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="perennial", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (run, verdicts, tables, provenance, check, plan, schema):
        sub = commands.add_parser(
            command.__name__, help=(command.__doc__ or command.__name__).splitlines()[0]
        )
        sub.set_defaults(command=command)
        if command is provenance:
            sub.add_argument(
                "file", type=Path, help="a data set, run, metrics, claims, figure or report file"
            )
            continue
        sub.add_argument("--config", type=Path, default=Path("config.yaml"), help="config file")
        over = "a file whose keys are laid over the config's; may be given several times"
        sub.add_argument("--configfile", type=Path, action="append", default=[], metavar="FILE", help=over)
        sub.add_argument("--scale", help="another scale than the config's")
        if command is verdicts:
            sub.add_argument("experiment", nargs="?", help="an experiment of the config; default: all")
        if command is run:
            _add_run_options(sub)
        if command is plan:
            _add_plan_options(sub)
    return parser


def _add_plan_options(parser: argparse.ArgumentParser) -> None:
    from perennial.estimate import options

    options.add(parser)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", help="an experiment of the config")
    parser.add_argument("variant", help="one of its variants")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--length", type=int, help="another length than the scale's")
    parser.add_argument("--engine", choices=get_args(entries.Engine), help="another than the config's")
    parser.add_argument("--device", choices=get_args(entries.Device), help="another than the config's")


if __name__ == "__main__":
    sys.exit(main())
