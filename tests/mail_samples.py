"""Mail that Postroom must not touch, in the words of the programs that send it."""

from __future__ import annotations

PGP = "-----BEGIN PGP MESSAGE-----\n\nhQEMA5vYw8X2kqW1AQf/R2n0c3lTbTz0bGVhc2U=\n=aB3d\n-----END PGP MESSAGE-----\n"
ENVELOPED = "MIAGCSqGSIb3DQEHA6CAMIACAQAxggFoMIIBZAIBADBMMEQxCzAJBgNVBAYTAkRFMRQwEgYDVQQK\n"
# A CMS signature whose content is a part of type application/pkcs7-mime; smime-type=enveloped-data.
SIGNED_AROUND_ENVELOPED = (
    "MIAGCSqGSIb3DQEHAqCAMIACAQExDzANBglghkgBZQMEAgEFADCABgkqhkiG9w0BBwGggCSABIGA\n"
    "Q29udGVudC1UeXBlOiBhcHBsaWNhdGlvbi9wa2NzNy1taW1lOyBzbWltZS10eXBlPWVudmVsb3Bl\n"
    "ZC1kYXRhOyBuYW1lPSJzbWltZS5wN20iCg==\n"
)
REPLY = """BEGIN:VCALENDAR
PRODID:-//x//EN
VERSION:2.0
METHOD:REPLY
BEGIN:VEVENT
SUMMARY:Order meeting
END:VEVENT
END:VCALENDAR
"""
ADDRESSES = "From: Ann Lee <ann@elsewhere.example>\nTo: office@example.org\n"

OUTLOOK_ACCEPTS = f"""{ADDRESSES}Subject: order meeting accepted
Content-Type: multipart/alternative; boundary="_000_AM0"
Content-Class: urn:content-classes:calendarmessage

--_000_AM0
Content-Type: text/plain; charset="iso-8859-1"

I come.

--_000_AM0
Content-Type: text/calendar; charset="utf-8"; method=REPLY

{REPLY}
--_000_AM0--
"""
GOOGLE_DECLINES = f"""{ADDRESSES}Sender: Google Calendar <calendar-notification@google.com>
Subject: order meeting declined
Content-Type: multipart/mixed; boundary="00000000000"

--00000000000
Content-Type: multipart/alternative; boundary="11111111111"

--11111111111
Content-Type: text/plain; charset="UTF-8"; format=flowed; delsp=yes

Ann Lee has declined this invitation.
--11111111111
Content-Type: text/calendar; charset="UTF-8"; method=REPLY
Content-Transfer-Encoding: 7bit

{REPLY}
--11111111111--
--00000000000
Content-Type: application/ics; name="invite.ics"
Content-Disposition: attachment; filename="invite.ics"

{REPLY}
--00000000000--
"""
POSTFIX_BOUNCE = """Return-Path: <>
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
To: office@example.org
Subject: order not delivered: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary="4Q/mx.example.net"

--4Q/mx.example.net
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.net.

--4Q/mx.example.net
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; bob@elsewhere.example
Action: failed
Status: 5.1.1

--4Q/mx.example.net--
"""
EXCHANGE_NDR = """From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@elsewhere.example>
To: <office@example.org>
Subject: order undeliverable
Content-Type: multipart/report; report-type=delivery-status; boundary="b1_x"
X-MS-Exchange-Message-Is-Ndr:

--b1_x
Content-Type: text/html; charset="utf-8"

<p>Your message to bob@elsewhere.example could not be delivered.</p>
--b1_x
Content-Type: message/delivery-status

Reporting-MTA: dns;elsewhere.example

Final-recipient: RFC822;bob@elsewhere.example
Action: failed
Status: 5.1.10
--b1_x--
"""
QMAIL_BOUNCE = """Return-Path: <>
From: MAILER-DAEMON@elsewhere.example
To: office@example.org
Subject: order failure notice

Hi. This is the qmail-send program at elsewhere.example.
"""
PGP_MIME = f"""{ADDRESSES}Subject: order in confidence
Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b"

--b
Content-Type: application/pgp-encrypted

Version: 1

--b
Content-Type: application/octet-stream; name="encrypted.asc"

{PGP}
--b--
"""
PGP_AFTER_EXCHANGE = PGP_MIME.replace('multipart/encrypted; protocol="application/pgp-encrypted";', "multipart/mixed;")
PGP_INLINE = f"{ADDRESSES}Subject: order in confidence\n\nHello\n\n{PGP}"
SMIME_ENCRYPTED = f"""{ADDRESSES}Subject: order in confidence
Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"
Content-Transfer-Encoding: base64

{ENVELOPED}"""
SIGNED_AND_ENCRYPTED = f"""{ADDRESSES}Subject: order in confidence
Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary="s"

--s
Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name="smime.p7m"
Content-Transfer-Encoding: base64

{ENVELOPED}
--s
Content-Type: application/pkcs7-signature; name="smime.p7s"
Content-Transfer-Encoding: base64

{ENVELOPED}
--s--
"""
OPAQUELY_SIGNED_AND_ENCRYPTED = f"""{ADDRESSES}Subject: order in confidence
Content-Type: application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"
Content-Transfer-Encoding: base64

{SIGNED_AROUND_ENVELOPED}"""
SIGNED_ONLY = f"""{ADDRESSES}Subject: order signed
Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary="s"

--s
Content-Type: text/plain

Ten tables please.
--s
Content-Type: application/pkcs7-signature; name="smime.p7s"
Content-Transfer-Encoding: base64

{ENVELOPED}
--s--
"""


def plain(sender: str, to: str = "office@example.org", **headers: str) -> str:
    """A short order from somebody to somebody."""
    more = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return f"From: {sender}\nTo: {to}\n{more}Subject: order of ten tables\n\nTen tables please.\n"


def raw(sample: str, message_id: str) -> bytes:
    """The sample as it is sent, under this Message-ID."""
    return f"Message-ID: {message_id}\nDate: Mon, 02 Mar 2026 10:30:00 +0100\n{sample}".replace("\n", "\r\n").encode()
