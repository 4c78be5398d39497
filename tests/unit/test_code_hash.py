"""The code hash: deaf to comments and layout, awake to code, and no wider than the imports."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fidelity import passes, support

from perennial import config, registry
from perennial.dag import code_hash, stage_code

FILES = {
    "__init__.py": "from perennial.load import load",
    "load.py": "def load(): ...",
    "settings.py": "limit = 1",
    "algorithms/__init__.py": "State = dict",
    "algorithms/adam.py": "from perennial import streams\nfrom perennial.settings import limit\nrate = 1",
    "algorithms/cbp.py": "from perennial.algorithms import State\nrate = 2",
    "engines/__init__.py": "from importlib import import_module\nfast = import_module('perennial.' + 'adam')",
    "engines/adam.py": "from . import _loop\nspeed = 1",
    "engines/_loop.py": "def run():\n    from ..streams import philox\n    return philox",
    "streams/__init__.py": "words = 1",
    "streams/philox.py": "rounds = 10",
    "figures.py": textwrap.dedent(
        """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            import perennial.engines.adam
        import perennial.streams as streams
        """
    ),
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package of its own in place of the real one; `edit` changes one of its files."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(code_hash, "ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget():
    for cached in ("_lines", "imported_modules", "module_digest", "_tree", "_find"):
        getattr(code_hash, cached).cache_clear()


def changes(package, file, text, modules):
    """Whether writing `text` to a file changes the hash of the modules."""
    before = code_hash.digest(modules)
    (package / file).write_text(text, encoding="utf-8")
    forget()
    return code_hash.digest(modules) != before


ADAM = ["perennial.algorithms.adam", "perennial.engines.adam"]


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n" + FILES["algorithms/adam.py"],
        '"""A docstring."""\n' + FILES["algorithms/adam.py"],
        FILES["algorithms/adam.py"].replace("rate = 1", "\n\nrate   =  (1)  # the rate\n"),
        FILES["algorithms/adam.py"] + "\n'a stray string'\n",
    ],
)
def test_comments_docstrings_and_layout_change_nothing(package, text):
    assert not changes(package, "algorithms/adam.py", text, ADAM)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("algorithms/adam.py", FILES["algorithms/adam.py"].replace("rate = 1", "rate = 1.5")),
        ("algorithms/adam.py", FILES["algorithms/adam.py"] + "\nname = 'x'\n"),
        ("engines/adam.py", FILES["engines/adam.py"].replace("1", "2")),
        ("engines/_loop.py", "def run():\n    return 1"),  # a relative import
        ("streams/__init__.py", "words = 2"),
        ("streams/philox.py", "rounds = 7"),  # an import inside a function
        ("algorithms/__init__.py", "State = list"),  # the package a module lies in
    ],
)
def test_code_that_is_imported_changes_the_hash(package, file, text):
    assert changes(package, file, text, ADAM)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("algorithms/cbp.py", "rate = 3"),  # another algorithm
        ("figures.py", "colour = 1"),
        ("load.py", "def load(): return 1"),  # the outermost package is the API for people
        ("__init__.py", ""),
        ("settings.py", "limit = 2"),  # values enter params, not this module
    ],
)
def test_other_code_does_not(package, file, text):
    assert not changes(package, file, text, ADAM)


def test_adam_concerns_adam_alone(package):
    assert not changes(
        package,
        "engines/adam.py",
        "speed = 9",
        ["perennial.algorithms.cbp", "perennial.engines"],
    )


def test_imports_for_type_checkers_are_not_followed(package):
    assert code_hash.closure(["perennial.figures"]) == ["perennial.figures", "perennial.streams"]


def test_data_files_count_byte_by_byte(package, tmp_path):
    data = tmp_path / "curve.json"
    data.write_text("[1]")
    before = code_hash.digest(ADAM, [data])
    data.write_text("[2]")
    assert code_hash.digest(ADAM, [data]) != before


def test_an_unknown_module_is_named(package):
    with pytest.raises(code_hash.UnknownModule, match=r"perennial\.algorithms\.adma"):
        code_hash.digest(["perennial.algorithms.adma"])


# ---- the package itself


def test_training_follows_only_its_own_parts():
    names = {"procedure": "task_stream", "problem": "permuted_digits", "network": "mlp", "algorithm": "cbp"}
    settings = {part: {"name": name} for part, name in names.items()}
    settings |= {"precision": "float32", "measures": {"dead_units": {"every": 1}}}
    settings["algorithm"] |= {"step_size": 0.01, "replacement_rate": 1e-4}
    modules = set(code_hash.closure(stage_code.train_modules(settings)))
    for kind, own in {
        "problems": {"permuted_digits"}, "networks": {"mlp"}, "procedures": {"task_stream"},
        "algorithms": {"cbp", "backprop"}, "measures": {"dead_units"}, "datasets": set(),
    }.items():  # fmt: skip
        assert {name for name in registry.names(kind) if registry.dotted(kind, name) in modules} == own, kind
    others = ("figures", "claims", "report", "config", "dag", "datasets", "estimate", "files", "analyses")
    assert not [name for name in modules if name.split(".")[1] in others]
    assert [name for name in modules if name.startswith("perennial.jobs.")] == ["perennial.jobs.outcome"]
    assert not [name for name in modules if name.startswith(registry.OUTSIDE)]  # figures of a study


R, D, C = "regression relu_0.01", "digits cbp", "small Continual ImageNet cbp"
VARIANTS = {
    R: ("slowly_changing_regression", "relu_0.01"),
    D: ("permuted_digits", "cbp"),
    C: ("continual_imagenet_small", "cbp"),
}
#: file of the package -> the variants that are trained again after an edit of it
EDITS = {
    "jobs/outcome.py": {R, D, C},
    "jobs/training.py": set(), "jobs/checkpoint.py": set(), "jobs/progress.py": set(), "jobs/sequences.py": set(),
    "files/store.py": set(), "files/series.py": set(), "files/compilation.py": set(), "files/provenance.py": set(),
    "report/page.py": set(), "claims/verdict.py": set(), "analyses/summary.py": set(), "analyses/bins.py": set(),
    "figures/__init__.py": set(), "dag/code_hash.py": set(), "config/study.py": set(), "estimate/costs.py": set(),
    "registry.py": set(), "settings.py": set(), "cli.py": set(),
    "datasets/__init__.py": set(), "datasets/mnist.py": set(), "datasets/digits.py": set(),
    "learning/tree.py": {R, D, C}, "learning/views.py": {R, D, C}, "learning/losses.py": {R, D, C},
    "learning/networks/mlp.py": {R, D, C}, "learning/networks/convnet.py": {C},
    "learning/algorithms/backprop.py": {R, D, C}, "learning/algorithms/cbp.py": {D, C},
    "learning/algorithms/_renewal.py": {D, C}, "learning/algorithms/_moments.py": {D, C},
    "learning/algorithms/adam.py": set(), "learning/algorithms/l2.py": set(),
    "learning/algorithms/shrink_and_perturb.py": set(), "learning/algorithms/dropout.py": set(),
    "learning/algorithms/online_normalisation.py": set(),
    "learning/engines/__init__.py": {R, D, C}, "learning/engines/stacked.py": {R, D, C},
    "learning/engines/compiling.py": {R, D, C},
    "learning/engines/fused/__init__.py": {R, D}, "learning/engines/fused/loop.py": {R, D},
    "learning/engines/fused/trainer.py": {R, D}, "learning/engines/fused/cbp.py": {D},
    "learning/engines/fused/adam.py": set(), "learning/engines/fused/l2.py": set(),
    "learning/engines/pooled/__init__.py": {C}, "learning/engines/pooled/cbp.py": {C},
    "learning/engines/pooled/kernels.py": {C}, "learning/engines/pooled/l2.py": set(),
    "learning/engines/graphed/trainer.py": {R, D, C}, "learning/engines/graphed/cbp.py": {D},
    "learning/engines/graphed/dropout.py": set(),
    "learning/engines/graphed/batches/cbp.py": {C}, "learning/engines/graphed/batches/step.py": {C},
    "procedures/__init__.py": {R, D, C}, "procedures/_tasks.py": {R, D, C}, "procedures/hooks/reset.py": {R, D, C},
    "procedures/task_stream.py": {R, D}, "procedures/task_epochs.py": {C},
    "problems/slowly_changing_regression.py": {R}, "problems/permuted_digits.py": {D},
    "problems/_permuted_images.py": {D}, "problems/permuted_mnist.py": set(),
    "problems/continual_imagenet.py": {C}, "problems/_class_pairs.py": {C},
    "measures/squared_error.py": {R}, "measures/dead_units.py": {R, D, C}, "measures/effective_rank.py": {D},
    "measures/_spectrum.py": {D}, "measures/test_accuracy.py": {C}, "measures/train_accuracy_by_epoch.py": set(),
    "streams/__init__.py": {R, D, C}, "streams/compiled.py": {R, D, C}, "streams/tensors.py": {D, C},
}  # fmt: skip


@pytest.fixture(scope="module")
def modules():
    """Where the code of each variant begins."""
    study = config.load(support.REPOSITORY / "config.yaml")
    return {name: stage_code.train_modules(study.settings(*variant)) for name, variant in VARIANTS.items()}


@pytest.fixture(scope="module")
def edited(tmp_path_factory, modules):
    """(file) -> the variants whose hash changes with it, in a copy of the package."""
    root = tmp_path_factory.mktemp("package") / "perennial"
    shutil.copytree(code_hash.ROOT, root, ignore=shutil.ignore_patterns("__pycache__", "*.json", "*.yaml"))
    patch, known, of_file = pytest.MonkeyPatch(), {}, code_hash.module_digest.__wrapped__
    patch.setattr(code_hash, "ROOT", root)

    @functools.wraps(code_hash.module_digest)
    def module_digest(path: Path) -> str:  # only the edited file is read again
        if path not in known:
            known[path] = of_file(path)
        return known[path]

    module_digest.cache_clear = known.clear
    patch.setattr(code_hash, "module_digest", module_digest)
    forget()

    def hashes(edited: Path | None = None) -> dict[str, str]:
        known.pop(edited, None)
        code_hash._tree.cache_clear()
        code_hash._lines.cache_clear()
        return {name: code_hash.digest(own) for name, own in modules.items()}

    before = hashes()

    def edit(file: str) -> set[str]:
        path = root / file
        text = path.read_text(encoding="utf-8")
        path.write_text(text + "\nedited = True\n", encoding="utf-8")
        after = hashes(path)
        path.write_text(text, encoding="utf-8")
        assert hashes(path) == before
        return {name for name in before if before[name] != after[name]}

    yield edit
    patch.undo()
    forget()


@pytest.mark.parametrize("file", EDITS)
def test_an_edit_trains_again_what_it_concerns(edited, file):
    assert edited(file) == EDITS[file]


def test_what_is_looked_up_by_name_belongs_to_it_on_every_network():
    """Noise on Adam in a network for which no engine has a fast file of Adam's."""
    noise = {**support.hyper("shrink_and_perturb"), "optimiser": "adam", "step_size": 0.001}
    modules = code_hash.closure(stage_code.train_modules(passes.variant(noise)))
    assert "perennial.learning.algorithms.adam" in modules
    modules = code_hash.closure(stage_code.train_modules(passes.variant(support.hyper("shrink_and_perturb"))))
    assert "perennial.learning.algorithms.adam" not in modules


#: A course in a process of its own: what it imports, of the package, from its first step to its last.
COURSE = """
import json, sys
import numpy as np
from perennial import registry
from perennial.procedures import Group

settings, engine = json.loads(sys.argv[1])
random = np.random.default_rng(0)
digits = {"images": random.integers(0, 17, (60, 8, 8), np.uint8), "labels": (np.arange(60) % 10).astype(np.uint8)}
photographs = {
    "images": random.integers(0, 256, (6 * 16, 3, 32, 32), np.uint8), "counts": np.full(6, 16),
    "names": np.array([f"n{c}".encode() for c in range(6)]), "mean": np.zeros((3, 32, 32)),
}
module, choices = registry.world(settings)
met = module.sequence(choices, 0, settings["length"])
data = {None: None, "digits": digits, "imagenet32": photographs}[module.DATASET]
group = Group(settings, [0], [met], data, engine)
course = registry.module("procedures", settings["procedure"]["name"]).start(group)
for _ in course.pieces():
    pass
course.state(), course.results()
print(json.dumps([name for name in sys.modules if name.startswith("perennial.")]))
"""
SHORT = {
    R: {"length": 1, "problem": {"flip_every": 20}},
    D: {"length": 1, "problem": {"probe_examples": 10}},
    C: {
        "length": 1, "problem": {"classes": 6, "train_per_class": 10, "test_per_class": 6},
        "procedure": {"epochs": 2, "batch_size": 5},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        (R, "stacked"),
        (R, "fused"),
        (D, "fused"),
        (D, "graphed"),
        (C, "stacked"),
        (C, "pooled"),
        (C, "graphed"),
    ],
)
def test_nothing_that_a_course_runs_is_left_out(name, engine, modules):
    """But the plumbing, and what lies in a procedure's way to its engine: these only say why an engine is not taken."""
    study = config.load(support.REPOSITORY / "config.yaml")
    settings = json.loads(json.dumps(study.settings(*VARIANTS[name])))
    for key, value in SHORT[name].items():
        settings[key] = {**settings[key], **value} if isinstance(value, dict) else value
    given = json.dumps([settings, engine])
    child = subprocess.run([sys.executable, "-c", COURSE, given], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    loaded = set(json.loads(child.stdout.splitlines()[-1]))
    assert f"perennial.learning.engines.{engine}" in loaded
    left_out = loaded - set(code_hash.closure(modules[name])) - code_hash.PLUMBING
    assert not left_out, sorted(left_out)
