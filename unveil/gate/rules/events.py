"""Feasts, races, matches and disasters: a report that tells of one tells where somebody was, and on which day."""

from __future__ import annotations

import re

from unveil.gate.places import CAPITAL, department, own, place_rule
from unveil.gate.rule import Rule, Span, alternatives
from unveil.gate.words import harmless, listed

_LAST = """festival fayre fete carnival derby marathon half-marathon half_marathon regatta rodeo
grand_prix triathlon ironman highland_games jamboree home_opener playoff playoffs cup_final
pilgrimage procession agricultural_show county_show air_show airshow flower_show royal_show mardi_gras rugby_sevens
fun_run park_run parkrun beer_festival food_festival stampede"""
_EVENT = (
    rf"(?<![\w-])(?P<it>(?-i:[A-Z])[\w'-]+(?:\s(?:(?:and|of|the|de|la)\s)?{CAPITAL}){{0,3}}?[\s-](?:{alternatives(_LAST)}|(?-i:Fair|Gala|Parade|Rally|Pride|Races)))(?!\w)"
    rf"(?!\s(?:of|runner))"
)
#: What breaks out once and is in all newspapers.
_DISASTERS = """sinking derailment bombing stampede earthquake bushfire bushfires wildfire wildfires landslide avalanche
massacre siege tsunami tornado riots riot shooting shootings explosion disaster crash collapse fire flood floods
hurricane cyclone attack attacks capsize capsizing"""
_DISASTER = (
    rf"(?<![\w-])(?P<it>(?-i:[A-Z][a-z])[\w'-]+(?:\s{CAPITAL}){{0,2}}(?:\s(?P<thing>ferry|bridge|tower|building|dam|stadium|"
    rf"mine|bus|train|plane|coach|tram|hotel|nightclub|school|station|terror|knife|church|mosque|factory|arena|market|mill|"
    rf"colliery|pit|plant|refinery|cinema|theatre|rail|air|school\sbus|tube|metro|subway|ship|boat|airliner|helicopter))?"
    rf"\s(?P<what>{alternatives(_DISASTERS)}))(?!\w)(?!\s(?:pain|pains))"
)
#: Those that the body has too: a thing has to stand before them, or a survivor.
_BODILY = re.compile(r"(?:collapse|attacks?|fire|crash|floods?|explosion|shootings?|disaster|riots?)$", re.I)
_SURVIVOR = re.compile(
    r"(?:surviv\w+|victims?|witness\w*|injured|burned|burnt|hurt|caught|trapped|lost|died|rescued)\b", re.I
)


def _disaster(found: re.Match[str]) -> Span | None:
    said = re.findall(r"[A-Z][\w'-]+", found["it"])
    before = found.string[max(0, found.start() - 40) : found.start()]
    told = found["thing"] or _SURVIVOR.search(before) or not _BODILY.search(found["what"])
    return found.span("it") if told and any(own(word) for word in said) and not department(said[0]) else None


def _event(found: re.Match[str]) -> Span | None:
    """An event with a name; "State Fair" and "Marathon runner" are none."""
    said = list(re.findall(r"[A-Z][\w'-]+", found["it"].replace("-", " ")))
    kinds = set(_LAST.replace("_", " ").replace("-", " ").split())
    names = [word for word in said if word.lower() not in kinds]
    good = any(own(word) for word in names) and not department(names[0])
    return found.span("it") if good else None


_FIRST = """encierro encierros romeria feria ferias fiesta fiestas verbena fallas carnaval procesion cabalgata sagra
palio festa feste carnevale giostra fiera feira romaria procissao quermesse fete fetes foire kermesse ducasse festival
marathon maratona maraton maratonie braderie pardon course_de kirmes karneval fasching fastnacht kerwe kirchweih
volksfest
schutzenfest stadtfest dorffest weinfest weihnachtsmarkt christkindlmarkt almabtrieb viehscheid festumzug umzug kermis
optocht avondvierdaagse braderie odpust dozynki festiwal jarmark parada derby derbi grand_prix gran_premio messe
festivalen karnevalen senlikleri festivali gp"""
_LINK = (
    r"(?:de\sla|de\slas|de\slos|de\sl'|de|del|della|delle|dei|di|du|des|da|do|dos|das|d'|in|im|am|zu|van|te|op|w|we|na|"
    r"i|pa|von|auf\sder|al|en)\s?"
)
_FEAST = (
    rf"(?<![\w-])(?P<it>(?P<kind>{alternatives(_FIRST)})\s{_LINK}(?P<where>(?:la\s|le\s|los\s|"
    rf"las\s)?(?:{CAPITAL}|[a-z][a-z-]{{3,24}})(?:[\s-]{CAPITAL}){{0,2}}))(?!\w)"
)
#: Those that have no other meaning, so that the town may be written small.
_IN_SMALL = listed("""encierro encierros romeria feria ferias verbena almabtrieb schutzenfest kirmes kerwe
kirchweih volksfest
weihnachtsmarkt sagra palio foire ducasse kermesse kermis braderie viehscheid weinfest dorffest stadtfest""")
_NOT_FEAST = re.compile(
    r"(?:familia|cumple|anivers|compleanno|anno|empresa|trabajo|amigos|pueblo|noche|semana|domingo|casa|laurea|matrimonio|"
    r"der\b|den\b|dem\b|einem|seine|ihre|famil|year|guard|question|this|general)",
    re.I,
)


def _feast(found: re.Match[str]) -> Span | None:
    where = found["where"]
    if where.islower() and found["kind"].lower() not in _IN_SMALL:
        return None
    return None if _NOT_FEAST.match(where) or harmless(where.split()[-1]) else found.span("it")


#: Those that have one place, and German compounds for a feast of a town.
_FAMOUS = """oktoberfest wiesn wasen sanfermines sanfermin vasaloppet goteborgsvarvet lidingoloppet roskilde glastonbury
tomorrowland burning_man coachella woodstock hajj hadj umrah kumbh_mela san_fermin la_tomatina tomatina tour_de_france
giro_d'italia vuelta_a_espana elfstedentocht vierdaagse sziget wacken lollapalooza semana_santa mardi_gras
super_bowl superbowl world_cup birkebeinerrennet holmenkollen calgary_stampede highland_games braemar_gathering
camino_de_santiago rock_am_ring rock_in_rio hafengeburtstag cannstatter_wasen gaubodenfest bonfire_of"""
_TOWNS_FEAST = (
    r"(?<!\w)(?:beim|auf\sdem|auf\sder|vom|am|nach\sdem|im)\s(?P<it>(?-i:[A-Z])[a-z-]{3,24}(?:geburtstag|umzug|kirmes|kerwe|"
    r"wasen|wiesn|dult|marathon|festspiele|weinfest|stadtfest|volksfest|bierfest|festival|parade|regatta|turnier|triathlon))"
    r"(?!\w)"
)
_HOURS = rf"(?<!\w)\d{{1,2}}\s(?-i:Heures|Stunden|Horas|Ore|Hours)\s(?:d[eu]|von|di|of|vom)\s(?:la\s)?{CAPITAL}"


def _feast_of_a_town(found: re.Match[str]) -> Span | None:
    own_kind = re.match(
        r"(?:kinder|sommer|grill|betriebs|familien|tennis|fussball|geburts|eheh|schul|zahn)", found["it"], re.I
    )
    return None if own_kind else found.span("it")


_DERBY = (
    rf"(?<!\w)(?:game|derby|stands|spiel|partido|partita|jogo|wedstrijd|mecz|kampen)\b[^\n.;]{{0,20}}[,(]\s"
    rf"(?P<it>{CAPITAL}(?:\s{CAPITAL}){{0,2}})"
)


def _stadium(found: re.Match[str]) -> Span | None:
    said = found["it"].split()
    return found.span("it") if own(said[0]) and not department(said[0]) else None


RULES: tuple[Rule, ...] = (
    place_rule("event with a name", _EVENT, _LAST + " fair gala parade rally pride races", _event, reach=60),
    place_rule("disaster with a name", _DISASTER, _DISASTERS, _disaster, reach=60),
    place_rule("feast of a town", _FEAST, _FIRST, _feast),
    place_rule("event that all know", rf"(?<![\w-]){alternatives(_FAMOUS)}(?!\w)", _FAMOUS),
    place_rule("feast of a town, German", _TOWNS_FEAST, "beim auf vom am nach im", _feast_of_a_town),
    place_rule("race of hours", _HOURS, "", numbers=True),
    place_rule(
        "where a match was", _DERBY, "game derby stands spiel partido partita jogo wedstrijd mecz kampen", _stadium
    ),
)
