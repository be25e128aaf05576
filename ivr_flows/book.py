"""The flows of a centre, always as saved last: a changed file is taken up by the next call.

A bad file is refused loudly, once per change, and the flow that was good before goes on.
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from ivr_flows.flow import Flow, FlowError, Problem, digest, load

if TYPE_CHECKING:
    from pathlib import Path

    from ivr_flows.flow import Limits, Prompts

log = structlog.get_logger(__name__)

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Page:
    """A file as last seen, and the last good flow from it."""

    stamp: Stamp | None
    digest: str
    flow: Flow


class FlowBook:
    """All `<name>.toml` of a folder. Safe to use from any thread, and after a fork.

    No lock is ever waited for: while one thread reads a changed file, others play the old flow.
    """

    def __init__(self, folder: Path, prompts: Prompts, limits: Limits) -> None:
        """Load every flow in `folder`. FlowError lists the problems of all files at once."""
        self._folder = folder
        self._prompts = prompts
        self._limits = limits
        self._pages: dict[str, _Page] = {}
        self._reading = threading.Lock()
        self._pid = os.getpid()
        problems: list[Problem] = []
        for file in sorted(folder.glob("*.toml")):
            try:
                self._pages[file.stem] = self._first(file)
            except FlowError as refused:
                problems += refused.problems
        if not self._pages and not problems:
            problems.append(Problem(str(folder), 1, "there are no flows", "put 112.toml there"))
        if problems:
            raise FlowError(problems)

    def names(self) -> tuple[str, ...]:
        """Name the flows that have been loaded."""
        return tuple(sorted(self._pages))

    def flow(self, name: str) -> Flow:
        """Give the flow `name` as saved last, or as it last was good.

        Costs one stat while the file is unchanged. FlowError only if it was never good.
        """
        page = self._pages.get(name)
        if page is None:
            return self._new(name).flow
        stamp = _stamp(self._folder / f"{name}.toml")
        if stamp == page.stamp:
            return page.flow
        lock = self._lock()
        if not lock.acquire(blocking=False):
            return page.flow
        try:
            page = self._again(name, page, stamp)
        finally:
            lock.release()
        return page.flow

    def _lock(self) -> threading.Lock:
        """Give this process's lock: one held by another thread at the fork is never released."""
        if self._pid != os.getpid():
            self._reading, self._pid = threading.Lock(), os.getpid()
        return self._reading

    def _new(self, name: str) -> _Page:
        """Read a flow that was added after the start."""
        file = self._folder / f"{name}.toml"
        if not _NAME.fullmatch(name):
            remedy = "name flows in lower case"
            raise FlowError([Problem(str(self._folder), 1, f"no flow {name[:40]!r}", remedy)])
        self._pages[name] = page = self._first(file)
        return page

    def _first(self, file: Path) -> _Page:
        stamp = _stamp(file)  # before reading: a change in between is then seen next time
        flow = load(file, self._prompts, self._limits)
        return _Page(stamp, flow.digest, flow)

    def _again(self, name: str, page: _Page, stamp: Stamp | None) -> _Page:
        """Read a file whose stamp has changed; whatever is wrong with it, keep the old flow."""
        file = self._folder / f"{name}.toml"
        now, flow = "", page.flow
        try:
            now = digest(file.read_bytes())
            if now != page.digest:
                flow = load(file, self._prompts, self._limits)
                log.info("flow_taken_up", flow=name, digest=flow.digest[:12])
        except FlowError as refused:
            log.error("flow_refused", flow=name, problems=[str(p) for p in refused.problems])  # noqa: TRY400 # the problems say it all
        except OSError as broken:
            log.error("flow_refused", flow=name, problems=[f"{file}: {broken.strerror}"])  # noqa: TRY400 # the same
        self._pages[name] = fresh = _Page(stamp, now, flow)
        return fresh


def _stamp(file: Path) -> Stamp | None:
    """Tell whether a file may have changed: its time, size and place on the disk."""
    try:
        stat = file.stat()
    except OSError:
        return None  # gone for a moment or for ever: callers hear the flow as it was
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)
