"""Puts the application together: the routes, what they use, and what goes around all of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from chatbot import api, health, pages
from chatbot.asgi import Drain, Draining, Identity
from chatbot.assistant import Assistant
from chatbot.database import make_pool
from chatbot.errors import install_handlers
from chatbot.faults import Faults
from chatbot.metrics import Measure, Metrics
from chatbot.release import Release
from chatbot.settings import Settings
from chatbot.store import Store


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    await app.state.pool.open(wait=False)
    app.state.assistant.open()
    try:
        yield
    finally:
        await app.state.assistant.close()
        await app.state.pool.close()


def make_app(settings: Settings, release: Release, faults: Faults, draining: Draining) -> ASGIApp:
    """Build the application. From the outside in: identity, drain, metrics, faults, the application itself."""
    release = faults.reported(release)
    app = FastAPI(title="Chatbot Platform", version=release.version, lifespan=_lifespan, docs_url=None, redoc_url=None)
    install_handlers(app)
    for part in (api, health, pages):
        app.include_router(part.router)
    metrics = Metrics(release, settings.color, settings.config)
    app.state.settings, app.state.release, app.state.faults = settings, release, faults
    app.state.draining, app.state.metrics = draining, metrics
    app.state.pool = make_pool(settings.database_url, settings.database_pool_max, f"chatbot-{settings.color}")
    app.state.store = Store(app.state.pool, release.features, faults.before_write)
    app.state.assistant = Assistant(settings, metrics.count_provider_error)
    app.state.web = pages.Web(release, settings.color)
    measured = Measure(faults.wrap(app), metrics)
    return Identity(Drain(measured, draining), release.identity(settings.color, settings.config))
