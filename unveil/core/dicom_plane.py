"""DICOM: where a frame lies in the patient, and which values it shows of itself."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import numpy as np
import pydicom

from unveil.core.dicom import functional_item
from unveil.core.pixels import Window
from unveil.core.records import ImagePlane
