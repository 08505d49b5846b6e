"""``requests``, without what the agent has no use for."""

from __future__ import annotations

import sys

# requests loads chardet to guess at the encoding of answers, which the agent reads as bytes: 3 MB
# in each process on every host. None in sys.modules means "not installed" to whoever imports it.
# Where requests cannot do without, it gets it.
_kept = sys.modules.get("chardet")
sys.modules["chardet"] = None  # type: ignore[assignment]
try:
    import requests
except ImportError:
    del sys.modules["chardet"]
    import requests
else:
    del sys.modules["chardet"]
    if _kept is not None:
        sys.modules["chardet"] = _kept

__all__ = ["requests"]
