"""Losses by name: who may take one, what an unknown one is told, and their values against PyTorch's."""

from __future__ import annotations

import types

import pytest
import torch

from perennial.learning import losses

RUNS, BATCH, CLASSES = 3, 4, 5


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(losses, "_known", dict(losses._known))


def of_module(module: str, name: str):
    """A loss of that name, as a procedure's file would have it."""

    def loss(forward, batch, settings):
        return forward("net", batch["inputs"]).sum((1, 2)), torch.zeros(RUNS)

    return types.FunctionType(loss.__code__, {**globals(), "__name__": module}, name)


def test_a_loss_is_found_by_the_name_of_its_function():
    mine = losses.register(of_module("perennial.procedures.mine", "hinge"))
    assert losses.get("hinge") is mine


def test_a_module_that_is_loaded_anew_registers_again():
    losses.register(of_module("perennial.procedures.mine", "hinge"))
    again = losses.register(of_module("perennial.procedures.mine", "hinge"))
    assert losses.get("hinge") is again


def test_a_name_is_not_taken_twice():
    losses.register(of_module("perennial.procedures.mine", "hinge"))
    with pytest.raises(losses.UnknownLoss) as caught:
        losses.register(of_module("perennial.procedures.other", "hinge"))
    text = str(caught.value)
    assert "'hinge'" in text and "procedures.mine" in text and "procedures.other" in text and "\n" not in text
    assert losses.get("hinge").__module__ == "perennial.procedures.mine"


def test_an_unknown_name_is_one_line_with_those_there_are():
    with pytest.raises(losses.UnknownLoss) as caught:
        losses.get("cross_entrpy")
    text = str(caught.value)
    assert text.startswith("'cross_entrpy' is not one of the losses: ") and "\n" not in text
    assert {"cross_entropy", "squared_error"} <= set(text.partition(": ")[2].split(", "))


def shown(outputs: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Outputs of two networks [r, b, o], which can be differentiated, and inputs of which nothing is used."""
    torch.manual_seed(0)
    nets = {name: torch.randn(RUNS, BATCH, outputs, dtype=torch.float64) for name in ("net", "policy")}
    return {name: net.requires_grad_() for name, net in nets.items()}, torch.zeros(RUNS, BATCH, 2)


@pytest.mark.parametrize("network", ["net", "policy"])
def test_squared_error_is_torch_s(network):
    nets, inputs = shown(1)
    targets = torch.randn(RUNS, BATCH)  # single precision, as a problem gives them
    settings = {} if network == "net" else {"network": network}
    each, performance = losses.get("squared_error")(
        lambda name, x: nets[name], {"inputs": inputs, "targets": targets}, settings
    )
    assert each.shape == performance.shape == (RUNS,) and torch.equal(each, performance)
    for r in range(RUNS):
        expected = torch.nn.functional.mse_loss(nets[network][r, :, 0], targets[r].double())
        torch.testing.assert_close(each[r], expected)
    each.sum().backward()
    by_hand = 2 / BATCH * (nets[network][:, :, 0] - targets.double())  # of each run by itself
    torch.testing.assert_close(nets[network].grad[:, :, 0], by_hand.detach())
    assert all(net.grad is None for name, net in nets.items() if name != network)


@pytest.mark.parametrize("network", ["net", "policy"])
def test_cross_entropy_is_torch_s_and_its_performance_the_share_right(network):
    nets, inputs = shown(CLASSES)
    labels = torch.randint(CLASSES, (RUNS, BATCH))
    labels[:, 0] = nets[network][:, 0].argmax(1)  # so that some are right
    settings = {} if network == "net" else {"network": network}
    each, performance = losses.get("cross_entropy")(
        lambda name, x: nets[name], {"inputs": inputs, "targets": labels}, settings
    )
    for r in range(RUNS):
        torch.testing.assert_close(each[r], torch.nn.functional.cross_entropy(nets[network][r], labels[r]))
        right = (nets[network][r].argmax(1) == labels[r]).double().mean()
        assert performance[r] == right > 0
    each.sum().backward()
    alone = nets[network].detach()[1].clone().requires_grad_()
    torch.nn.functional.cross_entropy(alone, labels[1]).backward()
    torch.testing.assert_close(nets[network].grad[1], alone.grad)
