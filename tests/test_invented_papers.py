"""The invented set that papers are judged by: it is what it says it is, before anybody is judged by it."""

from __future__ import annotations

import email
import io
import json
import random
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pypdfium2
import pytest

from benchmarks.invented_papers import bodies
from benchmarks.invented_papers.__main__ import main
from benchmarks.invented_papers.contents import Draw, PaperText, draw, paper
from benchmarks.invented_papers.e_invoices import cii, ubl
from benchmarks.invented_papers.layouts import LAYOUTS, layouts
from benchmarks.invented_papers.mails import GROUPS, LabelledMail, write
from benchmarks.invented_papers.office_files import WRITERS
from benchmarks.invented_papers.parties import companies
from benchmarks.invented_papers.pdf_pages import misread, pdf, scanned
from benchmarks.invented_papers.phrase_lists import KINDS, LANGUAGES, SECTIONS, WHOLE, Language, Split, phrases
from benchmarks.judge_papers import Answer, against, figures, names_only, table

COUNT = 384
TELLING_WORDS = re.compile(
    r"(?<![^\W_])(?:\w*rechnung|faktura|mahnung|zahl|bestell|auftrag|bewerb|lebenslauf|zeugnis|schaden|unfall|\w*vertrag|kündig"
    r"|liefer|sendung|invoice|bill|payment|reminder|order|purchase|applica|resume|curriculum|cv(?![^\W_])|vacancy|damage"
    r"|claim|accident|contract|agreement|terminat|cancel|deliver|shipment|packing|despatch|factur|paiement|relance|rappel"
    r"|command|candidat|emploi|sinistre|dégât|constat|contrat|résili|avenant|livraison|colis|expédi|pago|recordatorio"
    r"|pedido|compra|siniestro|daño|póliza|rescis|baja|albarán|entrega|bulto|solicitud|currículum)",
    re.IGNORECASE,
)


@cache
def parts(split: Split = "disjoint", seed: int = 1) -> tuple[list[LabelledMail], list[LabelledMail]]:
    learnt, judged = write(COUNT, seed, split).values()
    return learnt, judged


def mails(split: Split = "disjoint", seed: int = 1) -> list[LabelledMail]:
    return [mail for part in parts(split, seed) for mail in part]


def opened(mail: LabelledMail) -> EmailMessage:
    message = email.message_from_bytes(mail.raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def files(mail: LabelledMail) -> Iterator[tuple[str, bytes]]:
    for part in opened(mail).iter_attachments():
        content = part.get_content()
        yield str(part.get_filename()), content.encode() if isinstance(content, str) else content


def pages(data: bytes) -> list[str]:
    with pypdfium2.PdfDocument(data) as document:
        return [page.get_textpage().get_text_range() for page in document]


def squeezed(text: str) -> str:
    return "".join(text.split()).casefold()


def given(language: Language = "de", seed: int = 1) -> Draw:
    lists, chance = phrases(language, "learnt", "shared", 1), random.Random(seed)
    return draw(lists, chance, datetime(2026, 4, 12, tzinfo=UTC), companies(lists, chance, 3))


def a_paper(kind: str, language: Language = "de", seed: int = 1) -> PaperText:
    drawn = given(language, seed)
    return paper(kind, drawn, companies(drawn.lists, drawn.chance, 1)[0])


def test_the_same_seed_makes_the_same_mails_and_another_seed_others() -> None:
    again = [mail for part in write(COUNT, 1).values() for mail in part]
    assert again == mails()
    assert not {mail.raw for mail in mails(seed=2)} & {mail.raw for mail in again}


def test_kinds_languages_and_groups_are_even_in_both_parts() -> None:
    for part in parts():
        assert len(part) == COUNT // 2
        assert set(Counter((mail.kind, mail.language) for mail in part).values()) == {COUNT // 48}
        assert set(Counter(mail.kind for mail in part)) == set(KINDS)
        groups = Counter(mail.group for mail in part)
        assert groups == {"short": COUNT // 4, "telling": COUNT // 8, "foreign": COUNT // 8}
        assert [mail.at for mail in part] == sorted(mail.at for mail in part)


def test_what_is_judged_came_later_over_months() -> None:
    learnt, judged = parts()
    assert learnt[-1].at < judged[0].at
    assert (judged[-1].at - learnt[0].at).days > 200


def test_the_command_writes_a_folder_a_kind_and_a_list(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path), "--count", "48"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text("utf-8").splitlines()]
    assert {row["kind"] for row in rows} == set(KINDS)
    assert {path.relative_to(tmp_path).parts[:2] for path in tmp_path.rglob("*.eml")} == {
        (row["part"], row["kind"]) for row in rows
    }
    assert [(tmp_path / row["file"]).read_bytes() for row in rows] == [
        mail.raw for part in write(48).values() for mail in part
    ]


def test_too_few_mails_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match="ask for 2 or more"):
        write(1)


def test_every_mail_is_valid() -> None:
    for mail in mails():
        message = opened(mail)
        assert [defect for part in message.walk() for defect in part.defects] == []
        assert message["From"]
        assert message["To"]
        assert message["Message-ID"]
        assert parsedate_to_datetime(message["Date"]) == mail.at.replace(microsecond=0)
        assert max(map(len, mail.raw.split(b"\r\n"))) < 998
        assert 1 <= len(list(files(mail))) <= 2


def test_every_paper_opens_by_other_programs_than_ours() -> None:
    seen = set()
    for mail in mails():
        name, data = next(files(mail))
        seen.add(mail.format)
        ending = name.rpartition(".")[2]
        if ending == "pdf":
            assert sum(map(str.isalpha, "".join(pages(data)))) > 50
        elif ending in ("docx", "odt", "xlsx"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                assert archive.testzip() is None
                for entry in archive.namelist():
                    if entry != "mimetype":
                        ElementTree.fromstring(archive.read(entry))
        elif ending == "xml":
            assert ElementTree.fromstring(data).tag.endswith(("}Invoice", "}CrossIndustryInvoice"))
        elif ending == "rtf":
            assert data.startswith(b"{\\rtf1")
            assert data.count(b"{") == data.count(b"}")
        else:
            assert ending == "txt"
            assert data.decode()
    assert seen == {"pdf", "scan", "factur-x", "ubl", "cii", *WRITERS}


def test_subject_body_and_file_name_of_a_short_mail_tell_nothing() -> None:
    for mail in mails() + mails("shared"):
        if mail.group == "short":
            message = opened(mail)
            texts = [str(message["Subject"] or ""), *(name for name, _ in files(mail))]
            texts += [part.get_content() for part in message.walk() if part.get_content_maintype() == "text"
                      and not part.is_attachment()]  # fmt: skip
            assert TELLING_WORDS.findall(" ".join(texts)) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_that_must_not_stand_in_a_short_mail_are_the_ones_that_tell(language: Language) -> None:
    for section, lists in phrases(language, "learnt", "shared", 1).kinds.items():
        telling = [title for title in lists["titles"] if TELLING_WORDS.search(title)]
        assert len(telling) >= len(lists["titles"]) / 2, section


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_telling_body_has_20_to_150_own_words(kind: str, language: Language) -> None:
    for seed in range(20):
        drawn = given(language, seed)
        letter = bodies.telling(kind, drawn, companies(drawn.lists, drawn.chance, 1)[0], True)
        own = letter.body.split("\n\n")[1:]
        closing = next(place for place, text in enumerate(own) if text.split("\n")[0] in drawn.lists.office["closings"])
        assert bodies.FEWEST <= bodies.words(own[:closing]) <= bodies.MOST


def test_a_foreign_paper_is_of_another_kind_and_no_other_is() -> None:
    for mail in mails():
        assert (mail.paper in SECTIONS[mail.kind]) == (mail.group != "foreign")
    assert {"terms", "brochure"} < {mail.paper for mail in mails()}
    assert {"reminder", "termination", "contract"} < {mail.paper for mail in mails()}


def test_one_sender_sends_several_kinds() -> None:
    kinds: dict[str, set[str]] = {}
    for mail in mails():
        kinds.setdefault(str(opened(mail)["From"].addresses[0].addr_spec), set()).add(mail.kind)
    several = sum(len(of) > 1 for of in kinds.values())
    assert several > len(kinds) / 2


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_phrase_is_learnt_and_judged(language: Language, seed: int) -> None:
    learnt, judged = (phrases(language, part, "disjoint", seed) for part in ("learnt", "judged"))
    whole = phrases(language, "learnt", "shared", seed)

    def of_kinds(lists: object) -> set[str]:
        return {text for section in lists.kinds.values() for values in section.values() for text in values}  # type: ignore[attr-defined]

    assert of_kinds(learnt) | of_kinds(judged) == of_kinds(whole)
    assert not of_kinds(learnt) & of_kinds(judged)
    for name, values in whole.office.items():
        if isinstance(values, list) and name not in WHOLE:
            assert learnt.office[name]
            assert judged.office[name]
            assert not set(learnt.office[name]) & set(judged.office[name])


def test_no_layout_is_learnt_and_judged_and_each_part_has_four() -> None:
    for seed in range(1, 6):
        learnt, judged = (layouts(part, "disjoint", seed) for part in ("learnt", "judged"))
        assert len(learnt) == len(judged) == 4
        assert {*learnt, *judged} == set(LAYOUTS)
    learnt_mails, judged_mails = parts()
    assert not ({m.layout for m in learnt_mails} & {m.layout for m in judged_mails}) - {""}


def test_in_the_easier_split_both_parts_draw_from_the_same() -> None:
    assert phrases("fr", "learnt", "shared", 1) == phrases("fr", "judged", "shared", 1)
    assert layouts("learnt", "shared", 1) == layouts("judged", "shared", 1) == list(LAYOUTS)
    learnt, judged = parts("shared")
    senders = [{opened(mail)["From"].addresses[0].addr_spec for mail in part} for part in (learnt, judged)]
    assert senders[0] & senders[1]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("kind", KINDS)
def test_a_pdf_in_any_layout_says_all_that_the_paper_says(layout: object, kind: str) -> None:
    text = a_paper(kind, "fr", 3)
    found = squeezed(" ".join(pages(pdf(text, layout))))  # type: ignore[arg-type]
    for sheet in text.sheets:
        wanted = [sheet.title, sheet.salutation, *sheet.paragraphs, *sheet.after, sheet.closing]
        wanted += [cell for row in sheet.rows for cell in row] + [value for _, value in sheet.fields]
        wanted += [line for _, lines in sheet.sections for line in lines]
        assert [words for words in wanted if squeezed(words) not in found] == []
    assert squeezed(text.sender.name) in found


@pytest.mark.parametrize("ending", WRITERS)
def test_an_office_file_says_all_that_the_paper_says(ending: str) -> None:
    text = a_paper("order", "es")
    data = WRITERS[ending][1](text)
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            body = [name for name in archive.namelist() if name.endswith(("document.xml", "content.xml", "sheet1.xml"))]
            found = " ".join(ElementTree.fromstring(archive.read(body[0])).itertext())
    else:
        found = re.sub(r"\\u(\d+)\?", lambda code: chr(int(code[1])), data.decode())
    for sheet in text.sheets:
        for words in (sheet.title, *sheet.paragraphs, *sheet.after):
            assert squeezed(words) in squeezed(found)


def test_a_scan_is_a_picture_with_nearly_the_same_words() -> None:
    text = a_paper("invoice")
    read, plain = (
        " ".join(pages(data)) for data in (scanned(text, LAYOUTS[0], random.Random(1)), pdf(text, LAYOUTS[0]))
    )
    here, there = Counter(squeezed(read)), Counter(squeezed(plain))
    assert 0 < (there - here).total() < 0.05 * there.total()
    with pypdfium2.PdfDocument(scanned(text, LAYOUTS[0], random.Random(1))) as document:
        kinds = [thing.type for thing in document[0].get_objects()]
    assert pypdfium2.raw.FPDF_PAGEOBJ_IMAGE in kinds
    assert misread("", random.Random(1)) == ""


def test_an_e_invoice_inside_a_pdf_is_the_whole_xml() -> None:
    made = a_paper("invoice")
    text = replace(made, sender=replace(made.sender, company="Müller & Söhne KG"))
    xml = cii(text, "de")
    assert any(byte > 127 for byte in xml)
    with pypdfium2.PdfDocument(pdf(text, LAYOUTS[0], ("factur-x.xml", xml))) as document:
        assert document.count_attachments() == 1
        attached = document.get_attachment(0)
        assert attached.get_name() == "factur-x.xml"
        assert bytes(attached.get_data()) == xml
    for data in (xml, ubl(text, "de")):
        found = " ".join(ElementTree.fromstring(data).itertext())
        assert text.number in found
        assert text.sender.name in found
        assert text.addressee.name in found


def test_pdfs_have_one_to_four_pages_and_some_tell_only_on_the_second() -> None:
    lengths, late = set(), 0
    for mail in mails() + mails(seed=2):
        if mail.format == "pdf":
            texts = pages(next(files(mail))[1])
            lengths.add(len(texts))
            late += len(texts) > 1 and not TELLING_WORDS.search(texts[0]) and bool(TELLING_WORDS.search(texts[1]))
    assert lengths >= {1, 2, 3}
    assert max(lengths) <= 4
    assert late > 5


def test_a_mails_files_are_known_by_name_and_type() -> None:
    text = names_only(mails()[0].raw)
    assert [entry.rpartition(" (")[0] for entry in text.attachments] == [name for name, _ in files(mails()[0])]


def test_figures_are_shares_of_what_they_say() -> None:
    def answer(group: str, best: str, filed: bool, seed: int = 1) -> Answer:
        return Answer(seed, "order", "de", group, "order", "pdf", best, filed)

    said = [
        answer("short", "order", True), answer("short", "damage", False),
        answer("telling", "order", True), answer("foreign", "invoice", True, seed=2),
    ]  # fmt: skip
    found = figures(said)
    assert found["right"]["share"] == 0.5
    assert found["filed_share"] == 0.75
    assert found["precision"]["share"] == pytest.approx(2 / 3)
    assert found["groups"]["short"]["right"]["share"] == 0.5
    assert found["groups"]["foreign"]["precision"]["share"] == 0
    assert found["languages"]["fr"]["right"]["n"] == 0
    assert found["seeds"][1]["n"] == 3
    better = [replace(answer, best="order") for answer in said]
    paired = against(better, said)
    assert [(paired[group]["only_here"], paired[group]["only_there"]) for group in GROUPS] == [(1, 0), (0, 0), (1, 0)]
    lines = list(table({"names": found, "text": figures(better) | {"against": paired}}))
    assert any("1, lost 0" in line for line in lines if line.startswith("foreign: right only so"))
    assert re.match(r"short +50\.0 \(.*\) of 2 +100\.0", next(line for line in lines if line.startswith("short")))
