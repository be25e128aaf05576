"""One door to the database: open it, write to it whole or not at all, bring it up to date."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL
    from sqlalchemy.pool import ConnectionPoolEntry

MIGRATIONS = Path(__file__).with_name("migrations")

# One writer at a time: `seq` then counts in the order of the commits, and two processes never
# fold the same call from half of its facts. SQLite locks the whole file, so PostgreSQL needs
# only this one number, the same in every program of ours.
WRITERS = 112_000_112


class StoreError(Exception):
    """The database cannot be used now. Says what failed and what to do."""


def open_store(url: str, *, busy_s: float = 5.0, create: bool = False) -> Engine:
    """Return an engine; nothing is opened before its first use.

    `url` is sqlite:////absolute/path or postgresql://…; a wait for another writer lasts at most
    `busy_s` seconds. A missing SQLite file is an error unless `create`: an empty new one would
    swallow facts in silence. Open it after a fork, never before.
    """
    made = make_url(url)
    if made.get_backend_name() == "sqlite":
        return _open_sqlite(made, busy_s, create=create)
    return _open_postgresql(made, busy_s)


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite URL; None for any other database."""
    made = make_url(url)
    if made.get_backend_name() != "sqlite" or not made.database:
        return None
    return Path(made.database)


@contextmanager
def atomic(engine: Engine) -> Iterator[Connection]:
    """Write all or nothing: the block's changes are durable when it ends, or never were.

    Raises what the block raises, and SQLAlchemy's errors for trouble with the database.
    """
    with engine.connect() as raw:
        connection = raw.execution_options(siaga_writes=True)
        with connection.begin():
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Read one consistent moment; waits for no writer."""
    with engine.connect() as connection, connection.begin():
        yield connection


def upgrade(url: str) -> None:
    """Create the database or bring it to the newest schema; whole or not at all.

    Raises StoreError when it cannot be reached or written.
    """
    path = sqlite_path(url)
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        engine = open_store(url, create=True)
        try:
            _migrate(engine)
        finally:
            engine.dispose()
    except (SQLAlchemyError, OSError) as error:
        place = path or make_url(url).render_as_string(hide_password=True)
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise StoreError(
            f"{place} cannot be upgraded: {reason}. Check that it exists, can be written and has"
            " room; calls go on meanwhile and their facts wait in the spool."
        ) from error


def _migrate(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            # Kept in the file. Readers then never wait for the writer.
            connection.connection.execute("PRAGMA journal_mode=WAL")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with atomic(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _open_sqlite(url: URL, busy_s: float, *, create: bool) -> Engine:
    mode = "rwc" if create else "rw"
    database = f"file:{quote(str(Path(url.database or '').absolute()))}"
    made = url.set(database=database, query={**url.query, "mode": mode, "uri": "true"})
    engine = create_engine(made, connect_args={"timeout": busy_s, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["file"] = _file_behind(url)
        # We begin transactions ourselves: the driver's own way takes the write lock too late,
        # where waiting for it can only fail.
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=FULL")  # a commit survives a power cut

    @event.listens_for(engine, "checkout")
    def taken(_: object, record: ConnectionPoolEntry, __: object) -> None:
        # The file was moved, deleted or replaced by a backup: what we hold open is nobody's now.
        if record.info["file"] != _file_behind(url):
            raise DisconnectionError("another file stands in the database's place")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("siaga_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _file_behind(url: URL) -> tuple[int, int] | None:
    try:
        status = Path(url.database or "").stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _open_postgresql(url: URL, busy_s: float) -> Engine:
    busy_ms = int(busy_s * 1000)
    options = f"-c lock_timeout={busy_ms} -c statement_timeout={max(busy_ms * 10, 5000)}"
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={
            "options": options,
            "connect_timeout": 2,  # libpq's least
            "tcp_user_timeout": 5000,  # a cut network is noticed after 5 s, not after 15 minutes
        },
    )
