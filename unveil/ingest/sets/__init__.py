"""Data sets as they are distributed, each told by files that only it has: a module with a reader and its row."""

from unveil.ingest.catalogue import Format
from unveil.ingest.sets import (
    busi,
    deeplesion,
    flare_mllm_2d,
    isic,
    kvasir_seg,
    llava_med,
    medmnist,
    nih_chestxray14,
    object_cxr,
    pathvqa,
    pmc_vqa,
    rsna_pneumonia,
    slake,
    tbx11k,
    vindr_cxr,
    vqa_rad,
)

#: Their rows.
SETS: tuple[Format, ...] = (
    busi.FORMAT,
    deeplesion.FORMAT,
    flare_mllm_2d.FORMAT,
    isic.FORMAT,
    kvasir_seg.FORMAT,
    llava_med.FORMAT,
    medmnist.FORMAT,
    nih_chestxray14.FORMAT,
    object_cxr.FORMAT,
    pathvqa.FORMAT,
    pmc_vqa.FORMAT,
    rsna_pneumonia.FORMAT,
    slake.FORMAT,
    tbx11k.FORMAT,
    vindr_cxr.FORMAT,
    vqa_rad.FORMAT,
)
