"""A command whose arguments are text."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand


class Command(TyperCommand):
    """Refuses arguments that are no UTF-8. They can be in no event, and in no request.

    Names of files may be what they like.
    """

    # Click's context: Click is within Typer or beside it, by Typer's version.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401  # has two homes
        """Read the arguments.

        Raises:
            typer.BadParameter: one of them is wrong.
        """
        rest = super().parse_args(ctx, args)
        for parameter in self.params:
            given = ctx.params.get(parameter.name or "")
            for value in given if isinstance(given, list | tuple) else [given]:
                if isinstance(value, str) and not _is_text(value):
                    is_option = parameter.param_type_name == "option"
                    hint = parameter.opts[0] if is_option else parameter.metavar
                    raise typer.BadParameter(f"{value!r} is not UTF-8", ctx, param_hint=hint)
        return rest


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
