"""Tensors from files into a model: all or nothing."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vlmlearn.hub.weights import fill, read_weights

PARTS = {"model-00001-of-00002.safetensors": ["a", "b"], "model-00002-of-00002.safetensors": ["c"]}
WEIGHTS = {name: torch.full((2, 3), float(k)) for k, name in enumerate("abc")}


def save_parts(folder: Path) -> dict[str, str]:
    for part, names in PARTS.items():
        save_file({name: WEIGHTS[name] for name in names}, folder / part)
    places = {name: part for part, names in PARTS.items() for name in names}
    save_index(folder, places)
    return places


def save_index(folder: Path, places: object) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


class TestReadWeights:
    def test_one_file(self, tmp_path):
        save_file(WEIGHTS, tmp_path / "model.safetensors")
        found = read_weights(tmp_path)
        assert found.keys() == WEIGHTS.keys()
        assert all(torch.equal(found[name], WEIGHTS[name]) for name in WEIGHTS)

    def test_parts(self, tmp_path):
        save_parts(tmp_path)
        found = read_weights(tmp_path)
        assert found.keys() == WEIGHTS.keys()
        assert all(torch.equal(found[name], WEIGHTS[name]) for name in WEIGHTS)


@pytest.mark.bad_input
class TestBadFiles:
    @pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "flax_model.msgpack"])
    def test_a_pickle_is_not_opened(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"cposix\nsystem\n")
        with pytest.raises(
            FileNotFoundError, match=f"only {name}, which are not opened: a pickle can run any code"
        ):
            read_weights(tmp_path)

    @pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
    def test_cut_off(self, tmp_path, share):
        path = tmp_path / "model.safetensors"
        save_file(WEIGHTS, path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        with pytest.raises(ValueError, match=r"model\.safetensors is cut off or damaged"):
            read_weights(tmp_path)

    def test_something_else(self, tmp_path):
        (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n" * 9)
        with pytest.raises(ValueError, match="cut off or damaged"):
            read_weights(tmp_path)

    def test_a_missing_part(self, tmp_path):
        save_parts(tmp_path)
        (tmp_path / "model-00002-of-00002.safetensors").unlink()
        with pytest.raises(
            FileNotFoundError, match=r"has no model-00002-of-00002\.safetensors, which .* lists"
        ):
            read_weights(tmp_path)

    @pytest.mark.parametrize(
        "place", ["../model.safetensors", "/etc/model.safetensors", "a/b.safetensors", "a.bin", 5]
    )
    def test_an_index_that_leads_elsewhere(self, tmp_path, place):
        save_index(tmp_path, {"a": place})
        with pytest.raises(ValueError, match="does not say in which safetensors file of the folder"):
            read_weights(tmp_path)

    def test_an_index_without_places(self, tmp_path):
        save_index(tmp_path, None)
        with pytest.raises(ValueError, match="does not say in which"):
            read_weights(tmp_path)

    def test_an_index_of_other_names(self, tmp_path):
        places = save_parts(tmp_path)
        del places["a"]
        save_index(tmp_path, places | {"d": "model-00001-of-00002.safetensors"})
        with pytest.raises(ValueError, match=r"differs from .*: 1 missing \(d\); 1 not used \(a\)"):
            read_weights(tmp_path)


def model() -> nn.Module:
    return nn.ModuleDict(
        {f"layer{k:02}": nn.Linear(3, 2, bias=False) for k in range(12)} | {"norm": nn.BatchNorm1d(2)}
    )


class TestFill:
    def test_everything_in_its_place(self):
        source, target = model(), model()
        fill(target, source.state_dict())
        assert all(
            torch.equal(value, target.state_dict()[name]) for name, value in source.state_dict().items()
        )

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_other_precision_becomes_the_models(self, dtype):
        target = model()
        fill(
            target,
            {
                name: value.to(dtype) if value.is_floating_point() else value
                for name, value in model().state_dict().items()
            },
        )
        assert target["layer00"].weight.dtype == torch.float32


@pytest.mark.bad_input
class TestBadWeights:
    def fails(self, weights: dict[str, torch.Tensor], message: str) -> None:
        """With the message, and the model is as before."""
        target = model()
        before = {name: value.clone() for name, value in target.state_dict().items()}
        with pytest.raises(ValueError, match=message):
            fill(target, weights)
        assert all(torch.equal(value, before[name]) for name, value in target.state_dict().items())

    def test_a_missing_tensor(self):
        weights = model().state_dict()
        del weights["layer03.weight"]
        self.fails(weights, r"does not fit the model: 1 missing \(layer03\.weight\)$")

    def test_a_tensor_left_over(self):
        self.fails(model().state_dict() | {"x": torch.ones(1)}, r"does not fit the model: 1 not used \(x\)$")

    def test_the_first_ten_are_named_and_all_are_counted(self):
        self.fails(
            {"x": torch.ones(1)},
            r"17 missing \((layer0\d\.weight, ){10}…\); 1 not used \(x\)$",
        )

    def test_another_shape(self):
        weights = model().state_dict() | {"layer01.weight": torch.ones(3, 2)}
        self.fails(weights, r"1 tensors have another shape \(layer01\.weight \(3, 2\), expected \(2, 3\)\)")

    @pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.float8_e4m3fn])
    def test_quantised(self, dtype):
        weights = model().state_dict()
        weights["layer01.weight"] = weights["layer01.weight"].to(dtype)
        self.fails(weights, r"1 tensors are quantised or no numbers \(layer01\.weight torch\.")
