"""Alerts: what a person should look at; within the process, and as rules for Prometheus.

    async def send_a_mail(alert: Alert) -> None: ...

    async with open_supervisor() as supervisor, trio.open_nursery() as nursery:
        nursery.start_soon(watch_alerts, supervisor, send_a_mail)

`rules()` are alert rules for Prometheus, and `dashboard()` is a dashboard for Grafana, over the
metrics of `supervisor.metrics`. Write them into files:

    python -c "from supervisor.alerts import rules; print(rules())" > trouper.rules.yml
"""

from importlib.resources import files

from ._evaluation import Failures, Window, evaluate
from ._facts import Alert, AlertName, Thresholds
from ._watch import watch_alerts

__all__ = [
    "Alert",
    "AlertName",
    "Failures",
    "Thresholds",
    "Window",
    "dashboard",
    "evaluate",
    "rules",
    "watch_alerts",
]


def rules() -> str:
    """Alert rules for Prometheus, as YAML."""
    return files(__name__).joinpath("rules.yml").read_text(encoding="utf-8")


def dashboard() -> str:
    """A dashboard for Grafana, as JSON; it asks for its Prometheus data source when it is imported."""
    return files(__name__).joinpath("dashboard.json").read_text(encoding="utf-8")
