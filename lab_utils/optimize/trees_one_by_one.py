"""LightGBM's trees, prepared once for one payment in a call, through its own C interface.

    scorer = OneByOne(booster)
    scorer(rows[:1])                # (1,) probability of fraud

`Booster.predict` is made for tables: at each call it looks at its arguments, makes a predictor with
its settings, starts its threads and lets go of them all. LightGBM's C interface has a pair of
functions for a service: one that settles all this, one that scores a row. Python's package does not
offer them (R's does: `lgb.configure_fast_predict`), so they are called through ctypes.
"""

from __future__ import annotations

import ctypes
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab_utils.errors import LabError

if TYPE_CHECKING:
    import lightgbm
    from numpy.typing import NDArray

NORMAL, FLOAT32 = 0, 0
"""LightGBM's numbers, of c_api.h: C_API_PREDICT_NORMAL and C_API_DTYPE_FLOAT32."""
ALL_TREES = -1


class OneByOne:
    """A booster that scores one payment in a call, on one thread; not for two threads at a time.

    Raises LabError where LightGBM refuses the booster.
    """

    def __init__(self, booster: lightgbm.Booster) -> None:
        library = _library()
        trees, handle, config = ctypes.c_int(0), ctypes.c_void_p(), ctypes.c_void_p()
        model = booster.model_to_string().encode()
        self.features: int = booster.num_feature()
        _checked(
            library,
            library.LGBM_BoosterLoadModelFromString(
                model, ctypes.byref(trees), ctypes.byref(handle)
            ),
        )
        weakref.finalize(self, library.LGBM_BoosterFree, handle)
        _checked(
            library,
            library.LGBM_BoosterPredictForMatSingleRowFastInit(
                handle,
                ctypes.c_int(NORMAL),
                ctypes.c_int(0),
                ctypes.c_int(ALL_TREES),
                ctypes.c_int(FLOAT32),
                ctypes.c_int32(self.features),
                b"num_threads=1",
                ctypes.byref(config),
            ),
        )
        # The last one that is registered runs first: the settings go before the model.
        weakref.finalize(self, library.LGBM_FastConfigFree, config)
        self._library = library
        self._row = np.zeros((1, self.features), np.float32)
        self._score = np.zeros(1, np.float64)
        self._length = ctypes.c_int64(0)
        self._arguments = (
            config,
            ctypes.c_void_p(self._row.ctypes.data),
            ctypes.byref(self._length),
            ctypes.c_void_p(self._score.ctypes.data),
        )

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """One row (1, features) in float32 → (1,) probability of fraud."""
        if rows.shape != self._row.shape or rows.dtype != np.float32:
            raise LabError(
                f"Rows came as {rows.shape} of {rows.dtype}; expected (1, {self.features}) of "
                "float32."
            )
        self._row[:] = rows
        done = self._library.LGBM_BoosterPredictForMatSingleRowFast(*self._arguments)
        _checked(self._library, done)
        return self._score.astype(np.float32)


def _library() -> ctypes.CDLL:
    """LightGBM's own library, as its Python package has loaded it."""
    import lightgbm

    found = sorted(Path(lightgbm.__file__).parent.glob("lib/lib_lightgbm.*"))
    if not found:
        raise LabError("LightGBM's library is not in its package; expected lib/lib_lightgbm.so.")
    library = ctypes.CDLL(str(found[0]))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _checked(library: ctypes.CDLL, status: int) -> None:
    if status != 0:
        said = library.LGBM_GetLastError().decode(errors="replace")
        raise LabError(f"LightGBM refused the booster ({said}); expected one for a table.")
