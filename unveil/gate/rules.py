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

from unveil.gate import (
    rules_ages,
    rules_alphabets,
    rules_calls,
    rules_contact,
    rules_dates,
    rules_days,
    rules_events,
    rules_extensions,
    rules_feasts,
    rules_fields,
    rules_hospitals,
    rules_houses,
    rules_keys,
    rules_landmarks,
    rules_marks,
    rules_names,
    rules_nodes,
    rules_numbers,
    rules_persons,
    rules_places,
    rules_plates,
    rules_registers,
    rules_roads,
    rules_scripts,
    rules_short_dates,
    rules_spelled,
    rules_spoken,
    rules_spoken_dates,
    rules_staff,
    rules_streets,
    rules_titles,
    rules_tokens,
    rules_towns,
    rules_very_old,
    rules_villages,
    rules_whose,
)
from unveil.gate.rule import Rule

RULES: tuple[Rule, ...] = (
    *rules_titles.RULES,
    *rules_names.RULES,
    *rules_scripts.RULES,
    *rules_alphabets.RULES,
    *rules_persons.RULES,
    *rules_staff.RULES,
    *rules_calls.RULES,
    *rules_whose.RULES,
    *rules_spelled.RULES,
    *rules_keys.RULES,
    *rules_places.RULES,
    *rules_hospitals.RULES,
    *rules_dates.RULES,
    *rules_days.RULES,
    *rules_short_dates.RULES,
    *rules_spoken_dates.RULES,
    *rules_feasts.RULES,
    *rules_ages.RULES,
    *rules_very_old.RULES,
    *rules_contact.RULES,
    *rules_numbers.RULES,
    *rules_fields.RULES,
    *rules_tokens.RULES,
    *rules_extensions.RULES,
    *rules_spoken.RULES,
    *rules_plates.RULES,
    *rules_registers.RULES,
    *rules_nodes.RULES,
    *rules_marks.RULES,
    *rules_towns.RULES,
    *rules_streets.RULES,
    *rules_roads.RULES,
    *rules_houses.RULES,
    *rules_villages.RULES,
    *rules_landmarks.RULES,
    *rules_events.RULES,
)
