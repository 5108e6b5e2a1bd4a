"""Names of people who are called upon, who sign, who do what only people do, and what they are called."""

from __future__ import annotations

import re

from unveil.gate.names import FULL, NOBODY, PARTICLE, WORD, eponym, medical, who
from unveil.gate.rule import Rule, Span, after, alternatives, cues_of
from unveil.gate.words import first_name, harmless, known, may_be_first, may_be_last, ordinary, surname

#: Words that greet, thank or end a letter; a name alone follows.
_GREETINGS = """hi hello hey dear morning good_morning good_afternoon good_evening thx tx ty ta thanks thank_you
many_thanks cheers welcome sorry congrats hallo hoi dag liebe lieber guten_morgen guten_tag moin
servus gruss gruesse grusse lg vg mfg bg mit_freundlichen_grussen freundliche_grusse viele_grusse
liebe_grusse beste_grusse danke merke bonjour bonsoir salut cher chere chers merci bien_a_vous
cordialement bien_cordialement confraternellement bien_confraternellement amities bises
salutations hola buenas buenos_dias buenas_tardes estimado estimada querido querida gracias
saludos un_saludo un_cordial_saludo atentamente cordialmente ciao caro cara gentile grazie saluti
cordiali_saluti distinti_saluti ola oi prezado prezada obrigado obrigada abraco abracos att
atenciosamente beste geachte bedankt groet groeten groetjes met_vriendelijke_groet mvg czesc witam
drogi droga dziekuje pozdrawiam z_powazaniem hej hejsan tack halsningar mvh med_vanlig_halsning
hilsen vennlig_hilsen med_venlig_hilsen kara kjaere merhaba selam sayin tesekkurler saygilar
saygilarimla sevgiler kind_regards best_regards warm_regards regards best best_wishes all_the_best
sincerely yours yours_sincerely yours_truly yours_faithfully respectfully xoxo signed signature
sgd love terveisin terveiset kiitos hei pozdrav s_pozdravem dekuji hvala multumesc udvozlettel"""
_GREETED = rf"(?<![\w-])(?i:{alternatives(_GREETINGS)})(?:\s?[,:!.-]{{1,2}}\s?|\s)(?:(?i:dr|prof)\.?\s)?(?P<it>{FULL})"
#: ... Thorley. -- Hope
_DASHED = rf"(?:--|\s-|~|/)\s?(?P<it>{WORD}(?:\s{WORD})?)\.?\s*$"
_LAST_WORD = rf"[.!?]\s(?P<it>{WORD})\s*$"
#: Smith, please confirm
_VOCATIVE = (
    rf"(?:^|(?<=[.!?]\s)|(?<=\n))(?P<it>{WORD}(?:\s{WORD})?)\s?[,:-]\s?(?i:please|pls|plz|can|could|would|will"
    rf"|kindly|do|did|have|any|what|is|are|see|bitte|kannst|"
    r"konnten|konnen|konntest|stp|svp|peux|pouvez|peut|por\sfavor|puedes|puede|per\sfavore|puoi|puo"
    r"|por\sgentileza|pode|graag|kun|kunt|kan|prosze|moglbys|snalla|"
    r"lutfen|thanks|thx|ta|i|i'm|i've|i'll|we|the|your|you|my|this|that|she|he|when|where|why|how|sorry|fyi|just"
    r"|quick)(?!\w)"
)
#: Whom one asks, tells, rings, talks to.
_ASKED = """dijo disse sagte
ask asked asking tell telling call ring rang bleep bleeped page phone phoned text texted email emailed
contact inform remind chase chased check_with chased_with chase_with discuss_with discussed_with d/w
speak_to spoke_to spoke_with speak_with spoken_with talk_to talked_to liaise_with liaised_with hand_over_to
handed_over_to handover_to handover_from handed_to passed_to escalated_to escalate_to forwarded_to
forward_to sent_to send_to cc_to over_to per c/o thank query_from question_from request_from asked_by
seen_with reviewed_with confirmed_with agreed_with run_past ran_past run_by ran_by says_to meet met
filled_in_by filled_out_by completed_by witnessed_by interpreted_by relayed_by relayed_to brought_by
accompanied_by called_by texted_by signed_for_by collected_by held_by chaperoned_by escorted_by visited_by
listed_by booked_by covered_by covering_for on_behalf_of instead_of frag frage fragt fragen sag sagen ruf
rufen anruf_bei ruckruf_an rucksprache_mit absprache_mit besprochen_mit melden_bei weiterleiten_an
bescheid_an gruss_an demander_a dire_a appeler prevenir contacter voir_avec vu_avec parler_a discute_avec
rappeler avertir transmettre_a merci_de_prevenir preguntar_a avisar_a llamar_a decir_a hablar_con
comentado_con comentar_con contactar_con consultar_con preguntadle_a dile_a dice_a pasar_a chiedere_a
chiamare avvisare dire_a parlare_con sentire discusso_con contattare sentito informare perguntar_a
perguntar_ao perguntar_para avisar chamar falar_com ligar_para discutido_com passar_para contactar vraag
vragen_aan bel bellen overleg_met besproken_met doorgeven_aan contact_met navragen_bij zapytac dzwonic_do
zadzwonic_do skonsultowac_z konsultowal konsultowala opisal opisala badal badala przekazac porozmawiac_z
fraga ring_till diskuterat_med granskad_av granskat_av granskade signerat_av dikterat_av dikterad_av
undersokt_av svar_till kontakta sporg ringe_til sporr beskrevet_av vurdert_av sor_sorun ara arayin
haber_verin gorusuldu danisildi"""
_ASK = (
    rf"(?<![\w-])(?i:{alternatives(_ASKED)})(?:\s?\([^()\n]{{1,20}}\))?\s?:?\s(?:(?i:the\s)?(?i:dr|mr|mrs|ms|reg|sr"
    rf"|sho|ol|bl|al)\.?\s)?(?P<it>{FULL})"
)
_ASK_SMALL = (
    rf"(?<![\w-])(?i:{alternatives(_ASKED)})\s(?P<it>[a-z][a-z'-]{{3,}}+)(?=\s?(?:[,.;:!?)]|$|\s(?:about|if|to|re|for"
    rf"|and|when|whether|on|in|at|que|si|se|ob|om|czy)\b))"
)
#: Does at the head of a sentence what only people do.
_DEEDS = (
    r"(?:says?|said|dice|disse|dit|diz|sagt|sagte|zegt|zei|mowi|sager|refuses|wants|wanted|asks|thinks|thought"
    r"|walked|walks|ate|drank|slept|agreed|rang|phoned|prefers|"
    r"wishes|coughed|coughs|came\s(?:off|in|back|to|for|with)|fell|tripped|slipped|swallowed|went|lives|wrote"
    r"|signed|told|knows|remembers|forgot|drove|plays|smokes|"
    r"drinks|worked|works|cried|vomited|feels|felt|sat|stood|wakes|woke|complains|denies|reports\s(?:that|pain|no"
    r")|would\slike|has\sbeen\s(?:told|asked|unwell|seen)|"
    r"will\s(?:need|be|have|come|call|see)|needs\sa|is\s(?:doing|asking|a\s(?:\d|shy|boy|girl|nurse|teacher)"
    r"|the\s(?:mother|father|son|daughter|wife|husband|patient|nurse|boy|girl)|"
    r"sitting|walking|waiting|on\sthe\s(?:phone|ward)|in\sbed|crying|unwell|pregnant|due|allergic|claustrophobic"
    r"|convinced|worried|anxious)|was\s(?:seen|admitted|told|"
    r"born|brought|walking|playing|crying|asked|scanned\sby)|has\s(?:a\s(?:cough|fever|headache|cold|rash"
    r"|fracture|nodule)|pain|fallen|asked|had|gone|left|refused)|"
    r"klagt|berichtet|mochte|lehnt\sab|will\swissen|fragt|sturzte|kommt\s(?:zur|zum|wegen|mit)|hat\s(?:schmerzen"
    r"|gesagt|husten|fieber|angerufen)|hustet|weint|ruft|"
    r"tousse|refuse|demande|veut|souffre|se\splaint|vient|est\s(?:tombee?|venue?|enceinte)|a\s(?:appele|dit"
    r"|demande|avale|chute|refait|fait\sla)|passera|"
    r"se\sha\s\w+|ha\s(?:venido|dicho|lasciato|chiesto|detto|chiamato|caido|rifatto|fatto)|refiere|acude|quiere"
    r"|pide|se\squeja|vino|llamo|trae|niega|tose|"
    r"chiede|riferisce|vuole|lamenta|tossisce|nega|e\s(?:caduto|caduta|venuto|venuta)|fez|pediu|ligou|quer"
    r"|pergunta|refere|relata|caiu|trouxe|veio|"
    r"wil\s(?:weten|graag)|vraagt|belt|hoest|klaagt|viel|komt\s(?:voor|met|op)|zglasza|skarzy\ssie|prosi|upadl"
    r"|upadla|pyta|ringer|vill\s(?:ha|veta)|fragar|"
    r"hostar|foll|siger|sier|onsker|faldt|falt|istiyor|soyluyor|dustu|geldi|agrisi\svar)"
)
_DOES = (
    rf"(?:^|(?<=[.!?;:]\s)|(?<=\n)|(?<=\(|\x22))(?P<it>{WORD}(?:\s{PARTICLE}{WORD})?)\s(?:(?:is\salso|also|just|still"
    rf"|again|then|now)\s)?{_DEEDS}(?!\w)"
)
#: Grace Little walked; Will Frost will need; april winters
_PAIR = (
    rf"(?<![\w-])(?P<it>(?P<one>[A-Z][a-z]+)\s(?P<two>[A-Z][a-z'-]+))(?=(?:'s)?\s(?:{_DEEDS}|has|had|is|was|will|for"
    rf"|in|to|on|at|and|\()(?!\w)|\s?[,;:(]|\.?$)"
)
_SMALL_PAIR = (
    r"(?<!\w)(?:(?:nurse|doctor|consultant|registrar|surgeon|sister|radiographer|midwife|patient|pt|mother|father"
    r"|daughter|son|wife|husband|name|named|called)"
    r"(?:\s(?:in\scharge|on\scall|on\sduty|today|tonight|here|on\sshift|number|one|is|was|are|name|a|the|for|of)"
    r"){0,5}|for|with|by|from|is|was|dr|doctor|mr|mrs|miss|ms)\s"
    r"(?P<it>(?P<one>[a-z]{3,})\s(?P<two>[a-z'-]{3,}))(?!\w)"
)
#: Everybody calls him Spud; birth cert says Christabel; likes to be called Bob
_NICKED = (
    r"(?<!\w)(?i:calls?\s(?:him|her|them|himself|herself|me)|called\s(?:him|her)(?:self)?|known\s(?:to\s(?:all"
    r"|everyone|friends|us|family)\s)?(?:as|by)|(?:every(?:one|body)|we|they|family|"
    r"staff|friends)\scalls?|likes?\sto\sbe\s(?:called|known\sas)|prefers(?:\sto\sbe\scalled|\sthe\sname)?"
    r"|preferred\sname|answers\sto|goes\sby|nickname(?:d|\sis|\swas)?|nick|aka|alias|"
    r"(?:birth\s)?cert(?:ificate)?\ssays|passport\ssays|(?:wrist)?band\s(?:says|reads)|label\s(?:says|reads)"
    r"|tag\s(?:says|reads)|envelope\ssays|sticker\ssays|worklist\ssays|name\son\s(?:the\s)?(?:disc|disk|label|card|cassette|wristband|film|form|door|board|request|envelope)|card\ssays|"
    r"christened|baptised|baptized|responds\sto|rufname|gerufen|nennt\ssich|nennen\sihn|nennen\ssie|on\sl'appelle"
    r"|se\sfait\sappeler|surnomme|le\sdicen|la\sdicen|le\sllaman|la\sllaman|lo\s"
    r"llaman|apodo|lo\schiamano|la\schiamano|detto|detta|soprannome|apelido|chamam|conhecid[oa]\scomo"
    r"|conocid[oa]\scomo|roepnaam|noemt\szich|kallas|kallt|kaldet|tilltalsnamn|lakabi|zwany|zwana)"
    rf"(?:\s(?i:is|as|by|the\sname))?\s?:?,?\s?[\x22\x27(]?(?P<it>{WORD}(?:\s{WORD})?)"
)
_QUOTED = rf"(?<![\w-])(?<!\w')(?P<one>{WORD})\s[\x22\x27(](?P<it>{WORD})[\x22\x27)]\s(?P<two>{WORD})"
#: the goalkeeper Tomek Wilkowiecki
_TRADE = (
    r"(?<![\w-])(?i:goalkeeper|striker|footballer|player|rugby\splayer|cricketer|boxer|jockey|cyclist|runner"
    r"|athlete|singer|actor|actress|musician|pianist|drummer|guitarist|artist|painter|sculptor|"
    r"writer|author|poet|novelist|journalist|presenter|broadcaster|comedian|politician|minister|mp|senator"
    r"|governor|mayor|councillor|councilman|president|ambassador|bishop|cardinal|pope|"
    r"prince|princess|king|queen|lord|lady|count|countess|baroness|sir|dame|architect|builder|plumber|electrician"
    r"|farmer|driver|pilot|colleague|neighbour|neighbor|boss|employer|landlord|"
    r"headmaster|headteacher|principal|professor|lecturer|lawyer|barrister|accountant|celebrity|influencer"
    r"|youtuber|chef|fussballer|sanger|sangerin|schauspieler|schauspielerin|"
    r"burgermeister|footballeur|chanteur|chanteuse|acteur|actrice|maire|futbolista|cantante|actor|alcalde|torero"
    r"|calciatore|attore|sindaco|jogador|cantor|prefeito|voetballer|zanger|"
    rf"burgemeester|pilkarz|piosenkarz|aktor|aktorka|burmistrz|fotbollsspelare|sangare|futbolcu|oyuncu"
    rf")\s(?P<it>{WORD}\s{PARTICLE}{WORD})"
)


def _own(word: str) -> bool:
    """Whether a word with a capital, where only a name stands, may be one."""
    if word in NOBODY or len(word) < 3 or (word.isupper() and len(word) < 5):
        return False
    return not known(word) or (first_name(word) and not ordinary(word)) or (surname(word) and not harmless(word))


def _alone(found: re.Match[str]) -> Span | None:
    """A name behind a greeting or behind whom one asks; also a word that is a name, where it ends what is said."""
    start, end = found.span("it")
    parts = who(found, start, end)
    if not parts or eponym(found, end):
        return None
    first = parts[0][0]
    if "." in found.string[found.start() : start] and re.match(r"\s\w", found.string[end:]) and not first_name(first):
        return None  # a sentence that begins
    if len(parts) > 1 and may_be_first(first) and may_be_last(parts[1][0]):
        return start, end
    if _own(first) and not (medical(first) and not first_name(first)):
        for n, (word, _, _) in enumerate(parts[1:], 1):
            if ordinary(word):
                return start, parts[n - 1][2]
        return start, end
    ends = len(parts) == 1 and re.match(r"\s?(?:[,.!;]|$)", found.string[end:])
    return (start, end) if ends and (may_be_first(first) or may_be_last(first)) and not first.isupper() else None


def _asked(found: re.Match[str]) -> Span | None:
    """Whom one asks: no department, and no word that is only now and then a name."""
    start, end = found.span("it")
    parts = who(found, start, end)
    if not parts or eponym(found, end) or medical(parts[0][0]):
        return None
    first = parts[0][0]
    both = len(parts) > 1 and may_be_first(first) and may_be_last(parts[1][0])
    if not both and not _own(first):
        return None
    return (start, parts[0][2]) if len(parts) > 1 and ordinary(parts[1][0]) and not both else (start, end)


def _small_asked(found: re.Match[str]) -> Span | None:
    word = found["it"]
    sure = (first_name(word) or surname(word)) and not ordinary(word) and not harmless(word)
    return found.span("it") if sure else None


def _last(found: re.Match[str]) -> Span | None:
    """A first name that ends a letter, also one that is a word as well."""
    words = found["it"].split()
    sure = may_be_first(words[0]) and not words[0].isupper() and words[0].lower() not in ("will", "even", "may")
    return found.span("it") if sure and (len(words) == 1 or not known(words[1]) or may_be_last(words[1])) else None


def _first_last(found: re.Match[str]) -> Span | None:
    word = found["it"].split()[0]
    return found.span("it") if first_name(word) and not ordinary(word) and not word.isupper() else None


def _vocative(found: re.Match[str]) -> Span | None:
    words = found["it"].split()
    if any(word.isupper() for word in words) or any(ordinary(word) and not may_be_first(word) for word in words):
        return None
    sure = any(first_name(word) or surname(word) for word in words) or (
        len(words) == 1 and not known(words[0]) and "," in found[0]
    )
    return found.span("it") if sure and not (medical(words[0]) or words[0].endswith(("ly", "wise"))) else None


def _does(found: re.Match[str]) -> Span | None:
    """An unknown word or a name before what only people do."""
    words = found["it"].split()
    if any(word.isupper() for word in words) or medical(words[0]) or len(words[0]) < 3:
        return None
    if len(words) > 1:
        sure = may_be_first(words[0]) and (may_be_last(words[1]) or not known(words[1]))
        return found.span("it") if sure or not (known(words[0]) or known(words[1])) else None
    return found.span("it") if _own(words[0]) else None


def _pair(found: re.Match[str]) -> Span | None:
    """Two words that are names too, and no eponym: one of them is more a name, or a deed stands behind."""
    one, two = found["one"], found["two"]
    if not (may_be_first(one) and may_be_last(two)) or eponym(found, found.end()):
        return None
    deed = re.match(rf"\s{_DEEDS}(?!\w)", found.string[found.end() :][:40])
    sure = (first_name(one) and not harmless(one)) or (surname(two) and not harmless(two) and first_name(one))
    return found.span("it") if deed or sure else None


def _small_pair(found: re.Match[str]) -> Span | None:
    one, two = found["one"], found["two"]
    if not (may_be_first(one) and may_be_last(two)) or eponym(found, found.end()):
        return None
    role = re.match(
        r"(?:nurse|doctor|consultant|registrar|surgeon|sister|radiographer|midwife|name|mr|mrs|miss|ms|dr)", found[0]
    )
    sure = (
        (first_name(one) and not harmless(one))
        or (role and not ordinary(one))
        or (role and one in ("april", "may", "june", "summer", "autumn"))
    )
    return found.span("it") if sure else None


def _nicked(found: re.Match[str]) -> Span | None:
    """What somebody is called: any word, but an eponym or a finding."""
    words = found["it"].split()
    if eponym(found, found.end("it")) or words[0].isupper() or medical(words[0]):
        return None
    told = re.match(r"(?i:known|called|aka|alias|label|tag|goes)", found[0])
    ends = re.match(r"[\x22\x27]?\s?(?:[,.;:)]|$|\s[a-z])", after(found, 4))
    sure = _own(words[0]) or may_be_first(words[0]) or (not told and not ordinary(words[0]))
    medic = told and (known(words[0]) and not may_be_first(words[0]))
    return found.span("it") if sure and ends and not medic else None


def _quoted(found: re.Match[str]) -> Span | None:
    one, two = found["one"], found["two"]
    sure = may_be_first(one) and (may_be_last(two) or not known(two))
    return found.span() if sure and not one.isupper() else None


def _trade(found: re.Match[str]) -> Span | None:
    words = found["it"].split()
    sure = not (known(words[0]) or known(words[-1])) or (
        may_be_first(words[0]) and (may_be_last(words[-1]) or not known(words[-1]))
    )
    return found.span("it") if sure else None


RULES: tuple[Rule, ...] = (
    Rule("name", "who is greeted or signs", re.compile(_GREETED), cues_of(_GREETINGS), place=_alone),
    Rule("name", "who signs behind a dash", re.compile(_DASHED), signs=("-", "~", "/"), place=_last),
    Rule("name", "who signs at the end", re.compile(_LAST_WORD), signs=(".", "!", "?"), place=_first_last),
    Rule("name", "who is called upon", re.compile(_VOCATIVE), place=_vocative),
    Rule("name", "who is asked", re.compile(_ASK), cues_of(_ASKED), place=_asked),
    Rule("name", "who is asked, in small letters", re.compile(_ASK_SMALL), cues_of(_ASKED), place=_small_asked),
    Rule("name", "who does what people do", re.compile(_DOES), place=_does),
    Rule("name", "name of two words", re.compile(_PAIR), place=_pair),
    Rule("name", "name of two words in small letters", re.compile(_SMALL_PAIR), place=_small_pair),
    Rule("name", "nickname", re.compile(_NICKED), place=_nicked),
    Rule("name", "nickname within a name", re.compile(_QUOTED), place=_quoted),
    Rule("name", "name behind a trade", re.compile(_TRADE), place=_trade),
)
