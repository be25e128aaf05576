"""Render the golden files anew, after a change on purpose: python tests/conf/renew.py.

Then read `git diff asterisk_conf/expected`: it is what a city's Asterisk will be told.
"""

import sys
from dataclasses import replace
from pathlib import Path

HOUSE = Path(__file__).parent.parent.parent
EXPECTED = HOUSE / "asterisk_conf" / "expected"
TEMPLATES = HOUSE / "asterisk_conf" / "templates"
SETTINGS = Path(__file__).parent / "siaga.toml"


def rendered() -> dict[str, str]:
    """Every file of a centre's Asterisk, as it is rendered now from the settings beside this."""
    from asterisk_conf.render import render  # noqa: PLC0415  # as a program, the path is set first
    from centre import house, settings  # noqa: PLC0415

    plan = house.plan(
        settings.load(SETTINGS),
        Path("/usr/lib/asterisk/modules"),
        ami_secret="rahasia-ami",
        major=22,
    )
    return render(plan)


def rendered_units() -> dict[str, str]:
    """Every systemd unit of that centre, installed where the runbook says."""
    from asterisk_conf.units import render_units  # noqa: PLC0415
    from centre import house, settings  # noqa: PLC0415

    units = house.units(
        settings.load(SETTINGS), Path("/etc/siaga/siaga.toml"), ("/usr/sbin/asterisk",)
    )
    return render_units(replace(units, house=Path("/opt/siaga-112")))


def renew(folder: Path, texts: dict[str, str]) -> None:
    """Make `folder` hold exactly `texts`."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.is_file() and old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{len(texts)} files in {folder}\n")


if __name__ == "__main__":
    sys.path.insert(0, str(HOUSE))
    renew(EXPECTED, rendered())
    renew(EXPECTED / "systemd", rendered_units())
