"""``watchtowerctl check``: what keeps me from asking, step by step."""

from __future__ import annotations

import typer

from watchtowerctl.checks import run_checks
from watchtowerctl.configuration import Configuration
from watchtowerctl.errors import CHECK_FAILED
from watchtowerctl.output import print_fields


def check() -> None:
    """Go through address, certificate, health, clock, key and version; say what to do."""
    failed = False
    for step in run_checks(Configuration()):
        print_fields([(f"{step.verdict:<4}  {step.name:<8}", step.words)])
        failed = failed or step.verdict == "FAIL"
    if failed:
        raise typer.Exit(CHECK_FAILED)
