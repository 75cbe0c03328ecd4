"""The office's other categories: people, machines, meetings, papers and newsletters. See `office_purposes.py`."""

# ruff: noqa: E501 -- a sentence is one line, however long
from __future__ import annotations

from daemon.demo.office_people import lines
from daemon.demo.office_purposes import COMPLAINTS, DELIVERIES, INVOICES, ORDERS, QUOTES, Bank

APPLICATIONS = Bank(
    description="People who want to work for us, and agencies that offer them",
    share=0.09,
    senders="..a",
    subjects=lines("""
        [Application|My application] [as {post}|for the post]
        {post} [in your firm|from {month}]
        [Interested in working|A place] with you
        [CV|Curriculum vitae] {person}
        [Your advertisement|Your advert] of {date}
        [Interview|Our interview] on {day}
        [Work experience|Apprenticeship] in {month}
    """),
    purposes=lines("""
        [I would like to apply|I am applying|Please accept my application] for the post of {post} [that you advertised on {date}|, of which {colleague} told me|in your {city} branch].
        [Are you looking for|Do you need|Might there be room for] a {post}? I [have {n} years of experience|have just finished my training|am free from {month}].
        For {n} years I have [worked|been employed] as {post} [at {firm}|in {city}], [dealing with orders and invoices|looking after deliveries|helping customers], and [now look for something new|would gladly do so for you].
        Thank you for [the interview|inviting me|showing me round] on {day}; [I remain very interested|I would start in {month}|here are the papers that were missing].
        We [put forward|suggest|can offer] a candidate for [your opening as {post}|the post in IT support]: {n} years in the trade, [free at once|notice until {date}].
        My [son|daughter] is looking for [a week of work experience|an apprenticeship] [in {month}|from the summer]; [is there somebody to talk to|could {colleague} take us on]?
        [I regret|I am sorry] that I must withdraw [my application|from the selection], [having signed elsewhere|as we are moving to {city}].
        [Has a decision been made|May I ask how things stand] [about the post of {post}|after the talk on {day}]? [My notice period is {n} weeks|I have another offer until {date}].
        I can [set up computers, mend printers and reset passwords|drive lorries and pack pallets|write quotes and talk to customers], [and would be glad to do so for you|which is what you seem to look for].
        [Enclosed|Attached] are [my CV and certificates|my references|three work samples] [as you asked|for the {post} post].
        I am [studying design|in my last year at school|back from parental leave] and seek [a part-time post|a holiday job|a placement] [of {n} hours a week|in {month}], [ideally as {post}|in any department].
    """),
    details=lines("""
        My [salary expectation is|last salary was] {amount} [a year|].
        I [speak German and French|hold a driving licence|know your order software|have my own car].
        [References|A reference from {firm}] [can be had|are attached].
        I could come for [an interview|a trial day] [on {day}|any time after {date}].
        My contract at {firm} ends on {date}.
        I am [used to working in a team|punctual and careful|calm on the telephone].
    """),
    asides=lines("""
        we are hiring a {post} too, if you know somebody
        {colleague} has left us, {person} now does this work
        my successor starts in {month}
        I start a new job in {month}, so please write to {person}
    """),
    files=lines("""
        CV-{surname}.pdf
        certificates.pdf
        cover-letter.pdf
        scan{number}.pdf
    """),
)

IT_SUPPORT = Bank(
    description="Computers, accounts, passwords, printers, web shop and telephone trouble",
    share=0.10,
    senders="oooic",
    subjects=lines("""
        [Printer|Scanner|Screen|Telephone] [on the second floor|in accounts|again]
        [Cannot log in|No access|Locked out]
        [Web shop|Customer portal|Order form]: error {number}
        [Password|Account] [expired|for {person}]
        [Maintenance|Server work] on {day}
        [VPN|Mail|Calendar] [not working|is slow]
        Ticket {reference}
    """),
    purposes=lines("""
        [The printer|The label printer|The scanner] [in accounts|in dispatch|on our floor] [does not print|jams|is not found] since [this morning|{day}], [so the invoices pile up|and the delivery notes must go out|could somebody look].
        I [cannot log in|am locked out|get error {number}] [in the order system|at the customer portal|when I open the price list] [since the update|after my holiday|from home].
        [Could you set up|Please set up] [an account|a laptop|a mailbox] for [{person}, who starts on {date}|our new {post}|the trainee]? [With access to the orders folder|She will do quotes|A second screen would be good].
        When I [place an order|look up {order}|download {invoice}] in your web shop, [the page stays white|it says error {number}|the basket is empty afterwards]; [can that be mended|is it me or you].
        [On {day} evening|Between {hour} and midnight] we [update|restart|move] [the server|the mail system|the telephones]; [orders and calendar will not be reachable|please close everything].
        My [screen|keyboard|laptop|headset] is [broken|flickering|making odd noises] and I have [a call with {firm}|to send a quote] at {hour}: [is there a spare one|can I get another].
        [Ticket|Your ticket] {reference} [was opened|has been closed|is waiting for you]: [calendar sharing|password reset|invoice template in the wrong font].
        Somebody got a [strange mail|message about an unpaid invoice|parcel notice] with [a link|an attachment] and [clicked on it|typed a password]; [what shall we do|please check {person}'s computer].
        The [shared folder|drive] with [the contracts|last year's invoices|the delivery notes] is [gone|read-only|full] [for everyone in accounts|since {day}]; [can you restore it|a backup from {date} would do].
        [Mails to {firm} come back|Our mails to {firm} land in junk], [although the address is right|with error {number}], and [the quote must go out|they wait for their order confirmation].
        [The licence|The certificate] for [the CAD program|the web shop|the scanner software] [runs out on {date}|has expired], [and nobody can draw a desk any more|customers see a warning]: [can you renew it|who looks after it].
        The [meeting room screen|camera in the conference room|telephone in reception] [shows nothing|drops calls|has no sound], [we have visitors from {firm} at {hour}|please look before {day}].
    """),
    details=lines("""
        I have [restarted it twice|tried another cable|tried two browsers].
        It [worked until {day}|happens to {person} as well|only happens with large files].
        [A screenshot is attached|I took a picture of the message].
        My computer is number {number}.
        [Windows says|It says] that [access is denied|the path was not found|the session has expired].
        You can dial in [any time|after {hour}].
    """),
    asides=lines("""
        our mail was down on {day}, so please forgive the delay
        the web shop would not take it, hence this mail
        I write from {person}'s computer
        the link in your last mail did not open
        your portal did not let me in
    """),
    files=lines("""
        screenshot.png
        error-{number}.png
        ticket-{reference}.pdf
        scan{number}.pdf
    """),
)

APPOINTMENTS = Bank(
    description="Meetings, visits and calls to arrange, move or cancel",
    share=0.08,
    senders="cspio",
    subjects=lines("""
        [Meeting|Visit|Appointment] [on {day}|{date}]
        [Can we meet|A date] in {month}?
        [New time|Another day] for [our meeting|the visit]
        [Call|Video call] about {items}
        Showroom visit
        [Lunch|Coffee] [on {day}|next week]
        {day} at {hour}
    """),
    purposes=lines("""
        [Could we meet|Shall we meet|Would you have time] [on {day}|in the week of {date}] [to talk about the {items}|to go through the open invoices|about next year's prices]? [An hour will do|We come to you|At our place in {city}].
        [I have to move|We need to put off|Could we shift] our [meeting|call|visit] [on {day}|of {date}] to {day2}, [{hour}|same time], [as I am ill|because of the train strike|the lorry comes that morning].
        [{day} at {hour} suits us|The {date} is fine]; [we will be three|{person} comes too|please book the small room], and [we would like to see the {items}|bring the contract, please].
        [Unfortunately|Sadly] [{person}|I] cannot [come|join] on {day}; [is {day2} possible|can we speak by phone instead|please go on without us].
        Our [fitter|sales manager|auditor] would [call on you|look in|measure the rooms] [on {date}|between {hour} and noon]; is [somebody there|the showroom open]?
        We would like to [visit your showroom|try the {items}|see the workshop] [on {day}|with {n} people]: [when is it quiet|do we have to book].
        [A reminder of|Please remember] [the meeting|our talk|the fire drill] on {day}, {hour}, [in {city}|second floor]: [complaints of the last quarter|orders for spring|the new contract] [is the first point|are on the list].
        [I tried to call you|I rang twice] about [the {items}|{order}]; [when can I reach you|can you ring me on {day} before {hour}].
        The [agenda|list of points] for {day} [is attached|has changed]: [delivery times|the price list|the lease] first, [then lunch|then the IT matters].
        [Which of these days|Which day] would suit you for [the site visit in {city}|the yearly talk|handing over the rooms]: {day}, {date} or [the week after|some day in {month}]?
        [Thank you for|Thanks for] the invitation to [your open day|the opening in {city}|the supplier day] on {date}; [we come with {n}|I am glad to accept|alas I am abroad].
    """),
    details=lines("""
        [Parking is behind the house|There is a bus from the station].
        We [need about an hour|bring the samples|would need a screen].
        [By video if you prefer|By telephone is fine as well].
        {person} [keeps my diary|will be there as well].
        After {hour} I am [free|on the train].
        {colleague} knows about it.
    """),
    asides=lines("""
        we could talk about it on {day} when you are here
        I am away from {day} to {day2}
        see you at the meeting on {date}
        {person} is on leave until {date}
        shall we speak on the phone about the rest?
    """),
    files=lines("""
        agenda.pdf
        directions.pdf
        agenda-{month}.pdf
        scan{number}.pdf
    """),
)

CONTRACTS = Bank(
    description="Agreements: lease, insurance, maintenance, employment, terms, notices",
    share=0.08,
    senders="ppisa",
    subjects=lines("""
        [Contract|Agreement] {reference}
        [Lease|Your lease] [for the showroom|in {city}]
        [Renewal|Extension|Termination] of [the agreement|your policy]
        [Draft|Amended draft] for signature
        [New terms|General terms] from {date}
        Policy {reference}
        [Frame agreement|Service agreement] {month}
    """),
    purposes=lines("""
        [The draft|The agreement|Our contract] [for the maintenance of your machines|on yearly deliveries|for the {city} rooms] is attached; please [sign both copies|look at clause {n}|send it back by {date}].
        Your [policy|lease|service agreement] {reference} [ends on {date}|renews by itself in {month}] unless [you give notice|one of us objects]; [shall we extend it|the new premium is {amount}].
        We [hereby give notice|end|terminate] [the cleaning contract|the frame agreement|the lease of the {items}] [to the end of {month}|as of {date}]; [please confirm|the last invoice follows].
        From {date} [new general terms|other liability rules|changed payment terms] apply to [all orders|our agreement]; [your consent is assumed|please return the form], [clause {n} is the one that matters|nothing else changes].
        [Could you have a look at|{colleague} should look at] [clause {n}|the penalty clause|the notice period]: [late delivery would cost us {amount}|we read it differently|our lawyer frowns].
        [The rent|The fee] in [the agreement|the lease] goes up [by {n2} per cent|to {amount} a month] from {month}, [as clause {n} provides|following the index].
        [{person}'s employment contract|The contract with the new {post}|The trainee's agreement] [is ready for signature|needs the start date], [from {date}|{n} hours a week].
        [We have signed|{person} has signed] [the frame agreement|the confidentiality agreement|clause {n} as amended]; [your copy is attached|the original comes by post].
        For [the claim of {date}|the water damage in {month}] our insurers [need a copy of the policy|ask who is liable under the agreement], [before they pay the {items}|and a list of the {items}].
        Would you agree to [a frame contract|a supply agreement|a two-year term] over {n} {items} a year[, with fixed prices|, billed each quarter|]? [Our lawyers have a draft|The terms are attached].
        [The data protection agreement|The confidentiality undertaking] [for the web shop|with your IT firm] [must be renewed|lacks a signature] before {date}.
    """),
    details=lines("""
        The notice period is {n} weeks [to the end of a quarter|].
        [The signature page|Page {n}] is still missing.
        It [covers|concerns] [the {items} as well|all orders after {date}|your {city} rooms].
        The term is {n} months.
        Our file number is {reference}.
        [A scan is enough|We need the original].
    """),
    asides=lines("""
        our agreement of {month} covers this
        the signed contract went out by post
        the terms are those of the frame agreement
        our lease in {city} runs until {month}
        clause {n} allows for it
    """),
    files=lines("""
        contract-{number}.pdf
        draft-v{n2}.pdf
        terms.pdf
        scan{number}.pdf
    """),
)

NEWSLETTERS = Bank(
    description="Circulars and advertising nobody has to answer",
    share=0.08,
    senders="sipcha",
    subjects=lines("""
        [News|Newsletter|The {month} letter] from {firm}
        [Save {n2} %|{n2} % off|Last chance]: {items}
        [Invitation|Webinar|Free webinar] on {date}
        [Five|Seven|Three] tips for [better offices|faster deliveries|safe passwords|paying later]
        [New in|What is new in] {month}
        [Hello|Good news] from {city}
        [Your {month} offers|Our {month} catalogue]
    """),
    purposes=lines("""
        [This month|In {month}] we [look at|show|bring you] [the {items} of the season|five ways to write better invoices|what makes a good job interview|how to speed up deliveries].
        [Save|Take] {n2} per cent [on all {items}|on every order over {amount}] [until {date}|this week only]; [no code needed|order in our web shop].
        [Join|Do not miss] our [free webinar|open day|breakfast talk] on {date}: [contracts after the reform|complaints as a gift|passwords that hold|e-invoicing explained].
        [Meet|Say hello to] [our new {items}|the new face in {city}|our driver of the month]: [now in {colour}|with a story to tell|read more on our pages].
        [Did you know|Have you heard] that [most complaints are about delivery|one quote in three becomes an order|a tidy desk saves {n} minutes a day]? [Our readers' survey|A new study|This month's column] tells why.
        The [autumn catalogue|new price list|spring brochure] is [out|here]: {n} pages of {items}, [free delivery in {month}|ask for your copy].
        [Our web shop has a new look|The new customer portal is live]: [track deliveries, download invoices and book appointments|order, quote and chat] [in one place|all day and night].
        [We are hiring|Come and work with us], [we have won a prize|we turn {n}|we opened in {city}]: [all that|more] in this [letter|issue].
        [Readers ask|You asked], [we answer|our experts answer]: [may I cancel an order by mail|who pays for a damaged pallet|when is an invoice due]?
        [Season's greetings|Warm wishes|Thank you for a good year] from [all of us at {firm}|the whole team]; [we are closed until {date}|our gift to you: {n2} per cent off].
    """),
    details=lines("""
        [Read on|Read more|See all] [on our website|in the full article].
        You get this mail because you [are a customer|once asked for a quote|ordered from us].
        [Follow us|Share this] with your colleagues.
        [Only while stocks last|Prices without VAT|Not valid with other offers].
        [Next issue|Next month]: [the contract check|{items} on test|ten questions before you order].
        Unsubscribe [here|at any time] or change your settings.
    """),
    asides=lines("""
        your newsletter was a good read
        I saw the {items} in your catalogue
        please take me off the mailing list
        your webinar was well done
    """),
    files=lines("""
        catalogue-{month}.pdf
        newsletter.pdf
    """),
)

CATEGORIES: dict[str, Bank] = {
    "Invoices": INVOICES,
    "Orders": ORDERS,
    "Quotes": QUOTES,
    "Complaints": COMPLAINTS,
    "Deliveries": DELIVERIES,
    "Job applications": APPLICATIONS,
    "IT support": IT_SUPPORT,
    "Appointments": APPOINTMENTS,
    "Contracts": CONTRACTS,
    "Newsletters": NEWSLETTERS,
}
"""Folder name -> what its mail is made of. The shares add up to one."""

POSTS = lines("""
    joiner
    bookkeeper
    sales assistant
    lorry driver
    technician for IT
    warehouse clerk
    receptionist
    designer
    trainee
    trainee in design
""")
