"""try: from a file of examples to a table of what works, and a model that answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import click

from connectors.base import MailText
from daemon.commands.common import console, json_option, print_json
from daemon.commands.try_progress import trial_progress
from daemon.examples.example_file import Examples, FileRefused, read_examples
from daemon.examples.for_trial import not_to_be_tried, not_to_judge_by
from daemon.examples.label_spelling import is_seen
from daemon.mistakes import PostroomError, disk_trouble
from daemon.model.base_file import find_base
from daemon.model.classifier import Classifier
from daemon.model.term_key import TermKey
from daemon.rules.thresholds import thresholds
from daemon.training.trial import Trial, Wishes, trial
from daemon.training.trial_export import MODEL, export, exported_model, why_not
from daemon.training.trial_order import TrialResult
from daemon.training.trial_table import parts, table

WANTED = 0.95
SHOWN = 3
PLACE = click.Path(path_type=Path, readable=False)  # what may not be read is told with all other mistakes
UNSLOTH = Path(__file__).parents[2] / ".venv-unsloth" / "bin" / "python"
"""Where `make unsloth` puts it."""


@click.command("try")
@click.argument("file", type=PLACE, metavar="FILE")
@click.option("--test", type=PLACE, metavar="FILE", help="Judge by these examples alone.")
@click.option("--ask", multiple=True, metavar="TEXT", help="Ask the model about TEXT; may be given several times.")
@click.option("--export", "target", type=PLACE, metavar="DIR", help="Write the model there.")
@click.option("--base", type=PLACE, metavar="PATH", help="Another base (`postroom model fetch`).")
@click.option(
    "--tuning",
    type=click.Choice(["pooled", "answer"]),
    default="pooled",
    show_default=True,
    help="How what would serve is made; answer: by fine-tuning the whole base on codes.",
)
@click.option(
    "--backend",
    type=click.Choice(["peft", "unsloth"]),
    default="peft",
    show_default=True,
    help="What fine-tunes on names and on codes; unsloth wants an environment of its own (`make unsloth`).",
)
@click.option("--unsloth-python", type=PLACE, metavar="PATH", help="That environment's python.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31),
    default=1,
    show_default=True,
    help="Another seed draws other parts and trains otherwise.",
)
@click.option("--threads", type=click.IntRange(1, 256), help="How many cores it may use (default: all).")
@json_option
def try_file(
    file: Path,
    test: Path | None,
    ask: tuple[str, ...],
    target: Path | None,
    base: Path | None,
    tuning: Literal["pooled", "answer"],
    backend: Literal["peft", "unsloth"],
    unsloth_python: Path | None,
    seed: int,
    threads: int | None,
    as_json: bool,
) -> None:
    """Say what can be learnt from a file of examples, and make a model that answers.

    Needs neither a mailbox nor settings.

    FILE is a CSV file, as a spreadsheet saves it, with the columns text and label; or JSON lines with these keys. The
    columns group (what belongs together), date, subject and from are used where there are any. Charset and separator
    are found, columns are known in other languages, and a table of two columns needs no names.

    Of a hundred texts 70 are learnt, 15 say when to stop and 15 judge: the newest ones where every row has a date, else
    drawn, category by category; near-identical texts never stand on both sides. The table says how often each way was
    right on these, with its 95 % interval, and below it stands which one to use.

    It takes some minutes on two cores. Nothing is kept but what --export names, for you alone to read.

    \b
    postroom try questions.csv
    postroom try questions.csv --export questions-model
    postroom try questions-model --ask "Where is my parcel?"
    """
    threads = threads or len(os.sched_getaffinity(0))
    if any(not is_seen(text) for text in ask):
        raise click.BadParameter("it is empty. Write the text to ask about.", param_hint="'--ask'")
    if ask and _is_folder(file):
        if test is not None or target is not None:
            raise click.UsageError(f"{file} is a folder: its model is asked, and nothing is tried or exported.")
        model, key = exported_model(file)
        _answer(model, key, ask, threads, as_json)
        return
    python = None if backend == "peft" else (unsloth_python or UNSLOTH).absolute()
    examples, judging = _read(file, test, target, python)
    find_base(base)  # a wrong path is told at once
    wishes = Wishes(
        base.absolute() if base else None,
        tuning,
        backend,
        python,
        seed,
        threads,
        gguf=target is not None,
    )
    with trial_progress() as show, trial(str(file), examples, judging, wishes, show) as made:
        result = made.result
        answers = _asked(made.model, made.key, ask, threads)
        failed = None if target is None else _exported(made, file, target)
    notes = [*examples.notes, *(judging.notes if judging else ()), *result.notes]
    if as_json:
        print_json(
            {
                **result.model_dump(mode="json"),
                "notes": notes,
                "answers": answers,
                "exported": None if failed else _named(target),
            }
        )
    else:
        _show_result(file, result, notes, answers)
    if failed is not None:
        raise failed
    if target is not None and not as_json:
        console.print(f"\nThe model lies in {target}; {target / 'README.md'} says how to ask it.")


def _exported(made: Trial, file: Path, target: Path) -> PostroomError | OSError | None:
    """Write the model there. What went wrong is told after the table: that took an hour, perhaps."""
    try:
        export(made, file, target)
    except PostroomError as error:
        return error
    except OSError as error:
        return disk_trouble(error, target) or error
    return None


def _show_result(file: Path, result: TrialResult, notes: Sequence[str], answers: Sequence[dict[str, Any]]) -> None:
    console.print(parts(file.name, result), soft_wrap=False)
    console.print()
    console.print(table(result), soft_wrap=True)
    console.print()
    console.print(result.verdict)
    for note in notes:
        console.print(f"  - {note}")
    _show(answers)


def _named(target: Path | None) -> str | None:
    return None if target is None else str(target)


def _read(file: Path, test: Path | None, target: Path | None, unsloth: Path | None) -> tuple[Examples, Examples | None]:
    """Both files. Raises FileRefused with every mistake in them, and with what else would stop the trial later."""
    problems: list[str] = []
    only = test is None and target is None
    examples = _problems_of(file, problems, only=only)
    known = () if examples is None else examples.labels
    judging = None if test is None else _problems_of(test, problems, only=only, known=known)
    if examples is not None:
        problems += not_to_be_tried(examples)
        if judging is not None:
            problems += [f"{test}: {problem}" for problem in not_to_judge_by(judging, examples)]
    if target is not None and (problem := why_not(target)) is not None:
        problems.append(f"--export {problem}")
    if unsloth is not None and not unsloth.is_file():
        step = "`make unsloth` makes it; --unsloth-python names one that lies elsewhere."
        problems.append(f"--backend unsloth: {unsloth} is not there. {step}")
    if problems or examples is None:
        raise FileRefused(str(file), problems, "it was not tried")
    return examples, judging


def _is_folder(path: Path) -> bool:
    """False also where one may not look, which is told when the file is read."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _problems_of(path: Path, problems: list[str], *, only: bool, known: Sequence[str] = ()) -> Examples | None:
    if _is_folder(path / MODEL):
        problems.append(f"{path}: it is an exported model, not a file of examples. Say what to ask it: --ask TEXT.")
        return None
    try:
        return read_examples(path, known=known)
    except FileRefused as refused:
        problems += [problem if only else f"{path}: {problem}" for problem in refused.problems]
        return None


def _asked(model: Path, key: Path, texts: Sequence[str], threads: int) -> list[dict[str, Any]]:
    """The likeliest categories of each text, and whether the best would be filed. Raises EngineError."""
    if not texts:
        return []
    with Classifier.load(model, TermKey.read(key), threads=threads) as classifier:
        found = classifier.classify([MailText(body=text) for text in texts])
        limits = thresholds(classifier.meta.points, WANTED)
    return [
        {
            "text": text,
            "categories": [{"category": name, "chance": round(chance, 4)} for name, chance in each.ranking[:SHOWN]],
            "filed": (limit := limits.get(each.best or "")) is not None and each.sure >= limit,
        }
        for text, each in zip(texts, found, strict=True)
    ]


def _answer(model: Path, key: Path, texts: Sequence[str], threads: int, as_json: bool) -> None:
    answers = _asked(model, key, texts, threads)
    if as_json:
        print_json({"answers": answers})
    else:
        _show(answers)


def _show(answers: Sequence[dict[str, Any]]) -> None:
    for answer in answers:
        console.print(f"\n{answer['text']}")
        sure = "sure enough to file" if answer["filed"] else "not sure enough to file"
        for place, each in enumerate(answer["categories"]):
            console.print(f"  {each['chance']:.2f}  {each['category']}{'' if place else f', {sure}'}")
