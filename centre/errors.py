"""What a person at the terminal can mend: shown in words, without a traceback."""

from __future__ import annotations

from asterisk_conf.render import RenderError
from asterisk_conf.sandbox import NoAsteriskError
from call_router.rules import PolicyError
from centre.ground import GroundError
from centre.processes import AlreadyRunsError, NotReadyError
from centre.settings import SettingsError
from db.exchange import ExportError
from db.store import StoreError
from ivr_flows.problems import FlowError
from ivr_flows.sounds import SoundsError

PEOPLE_CAN_MEND = (
    AlreadyRunsError,
    ExportError,
    FlowError,
    GroundError,
    NoAsteriskError,
    NotReadyError,
    PolicyError,
    RenderError,
    SettingsError,
    SoundsError,
    StoreError,
)
