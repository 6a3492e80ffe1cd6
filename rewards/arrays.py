# pyright: strict
"""The numpy arrays that rooms pass to each other, by what is in them.

Where a function is pure maths, its annotation gives the shape as well (`Float[np.ndarray, "n"]` of jaxtyping, which
the tests check).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""numbers of any type"""

FloatArray = NDArray[np.float64]
"""what is computed with: scores, rewards, statistics"""

Float32Array = NDArray[np.float32]
"""what is stored, sent or trained on: latents, log-probs, weights, heatmaps"""

IntArray = NDArray[np.int64]
"""indices and counts"""

BoolArray = NDArray[np.bool_]
"""masks"""

ImageArray = NDArray[np.uint8]
"""sRGB pixels: one picture `[h, w, 3]` or several `[n, h, w, 3]`"""
