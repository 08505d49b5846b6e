"""Start the admin's command: ``python -m watchtowerctl``."""

from __future__ import annotations

import sys

from watchtowerctl.app import main

if __name__ == "__main__":
    sys.exit(main())
