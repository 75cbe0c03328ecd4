"""Figures in the text format that Prometheus reads
(https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Labels = Mapping[str, str]


@dataclass
class Family:
    """One metric with all its samples. A counter's name ends in `_total`."""

    name: str
    kind: Literal["gauge", "counter"]
    words: str
    samples: list[tuple[Labels, float]] = field(default_factory=list)

    def add(self, value: float | None, **labels: str) -> None:
        """One sample; None: there is none."""
        if value is not None:
            self.samples.append((labels, value))


def exposition(families: Iterable[Family]) -> str:
    """All of them as text. A family without samples is left out."""
    lines = []
    for family in families:
        if family.samples:
            lines += [f"# HELP {family.name} {_escaped(family.words)}", f"# TYPE {family.name} {family.kind}"]
            lines += [f"{family.name}{_labels(labels)} {value!r}" for labels, value in family.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{_escaped(value, quote=True)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(text: str, *, quote: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text
