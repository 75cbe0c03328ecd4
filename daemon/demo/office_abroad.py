"""The few mails in German and French, and the three new correspondents of the demo's story.

The folders have never seen these three, and each sounds like one category while the office files it under another:
so the first model errs in the same way again and again, people move the mail, and the next model knows better.
"""

# ruff: noqa: E501 -- a sentence is one line, however long
from __future__ import annotations

from typing import NamedTuple

from daemon.demo.office_people import lines


class Language(NamedTuple):
    """What a mail in another language is made of; `purposes` by category, subject and sentence split by a bar."""

    greetings: tuple[str, ...]
    closings: tuple[str, ...]
    sign_offs: tuple[str, ...]
    purposes: dict[str, tuple[str, ...]]


GERMAN = Language(
    greetings=lines("""
        Sehr geehrte Damen und Herren,
        Guten [Tag|Morgen],
        Hallo zusammen,
    """),
    closings=lines("""
        [Vielen Dank im Voraus|Danke für Ihre Mühe].
        Für Rückfragen [erreichen Sie mich unter {phone}|stehe ich gern zur Verfügung].
        Bitte geben Sie [dabei|immer] unsere Nummer {reference} an.
    """),
    sign_offs=lines("""
        Mit freundlichen Grüßen
        Beste Grüße
        Viele Grüße
    """),
    purposes={
        "Invoices": lines("""
            Rechnung {invoice} :: anbei erhalten Sie unsere Rechnung {invoice} zur Bestellung {order} über {amount}, [zahlbar binnen {n} Tagen|fällig am {date}].
            Offener Posten :: leider ist {invoice} noch [nicht beglichen|offen]; wir bitten um Überweisung von {amount} [bis {date}|in den nächsten Tagen].
        """),
        "Orders": lines("""
            Bestellung {order} :: wir bestellen [gemäß Ihrem Angebot|wie im letzten Jahr] {n} Bürostühle, Lieferung bitte [bis {date}|nach Bremen].
            Änderung {order} :: bitte erhöhen Sie unsere Bestellung {order} [auf {n} Tische|um {n2} Regale] und senden Sie uns die Bestätigung.
        """),
        "Quotes": lines("""
            Anfrage :: können Sie uns ein Angebot für {n} höhenverstellbare Tische machen, [mit Lieferung nach Kassel|einschließlich Aufbau]?
            Ihr Preis :: Ihr Angebot vom {date} liegt mit {amount} [über unserem Rahmen|höher als erwartet]; [ist ein Nachlass möglich|was kosten {n} Stück]?
        """),
        "Complaints": lines("""
            Schaden an {order} :: {n2} der Stühle aus {order} kamen [beschädigt|zerkratzt] an; wir erwarten [Ersatz|eine Gutschrift].
            Unzufrieden :: zum zweiten Mal wurde [falsch geliefert|zu viel berechnet], und [niemand antwortet uns|die Ware steht noch immer hier].
        """),
        "Deliveries": lines("""
            Lieferung am {date} :: die Sendung {reference} mit {n} Paletten [trifft am {date} bei Ihnen ein|verzögert sich bis {date}]; [bitte Rampe freihalten|der Fahrer ruft vorher an].
            Abholung :: wann können wir die [leeren Paletten|Rücksendung {reference}] bei Ihnen abholen?
        """),
        "Job applications": lines("""
            Bewerbung :: hiermit bewerbe ich mich um die Stelle [als Tischler|in der Buchhaltung]; [Lebenslauf und Zeugnisse liegen bei|ich könnte am {date} beginnen].
        """),
        "IT support": lines("""
            Fehler im Portal :: in Ihrem Kundenportal erscheint [seit gestern|beim Abruf der Rechnung] Fehler {number}; [können Sie mein Kennwort zurücksetzen|liegt es an uns]?
        """),
        "Appointments": lines("""
            Termin :: passt Ihnen [der {date}|die Woche ab dem {date}] für ein Treffen [in Kassel|bei Ihnen], um {clock} Uhr?
        """),
        "Contracts": lines("""
            Rahmenvertrag :: anbei der [geänderte Entwurf|Rahmenvertrag] zur Unterschrift; bitte beachten Sie [Ziffer {n}|die Kündigungsfrist].
        """),
        "Newsletters": lines("""
            Neues aus Kassel :: in diesem Monat zeigen wir unsere neuen [Hölzer|Oberflächen], und bis {date} sparen Sie {n2} Prozent.
        """),
    },
)

FRENCH = Language(
    greetings=lines("""
        Madame, Monsieur,
        Bonjour,
        Bonjour à tous,
    """),
    closings=lines("""
        [Merci d'avance|Merci pour votre aide].
        Je reste [à votre disposition|joignable au {phone}].
        Merci de rappeler notre référence {reference}.
    """),
    sign_offs=lines("""
        Cordialement,
        Bien à vous,
        Salutations distinguées,
    """),
    purposes={
        "Invoices": lines("""
            Facture {invoice} :: veuillez trouver ci-joint notre facture {invoice} de {amount} pour la commande {order}, [payable à {n} jours|échue le {date}].
            Rappel :: sauf erreur, la facture {invoice} reste [impayée|due]; merci de régler {amount} [avant le {date}|sous huitaine].
        """),
        "Orders": lines("""
            Commande {order} :: nous vous commandons {n} fauteuils [comme dans votre devis|en chêne], à livrer [à Nantes|avant le {date}].
            Commande {order}, modification :: merci [d'ajouter {n2} étagères à|d'annuler une table dans] notre commande {order}.
        """),
        "Quotes": lines("""
            Demande de prix :: pourriez-vous nous faire un devis pour {n} bureaux réglables, [livraison à Lyon comprise|avec montage]?
            Votre devis :: votre prix de {amount} nous paraît [élevé|supérieur au marché]; [une remise est-elle possible|et pour {n} pièces]?
        """),
        "Complaints": lines("""
            Réclamation {order} :: {n2} des chaises reçues sont [cassées|rayées]; nous demandons [un échange|un avoir].
            Retard :: la livraison promise [n'est pas arrivée|est incomplète], et [personne ne répond|la facture est déjà là]: ce n'est pas sérieux.
        """),
        "Deliveries": lines("""
            Livraison du {date} :: notre camion livrera [{n} palettes|l'envoi {reference}] le {date}; [merci de prévoir un chariot|le quai doit être libre].
        """),
        "Job applications": lines("""
            Candidature :: je vous présente ma candidature au poste [de menuisier|d'assistante commerciale]; [mon CV est joint|je suis libre dès {month}].
        """),
        "IT support": lines("""
            Accès au portail :: depuis la mise à jour je ne peux plus [me connecter|télécharger mes factures]; [l'erreur est {number}|pouvez-vous rétablir mon accès]?
        """),
        "Appointments": lines("""
            Rendez-vous :: seriez-vous libre [le {date}|la semaine du {date}] pour [une visite|parler des prix], vers {clock} heures?
        """),
        "Contracts": lines("""
            Contrat {reference} :: le contrat [de maintenance|cadre] arrive à terme le {date}; [voulez-vous le prolonger|merci de signer l'avenant joint].
        """),
        "Newsletters": lines("""
            La lettre de Lyon :: ce mois-ci, [découvrez nos bois clairs|nos conseils pour un bureau calme], et {n2} % de remise jusqu'au {date}.
        """),
    },
)


class Newcomer(NamedTuple):
    """A correspondent that the folders have never seen. `sounds_like` is only for the reader of the demo."""

    firm: str
    domain: str
    category: str
    sounds_like: str
    people: tuple[str, ...]
    subjects: tuple[str, ...]
    purposes: tuple[str, ...]
    details: tuple[str, ...]


DESKMARKET = Newcomer(
    firm="Deskmarket",
    domain="deskmarket.example",
    category="Orders",
    sounds_like="Invoices",
    people=("Deskmarket Seller Desk", "Deskmarket Payments"),
    subjects=lines("""
        [Payout|Statement|Settlement] {reference}
        [Payment received|A payment] for {n} {items}
        Marketplace [statement|fee note] of {date}
        {amount} for your [account|shop]
    """),
    purposes=lines("""
        A buyer in {city} has paid {amount} for {n} {items} in your marketplace shop; the [fee|commission] is on the statement and the payout follows [on {date}|within {n2} days].
        [Payment|An amount] of {amount} is [booked|reserved] for you: a buyer took {n} {items} in {colour}. [The fee note is attached|Our charge is {n2} per cent].
        [Settlement|Statement] {reference}: buyer [{person}|in {city}] paid for {n} {items}, [to be packed by {date}|please prepare the goods]; the invoice for our commission [is enclosed|comes monthly].
        Your marketplace shop has [made a sale|a new buyer]: {n} {items}, {amount} paid [by card|by transfer]. [The statement shows our fee|Payout after {n2} days].
        The buyer of {n} {items} ({reference}) has [paid the balance|settled the amount of {amount}]; [the payout is due on {date}|we deduct our fee].
        We have credited {amount} less commission to your marketplace account: {n} {items} for a buyer [in {city}|named {person}], [see the statement|ship by {date}].
    """),
    details=lines("""
        [The payout|The statement] carries the number {reference}.
        Our commission is invoiced [at the end of the month|together with the payout].
        The buyer asked for {colour}.
        VAT is shown on the marketplace statement.
    """),
)

HARBOUR_HOUSE = Newcomer(
    firm="Harbour House Site Office",
    domain="harbour-house.example",
    category="Contracts",
    sounds_like="Deliveries, Appointments",
    people=("Gareth Moon", "Alma Lindqvist"),
    subjects=lines("""
        Harbour House: [site visit|access|keys] on {day}
        [Floor|Gate|Lift] at Harbour House
        Harbour House, [week {n}|{date}]
        Your rooms by the harbour
    """),
    purposes=lines("""
        The [lift|ramp|gate] at Harbour House is ready on {day}; [your first lorry can come at {hour}|please send us the driver's name|the keys are handed over on site].
        Could somebody of yours [meet our foreman|walk through the rooms] at Harbour House on {day} at {hour}? [The floor is laid|The sockets must be marked|The {items} need measuring].
        The floor at Harbour House [dries until {date}|is late by {n2} days], so [the move|your pallets] must wait [until {day}|a little].
        We have [marked|measured] where the {items} stand at Harbour House; [please look at it on {day}|one wall is in the way|the plan is attached].
        For the hand-over of your rooms at Harbour House we [propose {date}|need two people of yours], [{hour} at the gate|and a van for the first boxes].
        [Parking|Access] at Harbour House is [only by the east gate|limited to {n} minutes] [from {day}|while the street is dug up]; [tell your carrier|your visitors should know].
    """),
    details=lines("""
        Ask for the foreman at the east gate.
        The harbour office closes at {hour}.
        Helmets are at the entrance.
        The next round through the building is on {day}.
    """),
)

CLOUDLEDGER = Newcomer(
    firm="Cloudledger",
    domain="cloudledger.example",
    category="IT support",
    sounds_like="Invoices, Contracts",
    people=("Cloudledger Service", "Milo Trent"),
    subjects=lines("""
        [{n} invoices|Your invoices] [imported|waiting|rejected]
        Cloudledger: [bank feed|posting run|month end]
        [Invoice run|Payment run] of {date}
        [Ledger|Accounts] for {month}
    """),
    purposes=lines("""
        [{n} invoices|The invoices of {date}] could not be [posted|imported] by Cloudledger: [the VAT code is missing|the supplier number is unknown|the bank feed was late].
        Your Cloudledger bank feed [stopped on {day}|must be renewed by {date}], so payments since then [are not matched|wait in the ledger]; [{amount} is open|{invoice} among them].
        The payment run of {date} over {amount} [is waiting for a second approval|was not sent]: [please open Cloudledger|the approver {person} has no rights].
        Cloudledger has moved your [ledger of {month}|supplier accounts] to the new year; [{n} invoices need a look|the balance of {amount} was carried over].
        {person} has [no seat in Cloudledger|reached the limit of seats] and cannot [approve invoices|see the statement of {month}]; [add one under Settings|shall we raise it].
        The template for your outgoing invoices [was changed in Cloudledger|lost its logo]: {invoice} and {n2} others [were held back|went out without it].
    """),
    details=lines("""
        The ledger stays open until {date}.
        {n2} suppliers are concerned.
        [The list is attached|The list is under Reports].
        Payments already approved are not affected.
    """),
)

NEWCOMERS = (DESKMARKET, HARBOUR_HOUSE, CLOUDLEDGER)
