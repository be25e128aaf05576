"""The command line: one word for each thing a person does with a centre."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from centre import logs
from centre import settings as settings_file
from centre.errors import PEOPLE_CAN_MEND

if TYPE_CHECKING:
    from collections.abc import Callable

    from centre.settings import Settings

_SETTINGS = click.option(
    "--settings",
    "settings_path",
    type=click.Path(path_type=Path),
    help="The settings file; siaga.toml here or in /etc/siaga when left out.",
)


class _Siaga(click.Group):
    """Shows what people can mend in words, without a traceback; exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except PEOPLE_CAN_MEND as error:
            click.echo(f"siaga: {error}", err=True)
            ctx.exit(2)


@click.group(cls=_Siaga, context_settings={"help_option_names": ["-h", "--help"]})
def siaga() -> None:
    """Siaga 112: an emergency call centre that a city runs itself.

    Begin with: ./siaga demo --once
    """


def say(words: str) -> None:
    """Tell the person at the terminal what happens now."""
    click.echo(f"· {words}", err=True)


def example(words: str) -> Callable[[Any], Any]:
    """Add an example to a command's help; every command has one."""

    def add(command: Any) -> Any:
        command.help = f"{command.help}\n\n\b\nExample:\n  {words}"
        return command

    return add


def load(path: Path | None) -> tuple[Settings, Path]:
    """Read the settings file given, or the usual one."""
    found = settings_file.find(path).resolve()
    return settings_file.load(found), found


@example("./siaga up --settings /etc/siaga/siaga.toml")
@siaga.command()
@_SETTINGS
def up(settings_path: Path | None) -> None:
    """Run a centre: Asterisk, conversations, keeper; until Ctrl-C or SIGTERM, then drained."""
    from centre import house  # noqa: PLC0415  # only what the command needs is loaded
    from centre.centre import Centre  # noqa: PLC0415

    logs.configure()
    settings, path = load(settings_path)
    centre = Centre(house.prepare(settings, say), path)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        try:
            await centre.start()
            say(f"{settings.name}: ready on SIP {settings.sip_host}:{settings.sip_port}")
            await stop.wait()
            say("stopping: no new calls, the running ones may end")
        finally:
            await centre.stop()
        say("stopped")

    asyncio.run(main())


@example("./siaga prepare --settings /etc/siaga/siaga.toml")
@siaga.command()
@_SETTINGS
def prepare(settings_path: Path | None) -> None:
    """Make what a centre needs (folders, prompts, database, configuration) and start nothing."""
    from centre import house  # noqa: PLC0415

    logs.configure()
    house.prepare(load(settings_path)[0], say)


@example("./siaga demo --once")
@siaga.command()
@click.option("--once", is_flag=True, help="One call of each kind, a table, exit 0 if all held.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the centre's folder here.")
@click.option("--picture", type=click.Path(path_type=Path), hidden=True)
def demo(*, once: bool, keep: Path | None, picture: Path | None) -> None:
    """A whole centre on this machine with a simulated city ringing it."""
    from centre import demo as show  # noqa: PLC0415

    logs.configure(level="ERROR")
    sys.exit(show.run(once=once, keep=keep, say=say, picture=picture))


@example("./siaga doctor --json")
@siaga.command()
@_SETTINGS
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
def doctor(settings_path: Path | None, *, as_json: bool) -> None:
    """Is every part well? Says what is not and what to do; exit 1 if something is not."""
    from centre import doctor as examination  # noqa: PLC0415

    logs.configure(level="CRITICAL")
    settings, _ = load(settings_path)
    sys.exit(examination.run(settings, as_json=as_json))


@example("./siaga test calls")
@siaga.command(
    # No -h of its own: pytest's own words pass through, and some hold an h (-pno:cacheprovider).
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]}
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def test(words: tuple[str, ...]) -> None:
    """Run the tests: unit, calls, asterisk, browser, faults or conf; all when left out."""
    from centre import proving  # noqa: PLC0415

    sys.exit(proving.run(words, say))


@example("./siaga bench calls --json")
@siaga.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a bench.")
def bench(name: str | None, *, as_json: bool) -> None:
    """Every figure we promise, beside its baseline and its goal."""
    from centre import measuring  # noqa: PLC0415

    logs.configure(level="CRITICAL")
    sys.exit(measuring.run(name, as_json=as_json, say=say))


@siaga.group()
def flow() -> None:
    """What the caller hears: check, draw and try the flows."""


@example("./siaga flow check ivr_flows/112.toml")
@flow.command("check")
@_SETTINGS
@click.argument("files", nargs=-1, type=click.Path(path_type=Path), required=True)
def flow_check(settings_path: Path | None, files: tuple[Path, ...]) -> None:
    """Refuse or pass a flow, with file, line, reason and remedy; exit 1 if refused."""
    from centre import flows  # noqa: PLC0415

    sys.exit(flows.check(settings_path, files))


@example("./siaga flow draw ivr_flows/112.toml > 112.svg")
@flow.command("draw")
@_SETTINGS
@click.argument("file", type=click.Path(path_type=Path))
def flow_draw(settings_path: Path | None, file: Path) -> None:
    """Draw a flow as SVG on standard output."""
    from centre import flows  # noqa: PLC0415

    sys.exit(flows.draw(settings_path, file))


@example("./siaga flow try ivr_flows/112.toml")
@flow.command("try")
@_SETTINGS
@click.argument("file", type=click.Path(path_type=Path))
def flow_try(settings_path: Path | None, file: Path) -> None:
    """Play a flow in the terminal: the words of its prompts, your keys."""
    from centre import flows  # noqa: PLC0415

    logs.configure(level="ERROR")
    sys.exit(flows.rehearse(settings_path, file))


@siaga.group()
def asterisk() -> None:
    """Asterisk's configuration and the sandboxed Asterisk."""


@example("./siaga asterisk render /etc/asterisk")
@asterisk.command("render")
@_SETTINGS
@click.argument("folder", type=click.Path(path_type=Path))
def asterisk_render(settings_path: Path | None, folder: Path) -> None:
    """Write Asterisk's configuration for these settings into FOLDER."""
    from asterisk_conf import render, sandbox  # noqa: PLC0415
    from centre import house  # noqa: PLC0415

    settings, _ = load(settings_path)
    found = sandbox.find(settings.asterisk_use)
    modules = found.modules if found else Path("/usr/lib/asterisk/modules")
    plan = house.plan(
        settings,
        modules,
        ami_secret=house.ami_secret(settings),
        major=found.major if found else 22,
    )
    places = replace(plan.directories, etc=folder.resolve())
    for path in render.write(replace(plan, directories=places), folder):
        click.echo(path)


@example("./siaga asterisk units /etc/systemd/system --settings /etc/siaga/siaga.toml")
@asterisk.command("units")
@_SETTINGS
@click.argument("folder", type=click.Path(path_type=Path))
def asterisk_units(settings_path: Path | None, folder: Path) -> None:
    """Write systemd units that run this centre, each program by itself, into FOLDER."""
    from asterisk_conf import sandbox, units  # noqa: PLC0415
    from centre import house  # noqa: PLC0415

    settings, path = load(settings_path)
    found = sandbox.find(settings.asterisk_use)
    if found is None:
        raise sandbox.NoAsteriskError("no Asterisk 20 or 22 here yet: ./siaga asterisk sandbox")
    for written in units.write_units(house.units(settings, path, found.command), folder):
        click.echo(written)


@example("./siaga asterisk sandbox")
@asterisk.command("sandbox")
def asterisk_sandbox() -> None:
    """Install Asterisk 22 LTS beside the system, without touching it."""
    from asterisk_conf import sandbox  # noqa: PLC0415
    from centre import ground  # noqa: PLC0415

    ground.ensure(("mmdebstrap",), say)
    found = sandbox.install(say)
    click.echo(" ".join(found.command))


@siaga.group()
def db() -> None:
    """The database: upgrade, export."""


@example("./siaga db upgrade")
@db.command("upgrade")
@_SETTINGS
def db_upgrade(settings_path: Path | None) -> None:
    """Create the database or bring it to the newest schema."""
    from db.store import upgrade  # noqa: PLC0415

    settings, _ = load(settings_path)
    upgrade(settings.database_url)
    say("the database is up to date")


@example("./siaga db export calls.csv")
@db.command("export")
@_SETTINGS
@click.argument("file", type=click.Path(path_type=Path))
def db_export(settings_path: Path | None, file: Path) -> None:
    """Write every call into FILE: .csv, .json, or .db for SQLite."""
    from db.exchange import export_calls  # noqa: PLC0415

    settings, _ = load(settings_path)
    count = export_calls(settings.database_url, file)
    say(f"{count} calls written to {file}")


@siaga.command("serve-agi", hidden=True)
@_SETTINGS
@click.option("--standby", is_flag=True)
def serve_agi(settings_path: Path | None, *, standby: bool) -> None:
    """The conversations (FastAGI); started by `up` or systemd."""
    from centre import conversations  # noqa: PLC0415

    logs.configure()
    conversations.run(load(settings_path)[0], standby=standby)


@siaga.command("serve-keeper", hidden=True)
@_SETTINGS
def serve_keeper(settings_path: Path | None) -> None:
    """The keeper; started by `up` or systemd."""
    from centre import keeper  # noqa: PLC0415

    logs.configure()
    keeper.run(load(settings_path)[0])
