"""Requests to stop, as they come from schedulers and from people."""

from __future__ import annotations

import signal

import pytest

from perennial.jobs import stopping


class Killed(Exception):
    """What would have ended the process."""


@pytest.fixture(autouse=True)
def deadly():
    """The requests raise an error wherever nobody takes note of them."""

    def die(number, frame):
        raise Killed(signal.Signals(number).name)

    before = {number: signal.signal(number, die) for number in stopping.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_scheduler_may_ask_more_than_once(name):
    with stopping.on_request() as request:
        assert request.signal is None
        for _ in range(3):
            signal.raise_signal(getattr(signal, name))
        signal.raise_signal(signal.SIGTERM)
    assert request.signal == name


def test_a_second_ctrl_c_ends_the_process():
    with stopping.on_request() as request:
        signal.raise_signal(signal.SIGINT)
        assert request.signal == "SIGINT"
        with pytest.raises(Killed, match="SIGINT"):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)  # still noted


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_afterwards_signals_act_as_before(number):
    with stopping.on_request():
        signal.raise_signal(number)
    with pytest.raises(Killed):
        signal.raise_signal(number)
