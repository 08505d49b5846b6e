"""``requests``, without what the agent has no use for."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType

# requests loads one of these to guess at the encoding of answers, which the agent reads as bytes:
# 1 to 3 MB in each process on every host. So while it is loaded, the first is an empty module and
# the second is not installed, which is what None stands for.
_DETECTOR = ModuleType("chardet")
# requests 2.25 to 2.32 accept this one.
_DETECTOR.__version__ = "4.0.0"  # type: ignore[attr-defined]  # a module may have any attribute
_HIDDEN = {"chardet": _DETECTOR, "charset_normalizer": None}
_kept = {name: sys.modules[name] for name in _HIDDEN if name in sys.modules}
sys.modules.update(_HIDDEN)  # type: ignore[arg-type]  # typeshed knows no None there
try:
    with warnings.catch_warnings():
        # What it thinks of their versions is not the operator's business.
        warnings.simplefilter("ignore")
        import requests
finally:
    for _name in _HIDDEN:
        del sys.modules[_name]
    sys.modules.update(_kept)

__all__ = ["requests"]
