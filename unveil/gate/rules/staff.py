"""Names behind and before titles of a house's staff, of the police and of relatives, in the languages of Europe."""

from __future__ import annotations

import re

from unveil.gate.names import FULL, NOBODY, PARTICLE, WORD, eponym, medical, who
from unveil.gate.rule import Rule, Span, alternatives, before, cues_of
from unveil.gate.words import first_name, harmless, known, may_be_first, may_be_last, ordinary, surname

#: Of staff, as they are written before a name, in any case but that of the name itself.
_STAFF = """med._resp med_resp medecin_resp resp
witness zeuge zeugin temoin testigo testimone testemunha getuige swiadek vittne vidne tanik np pa pa-c
pac anp acnp crna srna emt hca hcsw odp sho spr st1 st2 st3 fy1 fy2 f1 f2 ct1 ct2 rmo reg registrar fellow intern
resident
rn lpn cna ssn cn nic sister matron nurse charge_nurse ward_sister staff_nurse nurse_practitioner midwife
health_visitor paramedic technician
technologist tech radiographer sonographer mammographer physio physiotherapist ot slt dietitian social_worker
keyworker key_worker porter
receptionist secretary clerk ward_clerk consultant surgeon anaesthetist anesthetist anesthesiologist radiologist
pathologist cardiologist
neurologist oncologist urologist nephrologist gastroenterologist pulmonologist endocrinologist dermatologist
psychiatrist paediatrician
pediatrician obstetrician gynaecologist gynecologist hematologist haematologist rheumatologist geriatrician
hospitalist intensivist dentist
optometrist pharmacist house_officer medical_student student_nurse chaplain rabbi imam vicar pastor father_confessor
interpreter translator
pc wpc dc ds dci sgt constable officer inspector detective det ofc trooper deputy sheriff warden guard firefighter
cpt capt major lieutenant
lt corporal cpl pvt private_soldier judge attorney solicitor coroner bailiff carer caregiver foster_mother
foster_father key_holder teacher coach
oa oarzt oarztin fachin fachart facharzt facharztin ass assistenzarztin stationsarzt stationsarztin chefarzt
leitender_arzt schw schwester
pfleger krankenschwester krankenpfleger pflegerin mtra mtr mta mtar rad_ass radiologieassistentin hebamme notarzt
notarztin sanitater kollege kollegin
kollegen dolmetscher dolmetscherin pfarrer pfarrerin hausarzt hausarztin betreuer betreuerin
infirmier infirmiere infirmieres iade ibode chef_de_clinique cca aide-soignant aide-soignante sage-femme manipulateur
manipulatrice kine kinesitherapeute brancardier secretaire interprete docteur docteure professeure maitre soeur
frere_directeur confrere consoeur
enfermero enfermera matrona celador celadora auxiliar tecnico tecnica residente adjunto adjunta fisioterapeuta
medico cirujano cirujana
anestesista radiologo radiologa logopeda trabajadora_social interprete
infermiere infermiera caposala ostetrica tecnico_di_radiologia tsrm specializzando specializzanda primario
fisioterapista chirurgo dottoressa
enfermeiro enfermeira enf enf.a tec residente_medico fisioterapeuta cirurgiao cirurgia anestesiologista parteira
maqueiro doutora
vpk verpleegkundige zuster broeder laborant laborante mbb co-assistent aios anios arts-assistent huisarts zaalarts
tolk verloskundige logopediste
lek mgr piel pielegniarka pielegniarz polozna ratownik lek_med dr_n_med dr_hab prof_dr_hab rezydent rezydentka
ordynator lekarz lekarka
ssk usk bma rtg-ssk ol bol spec st-lakare at-lakare overlakare underlakare lakare sjukskoterska underskoterska
barnmorska rontgensjukskoterska
spl sygeplejerske sosu laege overlaege reservelaege radiograf sykepleier overlege lege turnuslege jordmor
fysioterapeut tolken
hoitaja laakari ylilaakari katilo sairaanhoitaja rontgenhoitaja uz uzm dr_ogr hemsire asistan_dr ebe teknisyen
tercuman hekim"""
#: Of ladies and gentlemen, without those of ``titles``.
_CIVIL = """sig.ra sig.na sig.ri gent.ma egr.
pan pana panu panem pania pani panstwo seu sro srs drs drs. dras hn hr. herra rouva fru froken frk bayan
sayin bey hanim
gospodin gospodja gospodine gospoda gospa pane bratr sestra kyrios kyria vve veuve weduwe wed epouse feu feue
young_master
sri sree shree thiru thirumathi tmt selvi janab begum ustad ustadh sheikh shaikh hajji al-hajj sayyid syed kyai tuan
nyonya nona mas mbak pak bu mang aling
kuya lola lolo tita tito oga alhaji malam mallam oba mzee bwana bibi mama baba tata sesi bhuti
veda vedova ved nata nubile geb geb.-name geborene verh verheiratet gesch verw verwitwete nee born maiden_name
nom_de_jeune_fille de_soltera
nata_in solteira soltera z_domu dom rozena fodd fodt geboren_als kizlik kizlik_soyadi meisjesnaam"""
#: Of relatives, without those of ``titles``.
_KIN = """mum mom mam mummy mommy dad daddy nan nana gran granny grandma grandpa grandad auntie aunty stepmum
stepdad half-brother half-sister
son-in-law daughter-in-law mother-in-law father-in-law brother-in-law sister-in-law ex-wife ex-husband widow widower
bride groom fiancee godson
goddaughter godfather foster_son foster_daughter foster_child housemate roommate babysitter nanny landlord landlady
girl boy toddler schoolgirl
schoolboy baby bub
schwiegertochter schwiegersohn schwiegermutter schwiegervater bruder schwester oma opa tante onkel nichte neffe
enkel enkelin enkelsohn cousin
cousine lebensgefahrte lebensgefahrtin gatte gattin ehegatte verlobte verlobter nachbar nachbarin freundin freund
patentante betreuer angehorige
gendre belle-fille beau-fils belle-mere beau-pere belle-soeur beau-frere frere soeur oncle tante neveu niece cousine
grand-mere grand-pere mari
femme conjoint conjointe compagnon compagne concubin concubine voisin voisine ami amie copain copine papa maman
mamie papy nourrice tuteur tutrice
jumeau jumelle jumeaux jumelles
yerno nuera suegro suegra cunado cunada hermano hermana hermanos tio tia sobrino sobrina abuelo abuela abuelita
abuelito nieto nieta
marido mujer novio novia pareja vecino vecina amigo amiga cuidador cuidadora padrino madrina tutor tutora papa
gemelo gemela gemelos gemelas mellizos
genero nuora suocero suocera cognato cognata fratello sorella zio zia cugino cugina nonno nonna nipote compagno
compagna fidanzato fidanzata
badante vicino vicina amico amica babbo gemelli gemelle
genro nora sogro sogra cunhado cunhada irmao irma irmaos tio vovo vovô neto neta sobrinho sobrinha companheiro
companheira namorado namorada
noivo noiva vizinho vizinha padrasto madrasta gemeos gemeas gemeo mamae papai
echtgenote echtgenoot dochter zoon moeder vader broer zus oom nicht neef kleinzoon kleindochter schoonzoon
schoondochter schoonmoeder schoonvader
schoonzus zwager buurman buurvrouw vriend vriendin oma opa pleegzoon mantelzorger mantelzorgster tweeling tweelingen
maz zona syn syna synem synowi corka corke corki matka matki ojciec ojca brat brata siostra siostry babcia babci
dziadek wnuk wnuczka wnuka ziec synowa
tesciowa tesc ciocia ciotka wujek kuzyn kuzynka narzeczony narzeczona partner partnerka sasiad sasiadka pacjent
pacjentka pacjenta pacjentki
pacjentke pacjentka pacjentem chory chora chorego chorej blizniaki
anhorig anhoriga dotter sonen son maka hustru sambo sarbo bror syster moster morbror farbror mormor farmor morfar
farfar barnbarn
svardotter svarson granne kusin van vaninna datter sonn mann kone ektefelle ektemann hustru aegtefaelle samboer
bedstemor bestemor nabo fetter
niese soskende tvillingar tvillinger barn pasient potilas tytar poika vaimo mies aiti
kizi oglu annesi babasi kardesi ablasi agabeyi amcasi teyzesi halasi dayisi gelini damadi torunu yegeni kuzeni
dedesi ninesi komsusu hasta
hastamiz refakatci refakatcisi yakini ikizler
putri putra istri suami anak ayah kakak adik beti pati patni bhai behen didi bhabhi chacha chachi mama_ji mausi bua
nani dadi dada
pacient pacientka syn dcera manzel manzelka matka otec bratr sestra pacijent pacijentica kci supruga suprug
pacientul pacienta fiica fiul sotia sotul"""

_KINS = (
    _KIN
    + """ mother father daughter son wife husband brother sister partner spouse aunt uncle niece nephew cousin
grandmother grandfather friend
neighbour neighbor guardian stepson stepdaughter twin fiance hermana madre padre hijo hija esposa esposo figlia
figlio mere pere fils fille epoux epouse
mutter vater tochter sohn ehefrau ehemann moglie marito mae pai filho filha"""
)
_ON = (
    r"(?:\s(?:in\scharge|on\scall|on\sduty|on\sshift|today|tonight|here|resp\.?|responsable|responsavel"
    r"|responsabile|de\sguardia|di\sguardia|de\sgarde|"
    r"de\splantao|dienstdoende|jour|v\.\s?d\.|vom\sdienst|dyzurny|op\scall|named|called|name|genannt|namens"
    r"|appelee?|llamad[oa]|chamad[oa]|"
    r"di\snome|imieniem|genaamd|genoemd)){0,2}"
)
_SEPARATED = (
    r"\.?(?:\s?\(?[\dIVX]{1,2}\)?|\s?\([^()\n]{1,20}\)){0,2}(?:\s?[:=,(/]\s?[\x22\x27]?|\s-\s|\s(?:is|was|war|ist|est"
    r"|era|es)\s|\.?\s[\x22\x27]?|\.)"
)
_STAFFED = (
    rf"(?<![\w-])(?P<title>(?i:{alternatives(_STAFF)})){_ON}{_SEPARATED}(?:(?i:dr|dra|prof|mr|mrs|ms)\.?\s"
    rf")?(?P<it>{FULL})"
)
_CIVILIAN = rf"(?<![\w-])(?P<title>(?i:{alternatives(_CIVIL)}))\.?:?\s(?P<it>{FULL})"
_RELATED = (
    rf"(?<![\w-])(?P<title>(?i:{alternatives(_KINS)})){_ON}{_SEPARATED}(?:(?i:dr|mr|mrs|ms|miss|frau|herr|sig\.?ra"
    rf")\.?\s)?(?P<it>{FULL})"
)
_ANY_KIN = (
    _KINS
    + """ twins children kids sons daughters brothers sisters kinder tochtern hijos hijas figli enfants filles
filhos filhas kinderen
dzieci cocuklari patient pt pat"""
)
#: sa fille manon, la figlia giulia: a common first name in small letters, or one that only names are
_SMALL_KIN = (
    rf"(?<![\w-])(?i:{alternatives(_ANY_KIN)}),?\s?[:(]?\s?(?:de\s|da\s|di\s|van\s)?(?P<it>[a-z][a-z'-]{{2,}}+)(?!\w)"
)
#: gemeos da rosangela, baby of edilene, filho de jurandira
_OF_WHOM = (
    rf"(?<![\w-])(?i:{alternatives(_ANY_KIN)})\s(?:of|von|de|da|do|di|del|della|van|af|av)\s(?:the\s)?(?P<it>{FULL}"
    rf"|[a-z][a-z'-]{{3,}}+)(?!\w)"
)
#: Anselm, brother; Goyo (hermana)
_BEFORE_KIN = (
    rf"(?<![\w-])(?<!\w')(?P<it>{WORD}(?:\s{PARTICLE}{WORD}){{0,2}})(?P<sep>\s?\(|,\s)(?:(?:(?i:the|his|her|pt's|patient's"
    rf"|pts|su|sa|son|seine|ihre|sua|suo|zijn|haar)\s)?)"
    rf"(?i:{alternatives(_ANY_KIN)})(?![\w-])"
)
#: Sig.ra Fiorenza Quagliotti in De Pasquale; Frau Kraus geb. Wald
_MARRIED = (
    rf"(?<![\w-])(?i:sig\.?ra|signora|sra|senora|frau|fr|mme|madame|mevr|mevrouw|pani|mrs|ms|paziente|paciente"
    rf"|patiente|patientin|pacjentka|pt|patient)\.?\s"
    rf"{FULL},?\s(?:in|ved\.|vedova|coniugata|geb\.|geborene|verh\.|ep\.|epouse|nee|vve|veuve|de\ssoltera"
    rf"|viuda\sde|vda\.\sde|casada|z\sdomu|primo\svoto|fodd|fodt|formerly|maiden|ex)\s"
    rf"(?P<it>{FULL})"
)
#: Dr Bone, Frau Sommer: a word that is a surname too
_WORDS = (
    rf"(?<![\w-])(?:Dr|Dr\.|Mr|Mr\.|Mrs|Mrs\.|Ms|Miss|Mx|Prof|Prof\.|Doctor|Nurse|Sister|Matron|Frau|Herrn?|Hr\."
    rf"|Fr\.|Schwester|Pfleger|Mme|Madame|Monsieur|Mlle|Sra\.|Sr\.|Srta\.|"
    rf"Senora|Senor|Dona|Don|Sig\.|Sig\.ra|Signora|Signor|Dott\.|Dott\.ssa|Dra\.|Dhr\.|dhr\.|Mevr\.|mevr\.|Mevrouw"
    rf"|Meneer|Pan|Pani|Hr|Fru)\s(?P<it>{WORD})(?![\w])"
)
#: Xs at the end: Hatice hanim, Tanaka-san, Manjunath uncle
_SUFFIXED = (
    r"(?<![\w-])(?P<it>[A-Z][a-z]{2,})(?:\s(?:hanim|bey|beyin|hanimin|abla|abi|agabey|teyze|amca|hoca|efendi"
    r"|uncle|aunty|auntie|aunti|bhai|bhaiya|behen|"
    r"ji|garu|saheb|sahib|ma'am|akka|chettan|chechi|didi|chacha|senpai|sensei|sama|ssi|nim|halmeoni|bacsi|neni"
    r"|xiansheng|nushi|taitai)|-(?:san|sama|sensei|kun|chan|ssi|nim|ji|bhai|ben))(?![\w-])"
)
#: Drs Vell, Armitage-Soo & Kapadia; the twins, Ottoline and Casper; cc Jones/Patel
_LISTED = (
    r"(?<![\w-])(?i:drs|doctors|mm|mmes|profs|messrs|mesdames|herren|frauen|damen|cc|to|both|twins|triplets"
    r"|children|kids|sons|daughters|brothers|sisters|siblings|"
    r"parents|grandchildren|nurses|radiographers|attendees|present|apologies|anwesend|teilnehmer|presents"
    r"|asistentes|presenti|presentes|aanwezig|obecni|"
    r"narvarande|katilanlar|zwillinge|kinder|sohne|tochter|geschwister|eltern|enfants|jumeaux|jumelles|fils"
    r"|filles|parents|hijos|hijas|gemelos|gemelas|mellizos|"
    r"hermanos|figli|figlie|gemelli|gemelle|fratelli|filhos|filhas|gemeos|irmaos|kinderen|tweeling|zonen|dochters"
    r"|dzieci|blizniaki|corki|synowie|barnen|tvillingarna|"
    rf"ikizler|cocuklari)\.?(?:\s?[:,(]|\s-)?\s(?P<it>{PARTICLE}{WORD}(?:(?:\s?[,;/&+]\s?|\s(?:and|und|et|y|e|i|og"
    rf"|och|en|ve|a)\s){PARTICLE}{WORD}){{1,6}})"
)
#: Elodie & Bram
_BOTH = (
    rf"(?<![\w-])(?<!\w')(?P<one>{WORD})\s?(?:&|\+|\s(?:and|und|et|y|e|i|og|och|en|ve)\s)\s?(?P<two>{WORD})(?![\w-])"
)


def _sound(word: str) -> bool:
    """Whether a capitalised word may be a name where only names stand: an unknown one, or one that people bear too."""
    return (
        (not known(word) and word not in NOBODY and len(word) > 2)
        or first_name(word)
        or (surname(word) and not harmless(word))
    )


def _one(found: re.Match[str]) -> Span | None:
    """A name behind a title, up to the first ordinary word; "PA Chest", "ST Elevation", "Pat. Husten" are none."""
    start, end = found.span("it")
    if found.groupdict().get("title") in ("mAs", "pa"):
        return None
    parts = who(found, start, end)
    if not parts or eponym(found, end):
        return None
    first = parts[0][0]
    between = found.string[found.end("title") : start] if "title" in found.re.groupindex else ""
    if len(found.groupdict().get("title") or "") > 4 and "." in between and ":" not in between:
        return None  # the end of a sentence
    both = len(parts) > 1 and may_be_first(first) and may_be_last(parts[1][0])
    if not both and (
        not _sound(first) or (medical(first) and not first_name(first)) or (first.isupper() and len(first) < 5)
    ):
        return None
    for n, (word, _, _) in enumerate(parts[1:], 1):
        if ordinary(word) and not (may_be_first(word) or may_be_last(word)):
            return start, parts[n - 1][2]
    return start, end


def _kin(found: re.Match[str]) -> Span | None:
    """A relative's name: also a word that is a first name, between brackets or commas."""
    if place := _one(found):
        return place
    word = re.sub(r"\W+$", "", found["it"])
    apart = re.search(r"[(,:]\s?$", before(found, 0) or found.string[: found.start("it")][-2:])
    return (
        found.span("it")
        if apart and may_be_first(word) and re.match(r"\s?[),;.]", found.string[found.end() :])
        else None
    )


def _small_kin(found: re.Match[str]) -> Span | None:
    word = found["it"]
    return found.span("it") if first_name(word) and not ordinary(word) and len(word) > 3 else None


def _of_whom(found: re.Match[str]) -> Span | None:
    word = found["it"].split()[0]
    if word[0].isupper():
        return _one(found)
    return found.span("it") if first_name(word) and not ordinary(word) else None


def _before_kin(found: re.Match[str]) -> Span | None:
    parts = who(found, *found.span("it"))
    if not parts or eponym(found, found.end("it")):
        return None
    word = parts[0][0]
    if found["sep"] == ", " and not (first_name(word) and not harmless(word)):
        told = re.search(
            r"(?:by|from|with|to|contact|nok|kin|informant|witness|\)|:)[\s:.]*(?:\([^()]*\)[\s:]*)?$",
            before(found, 40),
        )
        return found.span("it") if told and not known(word) and not medical(word) else None
    sure = (first_name(word) and not harmless(word)) or (not known(word) and not medical(word) and not word.isupper())
    return found.span("it") if sure else None


def _married(found: re.Match[str]) -> Span | None:
    word = found["it"].split()[-1]
    return None if ordinary(word) or medical(word) else found.span("it")


def _word_surname(found: re.Match[str]) -> Span | None:
    """A word that is a surname too, unless a sentence begins with it behind "Comparison: Dr."."""
    word = found["it"]
    sure = may_be_last(word) and not word.isupper() and not eponym(found, found.end())
    return found.span("it") if sure else None


def _suffixed(found: re.Match[str]) -> Span | None:
    return (
        found.span("it") if not known(found["it"]) or (first_name(found["it"]) and not harmless(found["it"])) else None
    )


def _list(found: re.Match[str]) -> Span | None:
    """Several names, of which each may be one and one is no known word."""
    start, end = found.span("it")
    parts = [part for part, _, _ in who(found, start, end) if part not in ("&", "+")]
    parts = [one for part in parts for one in part.replace("&", "/").split("/") if len(one) > 1]
    sound = [_sound(part) or may_be_first(part) or may_be_last(part) for part in parts]
    if any(part.replace("-", "").isupper() and len(part) < 8 for part in parts):
        return None
    sure = [part for part in parts if not known(part)]
    names = [part for part in parts if (first_name(part) or surname(part)) and not harmless(part)]
    return (start, end) if len(parts) > 1 and all(sound) and (sure or names) and not eponym(found, end) else None


def _both(found: re.Match[str]) -> Span | None:
    """Two first names, one of which is nothing else."""
    one, two = found["one"], found["two"]
    if eponym(found, found.end()) or one.isupper() or two.isupper():
        return None
    first, second = first_name(one) and not harmless(one), first_name(two) and not harmless(two)
    sure = (first and (may_be_first(two) or not known(two))) or (second and may_be_first(one))
    return found.span() if sure else None


RULES: tuple[Rule, ...] = (
    Rule("name", "name behind a title of the staff", re.compile(_STAFFED), cues_of(_STAFF), place=_one),
    Rule("name", "name behind a title of other languages", re.compile(_CIVILIAN), cues_of(_CIVIL), place=_one),
    Rule("name", "name behind a relative", re.compile(_RELATED), cues_of(_KINS), place=_kin),
    Rule("name", "relative's name in small letters", re.compile(_SMALL_KIN), cues_of(_ANY_KIN), place=_small_kin),
    Rule("name", "whose relative", re.compile(_OF_WHOM), cues_of(_ANY_KIN), place=_of_whom),
    Rule("name", "name before a relative", re.compile(_BEFORE_KIN), place=_before_kin),
    Rule("name", "name that somebody had or has by marriage", re.compile(_MARRIED), place=_married),
    Rule("name", "word that is a surname, behind a title", re.compile(_WORDS), place=_word_surname),
    Rule("name", "name before its title", re.compile(_SUFFIXED), place=_suffixed),
    Rule(
        "name",
        "list of people",
        re.compile(_LISTED),
        cues_of(" ".join(re.findall(r"[a-z]{2,}", _LISTED.split("(?P<it>")[0]))),
        place=_list,
    ),
    Rule("name", "two first names", re.compile(_BOTH), place=_both),
)
