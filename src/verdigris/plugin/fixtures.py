"""The fixtures of the suites; ``pytest --fixtures`` shows them with these texts."""

import os
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from verdigris.model import described
from verdigris.platform.connection import Certificate
from verdigris.platform.connection import certificate as read_certificate
from verdigris.plugin.context import CONTEXT, REHEARSAL, Context, Target
from verdigris.plugin.identity import BEGAN, BOOK, Ledger
from verdigris.settings import Checks, Environment
from verdigris.suites.evidence import Exchange

if TYPE_CHECKING:
    import httpx
    import psycopg

RUN_HEADER = "x-verdigris-run"
"""The header by which an application can tell the suites' requests from its users'."""


@pytest.fixture(scope="session")
def environment(pytestconfig: pytest.Config) -> Environment:
    """The environment of ``--env``, as its settings describe it."""
    return pytestconfig.stash[CONTEXT].environment


@pytest.fixture(scope="session")
def checks(pytestconfig: pytest.Config) -> Checks:
    """What the settings say of the application: paths, expected texts, budgets."""
    return pytestconfig.stash[CONTEXT].checks


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    """Whom this run tests: color, address (``target.url``) and the identity that must answer."""
    targets = request.config.stash[CONTEXT].targets
    return targets[getattr(request, "param", next(iter(targets)))]


@pytest.fixture(scope="session")
def http(target: Target, environment: Environment) -> "Iterator[httpx.Client]":
    """An httpx client of the target; every answer is checked to come from the target, redirects are not followed.

    Where the environment names a tenant for tests, requests carry it in the header ``x-tenant``.
    """
    import httpx

    from verdigris.plugin.transport import Named

    headers = {RUN_HEADER: "suite", "user-agent": "verdigris"}
    if environment.tenant:
        headers["x-tenant"] = environment.tenant
    hooks: dict[str, list[Any]] = {"request": [_begin], "response": [_check(target)]}
    transport = Named(target.address)
    with httpx.Client(
        base_url=target.url, headers=headers, timeout=10, event_hooks=hooks, transport=transport, trust_env=False
    ) as client:
        yield client


@pytest.fixture
def certificate(target: Target, pytestconfig: pytest.Config) -> Callable[[], Certificate]:
    """Reads the certificate that users meet, verified for its name; of a target without HTTPS, the one of all users."""
    address = target.address if target.address.https else pytestconfig.stash[CONTEXT].platform.users()

    def read() -> Certificate:
        try:
            found = read_certificate(address)
        except OSError as error:
            pytest.fail(str(error), pytrace=False)
        BOOK.ledger.used["certificate"] += 1
        return found

    return read


def _begin(request: "httpx.Request") -> None:
    request.extensions[BEGAN] = time.monotonic()


def _check(target: Target) -> Any:
    def check(response: "httpx.Response") -> None:
        streaming = response.headers.get("content-type", "").startswith("text/event-stream")
        if not streaming:
            response.read()
        lines = response.headers.get_list(target.header)
        ip = _ip(response)
        BOOK.ledger.ips[ip] += 1
        BOOK.ledger.keep(
            Exchange(
                method=response.request.method,
                url=str(response.request.url),
                status=response.status_code,
                milliseconds=round(1000 * (time.monotonic() - response.request.extensions[BEGAN]), 1),
                identity=described(lines) if lines else None,
                ip=ip,
                request_body=response.request.content.decode(errors="replace"),
                response_body="(a stream)" if streaming else response.text,
            )
        )
        BOOK.check(target, str(response.request.url), response.status_code, lines)

    return check


def _ip(response: "httpx.Response") -> str:
    """Who is behind the name, as the connection knows it."""
    place = response.extensions["network_stream"].get_extra_info("server_addr")
    return str(place[0])


@pytest.fixture
def ledger() -> Ledger:
    """What this test saw; figures put into ``ledger.figures`` stand in the report."""
    return BOOK.ledger


@pytest.fixture(scope="session")
def database(pytestconfig: pytest.Config) -> "Iterator[psycopg.Connection[Any]]":
    """A psycopg connection to the application's database; read-only unless the environment allows writes."""
    import psycopg

    context = pytestconfig.stash[CONTEXT]
    url = database_url(context)
    if url is None:
        pytest.fail(
            f"environment {context.name!r} describes no database: add a table environments.{context.name}.database"
        )
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        pytest.fail(f"the database of {context.name!r} cannot be reached: {error}")
    with connection:
        writes = context.environment.database is not None and context.environment.database.writes
        if not writes:
            connection.execute("SET default_transaction_read_only = on")
        connection.cursor_factory = _noting(psycopg)
        yield connection


def _noting(psycopg: ModuleType) -> Any:
    """A cursor that notes what the database answered; an error of its own is an answer too."""

    class Noting(psycopg.Cursor):  # type: ignore[misc, name-defined]
        def execute(self, *words: Any, **options: Any) -> Any:
            return self._noted(lambda: super(Noting, self).execute(*words, **options))

        def executemany(self, *words: Any, **options: Any) -> Any:
            return self._noted(lambda: super(Noting, self).executemany(*words, **options))

        def _noted(self, ask: Callable[[], Any]) -> Any:
            try:
                answer = ask()
            except psycopg.Error as error:
                BOOK.ledger.used["database"] += error.sqlstate is not None
                raise
            BOOK.ledger.used["database"] += 1
            return answer

    return Noting


def database_url(context: Context) -> str | None:
    """The address of the application's database; ``None`` where the settings describe none."""
    if "rehearsal" in context.targets:
        return os.environ[REHEARSAL].split(" ")[1]
    if context.environment.platform == "local":
        return context.platform.database_url()  # type: ignore[attr-defined, no-any-return]
    database = context.environment.database
    if database is None or database.url is None:
        return None
    return database.url if isinstance(database.url, str) else database.url.read(context.settings.root)


def service_fixtures(context: Context) -> ModuleType:
    """A fixture for each external service of the settings, named as it is there: an httpx client of that service."""

    def make(name: str, url: str) -> Any:
        @pytest.fixture(scope="session", name=name)
        def service() -> "Iterator[httpx.Client]":
            import httpx

            from verdigris.plugin.transport import Whole

            def note(_response: "httpx.Response") -> None:
                BOOK.ledger.used[name] += 1

            options: dict[str, Any] = {"timeout": 10, "trust_env": False, "event_hooks": {"response": [note]}}
            with httpx.Client(base_url=url, transport=Whole(), **options) as client:
                yield client

        service.__doc__ = f"An httpx client of the external service {name!r}."
        return service

    made = ModuleType("verdigris_services")
    for name, service in context.environment.services.items():
        url = service.url
        if url is None:
            url = context.platform.service_url(name)  # type: ignore[attr-defined]
        setattr(made, name.replace("-", "_"), make(name.replace("-", "_"), str(url)))
    return made
