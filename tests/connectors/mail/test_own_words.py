"""Which mails say so little of their own that what their files say counts."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from connectors.base import MailText
from connectors.mail.own_words import FEW, LONGEST, says_little, telling_words

CARD = """

Max Mustermann
Leiter Einkauf
ACME GmbH
Hauptstraße 3, 12345 Berlin
Tel. +49 30 1234567
max@acme.example | www.acme.example
Amtsgericht Berlin HRB 12345"""
COVERS = {
    "en": "Dear Sir or Madam,\nplease find attached the document that we discussed on the phone. "
    "If you have any questions, do not hesitate to call me.\nKind regards",
    "de": "Sehr geehrte Damen und Herren,\nanbei erhalten Sie wie telefonisch besprochen die gewünschten Unterlagen. "
    "Für Rückfragen stehen wir Ihnen jederzeit gerne zur Verfügung.\nMit freundlichen Grüßen",
    "fr": "Madame, Monsieur,\nveuillez trouver ci-joint le document demandé. Nous restons à votre disposition.\n"
    "Je vous prie d'agréer, Madame, Monsieur, l'expression de mes salutations distinguées.",
    "es": "Estimados señores:\nadjunto les envío los documentos solicitados. Quedo a su disposición.\nUn saludo",
    "it": "Gentile Signora,\nin allegato trova il documento richiesto. Resto a disposizione per qualsiasi domanda.\n"
    "Cordiali saluti",
    "nl": "Geachte heer,\nbijgaand stuur ik u het gevraagde document. Heeft u vragen, neem dan contact op.\n"
    "Met vriendelijke groet",
    "pt": "Prezados senhores,\nsegue em anexo o documento solicitado. Fico à disposição para qualquer dúvida.\n"
    "Atenciosamente",
    "pl": "Szanowni Państwo,\nw załączeniu przesyłam dokument zgodnie z rozmową telefoniczną.\nZ poważaniem",
    "sv": "Hej,\nbifogar dokumentet enligt överenskommelse.\nMed vänliga hälsningar",
    "da": "Hej,\nvedhæftet finder du dokumentet som aftalt.\nMed venlig hilsen",
    "cs": "Dobrý den,\nv příloze zasílám dokument.\nS pozdravem",
    "ja": "こんにちは\n請求書を添付いたします。\nよろしくお願いいたします",
}
TELLING = {
    "en": "two of the chairs arrived with broken legs",
    "de": "bitte liefern Sie uns zwölf Stehtische nach Kassel",
    "fr": "le lave-vaisselle de la cuisine fuit depuis lundi",
    "es": "la máquina pierde aceite y no arranca",
    "it": "vorremmo ordinare venti lampade da tavolo",
    "nl": "de levering van de kasten is beschadigd aangekomen",
    "pt": "queremos cancelar a assinatura da revista",
    "pl": "drukarka na trzecim piętrze nie działa",
    "sv": "stolarna kom fram med trasiga ben",
    "cs": "prosíme o novou cenovou nabídku na dvacet židlí do kanceláře",
    "ja": "会議室の椅子が二脚壊れて届きましたので新しいものを送ってください",
}


@pytest.mark.parametrize("language", COVERS)
@pytest.mark.parametrize("card", ["", CARD])
def test_a_covering_note_says_little_in_any_language_and_with_any_visiting_card(language: str, card: str) -> None:
    assert says_little(MailText(body=COVERS[language] + card))


@pytest.mark.parametrize("language", TELLING)
def test_one_telling_sentence_says_enough(language: str) -> None:
    assert not says_little(MailText(body=TELLING[language]))
    greeting, _, rest = COVERS.get(language, COVERS["en"]).partition("\n")
    assert not says_little(MailText(body=f"{greeting}\n{TELLING[language]}\n{rest}{CARD}"))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "see https://firm.example/portal/long-path and mail ann@firm.example, 4711, Rechnung_2026.pdf, 12 x 3",
        "Jeff / Ann / Mary-Lou,\nhere it is.\nSuzanne",
        "This message is confidential and intended only for the addressee. Delete it if you got it in error.",
        "here you go\n\nThanks\nBob Miller\nHead of Purchasing\nphone 713-830-8632",
    ],
)
def test_names_addresses_numbers_and_notices_tell_nothing(body: str) -> None:
    assert telling_words(MailText(body=body)) == 0


def test_the_names_of_sender_and_recipients_tell_nothing() -> None:
    body = "Stephanie asked me to send this to Kowalski and Oduya."
    assert telling_words(MailText(body=body)) == 3
    assert (
        telling_words(MailText("Stephanie Ray <s@x.example>", "Kowalski <k@y.example>, oduya@y.example", body=body))
        == 0
    )


def test_a_forwarded_covering_note_says_as_little_and_a_forwarded_complaint_as_much() -> None:
    note = "FYI\nViele Grüße\nTom\n\nVon: Max Meier <max@firm.example>\nBetreff: Rechnung 4711 Heizung Keller Nord\n\n"
    assert telling_words(MailText(body=f"{note}Sehr geehrte Frau Klein,\nanbei das Dokument.\nMax Meier")) == 0
    assert not says_little(MailText(body=f"{note}Sehr geehrte Frau Klein,\ndie Pumpe im Keller tropft\nMax Meier"))


def test_what_is_asked_below_a_farewell_counts() -> None:
    assert not says_little(MailText(body="Thanks\nthe boiler in the cellar leaks since monday, please send a plumber"))
    assert says_little(MailText(body=f"here it is\nThanks{CARD}"))


def test_no_more_than_the_beginning_is_looked_at() -> None:
    assert telling_words(MailText(body="\n" * LONGEST + TELLING["en"])) == 0
    assert telling_words(MailText(body="boiler cellar plumber\n" * 100_000)) < LONGEST


@given(some.text(max_size=400), some.text(max_size=40))
@example("x" * 200_000, "")
@example("@ " * 100_000, "a, " * 50_000)
@example("dans l'attente " * 5_000, "")
@example("in attesa " * 5_000, "")
@example(" ".join(["Mit freundlichen Grüßen"] * 5_000), "")
@example("intended " * 5_000, "")
def test_any_text_is_counted(body: str, sender: str) -> None:
    text = MailText(sender=sender, body=body)
    assert says_little(text) is (telling_words(text) < FEW)


@pytest.mark.parametrize(
    "end",
    [
        "Ana Ruiz\nCompras\ncalle Larga 7\n41001 Sevilla\nTel. +34 954 123456",
        "Bonne soirée\n\nPaul Martin\nMartin Toitures SARL\n12, rue du Port\n29000 Quimper\nTél. 02 98 12 34 56",
        "Sent from my phone, please forgive any typos.",
        "Jan Vos\nT 0123 456789\n\nDer Umwelt zuliebe bitte nicht unnötig ausdrucken.",
    ],
)
def test_a_card_that_no_farewell_announces_tells_nothing(end: str) -> None:
    assert says_little(MailText(body=f"Please find the file attached.\n\n{end}"))


def test_what_is_said_in_one_paragraph_with_a_telephone_counts() -> None:
    body = "Hello,\n\nthe second lift is stuck again,\nplease send a technician today\nand ring Bob on +44 1632 960123"
    assert not says_little(MailText(body=body))
