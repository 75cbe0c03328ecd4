"""Words that tell nothing of what a mail is about: the small words of a language, and those that go with a file.

What people say around a file, whatever it is: that they attach and send it, as discussed, that they thank and can be
called. A language is added here and nowhere else; of one that is missing see `own_words.KNOWN_SHARE`.
"""

from __future__ import annotations

_ENGLISH = """
a about according additional advance after afternoon again agreed ahead all already also always am an and answer
answers any anyone anything appreciate appreciated april are arrived as ask asked asking assist assistance at attach
attached attaching attachment attachments august available back be because been before below best but by call called
calling can cannot care colleague colleagues come comes comment comments concerning confirm contact convenience
conversation copy correspondence could day days dear december detail details did discussed discussion disposal do doc
document documentation documents does don done each earlier efforts either else email emails enclosed enjoy enough
ensure even evening ever every everyone everything february feel file files find fine first following follows for
forward free friday from full further fw fwd fyi get give go going good got great had happy has have having he hear
hearing hello help her here hereby herewith hers hesitate hi him his holidays hope how however if in inform
information informed into is it its january july june just keep kind kindly know last later let like ll long look
looking lovely luck madam made mail make many march may me mentioned message might mine monday more morning most much
must my near need needed never new next nice no not note nothing november now october of off on once one only
opportunity or original originals other our out over own page pages paperwork pdf perusal phone please pleased
pleasure post promised provide provided providing question questions quick raise re reach read receipt receive
received record records reference regard regarding regards relevant reply request requested require required requires
respond response rv saturday scan scanned see send sending sends sent september shall share shared sharing she short
shortly should since sincerely sir so some someone something soon spoke spoken still such sunday sure take talk talked
telephone than thank thanks that the their them then there these they thing things this those though through thursday
time to today together told tomorrow too touch tr trouble tuesday two unclear under understand until up update updated
uploaded upon us use ve version very via view want wanted was way we wednesday week weekend well were wg what when
where whether which while who whole will wish wishes with within without wonderful would write year years yes
yesterday yet you your yours zk
"""
_GERMAN = """
aber ablage abstimmung alle allem allen aller alles als also am an anbei andere anderen angeforderte angeforderten
angehängt angehängte angehängten angekündigt angekündigte angekündigten angenehme angenehmen angesprochen
angesprochene angesprochenen anhang anhänge anlage anlagen anliegend anruf anschließend antwort antworten april auch
auf august aus baldige baldigen beachten bedanke bedanken bedarf bei beide beigefügt beigefügte beigefügten beim
bekommen bereits besprochen besprochene besprochenen besten bestätige bestätigen bestätigung betreff bezug bin bis
bitte bitten da dabei dafür daher damen damit danke danken dankend dann darf das dass datei dateien davon dazu dein
deine dem den denn der deren des dezember dienstag diese diesem diesen dieser dieses doch dokument dokumente
donnerstag dort du durch dürfen ein eine einem einen einer eines einfach einmal empfang entnehmen entsprechend
entsprechende entsprechenden er erhalt erhalten erreichbar erreichen erst erste erwartet erwähnt erwähnte es etwas
euch euer eure falls februar finden folgende folgenden folgt frage fragen frau freitag freue freuen freundliche
freundlichen früh für gab ganz geben gebeten geehrte geehrten geehrter gemäß gerade gern gerne geschickt gesendet
gespräch gestern gewünscht gewünschte gewünschten gewünschtes gibt gruß grüße grüßen gut gute guten habe haben hallo
hat hatte hatten herr herren herrn herzlich herzliche heute hier hiermit hilfe hinweis hinweisen hoffe hoffen ich ihm
ihn ihnen ihr ihre ihrem ihren ihrer im immer in information informationen ins ist ja januar jederzeit jetzt juli juni
kann kein keine keinen kenntnis kenntnisnahme kollege kollegen kollegin kommentar kommt kontakt kontaktieren kopie
kurz kurze können könnte könnten lassen leider lesen liebe lieben mai mail mails man mehr mein meine meinem meinen
meiner melde melden mich mir mit mitteilen mitteilung mittwoch montag morgen muss märz möchte möchten mühe müssen nach
nachfolgend nachfolgende nachfolgenden nachricht noch nochmals november nun nur nötig ob oder ohne oktober original
originale originals papier pdf per post postweg prüfen rückfrage rückfragen rückmeldung rücksprache sagen samstag scan
schauen schicke schicken schnell schon schreiben schöne schönen schönes sehr sein seine seit seite seiten selbst sende
senden september sich sie siehe sind so sobald sofern soll sollte sollten somit sonntag sowie stehe stehen steht stets
tag tage tagen telefon telefonat telefonisch telefonischen um und unklar uns unser unsere unserem unseren unserer
unten unter unterlage unterlagen veranlassung verbleibe verbleiben vereinbart verfügung viel viele vielen vom von vor
vorab voraus war waren warten was weil weiter weitere weiteren weiteres weiterleiten weiterleitung welche wenden wenn
wer werde werden wie wieder wir wird wissen woche wochenende wollen wollte wunsch wunschgemäß wurde wurden wünsche
wünschen würde zeit zu zukommen zum zur zurück zusammen zusenden zwecks zwei über überlasse überlassen übermitteln
übermittle übersende übersenden
"""
_FRENCH = """
a adresse adresser adressons afin agréer ai aide aider ainsi alors amicalement annexe annoncé annoncés août appel
appeler après as attaché attachée attente au aucun aussi autre autres aux avance avant avec avez avons avril besoin
bien bientôt bonjour bonne bonsoir car ce ceci cela celle celui ces cet cette chaque cher chez chère ci comme comment
complémentaire complémentaires concernant confirmation confirmer connaissance contact contacter contraire convenu
copie cordialement courriel courrier dans de demandé demandés demeure demeurons depuis des dessous dessus deux
dimanche dire discuté disposition document documents donc donner dont du décembre elle en encore ensemble entre
entretien envoi envoie envoyer envoyons envoyé espère espérant est et faire fais fait faites faut fichier fichiers
fois font février hier hésitez ici il ils information informations instant janvier je jeudi joint jointe jointes
joints jour journée jours juillet juin la le lecture les leur leurs lire lors lui lundi ma madame mai mail mais mardi
mars matin me meilleur meilleures mentionné merci mercredi mes mesdames message messieurs midi moi moins mon monsieur
même nos note notre nous novembre octobre ont original originaux ou où par parfait parfaite part parvenir parviens pas
pdf peu peut peuvent pièce pièces plus plusieurs possible poste pour pourriez pouvez prendre prendrez prenez prie
prions près puis qu quand que quel quelle quelque question questions qui recevoir remerciant remercie remercions
renseignement renseignements reste restons retour reçu réception répondre réponse réponses sa salutations samedi sans
scan se selon semaine septembre sera ses si sinon soit son sont souhaite souhaitons sous suis suit suite suivent sur
ta te tous tout toute toutes transmets transmettons transmettre transmis trouver trouverez très téléphone téléphonique
un une utile va vendredi vers veuillez voici voir vos votre vous vu à ça échange étais était été évoqué être
"""
_SPANISH = """
a abril aclaraciones aclaración aclarar acordado acordamos acordé adelanto adicional adicionales adjunta adjuntamos
adjuntas adjunto adjuntos agosto agradecemos agradezco ahora al algo alguna algún antemano anterior antes anunciada
anunciado anunciados aquí archivo archivos así atención atentamente ayer ayuda bien bienvenido buen buena buenas bueno
buenos cada comentado como compañera compañero con confirmación confirmar confirme confirmen conforme conocimiento
consulta contactar contacto contestación conversación conversado copia cordial cordiales correo cualquier cuando da de
del desde deseamos desean deseo después diciembre disculpe disposición documentación documento documentos domingo
donde dos duda dudas dude duden durante día días efectos el ella ellos en encontrar encontrará encontrarán enero entre
enviado enviamos envía envíe envío era es esa escaneo escrito ese eso espera esperamos espero esta estamos estar este
estimada estimadas estimado estimados esto estoy está están esté estén favor febrero fin fue gracias gusto ha hablado
hablamos había hacer haga hagan hago hasta hay he hemos hola hora hoy información jueves julio junio la las le leer
les llamada llamar llamarme llame llegar lo los luego lunes martes marzo mayo mañana me mencionada mencionado mensaje
mi mis misma mismo miércoles momento muchas mucho muy más nada necesario necesita necesiten ni no nos nosotros nota
noviembre nuestra nuestras nuestro nuestros o octubre original originales os otra otro para pdf pero persona pidieron
pidió poder podría podrían por posible postal pregunta preguntas pronto puede pueden pues que quedamos quedo quien
quiero qué recepción recibido recibir recibo remitimos remito respecto responder respuesta respuestas rogamos ruego
sabe saber saludo saludos se sea según semana septiembre ser señor señora señoras señores si sigue siguiente
siguientes sin sobre solicitada solicitado solicitados solo son su sus sábado sí también tan tarde te teléfono tiene
tienen toda todas todo todos tramitación tras tu un una unas uno unos usted ustedes va ver vez viernes y ya yo él
"""
_ITALIAN = """
a abbiamo accordi ad agli ai al alla alle allegata allegati allegato alleghiamo allego allo anche ancora anticipo
attesa avere avete bene buon buona buonasera buone buongiorno che chi chiarimenti chiarimento ci ciao colloquio come
comunicazione con concordato conferma confermare contattare contattarmi contatto conversazione copia cordiali cosa
così cui da dai dal dalla dalle degli dei del della delle dello di dire disposizione distinti documentazione documenti
documento domanda domande dopo due e ecco ed egregi egregio era essere fa fare favore file fra gentile gentili già gli
gradito grazie ha hanno ho i ieri il in informazione informazioni inoltro invia inviamo inviare invio io la le lei
lettura lo loro lui ma mail mattina me messaggio mi mia mio molto ne necessario nel nella nelle no noi non nostra
nostri nostro o oggi ogni ora per però piacere più poi porgiamo porgo possibile posso potete prego presa prima può
qualche quale qualsiasi quando quanto quella quello questa questi questo qui restiamo resto ricevere ricevuta ricevuto
richiesta richieste richiesti richiesto riferimento rimango rimaniamo riscontro rispondere risposta risposte saluti
salve sarà scansione se secondo segue seguito sei sera settimana si sia siamo signor signora signore signori sono
sotto spero sta stato su sua sue sui sul sulla suo suoi telefonata telefonica telefono ti tra trasmettiamo trasmetto
trova trovate troverete troverà tua tuo tutte tutti tutto ulteriore ulteriori un una uno vi visione voi vostra vostro
è
"""
_DUTCH = """
aan aangehecht aangevraagde af afgesproken al alle alles als alvast andere antwoord antwoorden bedankt bellen ben bent
bericht besproken bestand bestanden beste bevestig bevestigen bij bijgaand bijgaande bijgevoegd bijgevoegde bijlage
bijlagen binnen contact daar dag dan dank danken dat de deze die dit document documenten doen door dus een eens en er
even fijn fijne gaan gaarne geachte geef geen gesprek geven gevraagd gevraagde gewenste graag groet groeten had hallo
heb hebben hebt heeft heer hem heren het hier hierbij hij hoe hoop hopen hun ik in indien informatie is ja je jij jou
jouw jullie kan komen kopie kort kunnen kunt laten later maar mail me mee meer met mevrouw mij mijn moet morgen na
naar nadere niet nieuwe nodig nog nogmaals nu of om omdat ons ontvangen ontvangst ontvangt onze ook op over
overeengekomen overleg per reactie reageren scan sturen stuur stuurt te tegemoet telefonisch telefoon ten toch
toegezegde toelichting tot u uit uw van vandaag veel verder verwijs verzoek verzoeken via vinden vindt voor vooraf
vooruit vraag vragen vriendelijk vriendelijke wat we week weekend weer wel wens werd wij wil willen wordt zal ze zeer
zich zie zien zij zijn zo zoals zonder zou
"""
_PORTUGUESE = """
a abaixo acordado adicionais adicional agradecemos agradeço ainda anexa anexas anexo anexos antecipadamente antes ao
aos aqui arquivo arquivos as assim atenciosamente atenção até bem boa boas bom cada caso com combinado como confirmar
confirme confirmem conforme contacto contato conversa conversamos cordiais correio cumprimentos cópia da das de desde
deste dia dias disponha disposição do documentação documento documentos dos dúvida dúvidas e ela ele em encontra
encontrará entre enviado enviamos enviar envio era esclarecimento esclarecimentos espera espero essa esse esta estamos
este estou está eu favor ficamos ficheiro ficheiros fico foi gentileza hoje informação informações isto já lhe lhes
ligar mais mas me melhores mensagem meu minha muita muito na nas necessário nem no nos nossa nosso não nós o obrigada
obrigado olá ontem os ou outra outro para pedido pela pelo pergunta perguntas pode podem por porque possível prezada
prezado prezados qual qualquer quando que quem questão receba recebido recebimento recepção receção responder resposta
respostas retorno se segue seguem sem semana senhor senhora senhores ser seu seus si sobre solicitada solicitado sua
suas são tarde te telefone tem ter todo todos tudo um uma vai veja ver você vocês vos
"""
_POLISH = """
aby ale ani bardzo by być był było będę chciałabym chciałbym co czy dla dnia do dobry dodatkowych dokument dokumentu
dokumenty dokumentów dołączam dzień dzisiaj dziękujemy dziękuję gdyby go i ich informacja informacje informacji ja jak
jakichkolwiek jako jest jestem jeszcze jeśli już każdy kontakt kontaktować kontaktu kopia kopię która które który ma
mail mam mamy mi mnie mogę moja może można mój na nad nam nas nasz nasza nie nim o od odbioru odbiór odpowiedzi
odpowiedzieć odpowiedź oraz otrzymania pan pana pani panią państwa państwo państwu plik pliki pliku po pod poniżej
potrzeby potwierdzenie poważaniem pozdrawiam pozdrowienia prosimy proszę przed przesyłam przesyłamy przez przy pytania
pytań razie rozmowie rozmowy się skan szanowna szanowni szanowny są tak także tej tel telefoniczna telefonicznej
telefonicznie ten też to tu tym uprzejmie ustaleniami ustaleń w wiadomości wiadomość witam więc wraz wszystko
wyjaśnień wysyłam z za załączam załączamy załączeniu załącznik załącznika załączniki załączniku ze zgodnie że życzę
"""
_NORDIC = """
af aftale aftalt alla alle allt alt annat at att av avtalt bedes behov bekräfta bekræft besked bifoga bifogad bifogade
bifogar bifogat bilag bilaga bilagan blev både da dag dagen de dem den der dere deres det dette din dina dine dit ditt
dokument dokumenter dokumentet du där då efter ej eller en enligt er et ett fil filen filer finder finns for fortsatt
fra frågor från få får för gerne god godt ha hade haft hallo han har havde hei hej helgen her hermed hilsen hon hvad
hvis hvor hälsningar här i iht ikke info information ingen inte ja jag jeg kan kom komme kontakt kontakta kontakte
kopi kunne lige med meddelande meddelelse meg men mer mere mig min mit mitt modtagelse modtaget mottagit mycket mye ni
noget nogle nu ny något några når och också og om op os oss overenskommelse på ring ringe samtal samtale se send senda
sende sender sendt ska skal skannad skicka skickar skickat skulle som spørgsmål spørsmål svar svara svare så tack tak
takk til tilbage till tusen uge uke under ut vad var vara vart ved vedhæftede vedhæftet vedlagt vedlegg vedlegger vi
vid vil ville vore vänlig vänliga vår våra vær være yderligere ytterligare ytterligere är å önskar över
överenskommelse ønsker
"""

EMPTY = frozenset(
    word.casefold()
    for language in (_ENGLISH, _GERMAN, _FRENCH, _SPANISH, _ITALIAN, _DUTCH, _PORTUGUESE, _POLISH, _NORDIC)
    for word in language.split()
)
