"""The words of what only travels along with a mail: signatures, legal notices, warnings, footers, advertisements.

A pattern here never cuts by itself: `strippers` asks for two signs of different kinds. Every pattern is tried on one
line or sentence and has no nested repetition.
"""

from __future__ import annotations

import re

DASHES = re.compile(r"-{2,3}|—|_{2}")
SIGN_OFF = re.compile(
    r"\s*(?:(?:with )?(?:kind(?:est)?|best|warm(?:est)?|many thanks and(?: kind)?) (?:regards|wishes)|best"
    r"|regards|cheers"
    r"|(?:yours )?sincerely(?: yours)?|yours (?:faithfully|truly)|all the best|(?:many )?thanks(?: again"
    r"| and regards)?|thank you"
    r"|mit (?:freundlichen|besten|lieben|herzlichen) gr(?:ü|ue)(?:ß|ss)en"
    r"|(?:viele|beste|liebe|freundliche|herzliche|schöne) gr(?:ü|ue)(?:ß|ss)e|gru(?:ß|ss)|mfg|vg|lg|hochachtungsvoll"
    r"|(?:bien )?cordialement|sincères salutations|bien à vous|(?:meilleures )?salutations(?: distinguées)?"
    r"|un (?:cordial )?saludo|saludos(?: cordiales)?|atentamente|cordiali saluti|distinti saluti|saluti"
    r"|met vriendelijke groet(?:en)?|vriendelijke groet(?:en)?|hartelijke groet(?:en)?|groet(?:en|jes)?|mvg"
    r"|z poważaniem"
    r"|(?:serdecznie )?pozdrawiam(?: serdecznie)?|rgds|br|kr|mit freundlichem gru(?:ß|ss)|atenciosamente|cumprimentos"
    r"|com os melhores cumprimentos|med (?:vänlig|venlig|vennlig) hilsen|med vänliga hälsningar"
    r"|vänliga hälsningar|mvh|hälsningar"
    r"|venlig hilsen|vennlig hilsen|hilsen|ystävällisin terveisin|terveisin|s pozdravem|s pozdravom|üdvözlettel"
    r"|tisztelettel"
    r"|cu (?:stimă|respect)|с уважением|з повагою|с уважение|με εκτίμηση|saygılarımla|iyi çalışmalar"
    r"|lugupidamisega|ar cieņu"
    r"|pagarbiai|srdačan pozdrav|s poštovanjem|lep pozdrav|lp|此致|敬具|よろしくお願い(?:いた)?します|감사합니다"
    r"|trân trọng"
    r"|hormat kami|salam)"
    r"(?P<end>\s*[,.!]{0,3})(?P<name>.*)$",
    re.IGNORECASE,
)  # fmt: skip
# Where taking leave is a sentence of its own. Nothing is cut at it.
FAREWELL = re.compile(
    r"\s*(?:(?:(?:dans l['’]attente|en vous remerciant|en restant)\b.{0,80})?(?:je vous prie|nous vous prions|veuillez)"
    r" (?:d['’]agréer|agréer|de croire|croire|de recevoir|recevoir)\b"
    r"|(?:sin otro particular\b.{0,40})?(?:l[ea]s?|os) salud(?:a|amos|an)\b|sin otro particular\b"
    r"|reciba un cordial saludo"
    r"|(?:in attesa\b.{0,60})?(?:porg|invi)(?:o|iamo)\b.{0,20}\bsaluti\b|un cordiale saluto|hoogachtend"
    r"|z wyrazami szacunku|łączę wyrazy szacunku|com os nossos (?:melhores )?cumprimentos|subscrevo-me"
    r"|(?:i|we) remain,? (?:yours|sincerely)|es grüßt sie|herzlichst\b|freundlichst\b|viele grüße\b)",
    re.IGNORECASE,
)
POSTSCRIPT = re.compile(r"\s*(?:p\.?\s?s\.?|n\.?b\.?|edit|update|nachtrag)\s?[:.\s]", re.IGNORECASE)

# What a visiting card has, and a request hardly ever in a line of its own.
PHONE = re.compile(
    r"(?:\b(?:t(?:el)?|fon|phone|telefon|teléfono|telefoon|téléphone|tél|mob(?:ile?|il)?|cell|handy|fax|m|f|p|d"
    r"|gsm|direct|office|тел|電話|电话|전화|puh|tlf)\b[. :]{0,3}.{0,12})?"
    r"(?:\+|\(0|\b0|00)[\d ()/.\-–]{6,22}\d|\(\d{3}\) ?\d{3}-\d{4}|\b\d{3}[-. ]\d{3}[-. ]\d{4}\b",
    re.IGNORECASE,
)
MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.\w")
WEB = re.compile(r"\bwww\.[\w-]|https?://|[\w.+-]{1,64}@[\w-]{1,63}\.\w", re.IGNORECASE)
FIRM = re.compile(
    r"\b(?:gmbh|ag|kg|ohg|e\.\s?k\.|ug|ltd|limited|llc|llp|inc|corp|plc|s\.?a\.?r?\.?l\.?|sas|s\.?p\.?a|s\.?r\.?l"
    r"|b\.?v|n\.?v|bvba|a/?s|aps|ab|oy|oyj"
    r"|s\.?r\.?o|a\.s|kft|zrt|d\.?o\.?o|sp\. z o\.? ?o|e\.\s?v|s\.?a\.u?|s\.?l|ooo|ооо|тов|株式会社|有限公司|hrb \d+"
    r"|ust-?id\S*|vat(?: no| reg)?|siret|geschäftsführer|sitz der gesellschaft"
    r"|registergericht|amtsgericht|registered (?:in|office)|company (?:no|number|registration))(?![^\W\d_])",
    re.IGNORECASE,
)
STREET = re.compile(
    r"[^\W\d_]{3,}(?:stra(?:ß|ss)e|str\.|weg|platz|gasse|allee|laan|straat|plein|gatan|vägen|gade|vej|katu"
    r"|tie) ?\d{1,4}|\b\d{1,5},? (?:[^\W\d_]+ ){0,3}"
    r"(?:street|st|road|rd|avenue|ave|lane|drive|blvd|rue|bis|ter|quai|place|boulevard|allée|impasse)\b|\b(?:rue"
    r"|avenue|via|viale|piazza|calle|avda|rua|ul|ulica|улица|ул)\.? [^\d]{2,30} ?\d"
    r"|\b(?:[A-Z]{1,2}-)?\d{4,5} [A-ZÄÖÜÉ][^\W\d_]+|\bp\.?o\.? ?box\b|postfach",
    re.IGNORECASE,
)
CARD_LABEL = re.compile(
    r"\s*(?:t|m|f|p|d|e|w|a|i|tel\w*|fon|ph(?:one)?|mob\w*|cell|handy|fax|e-?mail|mail|web(?:site|seite)?|www"
    r"|internet|url|home(?:page)?|skype|linkedin|twitter|x"
    r"|direct|office|büro|zentrale|durchwahl|switchboard|gsm|telefon\w*|tél\w*|teléfono|telefoon|тел|факс|моб|電話"
    r"|电话|传真|手机|전화|icq|aim|jabber|pgp|gpg|key|fingerprint"
    r"|adresse|address|adres|sitz(?: der gesellschaft)?|geschäftsführ\w+|registergericht|ust-?id\S*|hrb|vat\w*"
    r"|btw|kvk|siret|tva|p\. ?iva|nip|regon|ceo|managing directors?)"
    r"[.\s]{0,3}(?:no\.?|nr\.?)?\s?[:：]",
    re.IGNORECASE,
)
ANY_LABEL = re.compile(r"\s*[^\W\d_][^:：.!?]{0,30}[:：](?!//)")
UNITS = re.compile(
    r"(?<![\w+/.-])\d[\d.,]{0,9} ?(?:x|×|\*|pcs?|pieces?|stk|stück|st\.|kg|g|t|l|ml|m|m²|m2|m³|qm|mm|cm|km|kwh?|€"
    r"|eur|euro|usd|\$|£|gbp|chf|%|h|uhr|o'?clock|am|pm|min|days?|tage|hours?"
    r"|stunden|wochen|weeks?|pallets?|paletten|boxes|kartons?|packs?|units?|einheiten|pezzi|pièces?|piezas?|stuks"
    r"|szt|шт|ks|db|kpl|buc|adet|个|個|件|개|台|枚|本)(?![\w])|[€$£] ?\d|№|\bn[°º]\s?\d|#\d",
    re.IGNORECASE,
)
BULLET = re.compile(r"\s*(?:[-*•·–+o] |\d{1,2}[.)] |\[[ x]?\])")
# An account to which something is to be paid.
ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[\dA-Z]{4}){2,7}\b|\biban\b", re.IGNORECASE)
NUMBERED = re.compile(
    r"\b(?:art(?:\.|ikel|icle)?|order|bestell\w*|auftrag\w*|invoice|rechnung\w*|facture|factura|fattura|factuur"
    r"|commande|pedido|ordine|zamówieni\w*|ticket|case|contract|vertrag\w*"
    r"|kunden\w*|customer|serial|serien\w*|model\w*|ref\w*|item|pos|room|raum|zimmer|dock|gate|delivery"
    r"|lieferung\w*|livraison|consegna|entrega)\b\W{0,3}(?:no|nr|n°|number|nummer)?\W{0,3}\d",
    re.IGNORECASE,
)
ASKS = re.compile(
    r"\b(?:please|pls|kindly|could you|can you|would you|need|needs|send|deliver|call me|let (?:me|us)|must"
    r"|should|cancel|order(?:ed)?|want|asap|urgent|don't|do not|won't|can't|cannot|not|does|did|no longer|broken"
    r"|nicht|kein\w*|kaputt|defekt\w*|niet|geen|pas|inte|ikke|nie|не|is|are|was|has|have|will"
    r"|bitte|brauche\w*|benötig\w*|schick\w*|send(?:en|et)|liefer\w+|stornier\w*|könn(?:en|ten) sie|muss|müssen"
    r"|ist|sind|wird|haben|hat|dringend|kündig\w*"
    r"|merci d[e'’]|veuillez|besoin|envoyer|livrer|pouvez|pourriez|est|sont|doit|urgent|annuler|prière|por favor"
    r"|necesit\w+|enviar|envíe\w*|entregar|puede\w*|está|cancelar|urgente"
    r"|per favore|si prega|bisogno|inviare|spedire|potete|può|annullare|graag|alstublieft|a\.?u\.?b|nodig|stuur"
    r"|sturen|leveren|kunt u|moet|annuleren|dringend|spoed"
    r"|proszę|potrzebuj\w*|wysłać|anulować|pilne|prosím|potrebuj\w*|potřebuj\w*|kérem|kérjük|sürgős|vă rog|rugăm"
    r"|urgent|пожалуйста|прошу|нужн\w+|срочно|моля|будь ласка|прошу"
    r"|παρακαλώ|lütfen|acil|vänligen|behöver|skicka|venligst|sender?|trenger|behøver|tarvitse\w*|pyydän|palun"
    r"|lūdzu|prašau|molim|prosim)\b"
    r"|请|請|麻烦|需要|ください|お願い|下さい|주세요|부탁|من فضلك|يرجى|בבקשה|vui lòng|mohon|tolong",
    re.IGNORECASE,
)

# A legal notice: how it begins, for whom it is, and the words of its other sentences. Those without IGNORECASE are
# tried on small letters: so a pattern knows its first letters and skips what begins with none of them.
NOTICE_OPENS = re.compile(
    r"\b(?:this|the (?:contents? of|information (?:contained )?in) this|these) (?:e-?mail|message|communication"
    r"|transmission|correspondence|electronic|mail)s?\b|\bthe information (?:contained )?in this\b"
    r"|\b(?:confidentiality|privacy|legal|important|email) (?:notice|note|disclaimer)|\bdisclaimer\b"
    r"|\bif you (?:have received|are not|received)\b|\b(?:e-?mail )?disclaimer"
    r"|\bdiese(?:r)? (?:e-?mail|nachricht|mitteilung|mail)\b|\bder inhalt dieser\b|\b(?:vertraulichkeits"
    r"|rechtlicher |wichtiger )hinweis|\bdie (?:in dieser|information)"
    r"|\bce (?:message|courriel|courrier|mail|e-?mail)\b|\bcette (?:communication|transmission)\b"
    r"|\bles informations contenues|\bavis de confidentialité"
    r"|\beste (?:mensaje|correo|e-?mail)\b|\besta (?:comunicación|mensagem|transmisión)\b|\baviso (?:legal"
    r"|de confidenci)|\bquest[oa] (?:messaggio|e-?mail|comunicazione|mail)\b|\ble informazioni contenute"
    r"|\b(?:dit|deze) (?:bericht|e-?mail|mail)\b|\bde informatie in d|\bniniejsz[aey] (?:wiadomość|e-?mail"
    r"|korespondencja)|\bta wiadomość\b|\besta (?:mensagem|comunicação)|\beste e-?mail"
    r"|\bdet(?:ta|te) (?:meddelande|e-?post|mail|besked|melding)|\bdenna (?:e-?post)|\bdenne (?:e-?(?:post|mail)"
    r"|mail|meddelelse)|\btämä (?:viesti|sähköposti)|\btento e-?mail|\btáto (?:správa|e-mail)|\btato (?:zpráva"
    r"|e-mail)"
    r"|\bez az (?:e-?mail|üzenet)|\bacest (?:mesaj|e-?mail)|\bэто (?:сообщение|письмо)|\bдан(?:ное|ный"
    r"|на) (?:сообщение|письмо|лист)|\bцей лист|\bнастоящее (?:сообщение|письмо)|\bτο παρόν|\bbu (?:e-?posta"
    r"|ileti|mesaj)"
    r"|本(?:邮件|郵件|电子邮件|電子郵件|信)|この(?:メール|電子メール)|本メール|(?:본|이) (?:메일|이메일|전자우편)",
    re.IGNORECASE,
)
NOTICE_FOR = re.compile(
    r"intended (?:only|solely|exclusively|recipient|for the)|(?:solely|only|exclusively) for the (?:use|person"
    r"|individual|named|addressee)|addressee|in error|by mistake|unauthori[sz]ed|not the (?:intended|named|addressee)"
    r"|richtige[rn]? (?:adressat|empfänger)|adressat|irrtümlich|versehentlich|nicht der (?:beabsichtigte"
    r"|vorgesehene|richtige)|ausschließlich für|bestimmt(?:en)? (?:empfänger|für)|unbefugt"
    r"|destinataire|par erreur|exclusive|destinatari[oa]s?|por error|por erro|por engano|per errore"
    r"|esclusivamente|geadresseerde|abusievelijk|per (?:abuis|vergissing)|bestemd voor"
    r"|adresat|omyłk|wyłącznie|mottagare|av misstag|modtager|ved en fejl|mottaker|ved en feil|vastaanottaja"
    r"|erehdyksessä|adresát|omylem|omylom|príjemc|příjemc|címzett|tévedés|destinatar|din greșeală|eroare"
    r"|адресат|получател|по ошибке|помилково|одержувач|παραλήπτ|εκ παραδρομής|alıcı|yanlışlıkla|收件人|误收|誤收"
    r"|受信者|宛先"
    r"|誤って|수신인|수신자|잘못 수신",
)
NOTICE_WORDS = re.compile(
    r"confidential|privileged|disclaimer|unauthori[sz]ed|disclos|dissemin|distribut\w+ (?:of|or)|copying"
    r"|prohibited|unlawful|liab|virus|malware|delete|destroy|notify the sender|encrypt|views? (?:expressed"
    r"|or opinions)|warrant|intercept"
    r"|vertraulich|rechtlich|geschützt|unbefugt|untersagt|gestattet|nicht gestattet|haftung|viren|vernichten"
    r"|löschen|informieren sie (?:bitte )?(?:sofort |umgehend |unverzüglich )?den absender|weitergabe|kopier"
    r"|confidentiel|interdit|détrui|supprim|responsabilité|virus|avertir|divulgation|confidencial|prohib|elimin"
    r"|borr|responsabilidad|notif|divulga|riservat|vietat|cancell|distrugg|responsabilità|avvis"
    r"|vertrouwelijk|verboden|verwijder|vernietig|aansprakelijk|afzender|poufn|zabroni|usun|odpowiedzialn|nadawc"
    r"|konfidentiell|sekretess|förbjud|radera|fortrolig|forbud|slet|luottamuksell|kielletty|poista"
    r"|důvěrn|dôvern|zakázán|smaž|vymaž|bizalmas|tilos|törölj|confiden|interzis|șterge|конфиденц|конфіденц|запрещ"
    r"|удал|εμπιστευτικ|απαγορ|διαγρά|gizli|yasak|siliniz|保密|机密|機密|删除|刪除|禁止|削除|비밀|삭제",
)
PRINTING = re.compile(
    r"\W{0,4}(?:please )?(?:consider|think (?:about|of)) (?:the )?(?:environment|before (?:you )?print)"
    r"|\W{0,4}think before (?:you )?print|[^.!?:]{0,40}\bumwelt\b[^.!?:]{0,40}druck"
    r"|\W{0,4}(?:bitte )?(?:denken sie an die umwelt|prüfen sie,? ob"
    r"|schonen sie die umwelt).{0,60}(?:druck|umwelt)"
    r"|\W{0,4}(?:pensez|avant) .{0,40}(?:imprim|environnement)|\W{0,4}(?:antes de imprimir|pensa.{0,20}ambiente"
    r"|prima di stampare|denk aan het milieu|spar miljön)|\W{0,4}(?:this (?:e-?mail|message|communication)"
    r"|diese (?:e-?mail|nachricht)|ce (?:message|courriel)) (?:has been|wurde|a été) .{0,20}(?:scanned|checked"
    r"|swept|geprüft|analysé|vérifié)",
    re.IGNORECASE,
)

# One of these is in every notice (below: banner). Looking for plain text is several times faster than the patterns.
_NOTICE_STEMS = (
    "intended|addressee|recipient|in error|by mistake|unauthori|adressat|empfänger|irrtümlich|versehentlich|unbefugt"
    "|destinat|erreur|errore|por error|por erro|engano|geadresseerde|abusievelijk|vergissing|bestemd|adresat|omyłk"
    "|mottagar|misstag|modtager|mottaker|ved en fe|vastaanottaja|adresát|omyl|příjemc|príjemc|címzett|tévedés|eroare"
    "|адресат|получател|ошибке|помилково|одержувач|παραλήπτ|alıcı|yanlış|收件人|误收|誤收|受信|宛先|수신"
)
NOTICE_STEMS = tuple(_NOTICE_STEMS.split("|"))
_OUTSIDE_STEMS = (
    "outside|extern|often get|unknown sender|außerhalb|ausserhalb|extérieur|fuera|exterior|estern|van buiten|spoza"
    "|zewnętrz|utanför|ekstern|udenfor|uden for|ulkopuol|külső|внешн|извне|зовнішн|εξωτερικ|dışında"
    "|harici|外部|외부|hors"
)
OUTSIDE_STEMS = tuple(_OUTSIDE_STEMS.split("|"))
PRINTING_STEMS = ("print", "druck", "imprim", "stampa", "virus", "viren", "scanned", "umwelt", "milieu", "miljö")

# A banner of the mail server: where the mail comes from, and what its reader is told to do.
FROM_OUTSIDE = re.compile(
    r"(?:originat|sent|came|comes|received|is|was|arriv)\w*\b.{0,30}\b(?:outside|external|externally"
    r"|unknown sender)|external (?:sender|source|e-?mail|message|origin)|\bfrom (?:an )?(?:outside|external)"
    r"|don't often get e-?mail"
    r"|von (?:außerhalb|ausserhalb|extern|einem externen)|externe[rn]? (?:absender|e-?mail|mail|nachricht|quelle"
    r"|herkunft)|(?:provient|émane|vient|envoyé).{0,30}(?:extérieur|externe|hors)|expéditeur externe|(?:message"
    r"|courriel|mail) externe"
    r"|(?:externo|fuera|exterior) (?:a|de|al)\b|(?:correo|mensaje|remitente|e-?mail|remetente) extern|(?:dall'"
    r"|dall’)?estern[oa]\b|van buiten|externe (?:afzender|bron|e-?mail)|spoza|zewnętrzn|externt? (?:avsändare"
    r"|meddelande|mail|e-?post)|utanför|ekstern|uden ?for"
    r"|ulkopuol|extern(?:í|ý|ého|ej)|külső|extern[ăe]? |извне|внешн|зовнішн|εξωτερικ|dışından|harici|外部|외부",
)
BE_CAREFUL = re.compile(
    r"\b(?:do not|don't|never|avoid|before|unless|be) (?:\w+ ){0,4}(?:click|open|respond|reply|recogni|careful"
    r"|cautious|vigilant)"
    r"|(?:caution|care) when|learn why this is important|think before|verify the sender"
    r"|\b(?:nicht|keine|niemals|bevor sie)\b.{0,60}(?:klick|öffn)|(?:klicken|öffnen) sie (?:\w+ )?(?:nicht|keine|nur)"
    r"|\bne (?:cliquez|cliquer|ouvrez|répondez|pas)|\bn['’]ouvr|(?:prudent|vigilant|prudence)"
    r"|\bno (?:haga|hagan|hacer|abra|abran|abrir|pulse|pinche|responda)|\bnão (?:clique|abra|responda)"
    r"|\bevite (?:hacer|abrir|clicar)"
    r"|\bnon (?:cliccare|cliccate|aprire|aprite|fare clic)|(?:klik|open) (?:\w+ )?(?:niet|geen|alleen)"
    r"|nie (?:klikaj|otwieraj|należy)"
    r"|(?:klicka|öppna) inte|(?:klik|klikk|åbn|åpne?) ikke|ikke (?:klik|åbn|åpn)|älä (?:\w+ ){0,3}(?:klik|avaa"
    r"|napsauta)"
    r"|neklikejte|neotvírejte|neklikajte|neotvárajte|ne kattints|nu (?:faceți clic|deschideți|accesați)"
    r"|не (?:переход|открыва|нажима|натиска|відкрива|отваря|кликва)|μην (?:κάνετε|ανοίγετε|πατάτε)|tıklamayın|açmayın"
    r"|(?:请勿|勿|不要|谨慎|小心|請勿).{0,20}(?:点击|打开|链接|附件|點擊|開啟)|(?:開か|クリックし)ないで|(?:클릭"
    r"|열지).{0,10}마"
)
BANNER_SENTENCE = re.compile(
    r"caution|warning|achtung|vorsicht|attention|atención|atenção|attenzione|let op|uwaga|varning|advarsel"
    r"|varoitus|upozornění|figyelem|внимание|увага|προσοχή|dikkat|注意|external|extern|unless you|sender|absender"
    r"|content is safe|phishing|trust|sicher|it-?(?:support|abteilung|team|help)",
    re.IGNORECASE,
)
BANNER_TAG = re.compile(
    r"\W{0,4}(?:external|externe?|extern|ekstern|externo|esterno)(?: (?:e-?mail|mail|message|sender|nachricht"
    r"|absender|messaggio|afzender))?\W{0,6}",
    re.IGNORECASE,
)

# A list's footer: what the list is, or how to leave it, and where.
LIST_FOOTER = re.compile(
    r"mailing ?list\s*(?:$|[-<(:|])|mailman/listinfo|\blistinfo\b|yahoo! groups|google ?groups|(?:to|how to"
    r"|click (?:here )?to) unsubscribe|unsubscribe (?:from this|here|at|:|by|link)|^unsubscribe\W"
    r"|to leave (?:this|the) (?:list|group)"
    r"|you (?:are )?receiv(?:ed|ing) this (?:message|e-?mail|mail) because|zum abmelden"
    r"|um sich (?:von .{0,40})?abzumelden|(?:newsletter|liste) abmelden\s?:|pour (?:vous|se) désabonner|(?:para"
    r"|si desea) (?:darse de baja|cancelar)"
    r"|per (?:cancellarti|cancellarsi|disiscriver)|om (?:u |je )?(?:af te melden|uit te schrijven)"
    r"|aby (?:się )?(?:wypisać|zrezygnować)|för att avregistrera|for at (?:afmelde|framelde)|for å melde deg av"
    r"|чтобы отписаться|отписаться от рассылки",
    re.IGNORECASE,
)
LINK = re.compile(r"https?://|www\.|[\w.+-]+@[\w-]+\.|mailto:", re.IGNORECASE)

# A telephone's or a program's advertisement, as a whole line.
SENT_FROM = re.compile(
    r"(?:(?:this e-?mail was )?sent (?:from|with|via|by|using) (?:my|the|an?|outlook|mail|yahoo!?|proton\s?mail"
    r"|gmail|samsung|iphone|ipad|blackberry|aol|android|galaxy|spark|airmail|mobile|nine|zoho|superhuman"
    r"|mailspring|edison|windows|telstra|verizon|t-mobile|bluemail)"
    r"|(?:get|download(?:en)?) (?:outlook|bluemail|yahoo)"
    r"|(?:diese nachricht wurde )?von (?:meinem|unterwegs|mobil)|gesendet (?:von"
    r"|mit|über|aus)|envoyé (?:de|depuis|à partir d|avec|via)|provenance|télécharge[rz]|obtene[rz]"
    r"|enviad[oa] (?:desde|do|a partir|con|com)|inviato d|scarica"
    r"|(?:verzonden|verstuurd) (?:vanaf|met|via|door)|outlook voor|outlook für|outlook pour|wysłan[eoa] z"
    r"|pobierz|yahoo mail:"
    r"|skickat från|sendt fra|lähetetty|hämta|hanki|hent|odesláno z|odoslané z|elküldve|iphone-?(?:omról|ról)"
    r"|trimis de pe"
    r"|отправлено (?:с|из)|надіслано з|изпратено от|στάλθηκε από|(?:iphone|ipad)['’]?(?:umdan|imden|dan) gönderil"
    r"|gönderen:|saadetud|nosūtīts no|išsiųsta iš|poslano (?:s|z|iz)|发自|發自|寄自|從我的|从我的|我的|(?:iphone|ipad"
    r"|android)から送信|나의 (?:iphone|ipad)|내 (?:iphone|갤럭시)|נשלח מ|أرسلت من|أُرسلت من|được gửi từ|đã gửi từ"
    r"|gửi từ"
    r"|dikirim dari)"
    r"(?P<rest>.{0,70})",
    re.IGNORECASE,
)
DEVICE = re.compile(
    r"iphon|ipad|ipod|android|samsung|galaxy|huawei|xiaomi|redmi|nokia|sony|motorola|oneplus|pixel|lg\b"
    r"|blackberry|windows|outlook|gmail|googlemail|yahoo|gmx|web\.de|proton|mail\.ru|yandex|aol\b|zoho|spark"
    r"|airmail|bluemail|mailspring|superhuman|edison"
    r"|\bmail\b|smartphone|handy\b|mobil|phone|telefon|téléphone|teléfono|cellulare|telefoon|telefonu|tablet"
    r"|handheld|device|gerät|puhelin|t-online|телефон|手机|手機|スマ|휴대|wireless|\bapp\b|qq",
    re.IGNORECASE,
)
# Small words of an advertisement beside the names of devices and programs. Any other makes it a sentence.
BESIDE_DEVICES = re.compile(
    r"my|the|an?|on|for|with|and|using|via|from|by|free|new|secure|e-?mail|is|was|sent|this|message|app"
    r"|mein(?:em|er)?|de[rsmn]?|die|das|für|vo[nm]|mit|aus|und|unterwegs|kostenlosen?|mobilen|gesendet"
    r"|mon|ma|mes|les?|la|du|d'un|depuis|une?|pour|avec|mis?|el|los|desde|con|il|mio|dal(?:la)?|del|al|per"
    r"|da|do|o|meu|minha|pelo|para|com|mijn|het|een|met|voor|vanaf|mój|mojego|moim|ze?|w|na"
    r"|min|mitt|fra|från|med|till?|minun|mého|mojho|m[ůô]j|meul?"
)
SALUTATION = re.compile(
    r"(?:hi|hello|hey|dear|good (?:morning|afternoon|evening|day)|hallo|guten (?:tag|morgen|abend)"
    r"|sehr geehrte\w*|liebe\w*|moin|servus|grüezi|bonjour|bonsoir|cher|chère|madame|monsieur|hola"
    r"|buen[oa]s (?:días|tardes|noches)|estimad\w+|buongiorno|buonasera|gentile|salve|ciao|egregi\w"
    r"|goede(?:morgen|middag|navond|ndag)|beste|geachte|dzień dobry|szanown\w+|witam|cześć|dobrý den|vážen\w+"
    r"|dobrý deň|tisztelt|kedves|jó napot|szia|bună(?: ziua)?|stimat\w+|здравствуйте|добрый (?:день|вечер)"
    r"|уважаем\w+|привет|добрий день|шановн\w+|здравейте|γεια σας|καλημέρα|αγαπητ\w+"
    r"|merhaba|sayın|hej|hei|bästa|kära|kære|goddag|hyvä|moi|tere|lugupeetud|labdien|cienījam\w+|laba diena"
    r"|gerb\w*|poštovan\w+|dobar dan|pozdravljeni|spoštovani|您好|你好|こんにちは|お世話になっております"
    r"|안녕하세요|مرحبا|שלום|xin chào"
    r"|kính gửi|selamat (?:pagi|siang|sore)|olá|bom dia|boa tarde|prezad\w+|car[oa]s?)\b[^.!?\n]{0,50}[,.!]?",
    re.IGNORECASE,
)
