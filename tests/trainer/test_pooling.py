"""The pooled model: what was fitted in closed form is what torch and CTranslate2 compute from the written files."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from daemon.model.prompt import PromptSettings, Renderer
from tests.lessons import examples_of, labelled, office_rows
from tests.tiny_models import save_folder, tiny_qwen3
from trainer.finetune.exact_reading import Reader
from trainer.finetune.heads import fit_head
from trainer.finetune.pooling import Room, fit_pooling, fit_space, silence
from trainer.finetune.pooling_layer import room_of, write_model
from trainer.finetune.reading import Readings
from trainer.recipe import Pooled

pytestmark = pytest.mark.model
DEPTH = 2
RECIPE = Pooled()


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    place = tmp_path_factory.mktemp("pooling")
    base = save_folder(tiny_qwen3(layers=4), place / "base")
    examples, labels, categories = examples_of(office_rows(80))
    renderer = Renderer(Tokenizer.from_file(str(base / "tokenizer.json")), PromptSettings())
    prompts = [renderer.render(example.text) for example in examples]
    reader = Reader(load(base), DEPTH, "tiny", place / "cache", RECIPE)
    readings = reader.read(prompts)
    space = fit_space(readings.means, labels, RECIPE)
    head = fit_head(space.features(readings.means), labelled(labels, len(categories)), np.arange(80), 10)
    pooling = fit_pooling(readings, space, head, room_of(load(base)), RECIPE)
    return base, prompts, readings, pooling, head, space, labels


def test_the_written_model_computes_the_features_that_were_fitted(fitted, tmp_path):
    base, prompts, readings, pooling, *_ = fitted
    features = pooling.features(readings)
    rows = {5: pooling.rows[0], 9: pooling.rows[1], 11: pooling.rows[2]}
    write_model(load(base), DEPTH, pooling, rows, silence(pooling, RECIPE), tmp_path)
    model = load(tmp_path)
    assert len(model.model.layers) == DEPTH + 1
    with torch.no_grad():
        for index in (0, 7, 33):
            logits = model(input_ids=torch.tensor([prompts[index].ids])).logits[0, -1]
            expected = features[index] @ np.stack(list(rows.values())).T
            assert np.allclose(logits[list(rows)].numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_token_that_is_no_code_is_less_likely_than_every_code_for_mail_of_a_rare_category_too(fitted, share):
    _, _, readings, _, head, space, labels = fitted
    often = np.flatnonzero(labels == 0)
    rest = np.flatnonzero(labels != 0)
    kept = np.concatenate([np.resize(often, round(share * 80)), np.resize(rest, 80 - round(share * 80))])
    uneven = Readings(readings.means[kept], readings.lasts[kept])
    pooling = fit_pooling(uneven, space, head, Room(64, 1e-6), RECIPE)
    features = pooling.features(readings)
    assert (features @ silence(pooling, RECIPE) < (features @ pooling.rows.T).min(axis=1)).all()


def test_the_models_own_head_answers_as_the_head_that_was_fitted(fitted):
    _, _, readings, pooling, head, space, _ = fitted
    answers = (pooling.features(readings) @ pooling.rows.T).argmax(axis=1)
    wanted = head.logprobs(space.features(readings.means)).argmax(axis=1)
    assert (answers == wanted).mean() > 0.9


def test_readings_come_from_the_cache_and_do_not_depend_on_the_batch(fitted, tmp_path):
    base, prompts, readings, *_ = fitted
    reader = Reader(load(base), DEPTH, "tiny", tmp_path, RECIPE)
    alone = reader.read(prompts[3:4])
    assert np.allclose(alone.means, readings.means[3:4], atol=1e-4)
    calls = []
    again = Reader(load(base), DEPTH, "tiny", tmp_path, RECIPE)
    again._compute = lambda ids: calls.append(len(ids))
    assert np.array_equal(again.read(prompts[3:4]).means, alone.means)
    assert calls == []


def test_readings_that_are_not_asked_for_any_more_leave_the_cache(fitted, tmp_path):
    base, prompts, *_ = fitted
    Reader(load(base), DEPTH, "tiny", tmp_path, RECIPE).read(prompts[:4])
    (file,) = tmp_path.glob("readings-*.npz")

    def kept():
        with np.load(file) as arrays:
            return set(arrays["keys"].tolist())

    before = kept()
    Reader(load(base), DEPTH, "tiny", tmp_path, RECIPE).read(prompts[:3])
    assert kept() < before
    assert len(kept()) == 3


def test_a_damaged_cache_is_made_again(fitted, tmp_path):
    base, prompts, readings, *_ = fitted
    Reader(load(base), DEPTH, "tiny", tmp_path, RECIPE).read(prompts[:4])
    (file,) = tmp_path.glob("readings-*.npz")
    file.write_bytes(file.read_bytes()[:100])
    found = Reader(load(base), DEPTH, "tiny", tmp_path, RECIPE).read(prompts[:4])
    assert np.allclose(found.lasts, readings.lasts[:4], atol=1e-4)


def test_what_was_read_before_the_time_was_up_is_kept(fitted, tmp_path):
    base, prompts, *_ = fitted

    def stop(done):
        if 0 < done < len(prompts):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        Reader(load(base), DEPTH, "tiny", tmp_path, RECIPE).read(prompts, stop)
    heard = []
    Reader(load(base), DEPTH, "tiny", tmp_path, RECIPE).read(prompts, heard.append)
    assert heard[0] > 0
    assert heard[-1] == len(prompts)
