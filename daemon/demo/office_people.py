"""Who writes to the office of Alder & Finch, makers of office furniture, and how they begin and end a mail.

Plain data for `office.py`. Every address ends in `.example` (RFC 2606), so no mail can ever reach a real person.
One sentence a line; `[a|b|c]` means "one of these" and `{slot}` is filled in by the writer.
"""

# ruff: noqa: E501 -- a sentence is one line, however long
from __future__ import annotations

from typing import NamedTuple


def lines(text: str) -> tuple[str, ...]:
    """The lines of a bank, without the empty ones."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


class Firm(NamedTuple):
    """A company that writes to us, with what it is to us: most are several things at once."""

    name: str
    domain: str
    city: str
    roles: str


OFFICE = "Alder & Finch"
OFFICE_DOMAIN = "alder-finch.example"
OFFICE_ADDRESS = f"office@{OFFICE_DOMAIN}"

# c customer, s supplier, h haulier, i IT house, p property, law and insurance, a agency for staff
FIRMS = (
    Firm("Nordholm Timber", "nordholm-timber.example", "Aarhus", "sc"),
    Firm("Castle Street Dental", "castlestreetdental.example", "Leeds", "c"),
    Firm("Merriman Solicitors", "merriman-law.example", "Bristol", "cp"),
    Firm("Bluebird Logistics", "bluebird-logistics.example", "Hull", "h"),
    Firm("Pennant Freight", "pennantfreight.example", "Dover", "hc"),
    Firm("Hexley Steel Fittings", "hexley.example", "Sheffield", "s"),
    Firm("Oakfield Primary School", "oakfield-primary.example", "York", "c"),
    Firm("Sunderby Upholstery", "sunderby.example", "Malmö", "s"),
    Firm("Quayside Architects", "quayside-architects.example", "Newcastle", "c"),
    Firm("Larch Lane Library", "larchlane.example", "Norwich", "c"),
    Firm("Teal Software", "tealsoftware.example", "Cambridge", "ic"),
    Firm("Wickham Networks", "wickham-networks.example", "Reading", "i"),
    Firm("Harrow Property Partners", "harrow-property.example", "London", "p"),
    Firm("Beacon Insurance Brokers", "beacon-brokers.example", "Exeter", "pc"),
    Firm("Staffordale Personnel", "staffordale.example", "Derby", "a"),
    Firm("Brightside Cleaning", "brightside-cleaning.example", "Leeds", "s"),
    Firm("Kestrel Energy", "kestrel-energy.example", "Cardiff", "s"),
    Firm("Riverbank Health Centre", "riverbank-health.example", "Bath", "c"),
    Firm("Gilded Page Books", "gildedpage.example", "Oxford", "c"),
    Firm("Van Houten Glas", "vanhouten-glas.example", "Utrecht", "s"),
    Firm("Morwen Hotels", "morwenhotels.example", "Truro", "c"),
    Firm("Ludlow Council", "ludlow-council.example", "Ludlow", "c"),
    Firm("Paper & Pine", "paperandpine.example", "Glasgow", "sc"),
    Firm("Fjordlys Lighting", "fjordlys.example", "Bergen", "s"),
    Firm("Anvil Coworking", "anvil-coworking.example", "Manchester", "c"),
    Firm("Tidewater Accountants", "tidewater-accounts.example", "Portsmouth", "cp"),
)

GERMAN_FIRMS = (
    Firm("Holzwerk Brandt GmbH", "holzwerk-brandt.example", "Kassel", "sc"),
    Firm("Kanzlei Seidel & Vogt", "seidel-vogt.example", "Bremen", "cp"),
    Firm("Spedition Lohmann", "spedition-lohmann.example", "Münster", "hc"),
)

FRENCH_FIRMS = (
    Firm("Menuiserie Garnier", "menuiserie-garnier.example", "Lyon", "sc"),
    Firm("Cabinet Dufour", "cabinet-dufour.example", "Nantes", "cp"),
    Firm("Transports Béranger", "transports-beranger.example", "Lille", "hc"),
)

PEOPLE = lines("""
    Amelia Hart
    Tom Okafor
    Priya Raman
    Søren Lund
    Grace Whitlock
    Daniel Pereira
    Hannah Weiss
    Owen Pritchard
    Zofia Nowak
    Marcus Bell
    Leila Haddad
    Peter Van Dyke
    Ingrid Solberg
    Callum Reid
    Rosa Martín
    Nathan Cole
    Yuki Tanaka
    Fiona Gallagher
    Ahmed Siddiqui
    Charlotte Avery
    Ben Ferris
    Meera Joshi
    Lucas Andersson
    Ruth Abernathy
    George Mbeki
    Elena Petrova
    Simon Tregear
    Nadia Rahman
    Victor Hale
    Joanna Kirk
""")

COLLEAGUES = lines("""
    Maggie Alder
    Ivan Finch
    Dora Simmons
    Kwame Boateng
    Lena Fischer
    Rob Tanner
    Sally Green
    Imran Qureshi
""")

PRIVATE_DOMAINS = ("postbox.example", "mymail.example", "inkwell.example", "home-letters.example")

GREETINGS = lines("""
    Dear all,
    Hello,
    Hi there,
    Hi [team|folks|everyone],
    Good [morning|afternoon],
    Dear Sir or Madam,
    Dear [Ms Alder|Mr Finch|Mr Tanner|Ms Simmons],
    Hi [Maggie|Ivan|Dora|Rob|Sally],
    To whom it may concern,
""")

OPENINGS = lines("""
    I hope [you are well|this finds you well|you had a good weekend|the week has started kindly for you].
    [Thank you|Thanks] for [your mail|your quick answer|the call on {day}|your help last week|your patience].
    As [discussed|agreed|promised] on the phone [on {day}|this morning|with {colleague}], here is [a short note|what you asked for|the follow-up].
    [{colleague}|Your colleague {colleague}] [suggested that I write to you|gave me this address|said this would reach the right desk].
    Just a [short|quick] [note|message|line] from [{city}|our side|the {firm} team].
    I am writing [on behalf of {firm}|for {firm}|from {city}] [again|about the following|once more].
    Sorry [for the slow reply|to chase|to trouble you again|for writing twice].
    We [spoke|met|were in touch] [in {month}|some weeks ago|at the trade fair] [about something similar|already|about our rooms in {city}].
    A colleague has [forwarded this to me|left and I have taken over|asked me to clear this up].
    This concerns [our account|the file for our {city} site|reference {reference}|our conversation of {date}].
""")

CLOSINGS = lines("""
    [Please let me know|Let me know|Tell me] if [anything is missing|something is unclear|you need more from us].
    [Many thanks|Thank you|Thanks] [in advance|for looking into this|for your help|for your time].
    [I look forward to hearing from you|We look forward to your answer|A short answer would be enough].
    Could you [confirm|acknowledge] this [by {day}|today if possible|when you have a moment]?
    You can reach me on {phone} [until five|any afternoon|except Fridays].
    [No rush|There is no hurry], [any time this week is fine|whenever it suits].
    If [someone else|another desk] handles this, please pass it on.
    Please [quote|use] {reference} [in your answer|when you reply|in all letters].
    Any questions, [just call|ring me|please ask].
""")

SIGN_OFFS = lines("""
    Kind regards,
    Best regards,
    Best wishes,
    Yours sincerely,
    Many thanks,
    Cheers,
    With thanks,
    Regards,
""")

JOBS = lines("""
    Purchasing
    Accounts
    Office Manager
    Facilities
    Operations
    Customer Care
    Human Resources
    Project Office
    Systems Administration
    Dispatch
    Managing Director
""")

DISCLAIMERS = lines("""
    This e-mail and any attachment are confidential and intended for the addressee only. If you have received it in error, please delete it and tell the sender.
    {firm} is registered in England and Wales. Registered office: {number} Station Road, {city}. VAT no. GB {number} {number} {number}.
    Please consider the environment before printing this e-mail. Our privacy notice and general terms of sale and delivery are on our website.
    The contents of this message do not constitute an offer, an order or an invoice unless confirmed in writing. Calls may be recorded for training purposes.
    Offices closed from 24 December to 2 January. For urgent support, appointments and deliveries please call our switchboard.
""")

# Subjects that say nothing, as people really write them.
VAGUE_SUBJECTS = lines("""
    Question
    A quick question
    Our phone call [on {day}|this morning]
    {firm}
    Reference {reference}
    Your reference {reference}
    [Following up|Follow-up]
    Urgent
    [Please advise|Your help, please]
    [Documents|Papers] attached
    Next steps
    {firm} - {city}
    For your attention
    [Reminder|Gentle reminder]
    Update [from {firm}|on {order}]
    {order}
    [{items}|{n} {items}]
    Re: {order}
    Information
    As discussed
""")

# What people answer in a thread that is already about something: the words alone don't say what.
SHORT_ANSWERS = lines("""
    [That works for us|That suits us|Fine with us|Agreed], [please go ahead|thank you|let us leave it at that].
    [Sorry|Apologies], I [forgot the attachment|sent the wrong file|mixed up the numbers]; [here it is|the right one is attached|please use {reference} instead].
    Could you [give me an update|tell me where this stands|let me have an answer]? [{person} is asking|It is getting urgent|We had hoped to hear by {day}].
    [I have checked with {person}|{person} has confirmed], and [it is as you say|you are right|we agree to what you propose].
    [Not quite|No, sorry]: it should be [{number}|{reference}|{day}, not {day2}]. [Can you change that|Please correct it]?
    Any news [on this|yet]? [I am away from {day}|We close at four today|Our {city} people keep asking].
    Thanks, [received|noted|got it]. [I will come back to you by {day}|One thing remains open: see below|{person} takes it from here].
""")
