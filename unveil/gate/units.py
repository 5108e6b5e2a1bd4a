"""What stands behind a number that counts or measures something, and so names nobody."""

from __future__ import annotations

import re

#: A unit, a sign of a size or a noun that is counted.
MEASURED = re.compile(
    r"\s*(?:[x×%°^]|(?:mm|cm|dm|m|nm|um|km|ml|cl|dl|l|mg|ug|mcg|ng|pg|g|kg|hu|hz|khz|mhz|kvp?|kev|mev|mas?|ms|sec|s|min|"
    r"h|hrs?|hours?|days?|weeks?|months?|years?|yrs?|yo|y|bpm|gy|cgy|mgy|msv|m?bq|mbq|gbq|mci|ui|iu|units?|u|ie|fr|ch|"
    r"french|gauge|px|pixels?|voxels?|fps|rpm|degrees?|deg|grad|grados|gradi|graus|stopni|tage|wochen|monate|jahre|jahren|"
    r"jours|semaines|mois|ans|dias|semanas|meses|anos|giorni|settimane|mesi|anni|dagen|weken|maanden|jaar|dni|lat|"
    r"points?|pts|percent|prozent|por|pour|cells?|copies|images?|slices?|series|frames?|views?|films|patients?|cases?|"
    r"women|men|children|people|studies|scans|exams?|lesions?|nodules?|mmhg|kpa|pa|cmh2o|ohms?|hpf|lpf|dots?|lines)\b"
    r"(?!\.\w)|/\s?(?:u?l|mm|ml|min|hpf|dl|s|h|d|kg)\b)",
    re.I,
)
#: A year alone, as no label's number is written.
YEAR = re.compile(r"(?:19|20)\d\d")
