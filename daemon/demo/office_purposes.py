"""What the office's mail is about: for each category its subjects, purposes, details and asides.

A *purpose* is the sentence that decides where the mail belongs. Purposes borrow each other's words on purpose, as
an office's do: an invoice names the order and the delivery, a complaint names the invoice. *Details* lean towards a
category without deciding. An *aside* of one category is dropped into mails of the others ("by the way, ...").
One sentence a line; `[a|b]` means "one of these" and `{slot}` is filled in by the writer.
"""

# ruff: noqa: E501 -- a sentence is one line, however long
from __future__ import annotations

from typing import NamedTuple

from daemon.demo.office_people import lines


class Bank(NamedTuple):
    """The parts that a category's mail is made of. `senders`: which firms write it; `files`: what they attach."""

    description: str
    share: float
    senders: str
    subjects: tuple[str, ...]
    purposes: tuple[str, ...]
    details: tuple[str, ...]
    asides: tuple[str, ...]
    files: tuple[str, ...]


INVOICES = Bank(
    description="Bills that we have to pay, reminders, payment and bank details",
    share=0.13,
    senders="ship",
    subjects=lines("""
        [Invoice|Our invoice|Rechnung/Invoice] {invoice}
        [Payment|Amount] due [on {date}|by {day}]
        Account statement {month}
        [Your order {order}|Order {order}]: [invoice|billing]
        [Reminder|Second reminder]: {invoice} [open|unpaid|overdue]
        Credit note for {order}
        Change of bank details
        {invoice} / {order}
    """),
    purposes=lines("""
        [Please find attached|Attached is|Enclosed you will find] our invoice {invoice} for [{n} {items}|order {order}|the work in {month}], [payable within {n} days|due on {date}|with {n} days to pay].
        According to our books [{invoice}|our bill of {date}] over {amount} is [still open|unpaid|overdue]; [please transfer it by {day}|when may we expect the money|kindly settle it this week].
        For the {items} [delivered on {date}|that you received in {month}] we charge {amount} [plus VAT|including delivery|as quoted].
        We have [changed our bank|moved to another bank]: please [pay {invoice} and all later bills|send what you owe us] to the [new account|IBAN in the attached letter].
        [Here is|This is] the [monthly statement|account statement for {month}], [with three items open|balance {amount}|which closes the year].
        We [noticed|saw] that {invoice} was [paid twice|paid short by {amount}|settled without the deposit]; [we credit the difference|please transfer the rest|the credit note is attached].
        The [deposit|first instalment|remaining half] for {order} falls due [on {date}|before delivery|with this mail]: {amount}.
        Our charge for [the repair|the journey to {city}|the extra hours in {month}] is {amount}; [the sheet is attached|details overleaf|please book it to {reference}].
        As quoted in {month}, we bill [the second part|half of the sum|the balance] now that [the {items} are in place|the delivery is complete]: {amount}.
        [Could you tell me when|May I ask on which day] {invoice} [will be paid|goes out]? [It left us on {date}|Our auditor wants to close {month}].
        This replaces our bill of {date}: [the VAT number was wrong|the order number was missing|the address is corrected], [the sum of {amount} stays|please pay only this one].
        The direct debit for [{month}|the licence|the lease of the {item}] was [returned by your bank|not honoured]; we ask for {amount} by transfer.
    """),
    details=lines("""
        [Terms|The terms]: {n} days net, [two per cent discount within {n2} days|no discount].
        Please state {invoice} with your transfer.
        The order was placed by {colleague} on {date}.
        [The delivery note|The signed delivery note|Your purchase order {order}] is attached as proof.
        From {n} days on we must [charge interest|stop further deliveries].
        Our contract provides for quarterly billing.
    """),
    asides=lines("""
        the invoice can follow later
        {invoice} has been paid, thank you
        please send future invoices to accounts as PDF
        our accounts people still look for the bill of {month}
        we pay within {n} days as always
    """),
    files=lines("""
        invoice-{number}.pdf
        {invoice}.pdf
        statement-{month}.pdf
        scan{number}.pdf
    """),
)

ORDERS = Bank(
    description="Customers order, change or cancel; suppliers confirm our orders",
    share=0.13,
    senders="cs",
    subjects=lines("""
        [Order|Purchase order|Our order] {order}
        [Please send us|We need] {n} {items}
        [Change to|Addition to|Cancellation of] {order}
        [Order confirmation|Confirmation] {order}
        {n} {items} for {city}
        Your quote of {date}
        Call-off {order} / {month}
    """),
    purposes=lines("""
        [Please supply|We would like to order|Kindly book for us|Please put us down for] {n} {items} [in {colour}|as last time|at the price you quoted], to be [delivered|shipped] to {city} by {date}.
        [Your quote of {date}|Your offer] is [accepted|fine with us]: please [proceed with|go ahead with|book] the {n} {items} [under {order}|and invoice us on delivery].
        Please [add {n} {items} to|take the {items} off|change the colour to {colour} on] {order} [before it ships|if it is not too late].
        We [have to cancel|must withdraw|wish to cancel] {order}, [since the project in {city} was stopped|as the budget was cut|because we found {items} in our own store].
        [We confirm|Herewith we confirm|This confirms] your order {order} for {n} {items}[, ready in week {n2}|; the price is {amount}|, shipped from {city}].
        [As every quarter|As last year|Like in {month}], we [take|need] {n} {items}; [same address, same terms|bill to {city}, please|deliver when it suits you].
        The [purchase order|signed order|order form] for [{n} {items}|our {city} rooms] is attached; [our number is {order}|please confirm the date|please confirm receipt].
        Can you [make it {n} instead of {n2}|double the number of {items}|swap the {items} for the {colour} ones] in {order}?
        [Please split|Can we split] {order}: [half to {city}, the rest to us|{n} {items} now, the others in {month}].
        We [order|call off] the second part of [the frame agreement|{order}]: {n} {items}, [invoice as agreed|delivery on {date}].
        [Our board has agreed|The school has agreed|{person} has signed]: we take the {items} [from your price list|you showed us on {day}|as offered], {n} of them.
        Your order {order} [has been entered|is in production|is booked]; the {items} [in {colour} take two weeks longer|will be ready on {date}].
    """),
    details=lines("""
        Delivery address: {number} Mill Lane, {city}; [ground floor|please ring the bell|second floor, there is a lift].
        Please send the [order confirmation|confirmation] [to me|with the date and the price].
        The invoice goes to our [head office|accounts] in {city}.
        If the {items} are not in stock, [tell us before you replace them|the {colour} ones will do].
        [Colour|Finish]: {colour}, [matt|as sample {number}].
        Our cost centre is {number}.
    """),
    asides=lines("""
        our order {order} stands
        we may need more {items} in {month}
        {order} is not affected by this
        {person} will send the next order herself
        the {items} we ordered in {month} look splendid
    """),
    files=lines("""
        PO-{number}.pdf
        {order}.pdf
        order-form.pdf
        scan{number}.pdf
    """),
)

QUOTES = Bank(
    description="Requests for prices and offers, ours and those of suppliers",
    share=0.11,
    senders="cs",
    subjects=lines("""
        [Request for a quote|Price enquiry|Enquiry]: {items}
        [What would|How much would] {n} {items} cost?
        [Our offer|Offer] {reference}
        [Quote|Estimate] for {city}
        [Prices|Terms] for {month}
        New {items} for our {city} office
        {n} {items}: [delivery time and price|possible?]
    """),
    purposes=lines("""
        [Could you quote|What would you charge|Please let us have a price] for {n} {items} [delivered to {city}|in {colour}|with assembly], [possibly more later|needed by {date}]?
        We are [comparing|collecting] [offers|prices] for [a conference room|{n} desks and {items}|our new {city} floor]; [what can you offer|yours would be welcome by {day}]?
        [Attached|Below] is our offer for {n} {items}: {amount} [each|in all], [delivery included|valid until {date}|ex works].
        Your price of {amount} for the {items} is [above|higher than] what [we paid in {month}|another firm asks]; [is there room for a discount|could you look at it again]?
        Before we [order|decide], we need to know [what delivery to {city} would cost|whether {n} {items} come cheaper|if assembly is in the price].
        [How long is your offer|Until when is the price] of {date} [valid|good for]? [Our board meets on {day}|We would order in {month}].
        [Would you also|Do you] [rent out|lease] {items}, and [on what terms|what would {n} of them come to a month]?
        [As asked|As requested], we [offer|can do] the {items} at {amount}, [provided you take {n}|if you order before {date}|payable within {n} days].
        We plan to [refit|furnish] [our {city} branch|two floors|the reception] and [look for|have a budget of {amount} for] {items}: [what do you suggest|could you put something together]?
        [Can you match|Would you match] {amount} for {n} {items}? [Then the order is yours|We would rather stay with you].
        [Please send|May we have] your [price list|current prices|terms for resellers], [also for {items}|with delivery times].
        The revised [estimate|calculation] with {n} instead of {n2} {items} [is attached|comes to {amount}]; [it holds until {date}|tell us which you prefer].
    """),
    details=lines("""
        The room is {n} by {n2} metres; [a plan is attached|photos on request].
        We would want delivery [in {month}|before {date}|in two parts].
        Payment would be [by invoice|half in advance|within {n} days].
        [Samples|Fabric samples] in {colour} would help us decide.
        Last time we paid {amount} for {n} {items}.
        [We have asked two other firms|Two more firms are bidding|We need three bids].
    """),
    asides=lines("""
        we will need a price for {n} {items} soon
        your offer for the {items} is still with our board
        your new prices are noted
        is the {colour} version dearer?
        the quote you sent in {month} still helps us
    """),
    files=lines("""
        offer-{number}.pdf
        floor-plan.pdf
        price-list.pdf
        scan{number}.pdf
    """),
)

COMPLAINTS = Bank(
    description="Something went wrong: damaged, wrong, late, overcharged, rude",
    share=0.10,
    senders="cc",
    subjects=lines("""
        [Damaged|Broken|Scratched|Wrong] {items}
        [Problem|Trouble] with {order}
        [Unhappy with|Disappointed by] [the delivery|your service|{order}]
        {invoice} [is wrong|does not add up]
        [Late|Missing|Incomplete] delivery
        {items} [wobble|came in the wrong colour|returned]
        Still no answer
    """),
    purposes=lines("""
        [{n2} of the {n}|Two of the] {items} [from {order}|delivered on {day}] [arrived scratched|have a broken leg|came in {colour} instead of {colour2}|wobble]; [we expect replacements|please collect them|what will you do about it]?
        {invoice} [lists|charges us for] {n} {items}, [but only {n2} came|though we sent {n2} back|which we never ordered]: [please correct it|this must be put right].
        [The delivery|{order}] was [promised for {date}|due last {day}] and [nothing has come|half of it is still missing|nobody told us of the delay]; [this is not good enough|we had {n} people without a desk].
        Your [driver|fitter|man on the phone] [left the boxes in the rain|was rude to {person}|damaged our lift|walked off before the {items} stood], and [we want to hear what you say to that|I would like an apology].
        The {item} [we bought in {month}|from {order}] [has broken|creaks|lost its varnish] after [{n} weeks|one winter|hardly any use], which [is not what you quoted for|I find hard to accept].
        This is the [second|third] time that [the invoice is wrong|the wrong {items} come|our order was mixed up]; [one more and we look elsewhere|please see to it that it ends].
        We [sent back|returned] {n} {items} in {month} and [have not seen a credit note|nobody has refunded us|are still being reminded to pay].
        You [charged|billed] us {amount} for [assembly that we did ourselves|a delivery that was free in your offer|{items} that never left your store].
        [Nobody has answered|I have had no answer to] my [mails|calls|letter] [since {date}|for {n} days]. [The broken {item} is still in our hall|We still wait for the missing {items}].
        [I must say|To be frank], [we expected better|the quality has gone down]: [the {items} smell|the doors do not close|the screws were missing] and [the paper says checked|your price has not gone down].
        The {items} do not match [the sample|the offer|your pictures]: [{colour} is really {colour2}|they are too low|the wood is veneer]; [take them back|we will pay half].
        Please [take back|exchange|repair] the {item} [under warranty|at your cost]: [the motor is dead|the seat has torn|the lock does not turn] [since {day}|after {n} days].
    """),
    details=lines("""
        Photos [are attached|can be sent] [; one was taken at the door|].
        The delivery note was signed [under protest|by our caretaker, who could not look inside|at {hour}].
        We hold back payment of {invoice} until then.
        We need the {items} by {date} [at the latest|for the opening].
        We have been your customer for {n} years.
        {person} saw it as well.
    """),
    asides=lines("""
        one {item} came with a scratch, which we can live with
        the {items} from last time still wobble a little
        thank you for settling the trouble over {order}
        we had no complaints so far
        last {month}'s mix-up is forgotten
    """),
    files=lines("""
        photo{number}.jpg
        IMG_{number}.jpg
        delivery-note.pdf
        scan{number}.pdf
    """),
)

DELIVERIES = Bank(
    description="Shipping and transport: dates, tracking, access, pallets, customs",
    share=0.10,
    senders="hhcs",
    subjects=lines("""
        [Delivery|Shipment|Collection] [on {day}|{date}]
        [Tracking|Consignment] {reference}
        {order} [has left|is on its way|is ready for collection]
        [Delivery date|New date] for {order}
        [Pallets|Boxes] for {city}
        [Where is|When will we get] {order}?
        Dispatch note {reference}
    """),
    purposes=lines("""
        [Your order {order}|{order}|The consignment for {city}] [has left our warehouse|is on the lorry|was handed to the carrier] and [should reach you on {day}|is due between {hour} and noon|can be followed under {reference}].
        [Our driver|The lorry|The van] [comes on {day}|will be with you on {date}] [with {n} pallets|for the {items}|to collect the returns]; please [keep the gate free|have a fork-lift ready|make sure somebody can sign].
        [When|On which day] [will you deliver|can we expect] [the {items}|{order}]? [We must book the lift|Our caretaker needs to know|The rooms are ready from {date}].
        Because of [snow|a strike at the port|a breakdown], [the delivery to {city}|{order}] [is put off to {date}|arrives {n} days later|will come in two loads].
        We could not [deliver|hand over] [{n} boxes|the {items}] [on {day}|this morning]: [nobody was in|the street was closed|the address is incomplete]; [new attempt on {day2}|please call us].
        Please [leave the {items} at the side door|deliver to {city} instead|use the ramp in Mill Lane|come before {hour}], [the front is being painted|we have moved|the lift is out of order].
        [Customs|The customs office] in {city} [asks for|still needs] [the commercial invoice|a packing list|the tariff number of the {items}] before [the container|consignment {reference}] moves on.
        [{n} empty pallets|The crates|The packing material] from [last {day}|{order}] can be [collected|picked up]; [our yard is open until five|when does your lorry pass].
        [Proof of delivery|The signed delivery note] for {reference} [is attached|reached us]: {n} [boxes|pallets], [signed for by {colleague}|all sound].
        Our [freight rates|fuel surcharge|collection days] [change|will be different] from {date}: [pick-up is on {day}|plus {n2} per cent|the table is attached].
        We have [packed|loaded] {n} {items} for {city}; [weight {number} kg|two pallets|the papers are inside], [ready for the carrier on {day}|please book a lorry].
        [Can you hold|Could you keep] [{order}|the {items}] in your warehouse until {date}? [Our floor is still wet|The builders are late].
    """),
    details=lines("""
        The driver's number is {phone}.
        [{n} pallets|{n} boxes], {number} kg, [no stacking|tail-lift needed].
        [Track it|You can follow it] with number {reference}.
        Please check the boxes for damage before you sign.
        The invoice travels with the goods.
        Opening hours of the ramp: [seven to three|eight to noon].
    """),
    asides=lines("""
        the delivery came on time
        your driver was very kind
        delivery before {date} would be ideal
        the last pallet is still in our yard
        has the van for {city} left?
    """),
    files=lines("""
        delivery-note.pdf
        dispatch-{number}.pdf
        label-{reference}.pdf
        scan{number}.pdf
    """),
)
