"""A study on a real Slurm cluster: what goes wrong there costs time, never a number.

One study, four training jobs, two on each node, all disturbed at once: one is cancelled by hand, one runs into its
time limit, one is driven away by a more urgent job, one loses its node.
"""

from __future__ import annotations

import re
import subprocess
from types import SimpleNamespace

import pytest
from slurm.study import SEEDS, Study, gpu_of, numbers, record, until

RUN = "results/small/runs/digits/cbp/seeds_0-0.h5"
STOPPED = "stopped by SIGTERM; the next start goes on from here\n"


@pytest.fixture(scope="module")
def done(cluster, tmp_path_factory):
    """The finished study, and what was seen of its jobs on the way."""
    # Training jobs hold a GPU, although they train without one.
    study = Study(tmp_path_factory.mktemp("study") / "copy", {"device": "cpu"}, {"gpu": 1})
    on_gpu = Study(tmp_path_factory.mktemp("on_gpu") / "copy", {"device": "cuda"}, {})
    runs = "undisturbed/small/runs/digits/cbp/seeds_0-3.h5"
    undisturbed = study.start("local", "--config", "results=undisturbed", "block_size=4", "--", runs)
    disturbed = study.start("out", "--workflow-profile", "profiles/slurm")
    started = [undisturbed, disturbed]
    try:
        seen = disturb(study)
        asking = on_gpu.start("out", "--workflow-profile", "profiles/slurm", "--retries", "0", "--", RUN)
        started.append(asking)
        code = disturbed.wait(300)
        assert undisturbed.wait(10) == 0, (study.folder / "local").read_text()
        asking.wait(60)
    finally:
        for process in started:
            process.kill()
    out = (study.folder / "out").read_text()
    return SimpleNamespace(
        study=study, seen=seen, code=code, out=out, runs=study.folder / runs, on_gpu=on_gpu
    )


def disturb(study: Study) -> SimpleNamespace:
    """Halt all four in the midst of training, and then do each its harm."""
    pids = study.halt_in_training()
    jobs = {seed: study.jobs("train", seed)[0] for seed in SEEDS}
    nodes = {seed: job["NodeList"] for seed, job in jobs.items()}
    seen = SimpleNamespace(nodes=nodes, gpus={seed: gpu_of(pid) for seed, pid in pids.items()})
    seen.cancelled, seen.limited = (seed for seed in SEEDS if nodes[seed] == "n1")
    others = [seed for seed in SEEDS if nodes[seed] == "n2"]

    subprocess.run(["scancel", jobs[seen.cancelled]["JobId"]], check=True)
    until(lambda: STOPPED in study.log(seen.cancelled), "the cancelled job has saved", seconds=30)
    change("JobId=" + jobs[seen.limited]["JobId"], "TimeLimit=2")

    # One GPU for a more urgent job: one of the two on that node has to go.
    urgent = ["sbatch", "--parsable", "--partition=urgent", "--nodelist=n2", "--gpus=1", "--mem=100"]
    urgent += ["--output=/dev/null", "--wrap=true"]
    job = subprocess.check_output(urgent, text=True).strip()
    until(lambda: record(job)["JobState"] == "COMPLETED", "the urgent job is done")
    states = {seed: study.jobs("train", seed)[0]["JobState"] for seed in others}
    (seen.preempted,) = (seed for seed in others if states[seed] == "PENDING")
    (seen.lost,) = set(others) - {seen.preempted}

    change("NodeName=n2", "State=DOWN", "Reason=test")
    until(lambda: study.jobs("train", seen.lost)[0]["NodeList"] == "n1", "it runs on the other node")
    change("NodeName=n2", "State=RESUME")
    return seen


def change(*what: str) -> None:
    """What an administrator does."""
    subprocess.run(["scontrol", "update", *what], check=True)


def resumed_at(log: str) -> int:
    """The step at which training went on."""
    (step,) = re.findall(r"^digits/cbp, seeds .*: resumed at step ([\d,]+) of 10,782$", log, re.MULTILINE)
    return int(step.replace(",", ""))


def test_the_study_comes_to_its_end(done):
    assert done.code == 0, done.out[-5000:]
    assert (done.study.results / "report.html").stat().st_size > 10_000
    assert (done.study.results / "claims.csv").is_file()


def test_every_step_but_the_data_is_a_job_of_slurm(done):
    counts = {rule: len(done.study.jobs(rule)) for rule in ("dataset", "sequences", "metrics", "claim")}
    assert counts == {"dataset": 0, "sequences": 4, "metrics": 1, "claim": 1}


@pytest.mark.parametrize("harm", ["cancelled", "limited", "preempted", "lost"])
def test_it_goes_on_from_a_checkpoint_to_the_same_numbers(done, harm):
    seed = getattr(done.seen, harm)
    assert resumed_at(done.study.log(seed)) > 0
    found = numbers(done.study.results / f"runs/digits/cbp/seeds_{seed}-{seed}.h5")
    assert found == {seed: numbers(done.runs)[seed]}


@pytest.mark.parametrize("harm", ["cancelled", "limited"])
def test_the_second_attempt_gets_more_memory_and_time(done, harm):
    first, second = done.study.jobs("train", getattr(done.seen, harm))
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("1300M", "2600M")
    assert second["TimeLimit"] == "01:00:00" and second["JobState"] == "COMPLETED"


def test_a_job_hears_of_its_time_limit_while_there_is_time(done):
    first, _ = done.study.jobs("train", done.seen.limited)
    assert (first["JobState"], first["TimeLimit"]) == ("FAILED", "00:02:00")  # not TIMEOUT
    assert first["RunTime"] < first["TimeLimit"] and STOPPED in done.study.log_of(first)


@pytest.mark.parametrize("harm", ["preempted", "lost"])
def test_slurm_itself_starts_jobs_again_that_it_has_ended(done, harm):
    (job,) = done.study.jobs("train", getattr(done.seen, harm))
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")


def test_a_job_that_lost_its_node_ends_on_another(done):
    (job,) = done.study.jobs("train", done.seen.lost)
    assert (done.seen.nodes[done.seen.lost], job["NodeList"]) == ("n2", "n1")


def test_jobs_on_one_node_see_different_gpus(done):
    for node in ("n1", "n2"):
        gpus = [done.seen.gpus[seed] for seed in SEEDS if done.seen.nodes[seed] == node]
        assert sorted(gpus) == ["0", "1"]


def test_a_training_job_that_must_have_a_gpu_asks_for_one(done):
    """It is there for Slurm alone, so training itself may well refuse."""
    (job,) = done.on_gpu.jobs("train", 0)
    (other,) = done.on_gpu.jobs("sequences")[:1]
    assert job["TresPerJob"] == "gres:gpu:1" and "TresPerJob" not in other
