"""Quotes, forwards, signatures and boilerplate, as mail programs and people in seven languages write them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.mail.envelope import Envelope
from connectors.mail.headers import INVISIBLE
from connectors.mail.mime import clean_body

OWN = "Please send us a new quote for forty office chairs, delivery to Ghent before the end of the month."

ATTRIBUTIONS = {
    "English": "On Mon, Feb 5, 2024 at 10:12 AM Ann Lee <ann@example.org> wrote:",
    "English, wrapped": "On Mon, Feb 5, 2024 at 10:12 AM Ann Lee from Sales\n<ann.lee@sales.example.org> wrote:",
    "German": "Am 05.02.2024 um 10:12 schrieb Jörg Müller:",
    "German, Gmail": "Jörg Müller <jm@example.de> schrieb am Mo., 5. Feb. 2024, 10:12:",
    "French": "Le lun. 5 févr. 2024 à 10:12, Chloé Petit <chloe@example.fr> a écrit :",
    "Spanish": "El lun, 5 feb 2024 a las 10:12, Íñigo Ruiz (<inigo@example.es>) escribió:",
    "Italian": "Il giorno lun 5 feb 2024 alle ore 10:12 Luca Bianchi <luca@example.it> ha scritto:",
    "Dutch": "Op ma 5 feb 2024 om 10:12 schreef Zoë de Vries <zoe@example.nl>:",
    "Polish": "pon., 5 lut 2024 o 10:12 Łukasz Nowak <lukasz@example.pl> napisał(a):",
    "Polish, Thunderbird": "W dniu 05.02.2024 o 10:12, Łukasz Nowak pisze:",
    "Usenet": "Ann Lee <ann@example.org> writes:",
    "no known language": "2024-02-05 10:12 GMT+01:00 Ann Lee <ann@example.org>:",
}

HEADER_BLOCKS = {
    "English": "From: Ann Lee\nSent: Monday, 5 February 2024 10:12\nTo: Office\nSubject: Chairs",
    "English, bold": "*From:* Ann Lee\n*Sent:* Monday, 5 February 2024 10:12\n*To:* Office\n*Subject:* Chairs",
    "German": "Von: Jörg Müller\nGesendet: Montag, 5. Februar 2024 10:12\nAn: Büro\nCc: Einkauf\nBetreff: Stühle",
    "French": "De : Chloé Petit\nEnvoyé : lundi 5 février 2024 10:12\nÀ : Bureau\nObjet : Chaises",
    "Spanish": "De: Íñigo Ruiz\nEnviado el: lunes, 5 de febrero de 2024 10:12\nPara: Oficina\nAsunto: Sillas",
    "Italian": "Da: Luca Bianchi\nInviato: lunedì 5 febbraio 2024 10:12\nA: Ufficio\nOggetto: Sedie",
    "Dutch": "Van: Zoë de Vries\nVerzonden: maandag 5 februari 2024 10:12\nAan: Kantoor\nOnderwerp: Stoelen",
    "Polish": "Od: Łukasz Nowak\nWysłano: poniedziałek, 5 lutego 2024 10:12\nDo: Biuro\nTemat: Krzesła",
}

FORWARD_MARKERS = [
    "---------- Forwarded message ---------",
    "Begin forwarded message:",
    "-------- Weitergeleitete Nachricht --------",
    "Anfang der weitergeleiteten Nachricht:",
    "---------- Message transféré ----------",
    "Début du message transféré :",
    "-------- Mensaje reenviado --------",
    "-------- Messaggio Inoltrato --------",
    "-------- Doorgestuurd bericht --------",
    "-------- Przekazana wiadomość --------",
]


@pytest.mark.parametrize("attribution", ATTRIBUTIONS.values(), ids=ATTRIBUTIONS)
def test_a_quoted_reply_goes_whatever_language_announces_it(attribution):
    assert clean_body(f"{OWN}\n\n{attribution}\n> an old question\n> about desks\n") == OWN


@pytest.mark.parametrize("language", ["English", "German", "French", "Spanish", "Italian", "Dutch", "Polish"])
def test_history_without_quote_marks_goes_too(language):
    assert clean_body(f"{OWN}\n\n{ATTRIBUTIONS[language]}\n\nan old question about desks\n") == OWN


@pytest.mark.parametrize("block", HEADER_BLOCKS.values(), ids=HEADER_BLOCKS)
def test_history_under_an_outlook_header_block_goes(block):
    assert clean_body(f"{OWN}\n\n________________________________\n{block}\n\nan old question about desks\n") == OWN


@pytest.mark.parametrize("block", HEADER_BLOCKS.values(), ids=HEADER_BLOCKS)
def test_what_is_forwarded_under_a_header_block_is_the_content(block):
    cleaned = clean_body(f"FYI\n\n{block}\n\nDer Drucker im zweiten Stock brennt. Wer kann kommen?\n")

    assert "Der Drucker im zweiten Stock brennt. Wer kann kommen?" in cleaned
    assert cleaned.startswith("FYI")


def test_forwarded_content_under_a_header_block_stays_if_the_subject_says_so():
    text = f"{OWN}\n\n{HEADER_BLOCKS['German']}\n\nDer Drucker brennt.\n"

    assert "Der Drucker brennt." in clean_body(text, Envelope(forwarded=True))
    assert "Der Drucker brennt." not in clean_body(text)


@pytest.mark.parametrize("marker", FORWARD_MARKERS)
def test_forwarded_mail_stays_however_long_the_own_text_is(marker):
    text = f"{OWN}\n\n{marker}\nFrom: Ann\nDate: 5 Feb 2024\nSubject: Chairs\nTo: Bob\n\nHow much are forty chairs?\n"

    cleaned = clean_body(text)

    assert cleaned.startswith(OWN)
    assert "From: Ann\nSubject: Chairs" in cleaned, "who wrote it and what about is part of the content"
    assert cleaned.endswith("How much are forty chairs?")
    assert marker.strip("- ") not in cleaned


def test_apple_mail_forwards_keep_their_text_without_quote_marks():
    text = "Begin forwarded message:\n\n> From: Ann\n> Subject: Chairs\n> To: Bob\n>\n> How much are forty chairs?\n"

    assert clean_body(text) == "From: Ann\nSubject: Chairs\n\nHow much are forty chairs?"


def test_a_lotus_notes_forward_with_its_wrapped_marker_is_content():
    text = """Could you look after this?
---------------------- Forwarded by Ann Lee/HOU/Example on 08/31/2000
09:52 AM ---------------------------


webmaster@example.com on 08/30/2000 10:04:42 PM
To: Ann.Lee@example.org
cc:

Subject: Conference Call and Web Presentation scheduled for September 11,
2000

The call is at ten.
"""
    assert clean_body(text).splitlines() == [
        "Could you look after this?",
        "",
        "From: webmaster@example.com on 08/30/2000 10:04:42 PM",
        "Subject: Conference Call and Web Presentation scheduled for September 11, 2000",
        "",
        "The call is at ten.",
    ]


def test_a_lotus_notes_reply_loses_its_history_though_nothing_is_quoted():
    history = (
        "Bob Ray\n11/01/2000 03:29 PM\nTo: Ann Lee/HOU/Example, Jo\nKay/HOU/Example\ncc:\n\nSubject: Lunch\n\nWhen?"
    )

    assert clean_body(f"{OWN}\n\n\n{history}\n") == OWN


def test_the_first_line_under_a_header_block_is_not_part_of_the_block():
    text = (
        "FYI\n\nFrom: Ann\nTo: Bob Ray; Cid Fox;\nDan Hay\ncc:\n\nSubject: Outage\n\nThere will be an outage.\nSorry.\n"
    )

    assert clean_body(text) == "FYI\n\nFrom: Ann\nSubject: Outage\n\nThere will be an outage.\nSorry."


def test_answers_between_and_below_the_quotes_are_the_content():
    text = """On 5 Feb 2024 at 10:12, Ann Lee wrote:
> How many chairs do you need?

Forty, like last year, please in dark grey and with armrests.

> And by when?

Before the end of the month, if that is possible at all.
"""
    assert clean_body(text) == (
        "Forty, like last year, please in dark grey and with armrests.\n\n"
        "Before the end of the month, if that is possible at all."
    )


def test_a_two_word_answer_keeps_the_question_it_answers():
    cleaned = clean_body(
        "Yes, please.\n\nOn 5 Feb 2024, Ann wrote:\n> Shall we deliver the forty chairs on Friday?\n>> old\n"
    )

    assert cleaned == "Yes, please.\n\nShall we deliver the forty chairs on Friday?"


def test_a_sentence_that_only_looks_like_an_attribution_stays():
    text = (
        "On Monday our colleague from Ghent wrote:\nThe chairs are broken and nobody came to repair them, please help."
    )

    assert clean_body(text) == text


def test_the_fields_of_a_web_form_are_no_header_block():
    text = f"{OWN}\n\nFrom: Bob\nDate: 5 February 2024\nSubject: Complaint\nMessage: The chairs are broken."

    assert clean_body(text) == text


def test_lists_and_thanks_in_the_middle_are_not_signatures():
    text = """Hello,

we need:
- two chairs
- one desk, to be delivered on Monday

Thanks,
but please do not send the red ones again, they went straight back to you last time and nobody paid for the freight.

Can you confirm?"""

    assert clean_body(text) == text


SIGN_OFFS = [
    "Best regards,",
    "Mit freundlichen Grüßen",
    "Viele Grüße",
    "Cordialement,",
    "Un saludo,",
    "Cordiali saluti",
    "Met vriendelijke groet,",
    "Z poważaniem",
]


@pytest.mark.parametrize("sign_off", SIGN_OFFS)
def test_a_visiting_card_under_a_sign_off_goes(sign_off):
    signed = f"{OWN}\n\n{sign_off}\n\nAnn Lee"

    assert clean_body(f"{signed}\nSales\nTel. +32 9 123 45 67\nwww.example.org\n") == signed


def test_a_postscript_under_the_sign_off_saves_it():
    assert "P.S. The old chairs" in clean_body(
        f"{OWN}\n\nBest regards,\nAnn\n\nP.S. The old chairs can go back to you."
    )


def test_a_signature_ends_at_the_quote_below_it():
    assert clean_body(f"{OWN}\n-- \nAnn Lee\nSales\n\nOn 5 Feb 2024, Bob wrote:\n> chairs?\n") == OWN


def test_two_dashes_above_a_long_text_are_a_divider_and_no_signature():
    text = f"{OWN}\n--\n" + "\n".join(
        f"Item {number} of the list has a long description of what it is." for number in range(40)
    )

    assert clean_body(text).endswith("what it is.")


SENT_FROM = [
    "Sent from my iPhone",
    "Get Outlook for iOS",
    "Von meinem iPhone gesendet",
    "Gesendet mit der GMX Mail App",
    "Envoyé de mon iPhone",
    "Enviado desde mi iPhone",
    "Inviato da iPhone",
    "Verzonden vanaf mijn iPad",
    "Wysłane z iPhone'a",
]


@pytest.mark.parametrize("line", SENT_FROM)
def test_the_telephones_advertisement_goes(line):
    assert clean_body(f"{OWN}\n\n{line}\n\nOn 5 Feb 2024, Bob wrote:\n> chairs?") == OWN


LEGAL = [
    "This e-mail and any attachments are confidential and intended solely for the addressee. If you have received it "
    "in error, please notify the sender and delete it. Any unauthorised use is forbidden.",
    "Diese E-Mail enthält vertrauliche und/oder rechtlich geschützte Informationen. Wenn Sie nicht der richtige "
    "Adressat sind oder diese E-Mail irrtümlich erhalten haben, informieren Sie bitte sofort den Absender.",
    "Ce message et ses pièces jointes sont confidentiels, établis à l'intention exclusive du destinataire. Ce message "
    "est confidentiel : si vous le recevez par erreur, merci de le détruire.",
]


@pytest.mark.parametrize("notice", LEGAL, ids=["English", "German", "French"])
def test_a_long_legal_notice_at_the_end_goes(notice):
    assert clean_body(f"{OWN}\n\nBest regards\nAnn\n\n{notice}\n") == f"{OWN}\n\nBest regards\nAnn"


def test_a_mail_about_confidentiality_is_not_a_legal_notice():
    text = (
        "Hello,\n\nmy neighbour reads confidential letters intended only for me. Is that unauthorised, and who helps?"
    )

    assert clean_body(text) == text


def test_the_servers_warning_about_external_mail_goes():
    text = f"CAUTION: This email originated from outside of the organization. Do not click links.\n\n{OWN}"

    assert clean_body(text) == OWN


def test_a_mailing_lists_footer_goes():
    footer = "___________________________________\nChairs mailing list\nhttps://lists.example.org/mailman/listinfo/x"

    assert clean_body(f"{OWN}\n\n-------------------\nToday only: desks\n{footer}\n") == OWN


@pytest.mark.parametrize(
    "text",
    [
        "> only a quote",
        "-- \nAnn Lee",
        "Best regards,\nAnn",
        "Sent from my iPhone",
        "On 5 Feb 2024, Bob wrote:\n> x",
        "!!!",
    ],
)
def test_what_would_vanish_altogether_stays(text):
    assert clean_body(text)


def test_invisible_characters_and_blanks_are_normalised():
    assert (
        clean_body("pay\u200bpal\u00a0 now\t!\u202egnp\u2069\x00\r\n\r\n\r\n\r\nor\u2028never")
        == "paypal now !gnp\n\nor\nnever"
    )


ODD_LINES = [
    "",
    "-- ",
    "> quoted",
    ">> older",
    "_" * 40,
    "To: x",
    "cc:",
    "Subject: y",
    "05/02/2024 10:12 AM",
    "\u200b",
    "ok",
]
LINES = st.sampled_from(
    [OWN, *ODD_LINES, *ATTRIBUTIONS.values(), *HEADER_BLOCKS.values(), *FORWARD_MARKERS, *SIGN_OFFS, *SENT_FROM, *LEGAL]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES | st.text(max_size=60), max_size=25), st.booleans())
def test_cleaning_any_text_invents_nothing_and_never_loses_all(lines, forwarded):
    text = "\n".join(lines)
    visible = INVISIBLE.sub("", text.replace("\r", "\n").replace("\x0b", "\n").replace("\x0c", "\n"))

    cleaned = clean_body(text, Envelope(forwarded=forwarded))

    assert bool(cleaned) == bool(visible.strip())
    # Lotus Notes' nameless sender gets a "From:"; bold labels lose their stars.
    words = set(visible.replace("*", "").replace(">", " ").split()) | {"From:"}
    assert all(set(part.replace("*", "").split(">")) <= words | {""} or part in words for part in cleaned.split())


LONG = {
    "empty lines": "\n" * 400_000,
    "quotes": "> a\n" * 100_000,
    "one long line": "On 2024 10:00 " * 30_000,
    "openers": "On 2024 10:00\n" * 30_000,
    "labels": "From: a\nx\nx\nx\nx\n" * 20_000,
    "dates": "01/02/2003 04:05 PM\n" * 20_000,
    "markers": "-----Original Message-----\n" * 20_000,
    "attributions": ("On 2 Mar 2026 10:00 wrote " + "On " * 90 + "@ wrote:\n") * 400,
    "attributions with gaps": "On Mon, Mar 2, 2026 at 10:00 AM Desk\n\n" * 3_000,
    "unknown labels": "Abc: x@y.example 2026 10:00\nDef: 2026 10:00\nGhi: x\n\n" * 1_500,
    "arrows": (">" * 300 + "x<\n") * 400,
    "dashes": "- " * 200_000 + "x",
    "signatures": "--\n" * 100_000,
    "legal": ("confidential virus privileged liable " * 6 + "\n\n") * 2_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_no_text_takes_long(text):
    started = time.perf_counter()

    clean_body(text)

    # A tenth of a second on an idle machine; a pattern that backtracks would take minutes.
    assert time.perf_counter() - started < 5
