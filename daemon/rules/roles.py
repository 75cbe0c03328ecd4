"""Which role a folder plays, guessed from SPECIAL-USE (RFC 6154) and its name; the owner's word comes first.

inbox      watched and sorted                     category   a place that messages belong in; teaches
review     unsure mail goes there, if asked for   neutral    Archive, Done, Projects: moves there teach nothing
never      Sent, Drafts, Trash, Junk: never read, never moved into
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from connectors.base import Folder, Role
from daemon.store.records import Guess

_NEVER_USES = {"sent", "drafts", "trash", "junk"}
_NEUTRAL_USES = {"archive", "all", "flagged", "important"}

# English, German, French, Spanish, Italian, Dutch, Polish; without accents, in lower case, words joined by "-".
_NEVER_NAMES = """
    sent drafts draft trash junk spam outbox templates deleted unwanted deleted-items deleted-messages sent-items
    sent-mail sent-messages junk-email junk-e-mail bulk-mail chats
    gesendet gesendete-objekte gesendete-elemente entwurfe papierkorb geloschte-objekte geloschte-elemente
    unerwunscht werbung-spam postausgang vorlagen
    envoyes elements-envoyes messages-envoyes brouillons corbeille elements-supprimes indesirables courrier-indesirable
    enviados elementos-enviados borradores papelera elementos-eliminados correo-no-deseado
    inviata posta-inviata bozze cestino posta-eliminata posta-indesiderata
    verzonden verzonden-items concepten prullenbak verwijderde-items ongewenst ongewenste-e-mail
    wyslane elementy-wyslane robocze szkice kosz elementy-usuniete niechciane wiadomosci-smieci
    sync-issues conflicts notes contacts calendar tasks journal rss-feeds
"""
_NEUTRAL_NAMES = """
    archive archives archived done finished completed closed processed projects project clients customers customer
    old todo to-do later pending waiting follow-up followup important starred all-mail personal private misc
    archiv erledigt fertig abgeschlossen bearbeitet projekte projekt kunden kunde wiedervorlage spater offen privat
    termine verschiedenes sonstiges
    traites termines projets projet a-faire a-traiter en-attente prive divers
    archivo hecho terminado cerrado procesados proyectos clientes pendiente pendientes privado varios
    archivio fatto completati chiusi progetti clienti in-attesa privato varie
    archief klaar afgehandeld projecten klanten wachtend later-doen diversen
    archiwum zrobione zakonczone projekty klienci oczekujace do-zrobienia prywatne rozne
"""
_TESTS = re.compile(r"postroom-test-[0-9a-f]{8}-[12]")
"""The folders of a `postroom check --try-move` that is under way, or was killed (`connectors.imap.trial_move`)."""
_NEVER = frozenset(_NEVER_NAMES.split())
_NEUTRAL = frozenset(_NEUTRAL_NAMES.split())


def guess_roles(
    folders: Iterable[Folder],
    inbox: str,
    owner: Mapping[str, Role],
    *,
    review: str = "",
    categories: Iterable[str] = (),
) -> dict[str, Guess]:
    """A role for every folder, by its name, and why. `owner` corrects by name; `categories`, if any, are then the only
    category folders."""
    listed = frozenset(categories)
    return {folder.name: _role(folder, inbox, owner, review, listed) for folder in folders}


def _role(folder: Folder, inbox: str, owner: Mapping[str, Role], review: str, categories: frozenset[str]) -> Guess:
    name = folder.name
    if name == inbox:
        return Guess("inbox", "settings: inbox")
    if name in owner:
        return Guess(owner[name], "settings: roles")
    if review and name == review:
        return Guess("review", "settings: review_folder")
    guessed = _guess(folder)
    if categories:
        if name in categories:
            return Guess("category", "settings: category")
        return guessed if guessed.role != "category" else Guess("neutral", "not a category in the settings", True)
    return guessed


def _guess(folder: Folder) -> Guess:
    if folder.special_use in _NEVER_USES:
        return Guess("never", f"guessed: the server calls it {folder.special_use}")
    if folder.special_use in _NEUTRAL_USES:
        return Guess("neutral", f"guessed: the server calls it {folder.special_use}")
    # A folder below Archive is archive too: every level of the name has a say.
    levels = {_plain(level): level for level in _levels(folder)}
    if never := next((levels[level] for level in levels if level in _NEVER or _TESTS.fullmatch(level)), None):
        return Guess("never", f'guessed from the name "{never}"')
    for level, written in levels.items():
        if level in _NEUTRAL or re.fullmatch(r"(19|20)\d\d", level):
            return Guess("neutral", f'guessed from the name "{written}"')
    return Guess("category", "guessed: it has no other known use", True)


def _levels(folder: Folder) -> list[str]:
    return folder.name.split(folder.delimiter) if folder.delimiter else [folder.name]


def _plain(name: str) -> str:
    """ "Gelöschte Objekte" -> "geloschte-objekte"."""
    letters = unicodedata.normalize("NFKD", name.replace("ł", "l").replace("Ł", "L"))
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[\s_]+", "-", bare.strip().lower())
