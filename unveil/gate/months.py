"""What the rules for dates share: the names of months in many languages, and how days and years are written.

Month names are without accents, as ``plain`` writes them.
"""

from __future__ import annotations

from unveil.gate.rule import alternatives

#: Names of months that mean nothing else, and their short forms.
MONTHS = """january february april june july august september october november december jan feb apr jun jul aug sep
sept nov dec januar jaenner janner februar maerz marz mrz mai juni juli oktober okt dezember dez janvier janv fevrier
fevr fev avril avr mai juin juillet juil aout septembre octobre novembre decembre enero ene febrero marzo abril abr
mayo junio julio agosto septiembre setiembre octubre noviembre diciembre dic gennaio febbraio aprile maggio giugno giu
luglio lug settembre sett ottobre ott janeiro fevereiro marco maio junho julho setembro outubro novembro dezembro
januari februari maart mrt mei augustus января февраля марта апреля мая июня июля августа сентября октября ноября
декабря январь февраль март апрель июнь июль август сентябрь октябрь ноябрь декабрь يناير فبراير مارس ابريل مايو يونيو
يوليو اغسطس سبتمبر اكتوبر نوفمبر ديسمبر जनवरी फरवरी मार्च अप्रैल जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर
янв февр фев апр авг сент сен окт нояб дек січня лютого березня квітня травня червня липня серпня вересня жовтня
листопада грудня subat nisan mayis haziran temmuz agustos eylul ekim kasim aralik stycznia styczen lutego marca marzec
kwietnia kwiecien czerwca czerwiec lipca lipiec sierpnia sierpien wrzesnia wrzesien pazdziernika pazdziernik listopada
listopad grudnia grudzien ledna unora brezna dubna kvetna cervna cervence srpna rijna listopadu prosince marts augusti
tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesakuuta heinakuuta elokuuta syyskuuta lokakuuta marraskuuta
joulukuuta marcius aprilis majus junius julius augusztus szeptember ianuarie februarie martie aprilie iunie iulie
septembrie octombrie noiembrie decembrie maret desember sijecnja veljace ozujka travnja svibnja lipnja srpnja kolovoza
rujna studenoga prosinca ιανουαριου φεβρουαριου μαρτιου απριλιου μαιου ιουνιου ιουλιου αυγουστου σεπτεμβριου
οκτωβριου νοεμβριου δεκεμβριου"""
#: Those that are other words too, and need a year, an ordinal or a capital to be months.
OTHER = "may march mar mars oct out set ago mag gen mai maj maja mart ocak zari luty kas ara sub tem"

ANY_MONTH = alternatives(f"{MONTHS} {OTHER}")
DAY = r"(?:0?[1-9]|[12]\d|3[01])"
YEAR = r"(?:1[89]|20)\d\d"
FREE = r"(?<![^\W_])(?<!\d[.,])"  # nothing begins within a word or a number
