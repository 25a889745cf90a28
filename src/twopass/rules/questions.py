"""Functions that tell something of a type, or make text: nothing to differentiate, and no value to look at."""

from __future__ import annotations

import numpy as np

from twopass.core.rule import QUESTIONS, TEXTS

QUESTIONS.update({np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.common_type, np.min_scalar_type})
QUESTIONS.update({np.iscomplexobj, np.isrealobj, np.may_share_memory, np.shares_memory, np.einsum_path})
TEXTS.update({np.array2string, np.array_repr, np.array_str})
