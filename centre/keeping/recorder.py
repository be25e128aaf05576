"""Recordings: finished when their call is over, and held back when the disk is nearly full."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from call_router.call import Fact
from recordings import store

if TYPE_CHECKING:
    from pathlib import Path

    from call_router.call import Call
    from call_router.fact import JSON

log = structlog.get_logger()

RECORDED = "recorded"


def finish(folder: Path, call: Call) -> Fact:
    """Hash and measure an ended call's recording; return the fact to keep. Blocking.

    Never raises: a recording that cannot be read is a fact too, with its problem in words.
    """
    data: dict[str, JSON]
    try:
        data = _as_json(store.finish(folder, call.recording))
    except Exception as broken:
        # The caller has long gone; what must not happen is that the row says nothing.
        log.exception("recording not finished", call_id=call.call_id)
        data = {"files": {}, "problems": [f"tidak dapat dibaca / cannot be read: {broken}"]}
    return Fact(
        call.call_id,
        datetime.now(UTC),
        RECORDED,
        data=data,
        fact_id=f"recorded-{call.call_id}",
    )


def _as_json(finished: store.Finished) -> dict[str, JSON]:
    """What the row keeps of a recording; digital silence (-inf) is None, which JSON can say."""
    files: dict[str, JSON] = {
        leg.value: {
            "sha256": facts.sha256,
            "seconds": round(facts.seconds, 3),
            "rms_dbfs": _level(facts.rms_dbfs),
            "peak_dbfs": _level(facts.peak_dbfs),
            "longest_silence_s": round(facts.longest_silence_s, 2),
            "silent": facts.silent,
        }
        for leg, facts in finished.files.items()
    }
    return {"files": files, "problems": list(finished.problems)}


def _level(dbfs: float) -> float | None:
    return round(dbfs, 1) if math.isfinite(dbfs) else None
