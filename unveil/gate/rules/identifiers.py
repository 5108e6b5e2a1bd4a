"""All rules, by HIPAA's eighteen kinds of identifiers (45 CFR 164.514(b)(2)(i)), A to R.

A names · B places smaller than a state · C dates but the year, and ages over 89 · D, E telephone and fax · F e-mail ·
G social security and other national numbers · H record numbers · I health plans · J accounts · K certificates and
licences · L vehicles · M devices · N URLs · O addresses of the network · P biometric marks · R any other number.

Q, photographs of faces, are pixels, and no text has them; the words "full-face photograph" are found beside the
biometric marks. Of A no list has all: rules find forms. Of B the first three digits of a ZIP code, which HIPAA allows
for large areas, are found where they are called so. Relative dates, times of the day, professions and relatives
without a name are not of the list.
"""

from __future__ import annotations

from unveil.gate.rule import Rule
from unveil.gate.rules import (
    ages,
    alphabets,
    calls,
    contact,
    dates,
    days,
    events,
    extensions,
    feasts,
    fields,
    hospitals,
    houses,
    keys,
    landmarks,
    marks,
    names,
    nodes,
    numbers,
    persons,
    places,
    plates,
    registers,
    roads,
    scripts,
    short_dates,
    spelled,
    spoken,
    spoken_dates,
    staff,
    streets,
    titles,
    tokens,
    towns,
    very_old,
    villages,
    whose,
)

RULES: tuple[Rule, ...] = (
    *titles.RULES,
    *names.RULES,
    *scripts.RULES,
    *alphabets.RULES,
    *persons.RULES,
    *staff.RULES,
    *calls.RULES,
    *whose.RULES,
    *spelled.RULES,
    *keys.RULES,
    *places.RULES,
    *hospitals.RULES,
    *dates.RULES,
    *days.RULES,
    *short_dates.RULES,
    *spoken_dates.RULES,
    *feasts.RULES,
    *ages.RULES,
    *very_old.RULES,
    *contact.RULES,
    *numbers.RULES,
    *fields.RULES,
    *tokens.RULES,
    *extensions.RULES,
    *spoken.RULES,
    *plates.RULES,
    *registers.RULES,
    *nodes.RULES,
    *marks.RULES,
    *towns.RULES,
    *streets.RULES,
    *roads.RULES,
    *houses.RULES,
    *villages.RULES,
    *landmarks.RULES,
    *events.RULES,
)
