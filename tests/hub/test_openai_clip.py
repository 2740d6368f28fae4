"""OpenAI's names: which tensors they may hold. That the tensors land where they belong is a matter of parity."""

import pytest
import torch

from vlmlearn.hub.openai_clip import rename


def test_the_first_convolution_is_of_either_tower():
    weight = torch.zeros(1)
    assert {*rename({"visual.conv1.weight": weight})} == {"image_tower.stem.0.0.weight"}
    both = rename({"visual.conv1.weight": weight, "visual.class_embedding": weight})
    assert {*both} == {"image_tower.vit.patches.weight", "image_tower.vit.class_token"}


def test_matrices_are_transposed_and_packed_ones_split():
    matrix = torch.arange(6.0).reshape(2, 3)
    assert torch.equal(rename({"visual.proj": matrix})["image_tower.projection.weight"], matrix.T)
    apart = rename({"transformer.resblocks.4.attn.in_proj_bias": torch.arange(6.0)})
    place = "text_tower.transformer.blocks.4.attention"
    assert {name: value.tolist() for name, value in apart.items()} == {
        f"{place}.query.bias": [0, 1],
        f"{place}.key.bias": [2, 3],
        f"{place}.value.bias": [4, 5],
    }


def test_blocks_are_counted_through_the_stages():
    names = [f"visual.layer{stage}.{block}.conv1.weight" for stage in (1, 2, 3, 4) for block in range(stage)]
    renamed = rename(dict.fromkeys(names, torch.zeros(1)))
    assert [*renamed] == [f"image_tower.stages.{number}.narrow.0.weight" for number in range(10)]


def test_what_is_no_weight_is_left_out():
    assert rename({"input_resolution": torch.tensor(224), "attn_mask": torch.zeros(2, 2)}) == {}


@pytest.mark.parametrize(
    "name", ["visual.fc.weight", "transformer.resblocks.0.ls_1.weight", "visual.ln_mid.weight", "text.proj"]
)
def test_unknown_tensors_are_refused(name):
    with pytest.raises(ValueError, match=f"a tensor {name}, which no CLIP of OpenAI has"):
        rename({name: torch.zeros(1)})
