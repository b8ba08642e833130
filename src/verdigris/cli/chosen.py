"""What a word on the command line changes of the settings, for this one run."""

from verdigris.errors import UsageError
from verdigris.settings import Settings
from verdigris.settings.kubernetes import KubernetesSettings


def with_runner(settings: Settings, environment: str, runner: str | None) -> Settings:
    """The settings with ``kubernetes.runner`` as ``--runner`` has it.

    Raises:
        UsageError: where suites cannot run there.
    """
    if runner is None:
        return settings
    chosen = settings.environment(environment)
    if chosen.kubernetes is None:
        if runner == "local":
            return settings
        raise UsageError(f"--runner job: {environment} is on the platform {chosen.platform}; only a cluster runs Jobs")
    if runner == "job" and chosen.kubernetes.job is None:
        raise UsageError(
            f"--runner job: the settings name no image for it; add "
            f'environments.{environment}.kubernetes.job = {{ image = "..." }}'
        )
    table: KubernetesSettings = chosen.kubernetes.model_copy(update={"runner": runner})
    changed = {**settings.environments, environment: chosen.model_copy(update={"kubernetes": table})}
    return settings.model_copy(update={"environments": changed})
