"""The words by which mail programs and people mark quotes, forwards, signatures and boilerplate, in eight languages.

English, German, French, Spanish, Italian, Dutch, Polish and some Portuguese. Every pattern is tried on one short line
and has no nested repetition, so it cannot run away. Another language is added here and nowhere else.
"""

from __future__ import annotations

import re

# "On ... wrote:" per language: the words that open the line, and those that end it.
OPENERS = re.compile(r"(?:On|Am|Le|El|Il|Op|W dniu|Dnia|Em|Den|Quoting|Zitat von|Citando|Quoted from)\b", re.IGNORECASE)
WROTE = re.compile(
    r"\b(?:wrote|writes|said|schrieb(?: am)?|geschrieben|a écrit|escribió|ha scritto|scrisse|schreef(?: op)?"
    r"|napisał(?:\(a\)|a)?|pisze|escreveu|skrev)\b",
    re.IGNORECASE,
)
DATED = re.compile(r"\b(?:19|20)\d\d\b|\b\d{1,2}[:.h]\d\d\b|\b\d{1,2}[./-]\d{1,2}[./-]\d\d|@")

# What mail programs write between a forwarding note and the forwarded mail, without the dashes around it.
FORWARDED = re.compile(
    r"(?:(?:begin )?forwarded (?:message|by)|forwarded mail|start of forwarded message"
    r"|weitergeleitete nachricht|anfang der weitergeleiteten (?:nachricht|e-mail)"
    r"|(?:début du )?message (?:transféré|réexpédié)|(?:inicio del )?mensaje reenviado|mensagem encaminhada"
    r"|(?:inizio )?messaggio inoltrato|(?:begin )?doorgestuurd bericht"
    r"|(?:początek )?(?:przekazan(?:a|ej) wiadomoś(?:ć|ci)|wiadomość przekazana|treść przekazanej wiadomości))",
    re.IGNORECASE,
)
ORIGINAL = re.compile(
    r"(?:original (?:message|appointment)|ursprüngliche nachricht|originalnachricht|urspr\. nachricht|message d'origine"
    r""
    r"|message original|mensaje original|messaggio originale|oorspronkelijk bericht|wiadomość oryginalna"
    r"|oryginalna wiadomość|mensagem original|reply message|antwort nachricht)",
    re.IGNORECASE,
)

# Labels of a header block in the body; the meaning, then the words of all languages.
LABELS = {
    "from": "from|von|de|da|van|od|expéditeur|mittente|remitente|nadawca|afzender|absender",
    "date": "sent|date|gesendet|datum|envoyé|enviado(?: el)?|fecha|inviato|data|verzonden|wysłano|wysłane|sent on",
    "to": "to|an|à|para|a|aan|do|destinataire|destinatario|empfänger|pour|per",
    "cc": "cc|bcc|kopie|copie|copia|dw|copy|cci",
    "subject": "subject|betreff|objet|asunto|oggetto|onderwerp|temat|assunto|betrifft",
    "other": "attachments?|anlagen?|pièces jointes|importance|priorität|reply-to|organization|antwort an|bijlagen|"
    "priority|wichtigkeit|allegati|adjuntos|załączniki|message-id",
}
LABEL = re.compile(
    r"\s*[*_]{0,2}(?:" + "|".join(f"(?P<{kind}>{words})" for kind, words in LABELS.items()) + r")\s?[*_]{0,2}\s?:",
    re.IGNORECASE,
)
CLOCK = re.compile(r"\b\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b.{0,12}\b\d{1,2}:\d\d", re.IGNORECASE)
RULE = re.compile(r"\s*(?:[-_=*~#—─]\s?){5,}\s*$")

DASHES = re.compile(r"-{2,3}|—|_{2}")
SENT_FROM = re.compile(
    r"\s*(?:sent (?:from|with|via) (?:my|outlook|mail for|yahoo|proton|gmail|samsung|iphone|blackberry|aol|an?|the)\b"
    r"|get outlook for|von meinem \S+ gesendet"
    r"|gesendet (?:von|mit|über) (?:meine|outlook|mail|gmx|web\.de|der|iphone)"
    r"|diese nachricht wurde von meinem|envoyé (?:de|depuis|à partir de) (?:mon|ma|outlook|yahoo|l'app)"
    r"|télécharge[rz] outlook|enviado desde (?:mi|outlook|yahoo)|obtener outlook"
    r"|inviato (?:da|dal) (?:mio|iphone|outlook|yahoo)|scarica outlook|verzonden (?:vanaf|met|via) (?:mijn|outlook)"
    r"|outlook voor|wysłane? z (?:mojego|iphone|outlook|telefonu)|pobierz outlook|enviado do meu|yahoo mail:"
    r"|outlook für|this e-?mail was sent from (?:my|a) )",
    re.IGNORECASE,
)
SIGN_OFF = re.compile(
    r"\s*(?:(?:with )?(?:kind(?:est)?|best|warm(?:est)?|many thanks and kind) regards|best(?: wishes)?|regards|cheers"
    r"|(?:yours )?sincerely(?: yours)?|yours (?:faithfully|truly)|all the best|(?:many )?thanks|thank you"
    r"|thanks again"
    r"|mit (?:freundlichen|besten|lieben|herzlichen) gr(?:ü|ue)(?:ß|ss)en"
    r"|(?:viele|beste|liebe|freundliche|herzliche|schöne) gr(?:ü|ue)(?:ß|ss)e|mfg|vg|lg|hochachtungsvoll"
    r"|(?:bien )?cordialement|sincères salutations|bien à vous|salutations(?: distinguées)?"
    r"|un (?:cordial )?saludo|saludos(?: cordiales)?|atentamente|cordiali saluti|distinti saluti|saluti"
    r"|met vriendelijke groet(?:en)?|vriendelijke groet(?:en)?|hartelijke groet(?:en)?|mvg|z poważaniem|pozdrawiam"
    r"|(?:serdecznie )?pozdrawiam serdecznie|rgds|br|kr)\s*[,.!]{0,3}\s*$",
    re.IGNORECASE,
)
POSTSCRIPT = re.compile(r"\s*(?:p\.?\s?s\.?|n\.?b\.?|edit|update|nachtrag)\s?[:.\s]", re.IGNORECASE)
LEGAL = re.compile(
    r"confidential|privileged|intended (?:only|solely|recipient)|disclaimer|if you (?:have|are not) (?:received|the)"
    r"|unauthori[sz]ed|vertraulich|rechtlich geschützt|irrtümlich erhalten|nicht der richtige adressat|unbefugt"
    r"|confidentiel|destinataire|par erreur|confidencial|destinatario|por error|riservat[aoe]|per errore"
    r"|vertrouwelijk"
    r"|geadresseerde|abusievelijk|poufn[aey]|adresat|omyłkowo|virus|liab|haftung|print(?:ing)? this e?-?mail|umwelt",
    re.IGNORECASE,
)
BANNER = re.compile(
    r"\s*\W{0,4}(?:caution|warning|achtung|attention|vorsicht|external(?: e-?mail| sender)?|extern)\b\W.{0,60}"
    r"(?:e-?mail|message|nachricht|sender)",
    re.IGNORECASE,
)
LIST_FOOTER = re.compile(r"mailing list|mailman/listinfo|unsubscribe|yahoo! groups|abmelden|désabonner", re.IGNORECASE)
