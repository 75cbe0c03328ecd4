"""A whole night on each kind of base, from its file to a candidate that answers: what tests of single steps can't see.

The bases know nothing, so the linear model may serve; the language model must have been trained and examined all the
same. Gemma 3's real widths are here because CTranslate2 4.8 fails on them where it doesn't on small ones.
"""

import pytest

from connectors.base import MailText
from daemon.model import model_folder
from daemon.model.classifier import Classifier
from tests.lessons import KEY, office_rows, write_job
from tests.tiny_models import save_folder, save_gguf, tiny_model
from trainer.night import run

pytestmark = [
    pytest.mark.model,
    # peft 0.21 asks transformers 5.23 by an old name.
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]


@pytest.mark.parametrize(
    ("architecture", "kind"), [("llama", "gguf"), ("qwen2", "folder"), ("qwen3", "gguf"), ("gemma3:270m", "gguf")]
)
def test_a_base_becomes_a_model_that_answers(architecture, kind, tmp_path):
    model = tiny_model(architecture, layers=3)
    base = save_gguf(model, tmp_path / "base.gguf") if kind == "gguf" else save_folder(model, tmp_path / "base")
    options = {"base": str(base), "max_tokens": 64, "threads": 1}
    job = write_job(tmp_path / "job", office_rows(48), tmp_path / "cache", **options)
    result = run(job, lambda *_: None)
    assert result.outcome == "candidate", result.verdict
    assert result.promote
    assert result.report == ()
    assert result.exam.llm is not None
    assert result.exam.details["language"].startswith("pooled")
    assert model_folder.load(job / "candidate").kind == result.exam.kind
    with Classifier.load(job / "candidate", KEY, threads=1, readers=tmp_path / "cache") as classifier:
        predictions = classifier.classify([MailText(body="please ship 12 chairs by the 9th"), MailText()])
    assert predictions[0].best == "orders"
