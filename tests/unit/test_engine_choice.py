"""Which engine trains what, on which device; and how many steps are replayed."""

from __future__ import annotations

import pytest
from fidelity import support
from fidelity.support import DIGITS

from perennial import procedures
from perennial.learning import engines
from perennial.learning.engines.graphed import replay


def test_choice_of_engine_and_device(monkeypatch):
    wide, narrow = (
        support.variant(DIGITS, support.hyper("adam"), hidden=[n]) for n in (engines.WIDE, engines.WIDE - 1)
    )
    for here in (False, True):
        monkeypatch.setattr(engines, "cuda_here", lambda here=here: here)
        assert engines.choose(procedures.need(wide)) == ("graphed" if here else "fused")
        assert (
            engines.choose(procedures.need(narrow))
            == engines.choose(procedures.need(wide), device="cpu")
            == "fused"
        )
        assert (
            engines.choose(procedures.need(narrow), "graphed") == "graphed"
            and engines.choose(procedures.need(wide), "stacked") == "stacked"
        )
        assert engines.device_of("graphed") == ("cuda" if here else "cpu")
        assert (
            engines.device_of("graphed", "cpu")
            == engines.device_of("fused")
            == engines.device_of("stacked")
            == "cpu"
        )
    assert (
        engines.choose(procedures.need(narrow), device="cuda") == "graphed"
        and engines.device_of("graphed", "cuda") == "cuda"
    )


@pytest.mark.parametrize(
    ("engine", "device", "words"),
    [
        ("fused", "cuda", "engine fused runs on the CPU only"),
        ("graphed", "cuda", "no CUDA device on this machine"),
        ("graphed", "tpu", "device: 'tpu' is not one of auto, cpu, cuda"),
    ],
)
def test_a_bad_choice_ends_in_one_line(engine, device, words, monkeypatch):
    monkeypatch.setattr(engines, "cuda_here", lambda: False)
    with pytest.raises(engines.Unsupported, match=words) as caught:
        engines.device_of(engine, device)
    assert "\n" not in str(caught.value)


def test_an_algorithm_without_a_fast_path_is_named(monkeypatch):
    monkeypatch.setattr(engines, "cuda_here", lambda: True)
    monkeypatch.setattr(engines, "fast_path", lambda engine, algorithm: None)
    settings = support.variant(DIGITS, support.hyper("adam"), hidden=[100])
    assert engines.choose(procedures.need(settings)) == "stacked"
    with pytest.raises(engines.Unsupported, match=r"algorithm 'adam' has no file in engines/graphed"):
        engines.choose(procedures.need(settings), "graphed")
    assert engines.choose(procedures.need(settings), device="cuda") == "recorded"


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 66, 67, 68, 1797, 60000])
def test_plan_of_replays(steps, recorded):
    warm_up, replays, rest = replay.plan(steps, recorded)
    assert warm_up + replays * replay.UNROLL + rest == steps and 0 <= rest < replay.UNROLL + replay.WARM_UP
    assert warm_up == 0 or replays > 0  # no recording that is not used
