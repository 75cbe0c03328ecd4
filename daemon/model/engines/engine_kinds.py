"""Which engines there are, and what [engine] can say of each. Light: a command that answers nothing loads no engine.

KINDS gives a kind its settings class. Its SERVING names the module and class that do what this engine needs, loaded
when used.

A new engine is a module with a `Serving` (daemon.model.engines.serving), a class here, and its words in
config.example.toml.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, SerializeAsAny, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from connectors.hosts import goes_in_clear
from connectors.mailbox_settings import Section
from connectors.setting_values import CredentialName, OptionalPath

if TYPE_CHECKING:
    from daemon.model.engines.serving import Serving


Host = Annotated[str, Field(pattern=r"^https?://")]


class EngineSettings(Section):
    """What answers the question "which category?". A kind gives `kind` its name as the only value and the default.

    Every kind takes these keys, so that changing `kind` is enough to change the engine.
    """

    SERVING: ClassVar[str]
    """ "module:class" of its Serving."""
    FORMS: ClassVar[tuple[str, ...]] = ("auto",)
    """In which forms it serves a model: what `quantization` may be."""
    ELSEWHERE: ClassVar[bool] = True
    """Does a server answer, which may be away, be slow, or have another model?"""

    kind: str
    base: OptionalPath = None
    threads: int = Field(default=2, ge=1, le=256)
    host: Host = "http://127.0.0.1:11434"
    credential: CredentialName | Literal[""] = ""
    """The credential that holds the server's API key, for a kind that has one. "": it asks for none."""
    ca_file: OptionalPath = None
    max_tokens: int = Field(default=256, ge=64, le=4096)
    quantization: str = "auto"

    @field_validator("quantization")
    @classmethod
    def _one_that_this_engine_serves(cls, quantization: str, known: ValidationInfo) -> str:
        if cls.FORMS and "kind" in known.data and quantization not in cls.FORMS:
            words = ", ".join(f'"{form}"' for form in cls.FORMS)
            raise ValueError(f'"{quantization}" is not for kind = "{known.data["kind"]}". Write one of {words}.')
        return quantization

    @field_validator("host")
    @classmethod
    def _no_secret_in_the_address(cls, host: str) -> str:
        if "@" in urlsplit(host).netloc:
            raise ValueError("holds a user or a secret. Write the plain address, and name `credential`.")
        return host

    def serving(self, read: Callable[[str], str] | None = None) -> Serving:
        """What does the work of this engine. `read` gives a credential by its name; None: none may be read."""
        module, _, name = self.SERVING.partition(":")
        made: Serving = getattr(importlib.import_module(module), name)(self, read)
        return made


class EmbeddedSettings(EngineSettings):
    """CTranslate2 in Postroom's own process."""

    SERVING = "daemon.model.engines.serving:Serving"
    FORMS = ("auto", "int8", "int8_float32", "float32")
    ELSEWHERE = False
    kind: Literal["embedded"] = "embedded"


class OllamaSettings(EngineSettings):
    """An Ollama server, which gets its models from here."""

    SERVING = "daemon.model.engines.ollama_serving:OllamaServing"
    FORMS = ("auto", "f16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "q4_K_M")
    kind: Literal["ollama"] = "ollama"


class OpenAISettings(EngineSettings):
    """llama-server, vLLM or a router before them, which somebody starts with the files that Postroom writes."""

    SERVING = "daemon.model.engines.openai_serving:OpenAIServing"
    FORMS = ("auto", "f16", "q8_0", "float32")
    kind: Literal["openai"] = "openai"
    host: Host = "http://127.0.0.1:8000"

    @field_validator("host")
    @classmethod
    def _no_mail_and_no_key_in_clear(cls, host: str) -> str:
        if goes_in_clear(host):
            raise ValueError("would send mail and API key readable to another machine. Write https://.")
        return host.rstrip("/").removesuffix("/v1")


KINDS: Mapping[str, type[EngineSettings]] = {
    "embedded": EmbeddedSettings,
    "ollama": OllamaSettings,
    "openai": OpenAISettings,
}
DEFAULT = "embedded"


class _OfNoKind(EngineSettings):
    """What [engine] is checked as where there is no such kind, so that this hides no other mistake."""

    FORMS = ()

    @field_validator("kind", mode="before")
    @classmethod
    def _is_none_of_ours(cls, _: object) -> str:
        raise PydanticKnownError("literal_error", {"expected": ", ".join(map(repr, KINDS))})


def engine_from(value: object) -> EngineSettings:
    """The settings of [engine] in the class of its kind. Raises ValidationError."""
    if isinstance(value, EngineSettings):
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("not_a_table", "must be a table of its own")
    kind = value.get("kind", DEFAULT)
    found = KINDS.get(kind, _OfNoKind) if isinstance(kind, str) else _OfNoKind
    return found.model_validate(value)


AnyEngine = Annotated[SerializeAsAny[EngineSettings], PlainValidator(engine_from)]
"""[engine], in the settings class of its kind."""
