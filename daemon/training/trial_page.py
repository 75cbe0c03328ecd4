"""The page in an exported folder: what was measured, and how to ask the model. Its commands are run by a test."""

from __future__ import annotations

from collections.abc import Mapping

from daemon.model.model_folder import Kind, ModelMeta
from daemon.training.trial_order import TrialResult, Way
from daemon.training.trial_table import NAMES, parts, table

_HEAD = """# A model for {categories} categories, made of {source}

{parts}

    {table}

{verdict}

{notes}
## Ask it

The model that was measured as "what would serve" lies in `model/`. Ask it with Postroom, in this folder:

    postroom try . --ask "{example}"

It answers with the categories that it finds likeliest, and says whether it is sure enough to file at {wanted:g}.
`model.key` belongs to it: without that file the words in the model mean nothing, and with it words can be tested on it.
Both hold what your texts taught, so everything here is readable for you alone.
"""
_OLLAMA = """
## Ask it with Ollama

`model.gguf` is the language model, in Q8_0: the row "{row}" of the table. It answers with one code;
`categories.json` says what that means. {part}Make it known to an Ollama server once, in this folder:

    ollama create {name} -f Modelfile

Then ask:

    ollama run {name} "{example}"

The same from a program, with the category and how likely it is (needs Python 3 and nothing else; save it as ask.py):

```python
import json, math, os, sys, urllib.request
host = os.environ.get("OLLAMA_HOST", "127.0.0.1:11434")
codes = json.load(open("categories.json"))
question = {{"model": "{name}", "prompt": sys.argv[1], "stream": False, "logprobs": True, "top_logprobs": 20}}
request = urllib.request.Request(f"http://{{host}}/api/generate", json.dumps(question).encode())
shown = json.load(urllib.request.urlopen(request))["logprobs"][0]["top_logprobs"]
found = {{codes[each["token"].strip()]: math.exp(each["logprob"]) for each in shown if each["token"].strip() in codes}}
whole = sum(found.values())  # the rest went to words that are no category
for category, chance in sorted(found.items(), key=lambda pair: -pair[1])[:3]:
    print(f"{{chance / whole:.2f}}  {{category}}")
```

    python3 ask.py "{example}"

`Modelfile` holds the prompt that the model was trained with; a question longer than some {characters:,} characters
should be cut first, as Postroom does. Ollama shows the 20 likeliest answers and no more.
"""
_PARTS: Mapping[Kind, str] = {
    "llm": "",
    "blend": "Words, which also count in `model/`, are not in it. ",
    "linear": "`model/` answers better without it, by words, so the two may differ. ",
}
_NO_OLLAMA = """
There is no file for Ollama: {why}
"""


def page(
    result: TrialResult, source: str, name: str, meta: ModelMeta, codes: Mapping[str, str], *, language: Way | None
) -> str:
    """The page in Markdown. `name`: what the model is called on a server; `language`: the row of what lies there for
    Ollama, None where nothing does."""
    wanted = result.filed.wanted if result.filed else 0.95
    example = "Write your question here"
    head = _HEAD.format(
        categories=len(codes),
        source=source,
        parts=parts(source, result),
        table=table(result).replace("\n", "\n    "),
        verdict=result.verdict,
        notes="".join(f"- {note}\n" for note in result.notes),
        example=example,
        wanted=wanted,
    )
    if language is None:
        return head + _NO_OLLAMA.format(why="the base is no GGUF file, or no language model came of these examples.")
    return head + _OLLAMA.format(
        name=name,
        example=example,
        row=NAMES[language],
        part=_PARTS[meta.kind],
        characters=4 * meta.prompt.max_tokens,
    )
