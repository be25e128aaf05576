"""systemd units for a city's server, rendered from where its centre stands.

Each program runs alone, as a user of its own, with what it does not need taken away. Any of them
can be stopped or die without taking a call along, except Asterisk, which holds the calls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from asterisk_conf.render import RenderError

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATES = Path(__file__).parent / "templates" / "systemd"
_PATH = re.compile(r"/[A-Za-z0-9._/+@-]*")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_HOMES = (Path("/home"), Path("/root"))


@dataclass(frozen=True, slots=True)
class Units:
    """Where one centre stands: `house` holds our programs, `data` what they keep.

    `asterisk_command` starts Asterisk (the sandboxed one goes through its own loader);
    `local_database`: the books need no network, so our programs get none.
    """

    centre_id: str
    house: Path
    settings: Path
    data: Path
    etc: Path
    asterisk_command: tuple[str, ...]
    local_database: bool
    user: str = "siaga"
    asterisk_user: str = "siaga-asterisk"
    group: str = "siaga"
    uid: int = 61112

    @property
    def at_home(self) -> bool:
        """Whether something of ours lies below a home folder, which then must stay readable."""
        mine = (self.house, self.settings, self.data, Path(self.asterisk_command[0]))
        return any(path.is_relative_to(home) for path in mine for home in _HOMES)


def render_units(units: Units) -> dict[str, str]:
    """Return {file name: text} of every unit. Raises RenderError if systemd would misread one."""
    if problems := list(_problems(units)):
        raise RenderError(problems)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # unit files, not HTML; values are checked before
    )
    return {
        path.name.removesuffix(".j2"): environment.get_template(path.name).render(u=units)
        for path in sorted(TEMPLATES.glob("siaga*.j2"))
    }


def write_units(units: Units, folder: Path) -> list[Path]:
    """Render every unit into `folder` (made if missing); a unit holds no secret."""
    texts = render_units(units)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in texts.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def _problems(units: Units) -> Iterator[str]:
    for word in (units.centre_id, units.user, units.asterisk_user, units.group):
        if not _WORD.fullmatch(word):
            yield f"{word!r}: use letters, digits, - and _"
    for path in (units.house, units.settings, units.data, units.etc, *units.asterisk_command):
        if not _PATH.fullmatch(str(path)) and str(path) != "--library-path":
            yield f"{str(path)!r}: systemd needs an absolute path of letters, digits and . _ - + @"
