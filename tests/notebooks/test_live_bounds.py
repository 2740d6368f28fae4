"""Every bound that a live cell asserts must fail for a model trained on the wrong sentences.

A bound that also held for a model that has learnt nothing would prove nothing. So each chapter is run once more
from its source, with every picture given the sentence of the next scene (chapter 00a, which has no sentences: the
name of the next object; 00b: the colour of the next answer; 10: the labels of another picture), and shipped weights
replaced by random ones; each of its live cells must then raise ``AssertionError``. This trains in full, so it runs with
``--all-notebooks`` only.
"""

import os
import subprocess
import sys

import pytest

from book.project import Project

# Runs in a fresh process, so that every module meets the patched function.
PROGRAM = """
import sys
import matplotlib
matplotlib.use("Agg")
import vlmlearn.world.datasets as datasets
from dataclasses import replace
from book.project import Project
from book.source import read_chapter

right = datasets.caption_pairs
def wrong(*args, **kwargs):
    pairs = right(*args, **kwargs)
    return replace(pairs, ids=pairs.ids.roll(1, dims=0))
datasets.caption_pairs = wrong

import vlmlearn.training.recipes.chapter_00a as recipe_00a
right_names = recipe_00a.one_object
def wrong_names(*args, **kwargs):
    scenes, images, names = right_names(*args, **kwargs)
    return scenes, images, names.roll(1)
recipe_00a.one_object = wrong_names

import vlmlearn.training.recipes.chapter_00b as recipe_00b
right_colors = recipe_00b.place_questions
def wrong_colors(*args, **kwargs):
    questions = right_colors(*args, **kwargs)
    return questions._replace(colors=questions.colors.roll(1))
recipe_00b.place_questions = wrong_colors

import vlmlearn.training.scene_tasks as scene_tasks
right_targets = scene_tasks.scene_targets
def wrong_targets(*args):
    targets = right_targets(*args)
    return targets._replace(images=targets.images.roll(1, dims=0))
scene_tasks.scene_targets = wrong_targets

import torch
import vlmlearn.hub.shipped as shipped
right_load = shipped.load_shipped
def wrong_load(*args):
    found = right_load(*args)
    torch.manual_seed(0)
    return shipped.Shipped(type(found.model)(found.model.config).eval(), found.card)
shipped.load_shipped = wrong_load

names, failed = {}, 0
for code in read_chapter(Project().source(sys.argv[1])).code:
    try:
        exec(compile(code.program, code.where, "exec"), names)
    except AssertionError:
        failed += 1
        print("fails as it should:", code.where)
    else:
        if code.live:
            sys.exit(f"{code.where}: its assert holds for a model trained on the wrong sentences")
print(failed, "bounds fail")
"""


@pytest.mark.parametrize("name", Project().names())
def test_no_bound_holds_for_a_model_trained_on_wrong_sentences(name, request):
    if not request.config.getoption("--all-notebooks"):
        pytest.skip("trains a whole chapter: run with --all-notebooks")
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "TQDM_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, name],
        env=environment,
        cwd=Project().root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
