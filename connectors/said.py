"""What a server said, as far as people may read it: the words of error messages, and nothing else.

Each word that server software is not known to use becomes "…"; where few are left, nothing is told.

A server's text is whatever the server puts there: a line of mail that it was about to send, the prompt that it choked
on, the password that it just got, or an escape for a terminal. To cut what *looks like* an address or a subject would
miss the next form, so it is the other way round: what may be shown is listed. The list holds the words of the status
texts of Dovecot, Cyrus, Courier, Exchange, Gmail, Request Tracker and model servers, names of IMAP's commands and
capabilities, and registered response codes. Digits are no words.
"""

from __future__ import annotations

import re

MOST_WORDS = 24
"""An error's sentence is no longer; what is, quotes something."""

# RFC 5530 and the IANA registry "IMAP Response Codes".
_CODES = """
    ALERT ALREADYEXISTS APPENDUID AUTHENTICATIONFAILED AUTHORIZATIONFAILED BADCHARSET BADEVENT BADURL CANNOT CAPABILITY
    CLIENTBUG CLOSED COMPRESSIONACTIVE CONTACTADMIN COPYUID CORRUPTION EXPIRED EXPUNGEISSUED HASCHILDREN HIGHESTMODSEQ
    INPROGRESS INUSE LIMIT MAILBOXID MAXCONVERTMESSAGES MAXCONVERTPARTS METADATA MODIFIED NEWNAME NOMODSEQ NONEXISTENT
    NOPERM NOTIFICATIONOVERFLOW NOTSAVED NOUPDATE OVERQUOTA PARSE PERMANENTFLAGS PRIVACYREQUIRED READ-ONLY READ-WRITE
    REFERRAL SERVERBUG TEMPFAIL TOOBIG TRYCREATE UIDNEXT UIDNOTSTICKY UIDREQUIRED UIDVALIDITY UNAVAILABLE
    UNKNOWN-CTE UNSEEN URLMECH USEATTR
"""
_PROTOCOL = """
    ACL APPEND AUTHENTICATE BAD BINARY BYE CAPABILITY CHECK CHILDREN CLOSE COMPRESS CONDSTORE COPY CREATE DELETE ENABLE
    ESEARCH EXAMINE EXISTS EXPUNGE FETCH FLAGS ID IDLE IMAP IMAP4rev1 IMAP4rev2 INBOX LIST LIST-EXTENDED LIST-STATUS
    LITERAL LITERAL+ LITERAL- LOGIN LOGINDISABLED LOGOUT LSUB MOVE NAMESPACE NO NOOP OAUTHBEARER OBJECTID OK PLAIN
    PREAUTH QRESYNC QUOTA RECENT RENAME SASL SEARCH SELECT SETACL SORT SPECIAL-USE STARTTLS STATUS STORE SUBSCRIBE SSL
    TCP THREAD TLS UID UIDPLUS UNSELECT UNSUBSCRIBE VANISHED X-GM-EXT-1 XOAUTH2 EOF HTTP BF16 F16 F32 GGUF JSON CUDA GPU
"""
_ENGLISH = """
    abort aborted accept accepted access account action admin administrator after allowed already another
    architecture argument arguments attempt attempts authenticate authenticated authentication authorized available
    backend backoff bad bandwidth batch broken buffer bug busy bytes can't cannot changed client close closed
    closing code command commands concurrent connect connected connecting connection connections contact context
    corrupt corrupted corruption couldn't create created credentials current currently custom database deadline
    deleted denied description details device didn't digest disabled disconnected disk doesn't don't down due empty
    encountered error errors exceed exceeded exceeds exception exist existing exists expected expired expunged fail
    failed failure fatal field file flag flags folder folders format found full function go got granted greater
    group hasn't host id idle illegal inactivity information insufficient internal invalid isn't issued keyword
    keywords large larger later left length level limit limited limits line lines literal load loaded loading local
    locked log logged login logins long longer lost low mail mailbox mailboxes malformed many maximum may memory
    message messages milliseconds mismatch missing mode model models more moved multiple must name network node
    nonexistent null number occurred open operation option overloaded overquota parameter parameters parse parsing
    password path pending per perform permission permissions permitted policy prematurely process program prompt
    protocol quantization quantize queue quota range rate reached read read-only reason received refer refused
    rejected remote request requested requests required requires reset resource resources response restart retry
    right rights runner running seconds secure see selected send sent server service session set shared shutting
    simultaneous size slow small socket space spam state status still stopped storage store suggested support
    supported supports syntax system tag temporarily temporary tensor terminated throttled ticket time timed timeout
    token tokens transaction try type unable unauthorised unauthorized unavailable understood unexpected unknown
    unsupported update updated use user users valid value values version write writing written wrong
"""
# In any sentence: they are shown, and tell nothing about what kind of text it is.
_ANYWHERE = """
    a again an and any are at be because been before being but by can could did do does during for from had has have
    if in is it its no not now of on one only or other out over please so some such than that the their them then
    there these they this those to too under until up very via was we were when while who will with without would
    you your
"""
CODES = frozenset(_CODES.split())
KNOWN = CODES | {word.upper() for word in (_PROTOCOL + _ENGLISH).split()}
ANYWHERE = frozenset(_ANYWHERE.upper().split())

_BYTES = re.compile(r"""\bb(?=['"])""")  # how Python writes the bytes that imaplib quotes
_CODE = re.compile(r"\[([A-Za-z-]{4,24})[\] ]")
_EDGES = "[](){}<>\"'`.,:;!?=*"


def said(text: str) -> str:
    """The known words of a server's text on one line. Where most are not known, or none is, no more than the registered
    response code that it begins with, or ""."""
    words: list[str] = []
    known = unknown = 0
    for token in _BYTES.sub("", text).split()[: 4 * MOST_WORDS]:
        core = token.strip(_EDGES)
        if not core:
            continue
        if core.upper() in KNOWN or core.upper() in ANYWHERE:
            known += core.upper() in KNOWN
            words.append(core + (":" if token.endswith(":") else ""))
        else:
            unknown += 1
            if words[-1:] != ["…"]:
                words.append("…")
    if unknown > known or known == 0:
        code = _CODE.search(text)
        return f"[{code[1].upper()}]" if code and code[1].upper() in CODES else ""
    return " ".join(words[:MOST_WORDS]).rstrip(":")


def quoted(text: str) -> str:
    """What was said, as the end of a sentence that tells of a refusal: ": words", or that they are withheld."""
    words = said(text)
    return f": {words}" if words else ", in words that are withheld, for they may quote mail"
