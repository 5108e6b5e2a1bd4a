"""What was dictated: numbers said figure by figure, e-mails and hosts with "dot" and "at", words spelled by an
alphabet.

A run of figures is of one language, and longer than a count is said; behind a word for a number it may be short.
"""

from __future__ import annotations

import re

from unveil.gate.rule import Rule, Span, after, alternatives, compiled, cues_of
from unveil.gate.units import MEASURED

#: Figures of a language, nought first; then tens and words between.
_FIGURES = {
    "en": "zero oh nought naught o one two three four five six seven eight nine",
    "de": "null eins ein zwei zwo drei vier funf sechs sieben acht neun",
    "fr": "zero un une deux trois quatre cinq six sept huit neuf",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "it": "zero uno due tre quattro cinque sei sette otto nove",
    "pt": "zero um uma dois duas tres quatro cinco seis meia sete oito nove",
    "nl": "nul een twee drie vier vijf zes zeven acht negen",
    "pl": "zero jeden dwa trzy cztery piec szesc siedem osiem dziewiec",
    "sv": "noll nolla ett en tva tre fyra fem sex sju atta nio",
    "da": "nul null en et to tre fire fem seks syv sju otte atte ni",
    "tr": "sifir bir iki uc dort bes alti yedi sekiz dokuz",
    "cs": "nula jedna dva tri ctyri pet sest sedm osm devet",
}
_MORE = {
    "en": "double triple treble ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty "
    "thirty forty fifty sixty seventy eighty ninety hundred dash plus",
    "de": "doppel zehn elf zwolf zwanzig dreissig vierzig funfzig sechzig siebzig achtzig neunzig strich plus",
    "fr": "double dix onze douze treize quatorze quinze seize vingt vingts trente quarante cinquante soixante et plus",
    "es": "doble diez once doce trece catorce quince veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa "
    "y cien guion mas",
    "it": "doppio dieci undici dodici tredici quattordici quindici sedici diciassette diciotto diciannove venti trenta "
    "quaranta cinquanta sessanta settanta ottanta novanta cento",
    "pt": "dobro dez onze doze treze quatorze catorze quinze dezesseis vinte trinta quarenta cinquenta sessenta "
    "setenta oitenta noventa e",
    "nl": "dubbel tien elf twaalf dertien veertien vijftien zestien twintig dertig veertig vijftig zestig zeventig "
    "tachtig negentig streepje",
    "pl": "podwojne dziesiec jedenascie dwanascie dwadziescia trzydziesci czterdziesci piecdziesiat szescdziesiat sto "
    "siedemdziesiat osiemdziesiat dziewiecdziesiat dwiescie trzysta czterysta piecset szescset siedemset osiemset",
    "sv": "dubbel tio elva tolv tretton fjorton femton sexton sjutton arton nitton tjugo trettio fyrtio femtio sextio "
    "sjuttio attio nittio",
    "da": "ti elleve tolv tretten fjorten femten seksten sytten atten nitten tyve tredive fyrre halvtreds tres "
    "halvfjerds firs halvfems tjue tretti forti femti seksti sytti atti nitti",
    "tr": "on yirmi otuz kirk elli altmis yetmis seksen doksan yuz",
    "cs": "deset dvacet tricet ctyricet padesat sedesat sedmdesat osmdesat devadesat",
}
#: German and Dutch write tens and ones as one word.
_JOINED = {
    "de": r"(?:ein|zwei|drei|vier|funf|sechs|sieben|acht|neun)und\w{3,8}zig|(?:drei|vier|funf|sech|sieb|acht|neun)zehn",
    "nl": r"(?:een|twee|drie|vier|vijf|zes|zeven|acht|negen)en\w{3,8}tig|(?:zeven|acht|negen)tien",
    "sv": r"(?:tjugo|trettio|fyrtio|femtio|sextio|sjuttio|attio|nittio)(?:ett|tva|tre|fyra|fem|sex|sju|atta|nio)",
    "it": r"(?:vent|trent|quarant|cinquant|sessant|settant|ottant|novant)[ioa]?(?:uno|due|tre|quattro|cinque|sei|sette|"
    r"otto|nove)",
    "es": r"veinti\w{3,6}|dieci\w{4,5}",
    "da": r"\w{2,4}og(?:tyve|tredive|fyrre|halvtreds|tres|halvfjerds|firs|halvfems)",
    "tr": r"(?:on|yirmi|otuz|kirk|elli|altmis|yetmis|seksen|doksan)(?:bir|iki|uc|dort|bes|alti|yedi|sekiz|dokuz)",
}
_NOUGHTS = "zero oh nought naught null cero nul noll nolla sifir nula"
_NOUGHT = re.compile(rf"(?<!\w)(?:{_NOUGHTS.replace(' ', '|')}|double|triple|treble)(?!\w)", re.I)
_GAP = r"[\s,.-]{1,3}"


def _word(language: str) -> str:
    more = f"|{_JOINED[language]}" if language in _JOINED else ""
    return rf"(?:{alternatives(_FIGURES[language] + ' ' + _MORE[language])}{more})(?!\w)"


def _runs(least: int) -> str:
    return "|".join(f"{_word(one)}(?>(?:{_GAP}{_word(one)}){{{least - 1},24}})" for one in _FIGURES)


def _figures(least: int) -> str:
    """Runs of single figures alone."""
    words = (rf"{alternatives(figures + ' double triple')}(?!\w)" for figures in _FIGURES.values())
    return "|".join(f"{word}(?>(?:{_GAP}{word}){{{least - 1},24}})" for word in words)


_CUES = " ".join([*_FIGURES.values(), *_MORE.values()])
_RUN = rf"(?<![\w-])(?:{_runs(4)})"


def _long_run(found: re.Match[str]) -> Span | None:
    """With a nought or a double, and not one number only; or seven words, or what follows a plus. No measure."""
    words = re.findall(r"\w+", found[0].lower())
    noughts = len(_NOUGHT.findall(found[0]))
    if MEASURED.match(after(found, 12)) or re.match(
        r"\s(?:millim|centim|prozent|pro|mil|out)", after(found, 10).lower()
    ):
        return None
    sure = (noughts and len(words) > 4) or words[0] in _NOUGHTS.split() or len(words) > 7 or noughts > 1
    return found.span() if sure and len(set(words)) > 2 else None


_LABELS = """zip zip_code postcode postal_code post_code mrn number numbers record case room bed account pin code ext
extension pager bleep dial call phone plate ssn social ends ending policy member id hospital_number nhs card file ward
accession badge passport licence license fax mobile cell digits
nummer durchwahl funk telefon plz postleitzahl handy fallnummer patientennummer zimmer karte kennziffer
numero poste code_postal telephone dossier chambre portable busca codigo_postal habitacion telefono movil expediente
interno cap cartella camera cellulare cercapersone ramal cep telefone prontuario quarto celular leito
toestel sein telefoon kamer numer telefon wewnetrzny kod_pocztowy pokoj pesel anknytning sok rum telefonnummer
personnummer cpr journalnummer dahili numara oda posta_kodu"""
_LABELLED = (
    rf"(?<![^\W_]){alternatives(_LABELS)}(?![^\W\d_])(?:[\s:,]{{1,2}}(?:no|nr|number|code|as|is|was|of|on|in|with|at|"
    rf"are|reads|"
    rf"reading|like|ist|lautet|mit|auf|est|es|con|e|il|le|el|jest|to|ar)\b\.?){{0,3}}[\s:,]{{1,2}}(?P<it>{_figures(3)})"
)

_NATO = """alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november oscar
papa
quebec romeo sierra tango uniform victor whiskey whisky yankee zulu"""
_NATO_WORD = rf"(?:{alternatives(_NATO)}|x-?ray)(?!\w)"
_FIGURE = rf"(?:{alternatives(_FIGURES['en'])}(?!\w)|\d(?![\d.]))"
_SPELLED = (
    rf"(?<![\w-])(?:(?:{_NATO_WORD}[\s,-]{{1,2}}){{2,9}}(?:{_NATO_WORD}|{_FIGURE}[\s,-]{{1,2}}{_FIGURE})"
    rf"|(?:{_NATO_WORD}[\s,-]{{1,2}})(?:{_FIGURE}[\s,-]{{1,2}}){{1,6}}{_NATO_WORD}"
    rf"|(?P<letter>[A-Za-z])\s(?:for|as\sin)\s{_NATO_WORD})"
)


def _same_letter(found: re.Match[str]) -> Span | None:
    """ "T for tango": the word begins with the letter."""
    letter = found["letter"]
    return None if letter and found[0].split()[-1][0].lower() != letter.lower() else found.span()


# ------------------------------------------------------------------------------------------- e-mails and hosts, said

#: The word for "." of a language and the ends of hosts that are said behind it.
_STOPS = (
    r"(?:period\s(?:com|org|net|edu|gov)|"
    r"dot\s(?:com|org|net|edu|gov|info|io|health|clinic|hospital|nhs|ac|co|uk|de|fr|es|it|pt|br|nl|be|ch|pl|se|no|dk|"
    r"fi|au|nz|ca|us|eu|ie|za|mx|ar|jp)|punkt\s(?:de|com|org|net|at|ch|eu|info|se|no|dk|nu)|"
    r"point\s(?:fr|com|org|be|ch|ca|lu|eu)|punto\s(?:com|org|net|it|mx|ar|cl|co|pe|edu|gob|eu|info)|"
    r"ponto\s(?:com|org|net|pt|br|gov)|punt\s(?:nl|be|com|org|net|eu|cat)|kropka\s(?:pl|com|org|net|edu|gov)|"
    r"nokta\s(?:com|tr|org|net|gov|edu)|prick\s(?:se|com|org|nu|net)|punktum\s(?:dk|com|no|org)|tecka\s(?:cz|"
    r"com))(?!\w)"
)
#: Behind an "@" alone: "este punto es".
_MORE_STOPS = r"(?:punto\s(?:es|info)|point\s(?:net|info|eu|de)|punkt\s(?:in|info))(?!\w)"
_BETWEEN = (
    r"(?:dot|period|dash|hyphen|minus|underscore|slash|punkt|punktum|bindestrich|unterstrich|schragstrich|point|tiret|"
    r"tiret\sbas|trait|underscore|punto|guion|guion\sbajo|barra|trattino|trattino\sbasso|ponto|hifen|traco|sublinhado|"
    r"punt|streepje|koppelteken|liggend\sstreepje|kropka|myslnik|podkreslnik|kreska|nokta|tire|alt\stire|prick|"
    r"bindestreck|understreck|understrek|bindestrek|tecka|pomlcka)"
)
_ATS = (
    r"(?:at|@|at\ssign|arroba|arobase|arobas|chiocciola|apenstaart|apenstaartje|malpa|klammeraffe|kukac|zavinac|"
    r"snabel-?\s?a|krollalfa|alfakroll|kuyruklu\sa|et|ett?\sisareti|miukumauku)"
)
_PARTS = rf"\w{{1,40}}(?:\s{_BETWEEN}\s\w{{1,40}}){{0,5}}?"
_MAIL_SAID = rf"(?<!\w){_PARTS}\s{_ATS}\s\w{{1,40}}(?:\s{_BETWEEN}\s\w{{1,40}}){{0,4}}?\s(?:{_STOPS}|{_MORE_STOPS})"
_HOST_SAID = (
    rf"(?<!\w)[\w-]{{2,40}}\s{_STOPS}|(?<!\w)(?:www|w\sw\sw|triple\sw|double\su\sdouble\su|drei\s?(?:mal)?\sw|trois\sw|"
    rf"tres\sw|tripla\sw)\s{_BETWEEN}\s\w{{2,40}}"
)
_DOTS = "dot period punkt point punto ponto punt kropka nokta prick punktum tecka"


def _host_said(found: re.Match[str]) -> Span | None:
    """No end of a sentence that begins small again: a point of a measure has a number before it."""
    return (
        None if re.match(r"(?:a|at|the|this|one|same|each|el|le|il|un|den|ein)\s", found[0].lower()) else found.span()
    )


RULES: tuple[Rule, ...] = (
    Rule("phone or fax", "figures in words", compiled(_RUN), cues_of(_CUES), place=_long_run),
    Rule("record number", "figures in words behind a label", compiled(_LABELLED), cues_of(_LABELS)),
    Rule(
        "other number", "spelled by an alphabet", compiled(_SPELLED), cues_of(_NATO, "x"), reach=8, place=_same_letter
    ),
    Rule("e-mail", "address said", compiled(_MAIL_SAID), cues_of(_DOTS), reach=None),
    Rule("URL", "host said", compiled(_HOST_SAID), cues_of(_DOTS, "www w"), reach=41, place=_host_said),
)
