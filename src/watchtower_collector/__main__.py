"""Start the collector: ``python -m watchtower_collector``."""

from __future__ import annotations

import sys

from watchtower_collector.server import main

if __name__ == "__main__":
    sys.exit(main())
