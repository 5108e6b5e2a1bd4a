"""Croissant 1.0 metadata (Akhtar et al., "Croissant: A Metadata Format for ML-Ready Datasets", 2024): what files there
are, which columns they have, and by its extension for responsible AI how the data came about."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unveil import __version__
from unveil.core import access, digests
from unveil.core.records import Record
from unveil.export import card

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
CONFORMS = ("http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0")
ENCODINGS = {".jsonl": "application/jsonlines", ".parquet": "application/x-parquet"}


def text(
    records: Sequence[Record],
    folder: Path,
    files: Mapping[str, Path],
    rows: Mapping[str, Sequence[dict[str, Any]]],
    about: card.About,
) -> str:
    """The JSON-LD of a folder; ``files`` and ``rows`` are the tables of its splits by their names."""
    sources = card.sources(records)
    strictest = access.strictest(records)
    described = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS),
        "name": about.name,
        "description": f"{len(records)} medical images with findings. {card.STATEMENT}",
        "version": "1.0.0",
        "license": sorted({source.licence or "unknown" for source, _ in sources}),
        "isAccessibleForFree": strictest == "open",
        "conditionsOfAccess": f"{strictest}: {access.MEANINGS[strictest]}",
        "keywords": card.front(records, files, about)["tags"],
        "prov:wasDerivedFrom": [
            {
                "@type": "prov:Entity",
                "name": source.dataset,
                "version": source.version or "unknown",
                "license": source.licence or "unknown",
                "conditionsOfAccess": source.access or "unknown",
            }
            for source, _ in sources
        ],
        "prov:wasGeneratedBy": f"unveil export records {__version__}, from records with the SHA-256 {about.digest}",
        "rai:dataCollection": "By the sources: " + ", ".join(source.dataset for source, _ in sources),
        "rai:dataAnnotationProtocol": (
            "By the sources. The column completeness tells whether everything there is to find was marked; where it is "
            "not exhaustive, an unmarked place is no negative."
        ),
        "rai:dataPreprocessingProtocol": "Images were written anew from their pixels as PNG.",
        "rai:personalSensitiveInformation": (
            "Medical images. Patients, studies and images stand under keyed pseudonyms; burned-in text stands as it was"
            + (", and so do reports, phrases and questions." if any(map(card.has_texts, records)) else ".")
        ),
        "rai:dataUseCases": "Research on vision-language models that point at findings and name them.",
        "rai:dataLimitations": card.STATEMENT,
        "rai:hasSyntheticData": any(card.is_drawn(source) for source, _ in sources),
        "distribution": [_file(name, path, folder) for name, path in files.items()],
        "recordSet": [_table(name, found[0]) for name, found in rows.items()],
    }
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


def _file(name: str, path: Path, folder: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": f"{name}-metadata",
        "name": f"{name}-metadata",
        "description": f"What is known of each image of {name}, which lies in the same folder.",
        "contentUrl": path.relative_to(folder).as_posix(),
        "encodingFormat": ENCODINGS[path.suffix],
        "sha256": digests.sha256(path),
    }


def _table(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """The columns that hold one value: lists and objects have no type that Croissant 1.0 knows."""
    fields = [column for column, value in row.items() if isinstance(value, (str, int))]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "dataType": "sc:Integer" if isinstance(row[column], int) else "sc:Text",
                "source": {"fileObject": {"@id": f"{name}-metadata"}, "extract": {"column": column}},
            }
            for column in fields
        ],
    }
