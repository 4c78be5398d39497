"""A finished smoke study in a copy of the repository, and a way to ask what a changed copy plans."""

from __future__ import annotations

import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

import pytest
import scenarios
from warm_snakemake import Server
from workflow_copy import Answer, copy_repository, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Answer:
    """The smoke study, run once."""
    folder = tmp_path_factory.mktemp("dag") / "finished"
    copy_repository(folder)
    answer = snakemake(folder)
    assert answer.code == 0, answer.out[-5000:]
    return answer


@pytest.fixture(scope="session")
def answers(finished, tmp_path_factory) -> dict[str, Future[Answer]]:
    """The answer to every scenario, each in a copy of its own, two at a time."""
    base = tmp_path_factory.mktemp("scenarios")
    servers: SimpleQueue[Server] = SimpleQueue()
    for _ in range(2):
        servers.put(Server())

    def ask(name: str) -> Answer:
        folder = base / name
        shutil.copytree(finished.folder, folder, symlinks=True)
        arguments = scenarios.ALL[name](folder)
        server = servers.get()
        try:
            return Answer(*server.call(folder, arguments), folder)
        finally:
            servers.put(server)

    with ThreadPoolExecutor(2) as pool:
        found = {name: pool.submit(ask, name) for name in scenarios.ALL}
    for _ in range(2):
        servers.get().stop()
    return found


@pytest.fixture
def answer(answers):
    """The answer to one scenario, by its name."""
    return lambda name: answers[name].result()
