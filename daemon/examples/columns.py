"""Which column is what: by its name, in the languages of the offices that keep such tables, or by what stands in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Literal, get_args

Role = Literal["text", "label", "group", "date", "subject", "from", "to"]
ROLES: tuple[Role, ...] = get_args(Role)

_NAMES: Mapping[Role, str] = {
    "label": """
        label labels category categories class intent topic folder tag queue target
        kategorie klasse ordner thema rubrik etikett absicht kategori categorie classe dossier etiquette sujet-categorie
        categoria cartella etichetta carpeta etiqueta categoria map categorie kategoria
    """,
    "text": """
        text texts body message mail e-mail email question query utterance sentence content request document
        nachricht frage anfrage inhalt satz mitteilung texte corps question demande contenu testo domanda richiesta
        messaggio texto pregunta consulta mensaje contenido tekst vraag bericht inhoud wiadomosc tresc
    """,
    "group": """
        group group-id thread thread-id conversation conversation-id ticket ticket-id case
        gruppe gruppen-id vorgang verlauf groupe fil gruppo grupo hilo groep grupa
    """,
    "date": """
        date time datetime timestamp created created-at sent sent-at received received-at
        datum zeit zeitpunkt gesendet empfangen erhalten erstellt eingang data date-d-envoi ricevuto fecha recibido
        ontvangen verzonden
    """,
    "subject": "subject title betreff titel objet oggetto asunto onderwerp temat",
    "from": """
        from sender from-address author absender von verfasser expediteur de mittente da remitente afzender van nadawca
    """,
    "to": "to recipient recipients empfanger an destinataire a destinatario para geadresseerde aan odbiorca",
}
NAMES: Mapping[Role, tuple[str, ...]] = {role: tuple(dict.fromkeys(words.split())) for role, words in _NAMES.items()}
"""What a column of each kind is called; the first that a table has counts, small letters without accents."""

_LONGEST_NAME = 40
_MOST_WORDS = 3


def plain(name: str) -> str:
    """ "Gruppen_ID " -> "gruppen-id", "Empfänger" -> "empfanger"."""
    letters = unicodedata.normalize("NFKD", name.strip().casefold())
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return "-".join(bare.replace("_", " ").replace("-", " ").split())


def columns_of(names: Sequence[str]) -> dict[Role, int]:
    """The column of each role that these names tell; of several for one role the one that is called so plainest."""
    places: dict[str, int] = {}
    for place, name in enumerate(map(plain, names)):
        places.setdefault(name, place)
    found: dict[Role, int] = {}
    for role, known in NAMES.items():
        first = next((places[name] for name in known if name in places), None)
        if first is not None:
            found[role] = first
    return found


def names_at(rows: Sequence[Sequence[str]]) -> int | None:
    """Which of these rows names a column of categories and one of texts; None: none does."""
    for place, cells in enumerate(rows):
        found = columns_of(cells)
        if "label" in found and ("text" in found or "subject" in found):
            return place
    return None


def looks_like_names(cells: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Is this first row made of names for columns? `below` are the rows after it: there a category comes again."""
    if names_at([cells]) is not None:
        return True
    if not all(map(_short, cells)) or len(set(map(plain, cells))) < len(cells):
        # Two columns are told by what stands in them; of more, one that is named makes the rest names, too.
        return len(cells) > 2 and not {"label", "text"}.isdisjoint(columns_of(cells))
    again = any(
        place < len(row) and row[place].strip() == cell.strip() for place, cell in enumerate(cells) for row in below
    )
    return not again and all(len(cell.split()) == 1 or plain(cell) in _ALL for cell in cells)


def _short(cell: str) -> bool:
    return bool(cell.strip()) and len(cell) <= _LONGEST_NAME and len(cell.split()) <= _MOST_WORDS


_ALL = frozenset(name for names in NAMES.values() for name in names)


def by_content(rows: Sequence[Sequence[str]]) -> dict[Role, int]:
    """Of two columns without names: the one whose cells come again is the category."""
    different = [len({row[place].strip() for row in rows if place < len(row)}) for place in (0, 1)]
    lengths = [sum(len(row[place]) for row in rows if place < len(row)) for place in (0, 1)]
    label = min((0, 1), key=lambda place: (different[place], lengths[place]))
    return {"label": label, "text": 1 - label}


def missing(names: Sequence[str], found: Mapping[Role, int]) -> list[str]:
    """What a table with these column names lacks, or has twice, in sentences."""
    shown = ", ".join(f'"{name.strip()}"' for name in names if name.strip())
    problems = []
    if "label" not in found:
        problems.append(_lacks("label", f'no column is called "label" (or "category"){_close("label", names)}', shown))
    if "text" not in found and "subject" not in found:
        problems.append(
            _lacks("text", f'no column is called "text" (or "subject" and "body"){_close("text", names)}', shown)
        )
    for role, place in found.items():
        same = sum(plain(name) == plain(names[place]) for name in names)
        if same > 1:
            problems.append(
                f'{same} columns are called "{names[place].strip()}", and one can be the {_MEANT.get(role, role)}. '
                "Call the others otherwise."
            )
    return problems


def _lacks(role: Role, fact: str, shown: str) -> str:
    return f'{fact}. The first row names {shown}: call the column with the {_MEANT[role]} "{role}".'


_MEANT: Mapping[Role, str] = {"label": "category", "text": "text"}


def _close(role: Role, names: Sequence[str]) -> str:
    for name in names:
        if get_close_matches(plain(name), NAMES[role], 1, 0.75):
            return f'; "{name.strip()}" comes close'
    return ""
