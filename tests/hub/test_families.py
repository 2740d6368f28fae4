"""The table of families, with one made up for the test."""

import sys
import types

import pytest
import torch
from torch import nn

from vlmlearn import models
from vlmlearn.hub.families import FAMILIES, Family, family_of

FAMILY = Family("MadeUpModel", "made_up", "MadeUp", 9)


@pytest.fixture
def made_up(monkeypatch) -> None:
    """A module with a key map and a model."""

    def rename(state_dict):
        found = {}
        for name, value in state_dict.items():
            if name == "position_ids":
                continue
            if not name.startswith(("old.", "older.")):
                raise ValueError(f"no made-up model has {name}")
            found[f"new.{name.partition('.')[2]}"] = value
        return found

    module = types.ModuleType("made_up")
    module.rename = rename
    module.config_from_upstream = lambda settings: settings["width"]
    monkeypatch.setitem(sys.modules, "made_up", module)
    monkeypatch.setattr(models, "MadeUp", lambda width: nn.Linear(width, 1), raising=False)
    monkeypatch.setitem(FAMILIES, "made_up", FAMILY)


def test_config_and_model(made_up):
    family = family_of({"model_type": "made_up", "architectures": ["MadeUpModel"], "width": 7})
    assert family is FAMILY
    assert family.build(family.config({"width": 7})).in_features == 7


def test_the_architecture_may_be_left_out(made_up):
    assert family_of({"model_type": "made_up"}) is FAMILY


def test_names_that_the_family_does_not_know_are_kept_for_the_list(made_up):
    one = torch.ones(1)
    found = FAMILY.rename({"old.a": one, "position_ids": one, "x": one, "y": one})
    assert [*found] == ["new.a", "x", "y"]


@pytest.mark.bad_input
class TestBadInput:
    def test_two_tensors_for_one_place(self, made_up):
        with pytest.raises(ValueError, match=r"two tensors for new\.a, one of them older\.a"):
            FAMILY.rename({"old.a": torch.ones(1), "older.a": torch.ones(1)})

    def test_unknown_family(self):
        with pytest.raises(
            ValueError, match=r"model_type 'blip' \(no architecture\), which has no class here"
        ):
            family_of({"model_type": "blip"})

    def test_one_tower(self, made_up):
        with pytest.raises(ValueError, match="says architecture MadeUpTextModel, expected MadeUpModel"):
            family_of({"model_type": "made_up", "architectures": ["MadeUpTextModel"]})
