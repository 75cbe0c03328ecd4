"""The words by which mail programs mark history and forwards, in the languages of which we know some.

They are the last resort: `header_blocks` and `attributions` know shapes that no language is needed for. Every pattern
is tried on one short line and has no nested repetition, so it cannot run away. A language is added here and nowhere
else.
"""

from __future__ import annotations

import re

# Signs that mean the same: full-width colons, brackets and digits, and the digits of other scripts.
_DIGITS = {ord(start) + value: str(value) for start in "٠۰०০๐０" for value in range(10)}
_SIGNS = {
    **_DIGITS,
    **{ord(sign): plain for sign, plain in zip("：﹕︰＜＞（）［］“”„«»；，", ':::<>()[]""""";,', strict=True)},
}


def plain_signs(text: str) -> str:
    """The text with these signs as ASCII has them, every character in its place."""
    return text if text.isascii() else text.translate(_SIGNS)


# "On ... wrote:" per language: the words that open the line, and those that say that somebody wrote.
OPENERS = re.compile(
    r"(?:On|At|Am|Le|El|Il|Op|W dniu|Dnia|Em|No dia|Den|Wiadomość napisana przez|Dne|Dňa|Na|Στις|În|Pe|V"
    r"|Kuupäev|På|Vào|Pada|Pada tanggal|Citát|Citat|Ngày|Vào lúc|В|У|Från|Fra|Da|בתאריך|في|在|于)\b",
    re.IGNORECASE,
)
# Horde and its like: no date, no verb.
CITED = re.compile(
    r"(?:Quoting|Zitat von|Citando|Quoted from|Citát(?: od)?|Citat (?:av|fra)|Cytowanie|Citation de|Lainaus"
    r"|Цитирую) ?[^:]{3,120}>:$"
)
WROTE = re.compile(
    r"\b(?:wrote|writes|said|schrieb(?: am)?|geschrieben|a écrit|écrit|escribió|ha scritto|scrisse|schreef(?: op)?"
    r"|napisał(?:\(a\)|a|\(-a\))?|pisze|escreveu|skrev|skreiv|kirjoitti|kirjutas|napsal(?:\(a\)|a)?"
    r"|napísal(?:\(a\)|a)?"
    r"|írta|a scris|scris|написа|пише|написав|написала|написал(?:\(а\)|а)?|пишет|έγραψε|έγραψαν|yazdı|yazmış|rašė"
    r"|rakstīja"
    r"|napisao(?: je|/la)?|je napisao|napisala|je pisao|viết|đã viết|menulis|schreef)(?![^\W\d_])"
    r"|写道|寫道|写了|님이 작성|작성:|さんは書きました|のメッセージ|כתב(?:ה|/ה)?|كتب|تمت كتابة",
    re.IGNORECASE,
)
# Small words that stand around names, dates and clocks in attributions.
_PARTICLES = (
    "de|da|di|du|del|della|der|den|des|dos|das|van|von|vom|zu|zur|und|y|e|la|le|el|al|bin|ibn|ten|ter|te|am|pm|"
    "a.m.|p.m|a.m|p.m.|at|um|à|a|las|alle|ore|om|na|в|о|у|ob|klo|kl|kl.|kell|o|u|lúc|vào|pukul|as|às|je|oseba|"
    "osoba|lietotājs|the|you|г.|р.|ч.|µ.μ.|π.μ.|μ.μ.|ο/η|ο|η|gmt|utc|uhr|h|hrs|hr|tarihinde|från|fra|from|par|por|mukaan|"
    "keltezéssel|dátummal"
)
PARTICLES = frozenset(_PARTICLES.split("|"))
# What people write about somebody else's words, and programs never do. Names have capitals, so most of it has none.
IN_PERSON = re.compile(
    r"\b(?:(?:wrote|said|writes|told) (?:to )?(?:me|us)|to (?:me|us)|mir|uns|mich|folgende[nsr]?|following|follows"
    r"|m'a|m’a|nous a|nous avez|vous|ceci|suivante?s?|me escribi\w+|nos escribi\w+|siguientes?|mi ha|ci ha"
    r"|mi scriss\w+"
    r"|quanto segue|seguente|mij|ons|volgende(?! geschreven)|mi napisał\w*|do mnie|nam|następując\w+|mig|oss|meg"
    r"|følgende|följande"
    r"|nám|mně|nekem|nekünk|minulle|meille|мне|нам|следующее|наступне|bana|bize|me escreveu|nos escreveu"
    r"|seguinte"
    r"|your|our|my|his|their|[Ii]hre?r?|unsere?[rn]?|meine?[rn]?|seine?[rn]?|votre|notre|mon|ma|vuestr[oa]"
    r"|nuestr[oa]|vostr[oa]"
    r"|nostr[oa]|uw|onze|mijn|jullie|vår|deres|wasz|nasz|váš|náš|vaša|ваш\w*|наш\w*|Herrn?|Frau|Mr|Mrs|Ms|Madame"
    r"|Monsieur"
    r"|Señora?|señora?|signora?|mevrouw|meneer|colleague|Kolleg\w+|collègue|colega|collega)(?![^\W\d_])"
)

# What mail programs write between a forwarding note and the forwarded mail, without the dashes around it.
FORWARDED = re.compile(
    r"(?:(?:begin )?forwarded (?:message|by)|forwarded mail|start of forwarded message"
    r"|weitergeleitete nachricht|anfang der weitergeleiteten (?:nachricht|e-mail)"
    r"|(?:début du )?message (?:transféré|réexpédié)|(?:inicio del )?mensaje reenviado|mensagem (?:encaminhada"
    r"|reencaminhada)"
    r"|(?:inizio )?messaggio inoltrato|(?:begin )?doorgestuurd bericht"
    r"|(?:początek )?(?:przekazan(?:a|ej) wiadomoś(?:ć|ci)|wiadomość przekazana|treść przekazanej wiadomości)"
    r"|vidarebefordrat (?:meddelande|mail)|videresend[te] (?:meddelelse|besked|melding)|videresendt|välitetty viesti"
    r"|edelleen lähetetty viesti|přeposlaná zpráva|preposlaná správa|továbbított (?:üzenet|levél)|mesaj redirecționat"
    r"|препратено съобщение|προωθημένο μήνυμα|iletilen (?:ileti|mesaj)|yönlendirilen (?:ileti|mesaj)"
    r"|(?:пересылаемое|пересланное) (?:сообщение|письмо)|(?:переслане|перенаправлене) повідомлення"
    r"|edastatud (?:kiri|sõnum)"
    r"|pārsūtīt[ās]+ (?:ziņojums|vēstule)|persiųst(?:as|a) (?:laiškas|žinutė)|proslijeđena poruka"
    r"|posredovano sporočilo"
    r"|转发(?:的)?(?:邮件|消息)|轉寄(?:的)?郵件|転送(?:された)?メッセージ|전달된 메시지|رسالة (?:معاد توجيهها"
    r"|مُعاد توجيهها)"
    r"|הודעה שהועברה|thư được chuyển tiếp|pesan (?:terusan|yang diteruskan))",
    re.IGNORECASE,
)
ORIGINAL = re.compile(
    r"(?:original(?:[ -](?:e-?mail )?(?:message|appointment|nachricht|meddelelse|mail|e-?mail))?"
    r"|ursprüngliche nachricht"
    r"|originalnachricht|urspr\. nachricht|ursprüngliche e-?mail|message d['’]origine|message original"
    r"|mensaje original"
    r"|messaggio originale|(?:oorspronkelijk|origineel) bericht|wiadomość oryginalna|oryginalna wiadomość"
    r"|mensagem original|reply message|antwort nachricht|ursprungligt meddelande|originalmeddelande"
    r"|oprindelig meddelelse"
    r"|opprinnelig melding|alkuperäinen viesti|původní (?:zpráva|e-?mail)|pôvodná správa|eredeti üzenet"
    r"|mesaj original"
    r"|оригинално съобщение|αρχικό μήνυμα|orijinal (?:ileti|mesaj)|özgün ileti|исходное сообщение"
    r"|оригинальное сообщение"
    r"|оригінальне повідомлення|algne (?:kiri|sõnum)|sākotnējais ziņojums|pradinis (?:laiškas|pranešimas)"
    r"|(?:izvorna|originalna) poruka|izvirno sporočilo|原始邮件|原始郵件|邮件原件|元のメッセージ|원본 메시지"
    r"|원본메시지"
    r"|الرسالة الأصلية|הודעה מקורית|thư gốc|tin nhắn gốc|pesan asli)",
    re.IGNORECASE,
)
# The line that helpdesks put above what they send, so that they can cut the answer there.
REPLY_ABOVE = re.compile(
    r"(?:reply|respon[ds]e?|write|type|answer)\b.{0,40}\babove (?:this|the) .{0,20}\bline"
    r"|above this line.{0,20}(?:reply|respond)"
    r"|(?:oberhalb|über) dieser (?:zeile|linie|markierung)|au-dessus de (?:cette|la) ligne|ci-dessus de cette ligne"
    r"|encima de esta línea|por encima de (?:esta|la) línea|(?:sopra|al di sopra di) (?:a )?questa (?:linea|riga)"
    r"|boven deze (?:lijn|regel|streep)|acima d(?:esta|essa|a) linha|(?:powyżej|nad) t(?:ej|ą) lini"
    r"|ovanför (?:den här|denna) (?:raden|linjen)"
    r"|over denne? (?:linje|linjen|streken)|tämän (?:rivin|viivan) yläpuolelle|nad (?:tento|tímto|túto"
    r"|touto) (?:řád|riad|čár|čiar)"
    r"|(?:sor|vonal) fölé|deasupra (?:acestei|liniei) ?(?:linii)?|над (?:този ред|тази линия|этой|цією|цим)"
    r"|выше этой (?:линии|строки|черты)|вище (?:цього|цієї) (?:рядка|лінії)|bu (?:satırın|çizginin) üst"
    r"|πάνω από (?:αυτή|τη)|iznad (?:ove|te) (?:linije|crte)|nad to (?:črto|vrstico)|selle (?:joone|rea) koha"
    r"|virs šīs (?:līnijas|rindas)|virš šios (?:linijos|eilutės)|在?(?:此|这|這)(?:一)?(?:行|线|線"
    r"|條線)(?:之)?(?:以)?上"
    r"|この(?:行|線)(?:より|の)上"
    r"|이 (?:줄|선) 위|فوق هذا (?:السطر|الخط)|מעל (?:ה)?(?:שורה|קו)|trên dòng này|di atas (?:baris|garis) ini",
    re.IGNORECASE,
)
# One of these is in every such line. Looking for plain text is several times faster than the pattern.
_ABOVE_STEMS = (
    "above|oberhalb|über dies|dessus|encima|sopra|boven|acima|powyżej|nad t|ovanför|over denne|yläpuol|fölé|deasupra"
    "|над |выше|вище|üst|πάνω|iznad|koha|virs|virš|上|위|فوق|מעל|trên|di atas"
)
ABOVE_STEMS = tuple(_ABOVE_STEMS.split("|"))

# "My answers are below, in red": then the history holds the sender's own words.
_ANSWER = (
    r"\b(?:answer|repl(?:y|ie)|comment|respon[ds]|remark|antwort|beantwort|kommentar|anmerk|ergänz|répon"
    r"|commentai|remarque"
    r"|respuest|respond|comentari|contest|rispost|rispond|antwoord|beantwoord|geantwoord|opmerking|respost"
    r"|odpowied|odpisa"
    r"|komentarz|uwag|svar|besvar|kommentar|vasta|odpov|válasz|răspun|ответ|відпов|отговор|απαντ|απάντ|yanıt|cevap)"
    r"|回复|回覆|回答|答复|批注|返信|お答え|답변|회신"
)
_PLACE = (
    r"\b(?:below|inline|in[- ]line|in (?:red|blue|green|bold|colou?r|caps|capitals)|between (?:your|the) lines"
    r"|(?:in|within|under) (?:your|the) (?:text|e-?mail|mail|message|questions?)|unten|(?:in )?rot|blau|grün"
    r"|farbig|zwischen"
    r"|im text|in ihre[rm] (?:e-?mail|mail|nachricht|text)|darunter|dazwischen|ci-dessous|en (?:rouge|bleu|vert|gras)"
    r"|dans (?:le|votre) (?:texte|message|mail|courriel)|entre (?:vos|les|sus|las) l|abajo|debajo|en (?:rojo|azul"
    r"|verde|negrita)"
    r"|(?:qui )?sotto|in (?:rosso|blu|verde|grassetto)|di seguito|tra le righe|hieronder|in (?:het )?(?:rood"
    r"|blauw|groen)|tussen"
    r"|abaixo|(?:a|em) (?:vermelho|azul)|poniżej|na czerwono|kolorem|w treści|nedan|nedenfor|rött|rødt|blått|blåt"
    r"|mellan|mellem"
    r"|alla|punaisella|níže|červen|nižšie|alább|lent|piros|mai jos|roșu|ниже|красн|нижче|червон|долу|παρακάτω|κόκκιν"
    r"|aşağıda|kırmızı)|红色|紅色|蓝色|下方|下面|文中|赤字|赤色|下記|インライン|빨간|아래"
)
ANSWERS_BELOW = re.compile(
    rf"(?:{_ANSWER})[^.!?\n]{{0,80}}?(?:{_PLACE})|(?:{_PLACE})[^.!?\n]{{0,60}}?(?:{_ANSWER})"
    r"|\b(?:see|siehe|s\.|voir|vo(?:yez|ir)|vedi|zie|ver|véase|se|patrz|zob\.|viz|vezi|см\.?)\s[^.!?\n]{0,30}?"
    r"\b(?:in-?line|in (?:red|blue|green|rot|blau|grün|rosso|blu|rood|blauw)|im text|en (?:rouge|bleu|rojo|azul)"
    r"|dans le texte|nel testo|in de tekst|w tekście|na czerwono)\b",
    re.IGNORECASE,
)

# An own text of these words alone answers or hands on what stands below.
_NODS = (
    "yes|no|ok|okay|fine|done|agreed|approved|accepted|noted|confirmed|thanks|thank|you|thx|please|fyi|see|below|"
    "pls|sure|great|ja|nein|gerne|erledigt|genehmigt|einverstanden|bestätigt|danke|bitte|siehe|unten|s|u|z|k|zk|"
    "zki|zur|info|kenntnis|passt|oui|non|merci|d|accord|entendu|voir|ci|dessous|pour|information|validé|sí|si|"
    "gracias|vale|conforme|ver|abajo|para|va|bene|grazie|vedi|sotto|per|conoscenza|approvato|nee|akkoord|dank|"
    "bedankt|zie|hieronder|ter|sim|não|obrigado|obrigada|abaixo|tak|nie|dziękuję|zgoda|poniżej|ano|ne|děkuji|"
    "souhlasím|níže|áno|ďakujem|igen|nem|köszönöm|lásd|lent|da|nu|mulțumesc|vezi|jos|да|нет|спасибо|согласен|см|"
    "ниже|так|ні|дякую|нижче|не|благодаря|ναι|όχι|ευχαριστώ|evet|hayır|tamam|teşekkürler|aşağıda|kyllä|ei|kiitos|"
    "alla|nej|tack|nedan|nedenfor|nei|takk|jah|aitäh|jā|nē|paldies|taip|ačiū|hvala|好的|好|是|是的|谢谢|謝謝|收到|"
    "同意|见下|请见下文|はい|了解|了解です|承知しました|ありがとうございます|네|예|감사합니다|확인|نعم|شكرا|כן|"
    "תודה|vâng|cảm|ơn|iya|terima|kasih|baik"
)
NODS = frozenset(_NODS.split("|"))

# Labels of a header block in the body: the meaning, then the words of all languages.
_LABELS = {
    "from": "from|von|de|da|van|od|expéditeur|mittente|remitente|nadawca|afzender|absender|från|fra|lähettäjä"
    "|odesílatel"
    "|odosielateľ|feladó|expeditor|de la|от|подател|από|απο|kimden|gönderen|от кого|отправитель|від|saatja|no|nuo"
    "|no kā"
    "|sūtītājs|siuntėjas|šalje|pošiljatelj|发件人|寄件者|寄件人|差出人|送信者|보낸 사람|보낸사람|발신|من|المرسل"
    "|מאת|từ|người gửi|dari|sender",
    "date": "sent|message du|date|gesendet|datum|envoyé|enviado el|enviado em|enviada em|enviada|enviado"
    "|enviada el|fecha|inviato|data"
    "|verzonden|wysłano|wysłane|sent on|skickat|skickad|sendt|dato|lähetetty|päivä|pvm|päiväys|odesláno|odoslané"
    "|dátum|küldve|elküldve"
    "|trimis|dată|изпратено|дата|στάλθηκε|εστάλη|ημερομηνία|gönderildi|gönderilme tarihi|tarih|отправлено"
    "|дата отправки"
    "|надіслано|відправлено|saadetud|kuupäev|nosūtīts|datums|išsiųsta|poslano|poslato|发送时间|发送日期|日期|时间"
    "|寄件日期|傳送時間"
    "|時間|送信日時|送信日|日付|日時"
    "|보낸 날짜|보낸날짜|날짜|تاريخ|التاريخ|تم الإرسال|أرسلت|נשלח|תאריך|đã gửi|ngày|ngày gửi|tanggal|dikirim|terkirim"
    "|date sent",
    "to": "to|an|à|para|a|aan|do|destinataire|destinatario|empfänger|pour|per|till|til|vastaanottaja|komu|pre|címzett"
    "|către|catre|до|към|προς|kime|alıcı|кому|получатель|saaja|adresāts|kam|kam adresuota|gavėjas|za|prima|收件人"
    "|收件者|宛先|받는 사람|받는사람|수신|إلى|المستلم|אל|đến|tới|kepada|ke",
    "cc": "cc|bcc|kopie|copie|copia|dw|copy|cci|copie à|kopia|kopi|kopija|másolatot kap|копие|копия|копія|κοιν"
    "|κοινοποίηση|bilgi|koopia|抄送|副本|参照|참조|نسخة|نسخة إلى|עותק|tembusan|c.c",
    "subject": "subject|sujet|betreff|objet|asunto|oggetto|onderwerp|temat|assunto|betrifft|ämne|emne|aihe"
    "|předmět|predmet|tárgy"
    "|subiect|относно|тема|θέμα|konu|teema|temats|tēma|tema|zadeva|主题|主題|主旨|件名|제목|الموضوع|موضوع|נושא|chủ đề"
    "|tiêu đề|perihal|subjek|betr|re",
    "other": "attachments|attachment|anlage|anlagen|pièces jointes|importance|priorität|reply-to|reply to"
    "|organization|organisation"
    "|antwort an|bijlagen|priority|wichtigkeit|allegati|adjuntos|załączniki|message-id|anexos|bilagor|vedlegg"
    "|vedhæftede filer"
    "|liitteet|přílohy|prílohy|mellékletek|вложения|附件|添付ファイル|첨부|répondre à|responder a|sensitivity|when"
    "|where"
    "|newsgroups|list-id",
}  # fmt: skip
LABELS = {word: kind for kind, words in _LABELS.items() for word in words.split("|")}
LABEL_LINE = re.compile(r"[*_|•]{0,3}\s?([^\W\d_][^:@<>\d\"=/]{0,30}?)\s?[*_]{0,2}\s?:(?!//)[*_]{0,2}")
# What stands in front of a field of a form in many languages, and in no mail's header.
FORM_LABEL = re.compile(
    r"mail|tele?f|tel\b|phone|fon\b|mobil|handy|fax|name|nom\b|nome\b|nombre|naam|imię|addres|adres|nachricht\b"
    r"|messag|nummer|number"
    r"|numéro|número|firm|compan|kunde|customer|client|klient|order|bestell|street|stra|city|ort\b|plz|zip|url"
    r"|web|website|www|ip\b|кліє|клие|имя|телефон|電話|氏名|名前|电话|姓名|전화|이름",
    re.IGNORECASE,
)
ADDRESS = re.compile(r"[\w.+'/=-]{1,64}@[\w-]{1,60}\.?[\w.-]{0,100}|\[mailto:|<mailto:", re.IGNORECASE)
DAY = re.compile(
    r"\b(?:19|20|25)\d\d(?!\d)|\b\d{1,2}[./-]\s?\d{1,2}[./-]\s?\d{2,4}\b|\d{1,2}\s?月\s?\d{1,2}\s?日"
    r"|\d{1,2}\s?월\s?\d{1,2}\s?일"
)
TIME = re.compile(r"(?<![\d.,])\d{1,2}\s?(?:[:.h時时시]|點|点)\s?\d\d(?![\d])|\b\d{1,2} ?[ap]\.?m\b", re.IGNORECASE)
CLOCK = re.compile(r"\b\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b.{0,12}\b\d{1,2}:\d\d", re.IGNORECASE)
RULE = re.compile(r"\s*(?:[-_=*~#—─]\s?){5,}\s*$")
