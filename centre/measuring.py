"""`siaga bench`: runs the measurements of bench/ and shows each figure beside its goal."""

from __future__ import annotations

import importlib
import json
import sys
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.table import Table

from asterisk_conf import sandbox
from centre import ground

if TYPE_CHECKING:
    from collections.abc import Callable

BENCHES: Final = ("fastagi", "calls")


def run(name: str | None, *, as_json: bool, say: Callable[[str], None]) -> int:
    """Run one bench or all; 0 if every goal is reached."""
    if name is not None and name not in BENCHES:
        raise click.UsageError(f"no bench {name!r}; there are {', '.join(BENCHES)}")
    ground.ensure(("mmdebstrap", "espeak-ng", "sipp"), say)
    if sandbox.find() is None:
        sandbox.install(say)
    all_ok = True
    for one in (name,) if name else BENCHES:
        say(f"measuring {one}")
        result: dict[str, Any] = importlib.import_module(f"bench.{one}").run()
        all_ok &= bool(result["ok"])
        if as_json:
            sys.stdout.write(json.dumps(result) + "\n")
        else:
            _show(result)
    return 0 if all_ok else 1


def _show(result: dict[str, Any]) -> None:
    table = Table(title=result["name"], title_justify="left")
    for column in ("figure", "measured", "goal", ""):
        table.add_column(column)
    goals: dict[str, Any] = result["goals"]
    for figure, value in result["figures"].items():
        goal = goals.get(figure, {})
        mark = {True: "✓", False: "✗", None: ""}[goal.get("ok")]
        table.add_row(figure, str(value), str(goal.get("goal", "")), mark)
    Console().print(table)
