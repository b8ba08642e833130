"""The table ``database`` of an environment: where it is, and what a migration must show before it is run."""

from typing import Self

from pydantic import Field, model_validator

from verdigris.redaction.forms import passwords
from verdigris.settings.tables import EnvValue, Table


class DatabaseSettings(Table):
    """The application's database."""

    embedded: bool = False
    """``local`` only: the harness runs PostgreSQL itself."""
    name: str = "application"
    """The name of the database, where it is embedded."""
    url: EnvValue | None = None
    """Where it is not embedded, by an account that reads; a secret reference when it holds a password."""
    admin: EnvValue | None = None
    """The same server by an account that may create databases: a migration is rehearsed on a scratch copy."""
    variable: str = "DATABASE_URL"
    """``kubernetes`` only: the variable by which pods know where their database is; a rehearsal's get the copy's."""
    revision_query: str | None = "SELECT version_num FROM alembic_version"
    """SQL that answers the migration level in its first column."""
    rehearse: bool = True
    """Whether a migration is proved on a copy first; where it is not, every verdict says so."""
    sample: dict[str, str] = Field(default_factory=dict)
    """``kubernetes`` only: for each table a ``SELECT`` of the rows that its copy gets; without it, the schema alone."""
    writes: bool = False
    """Whether suites may write to it."""
    connections: int | None = Field(default=None, gt=0)
    """The most that one process opens (on ``local`` a color, else a pod); two colors' are checked beforehand."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.embedded == (self.url is not None):
            raise ValueError("a database is either embedded = true or has a url")
        if self.embedded and (self.admin is not None or self.sample):
            raise ValueError("admin and sample belong to a database with a url; an embedded one is copied whole")
        for key, value in (("url", self.url), ("admin", self.admin)):
            if isinstance(value, str) and passwords(value):
                raise ValueError(f'the {key} holds a password; use {key} = {{ from_env = "DATABASE_URL" }}')
        return self
