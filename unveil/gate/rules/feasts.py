"""Feasts and named days, which are dates without a number: "Boxing Day", "Gründonnerstag", "Koningsdag", "Diwali".

The lists are by language, without accents as ``plain`` writes them, ``_`` where words are written apart or as one.
Seasons, months of fasting and holidays as such ("the school holidays") are none.
"""

from __future__ import annotations

import re

from unveil.gate.months import YEAR
from unveil.gate.rule import Rule, Span, alternatives, before, compiled, cues_of, signs_of

#: Names of days that mean nothing else.
_SURE = """christmas christmas_eve christmas_day xmas xmas_eve xmas_day boxing_day st_stephen's_day new_year's_eve
new_year's_day new_years_eve new_years_day hogmanay twelfth_night candlemas shrove_tuesday pancake_day pancake_tuesday
mardi_gras ash_wednesday palm_sunday maundy_thursday good_friday holy_saturday holy_week easter easter_sunday
easter_monday whit_monday whit_sunday whitsun whitsuntide pentecost trinity_sunday corpus_christi ascension_day
assumption_day all_saints all_hallows all_souls halloween hallowe'en bonfire_night guy_fawkes martinmas michaelmas
remembrance_day remembrance_sunday armistice_day veterans_day memorial_day labor_day labour_day columbus_day
indigenous_peoples_day presidents_day mlk_day juneteenth independence_day fourth_of_july 4th_of_july thanksgiving
black_friday cyber_monday groundhog_day valentine's_day valentines_day saint_patrick's_day st_patrick's_day
st_patricks_day st._patrick's_day st_paddy's_day paddy's_day st_david's_day st_george's_day st_andrew's_day
burns_night australia_day anzac_day waitangi_day canada_day victoria_day bank_holiday_monday may_day_bank mother's_day
mothers_day mothering_sunday father's_day fathers_day bastille_day april_fools april_fools_day april_fool's_day
leap_day leap_year_day cinco_de_mayo election_day polling_day super_bowl_sunday marathon_monday patriots_day
patriot's_day cup_day midsummer's_day midsummer_day midsummer's_eve midsummer_eve republic_day gandhi_jayanti
freedom_day heritage_day mandela_day singles_day national_day lammas st_swithin's_day plough_monday derby_day
cup_final_day finals_day prom_night graduation_day race_day game_day inauguration_day coronation_day passover pesach
rosh_hashanah rosh_hashana rosh_hashona yom_kippur sukkot sukkos simchat_torah simchas_torah hanukkah hanukah chanukah
chanukka hannukah purim shavuot shavuos tisha_b'av tu_bishvat lag_baomer yom_haatzmaut seder_night eid_al-fitr
eid_al-adha eid_ul-fitr eid_ul-adha eid_ul-azha eid_day bakrid bakra_eid eid_mubarak ramazan_bayrami seker_bayrami
kurban_bayrami ramazan_bayraminda kurban_bayraminda bayramda zuckerfest opferfest suikerfeest offerfeest aid_el-kebir
aid_el-fitr aid_al-adha idul_fitri idul_adha hari_raya lebaran muharram laylat_al-qadr mawlid_al-nabi nowruz nauruz
newroz novruz navroz chand_raat shab-e-barat diwali deepavali dipawali dussehra dasara vijayadashami navratri
navaratri ugadi gudi_padwa pongal makar_sankranti sankranti onam vishu raksha_bandhan rakshabandhan janmashtami
ganesh_chaturthi maha_shivaratri maha_shivratri karva_chauth karwa_chauth baisakhi vaisakhi lohri chhath_puja
durga_puja bhai_dooj ram_navami akshaya_tritiya dhanteras thaipusam bihu buddha_purnima guru_nanak_jayanti
holika_dahan chinese_new_year lunar_new_year spring_festival mid-autumn_festival mooncake_festival
dragon_boat_festival qingming tet_nguyen_dan chuseok seollal songkran loy_krathong golden_week vesak wesak
simbang_gabi nyepi heiligabend heilig_abend heiliger_abend heiligen_abend weihnachten weihnachtstag weihnachtsfeiertag
weihnachtsfeiertage weihnachtsfeiertagen weihnachtsabend silvester silvesternacht silvesterabend neujahr neujahrstag
neujahrsmorgen neujahrsnacht dreikonigstag dreikonige heilige_drei_konige rosenmontag fastnacht fastnachtsdienstag
fasching faschingsdienstag faschingssamstag faschingssonntag weiberfastnacht altweiberfastnacht schmotziger_donnerstag
karneval aschermittwoch palmsonntag grundonnerstag karfreitag karsamstag ostersamstag ostersonntag ostermontag
osterdienstag ostern osterwochenende weisser_sonntag weissen_sonntag walpurgisnacht tag_der_arbeit maifeiertag
christi_himmelfahrt himmelfahrt himmelfahrtstag vatertag muttertag pfingsten pfingstsonntag pfingstmontag
pfingstsamstag pfingstdienstag pfingstwochenende fronleichnam maria_himmelfahrt maria_empfangnis
tag_der_deutschen_einheit reformationstag allerheiligen allerseelen martinstag sankt_martin buss-_und_bettag
volkstrauertag totensonntag ewigkeitssonntag nikolaustag nikolausabend barbaratag nationalfeiertag bundesfeiertag
sechselauten knabenschiessen stephanstag stefanitag adventssonntag adventswochenende wahlsonntag noel reveillon
saint-sylvestre nouvel_an jour_de_l'an premier_de_l'an jour_de_noel veille_de_noel chandeleur mercredi_des_cendres
dimanche_des_rameaux jeudi_saint vendredi_saint samedi_saint paques lundi_de_paques dimanche_de_paques pentecote
lundi_de_pentecote jeudi_de_l'ascension jour_de_l'ascension fete_du_travail fete_nationale fete_de_la_musique
fete_des_lumieres fete_des_meres fete_des_peres fete-dieu quatorze_juillet assomption toussaint saint-valentin
poisson_d'avril jour_des_morts saint-nicolas navidad navidades nochebuena noche_buena nochevieja ano_nuevo
dia_de_reyes noche_de_reyes semana_santa domingo_de_ramos jueves_santo viernes_santo sabado_santo sabado_de_gloria
domingo_de_resurreccion domingo_de_pascua lunes_de_pascua pascua pascuas pentecostes carnaval carnavales
miercoles_de_ceniza noche_de_san_juan san_fermin sanfermines dia_del_trabajo dia_del_trabajador primero_de_mayo
dia_de_la_hispanidad dia_del_pilar fiesta_nacional la_inmaculada todos_los_santos dia_de_los_difuntos dia_de_muertos
dia_de_los_muertos dia_de_los_inocentes dia_de_la_madre dia_del_padre dia_del_nino fiestas_patrias sant_jordi
noche_vieja vigilia_di_natale giorno_di_natale antivigilia capodanno befana epifania carnevale martedi_grasso
giovedi_grasso mercoledi_delle_ceneri domenica_delle_palme giovedi_santo venerdi_santo sabato_santo pasqua pasquetta
lunedi_dell'angelo pentecoste ferragosto festa_dei_lavoratori primo_maggio festa_della_repubblica festa_della_mamma
festa_del_papa festa_della_donna festa_della_liberazione ognissanti giorno_dei_morti san_silvestro
notte_di_san_lorenzo vespera_de_natal dia_de_natal noite_de_natal ano_novo dia_de_reis quarta-feira_de_cinzas
quinta-feira_santa sexta-feira_santa sexta-feira_da_paixao sabado_de_aleluia pascoa domingo_de_pascoa festa_junina
festas_juninas noite_de_sao_joao dia_do_trabalho dia_do_trabalhador dia_de_tiradentes feriado_de_tiradentes
dia_das_maes dia_dos_pais dia_das_criancas dia_dos_namorados dia_da_independencia sete_de_setembro
proclamacao_da_republica finados todos_os_santos dia_da_mulher dia_de_portugal dia_da_consciencia_negra kerst kerstmis
kerstavond kerstdag kerstnacht oudjaar oudejaarsavond oudejaarsdag oudejaarsnacht nieuwjaar nieuwjaarsdag
nieuwjaarsnacht driekoningen aswoensdag palmzondag witte_donderdag goede_vrijdag stille_zaterdag pasen paasdag
paasmaandag paaszondag paaszaterdag paasweekend koningsdag koningsnacht koninginnedag bevrijdingsdag dodenherdenking
hemelvaart hemelvaartsdag pinksteren pinksterdag pinkstermaandag moederdag vaderdag prinsjesdag sinterklaas
sinterklaasavond pakjesavond sint-maarten allerzielen keti_koti wigilia wigilie wigilii boze_narodzenie
bozego_narodzenia bozym_narodzeniu sylwester sylwestra nowy_rok nowego_roku nowym_roku trzech_kroli tlusty_czwartek
sroda_popielcowa srode_popielcowa popielec niedziela_palmowa niedziele_palmowa wielki_czwartek wielki_piatek
wielka_sobota wielka_sobote wielkanoc wielkanocy wielkanocna lany_poniedzialek poniedzialek_wielkanocny boze_cialo
bozego_ciala zielone_swiatki majowka majowke swieto_pracy swieto_niepodleglosci wszystkich_swietych zaduszki mikolajki
andrzejki dzien_matki dzien_kobiet dzien_ojca julafton julaftonen juldagen annandag_jul annandagen julaften juleaften
juledag forste_juledag anden_juledag andre_juledag nyarsafton nyarsdagen nyarsdag nyarshelgen nytarsaften nytarsdag
nyttarsaften nyttarsdag trettondagen trettondedag luciadagen fettisdagen askonsdag skartorsdag skaertorsdag
skjaertorsdag langfredag langfredagen paskafton paskaftonen paskdagen annandag_pask paskaften paskedag forste_paskedag
andre_paskedag pask paske pasken valborg valborgsmassoafton kristi_himmelsfardsdag kristi_himmelsfard
kristi_himmelfart kristi_himmelfartsdag pingst pingstdagen pingstafton pinse pinsedag pinseaften store_bededag
grundlovsdag syttende_mai midsommar midsommarafton midsommardagen midsommarhelgen midsommarnatten sankthans sankt_hans
sankthansaften alla_helgons_dag allhelgona allehelgensdag fastelavn martensafton mortensaften nationaldagen farsdag
morsdag fars_dag mors_dag valdagen yilbasi yilbasinda yilbasi_gecesi arife_gunu kandil_gecesi kadir_gecesi
cumhuriyet_bayrami cumhuriyet_bayraminda zafer_bayrami nevruz hidirellez anneler_gunu babalar_gunu sevgililer_gunu
bayram_gunu bayramin juhannus juhannusaatto vappu vappuna jouluaatto joulupaiva paasiainen paasiaisena
itsenaisyyspaiva stedry_den vanoce silvestr velikonoce velikonocni_pondeli karacsony szenteste husvet szilveszter
craciun craciunul revelion pastele bozic uskrs badnjak oktoberfest hafengeburtstag schutzenfest kirmes almabtrieb
almauftrieb wasen wiesn encierro encierros vierdaagse elfstedentocht vasaloppet glastonbury burning_man coachella
tomatina"""
#: The same in scripts that have no words between blanks, or other letters.
_OTHER_SCRIPTS = """春节 春節 除夕 中秋节 中秋節 端午节 端午節 清明节 清明節 国庆节 國慶節 元旦 元宵节 元宵節
重阳节 七夕 大年初 正月初 圣诞节 聖誕節 平安夜 劳动节 元日 お正月 お盆 大晦日 クリスマス ゴールデンウィーク 敬老の日
成人の日 海の日 추석 설날 크리스마스 어린이날 광복절
рождество рождества пасху пасха масленицу масленица масленицы день_победы новый_год нового_года
عيد_الفطر عيد_الاضحى عيد_الأضحى
عيد_الميلاد راس_السنة دیوالی दिवाली होली दशहरा रक्षाबंधन नवरात्रि ईद χριστουγεννα πασχα δεκαπενταυγουστος פסח חנוכה"""
_SURE_RULE = compiled(
    rf"(?<![^\W_])(?<!\w-){alternatives(_SURE)}(?!\w)"
    r"(?!(?:'?s)?[\s-]?(?:trees?\b|disease|factor|eyes?\b|eggs?\b|island|cactus|bush|like|seals?\b|sign\b|lily|rose\b|"
    r"pattern|configuration))"
)

#: Those that are other words too, and need a word before them that says when.
_PERHAPS = """new_year new_year's new_years eid eid_holiday ramadan ramzan holi rakhi tet lent advent epiphany
ascension memorial_weekend valentine's valentines natale natal jul julen reis reyes santo_stefano sao_joao san_juan
san_jose saint-jean fallas feria kermis midsummer bayram bairam candelaria vishu assumption swieta swiat bank_holiday
derby world_cup super_bowl olympics grand_national grand_final cup_final coronation jubilee santo_antonio advents"""
_WHEN = r"""(?:on|at|before|after|since|last|this|next|over|around|during|until|till|by|near|zu|vor|nach|seit|an|am|im|
beim|wahrend|bis|a|al|alla|per|da|dopo|prima\sdi|di|pour|pendant|depuis|avant|apres|lors\sde|por|para|en|desde|durante|
despues\sde|antes\sde|no|na|ate|depois\sd[eo]|antes\sd[eo]|met|voor|na|sinds|rond|op|w|we|przed|po|od|na|i|pa|under|
efter|innan|fore|etter)"""
_FEAST = compiled(
    rf"""(?<!\w)(?:{_WHEN}\s(?:the\s|la\s|les\s|los\s|las\s|il\s|el\s|der\s|dem\s|den\s|de\s|het\s)?
    {alternatives(_PERHAPS)}(?!\w)(?!\s(?:of\b|tree|disease|shop|technique|sign|spells?|shots?|toxoid|screw|plate|hopper))
    |{alternatives(_PERHAPS)}\s(?:day|eve|sunday|monday|morning|week|weekend|night|holiday)\b
    |{alternatives(_PERHAPS)},?\s(?:of\s|de\s)?{YEAR}
    |(?:[1-4]|erste[rn]?|zweite[rn]?|dritte[rn]?|vierte[rn]?|first|second|third|fourth|1st|2nd|3rd|4th|eerste|tweede|
    derde|vierde|forsta|andra|tredje|fjarde|prima|seconda|terza|quarta|premier|deuxieme|troisieme|primer|primeiro|segundo|
    tercer)\.?\s(?:sunday\s(?:of|in)\s|sonntag\sim\s|domenica\sd[i']\s?|dimanche\sde\sl'|domingo\sde\s)?
    (?:advent(?:s?sonntag)?|avvento|avent|adviento|advento)\b)(?:,?\s(?:of\s)?{YEAR})?"""
)
_NUMBERED = compiled(
    r"(?<!\w)(?:\d{1,2}(?:st|nd|rd|th|\.)?\s(?:of\s)?(?:ramadan|ramazan|ramzan|shawwal|dhu\s?al-?hijjah?|muharram|rajab|"
    r"sha'?ban|safar|nisan|iyar|sivan|tammuz|tishrei|tishri|cheshvan|kislev|tevet|shevat|adar|bayram)|"
    r"(?:ramadan|ramazan|ramzan|day)\s\d{1,2}(?:st|nd|rd|th)?\s(?:of\s)?(?:ramadan|ramazan|ramzan|eid|diwali|navratri)|"
    r"(?:ramadan|ramazan|ramzan|nisan|tishrei|shawwal|adar)\s(?:the\s)?\d{1,2}(?:st|nd|rd|th)?|"
    r"(?:first|second|third|last|1st|2nd|3rd|\d\.|erster?n?|letzten?)\s(?:day|night|tag|nacht)\s(?:of|des|von)\s(?:the\s)?"
    r"(?:ramadan|eid|hanukkah|chanukah|passover|sukkot|diwali|navratri|bayram|fasching|school))(?!\w)(?!\s?(?:mm|cm|%))"
)

#: "Anzac Day", "Poppy Night": capitals make any word such a day, but for these.
_NO_FEAST = """hospital op postop operative postoperative post cycle study treatment ward rest gestational admission
discharge birth full half one each every same next first last day night per the this that present previous prior sick
off work working school business calendar week any all a an modern early late good bad in by of other some another
second third fourth fifth final chemo therapy dose infusion scan imaging transfer embryo life current given single
patient surgery single-day latter judgement single procedure clinic visit sleep test sensor pod icu inpatient"""
_CALLED = compiled(
    r"(?<![\w-])(?:(?:on|since|last|until|before|after|by|every|this|next|for|at|over|of)\s)?(?-i:"
    r"(?P<word>[A-Z][a-z']{2,14})(?:\s[A-Z][a-z']{2,14})?\s(?:Day|Eve|Bank\sHoliday|Weekend))(?!\w)"
    r"(?!\s(?:\d|of\b|case|care|surgery|unit|hospital|ward|clinic|cent|one\b|two\b|zero\b|old|time))"
)
_THE_DAY_OF = compiled(
    r"(?<!\w)(?P<it>(?:jour\sd(?:e\s(?:la\s|l')?|u\s|es\s)|dia\sd(?:e\s(?:l[ao]s?\s)?|el\s|[ao]s?\s)|"
    r"giorno\sd(?:i\s|el(?:l[ae'])?\s?|ei\s)|festa\sd(?:i\s|el(?:l[ae'])?\s?|[ao]s?\s)|fiestas?\sd(?:e\s(?:l[ao]s?\s)?|el\s)|"
    r"fete\sd(?:e\s(?:la\s|l')?|u\s|es\s)|dag\svan\s(?:de\s|het\s)?|feast\sof\s(?:the\s)?|feriado\sd(?:e\s|[ao]s?\s)|"
    r"vispera\sde\s|vespera\sd[eo]\s|veille\sd(?:e\s(?:la\s|l')?|u\s|es\s)|puente\sd(?:e\s(?:l[ao]s?\s)?|el\s)|"
    r"vigilia\sd(?:i\s|el(?:l[ae'])?\s?))"
    r"(?-i:(?P<word>[A-Z][a-z]{2,14}))(?:[\s'-][A-Z]?[a-z]{2,14})?)(?!\w)"
)
_NO_DAY = """ingreso alta cirugia estudio examen operacion hospitalizacion exame internacao ricovero intervento
operation hospitalisation sortie entree dimissione consulta visita control parto quirofano biopsia chirurgie naissance
nacimiento nascita scanner irm cirugias coleta tratamiento tratamento traitement estudios cancer clinica salud saude
sante alzheimer rotterdam ciclo cycle"""
_SAINT = compiled(
    r"(?<!\w)(?:a|pour|de|depuis|avant|apres|jusqu'a)\sla\s(?P<it>(?-i:Saint|St|Sainte)-(?-i:[A-Z])\w{2,14})"
)


def _named_day(found: re.Match[str]) -> Span | None:
    """A day's own name, not what it is of in a hospital: "Admission Day", "día de Ingreso"."""
    word = found["word"].lower().removesuffix("'s")
    return None if word in _NO_FEAST.split() or word in _NO_DAY.split() else found.span()


def _no_birth(found: re.Match[str]) -> Span | None:
    """ "Pré-natal" and "post natal" are of a birth, "advent of MRI" and "Natal" in a ward's name no feast."""
    return None if re.search(r"(?:pre|post|peri|neo|ante)[\s-]?$", before(found, 6)) else found.span()


# ------------------------------------------------------------------------------------------------------------ events

#: What everybody knows the day of.
_EVENTS = r"""(?:moon\slanding|(?:general\s|presidential\s|local\s)?elections?|referendum|coronation|royal\swedding|(?:
    (?:king|queen|pope)(?:'s|\w{1,12}'s)?|royal|state)\s(?:funeral|birthday|speech|jubilee)|jubilee|funeral\sof|
    (?:world\s)?cup\sfinal|world\scup|super\s?bowl|olympics?|opening\sceremony|marathon|derby|grand\s(?:final|national|
    prix)|(?:big\s|great\s|last\s)?(?:earthquake|tsunami|hurricane|tornado|blizzard|blackout|eclipse|landslide|cyclone)|
    floods?|brexit(?:\svote)?|(?:berlin\s)?wall\s(?:fell|came)|fall\sof\sthe|assassination|kennedy|jfk|twin\stowers|
    9/11|nine\seleven|attacks?\s(?:on|in)|bombings?|derailment|inauguration|parade|carnival|cup\stie|home\sopener|
    (?:plane|train|coach|bus|ferry|tram|air)\s(?:crash|disaster|accident)|lockdown|queen\sdied|king\sdied|war\sended|
    armistice|independence|feast|clocks\swent|clocks\sgo|clocks\schange)"""
_EVENT = compiled(
    rf"""(?<!\w)(?P<it>(?:(?:the|on)\s)?(?:very\s)?(?:day|night|morning|evening|eve|afternoon|week|weekend|monday|tuesday|
    wednesday|thursday|friday|saturday|sunday)\s(?:of|after|before|following|that)\s(?:the\s|our\s|his\s|her\s)?
    (?:last\s|first\s|big\s|20\d\d\s|19\d\d\s)?{_EVENTS})"""
)
_EVENT_ABROAD = compiled(
    r"""(?<!\w)(?P<it>(?:am|vom|seit\sdem|vor\sdem|nach\sdem)\s(?:wahltag|wahlsonntag|wahlabend|mauerfall|endspiel|
    volksfest|stadtfest|hochwasser|faschingszug)|(?:am\s|der\s|seit\sdem\s)?(?:tag|abend|nacht|morgen|wochenende)\s
    (?:der|des|nach\sde[rm]|vor\sde[rm])\s
    (?:\w{0,12}wahl(?:en)?|mondlandung|mauerfalls?|\w{0,8}endspiels?|wm-?\w{0,10}|em-?finale\w?|kronung|flut|
    sonnenfinsternis|marathons?|wiedervereinigung|volksfest\w{0,2}|umzugs?)|
    (?:le\sjour|le\slendemain|la\sveille|le\ssoir|la\snuit)\sd(?:e\s(?:la\s|l')|u\s|es\s)(?:election\w?|finale|match|
    marathon|referendum|tempete|attentats?|eclipse|tour\sde\sfrance|premier\stour|second\stour|couronnement)|
    (?:el\sdia|la\snoche|la\svispera|la\smanana)\s(?:de\s(?:la|las|los)|del)\s(?:elecciones|final|partido|eclipse|
    terremoto|apagon|atentados?|referendum|maraton|boda\sreal|cabalgata|encierro)|
    (?:il\sgiorno|la\snotte|la\ssera|la\smattina)\sdell?[ae']?\s?(?:elezioni|finale|partita|eclissi|terremoto|maratona|
    palio|referendum|alluvione)|(?:no\sdia|na\snoite|na\svespera|a\snoite)\sd[aeo]s?\s(?:eleic\w{2,4}|eleico\w{2,3}|final|
    jogo|eclipse|terremoto|enchente|apagao|desfile|segundo\sturno|primeiro\sturno)|
    (?:op\sde\sdag|de\sdag|de\snacht|de\savond)\s(?:van|na|voor)\sde\s(?:verkiezingen|finale|marathon|storm|ramp|
    watersnood|kroning|elfstedentocht)|(?:w\sdniu|w\swieczor|dzien\spo|dzien\sprzed)\s(?:wyborow|finalu|referendum|
    meczu|maratonu|powodzi|za?cmienia)|(?:pa|samma\sdag\ssom)\s(?:valdagen|valnatten|valgdagen|valnatta)|
    secim\s(?:gunu|gecesi|sabahi)|deprem\s(?:gunu|gecesi|sabahi)|final\s(?:gunu|gecesi))"""
)
#: "The Cape Mullion ferry sinking" tells the day as well as the place.
_DISASTER = compiled(
    r"(?<!\w)(?P<it>(?-i:(?:[A-Z][a-z]{2,14}\s){1,3})(?:(?:ferry|ship|boat)\s(?:sinking|disaster|fire)|sinking|"
    r"derailment|(?:train|plane|air|bus|coach|ferry|tram|rail)\s(?:crash|disaster|collision)|bombings?|earthquake|massacre|"
    r"(?:tower|stadium|nightclub|hotel|factory|mill|school)\s(?:fire|collapse|shooting|disaster)|mine\sdisaster|"
    r"(?:pit|dam|bridge)\s(?:disaster|collapse)|home\sopener|half[\s-]marathon|marathon|beer\sfestival|music\sfestival|"
    r"fun\srun|grand\sprix|pride\sparade|county\sshow))(?!\w)"
)
_DISASTER_CUES = cues_of(
    "ferry ship boat sinking derailment train plane air bus coach tram rail bombing bombings earthquake massacre tower "
    "stadium nightclub hotel factory mill school mine pit dam bridge home half marathon beer music fun grand pride "
    "county"
)
_EVENT_CUES = cues_of(
    "day night morning evening eve afternoon week weekend monday tuesday wednesday thursday friday saturday sunday"
)
_ABROAD_CUES = cues_of(
    "am vom seit vor nach tag abend nacht morgen wochenende le la el il no na op de w dzien pa samma secim deprem "
    "final a"
)

RULES: tuple[Rule, ...] = (
    Rule("date", "feast", _SURE_RULE, cues_of(_SURE)),
    Rule(
        "date",
        "feast in other letters",
        compiled(alternatives(_OTHER_SCRIPTS)),
        signs=signs_of(_OTHER_SCRIPTS),
    ),
    Rule(
        "date",
        "day of a feast",
        _FEAST,
        cues_of(_PERHAPS, "advent avvento avent adviento advento"),
        reach=26,
        place=_no_birth,
    ),
    Rule(
        "date",
        "day of a feast's month",
        _NUMBERED,
        cues_of(
            "ramadan ramazan ramzan shawwal dhu muharram rajab sha shaban safar nisan iyar sivan tammuz tishrei tishri "
            "cheshvan kislev tevet shevat adar bayram day night tag nacht"
        ),
        reach=12,
    ),
    Rule("date", "day that has a name", _CALLED, cues_of("day eve bank weekend"), reach=32, place=_named_day),
    Rule(
        "date",
        "day of something",
        _THE_DAY_OF,
        cues_of("jour dia giorno festa fiesta fiestas fete dag feast feriado vispera vespera veille puente vigilia"),
        place=_named_day,
    ),
    Rule("date", "saint's day", _SAINT, cues_of("a pour de depuis avant apres jusqu")),
    Rule("date", "day of an event", _EVENT, _EVENT_CUES, reach=9),
    Rule("date", "day of an event in other languages", _EVENT_ABROAD, _ABROAD_CUES, reach=0),
    Rule("date", "event that has a name", _DISASTER, _DISASTER_CUES, reach=48),
)
