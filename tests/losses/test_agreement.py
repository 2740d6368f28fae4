"""What processes ask each other first, and what a caller reads when one is lost. Several at once: test_distributed."""

import pytest
import torch
import torch.distributed as dist

from vlmlearn.losses.agreement import FIXES, agree, check_group, describe, reaching

SAID = {  # by gloo
    "Timed out waiting 3000ms for send operation to complete": TimeoutError,
    "Application timeout caused pair closure": TimeoutError,
    "Connection closed by peer [127.0.0.1]:49347. This is typically caused by a crash": ConnectionError,
    "Connection reset by peer": ConnectionError,
}


@pytest.mark.parametrize(("said", "kind"), SAID.items())
def test_the_backends_words_are_kept(said, kind, group_of_one):
    with pytest.raises(kind, match="rank 0 of 1 waited") as caught, reaching(group_of_one):
        raise RuntimeError(said)
    assert said in str(caught.value)


def test_other_errors_pass(group_of_one):
    with pytest.raises(KeyError), reaching(group_of_one):
        raise KeyError("mine")


def test_a_failed_check_raises_what_it_raised(group_of_one):
    def check():
        raise ZeroDivisionError("not mine")

    with pytest.raises(ZeroDivisionError, match="not mine"):
        agree(group_of_one, check)


@pytest.mark.parametrize("grad", [True, False])
def test_a_description_names_only_what_has_a_fix(grad, group_of_one):
    features = torch.ones(3, 4, requires_grad=True)
    with torch.set_grad_enabled(grad):
        found = describe(
            "a loss", features, features.detach(), {"logit_scale": torch.tensor(10.0), "logit_bias": -10}
        )
    assert set(found) == set(FIXES)
    assert (found["number of pairs"], found["width"], found["dtype"]) == (3, 4, "torch.float32")
    assert (found["gradient of image_features"], found["gradient of text_features"]) == (grad, False)
    agree(group_of_one, lambda: found)


def test_the_group(group_of_one):
    assert check_group(None) is group_of_one
    assert check_group(group_of_one) is group_of_one


def test_no_group():
    assert not dist.is_initialized()
    with pytest.raises(RuntimeError, match="use clip_loss or siglip_loss in a single process"):
        check_group(None)
