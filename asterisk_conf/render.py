"""Asterisk's configuration, written from a `Plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from asterisk_conf.check import problems_in_plan
from asterisk_conf.modules import MODULES
from asterisk_conf.roads import problems_in_texts

if TYPE_CHECKING:
    from asterisk_conf.plan import Plan

TEMPLATES = Path(__file__).parent / "templates"


class RenderError(ValueError):
    """The plan or what it renders to is unsafe; `problems` says what and how to mend it."""

    def __init__(self, problems: list[str]) -> None:
        """Keep the list; the message is one problem a line."""
        super().__init__("\n".join(problems))
        self.problems = problems


def render(plan: Plan) -> dict[str, str]:
    """Return {file name: text} of a whole /etc/asterisk for `plan`.

    Raises RenderError if the plan holds a host name where an address must be, or if what was
    rendered uses an application, function or context that does not exist.
    """
    if problems := problems_in_plan(plan):
        raise RenderError(problems)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # conf files, not HTML; values are checked before
    )
    networks = sorted(
        {network for trunk in plan.trunks for network in trunk.addresses}
        | {network for phone in plan.phones for network in phone.networks}
        | {outside.address.rpartition(":")[0] + "/32" for outside in plan.outside}
    )
    texts = {
        path.name.removesuffix(".j2"): environment.get_template(path.name).render(
            p=plan, modules=MODULES, sip_networks=networks
        )
        for path in sorted(TEMPLATES.glob("*.j2"))
    }
    if problems := problems_in_texts(texts):
        raise RenderError(problems)
    return texts


def write(plan: Plan, folder: Path) -> list[Path]:
    """Render `plan` into `folder` (made if missing), readable by its group only."""
    texts = render(plan)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in texts.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o640)  # passwords of phones are inside
        written.append(path)
    return written
