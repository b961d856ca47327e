"""Looks at a supervisor once a window, and tells of what a person should look at."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator

import attrs
import trio

from supervisor import Counts, Subscription, Supervisor

from ._evaluation import Failures, Window, evaluate
from ._facts import Alert, AlertName, Thresholds

OnAlert = Callable[[Alert], Awaitable[None]]

# As often as a Prometheus would, and often enough for a person.
DEFAULT_WINDOW = 60.0
DEFAULT_COOL_DOWN = 600.0

# How long telling of one alert may take, in seconds: a mail server that hangs is given up.
TELLING = 30.0


@attrs.define(eq=False)
class CoolDown:
    """Lets each alert through once in so many seconds; one about a user, once for that user. Pure."""

    seconds: float
    _told: dict[tuple[AlertName, str | None], float] = attrs.field(
        init=False, factory=dict[tuple[AlertName, str | None], float]
    )

    def passing(self, alerts: Iterable[Alert], now: float) -> Iterator[Alert]:
        self._told = {which: at for which, at in self._told.items() if now - at < self.seconds}
        for alert in alerts:
            which = (alert.name, alert.user)
            if which not in self._told:
                self._told[which] = now
                yield alert


async def watch_alerts(
    supervisor: Supervisor,
    on_alert: OnAlert,
    *,
    thresholds: Thresholds | None = None,
    window: float = DEFAULT_WINDOW,
    cool_down: float = DEFAULT_COOL_DOWN,
) -> None:
    """Call `on_alert` for each alert, as often as once in `cool_down` seconds, until cancelled.

    Run it in a nursery inside of the supervisor's block:

        async with open_supervisor() as supervisor, trio.open_nursery() as nursery:
            nursery.start_soon(watch_alerts, supervisor, send_a_mail)

    Every `window` seconds it compares two snapshots. `on_alert` is called in a task of its own: one
    that raises, or takes more than 30 seconds, becomes a HandlerFailed event and harms nobody.
    It returns when the supervisor has ended.
    """
    if not window > 0:
        raise ValueError(f"a window is some seconds, not {window!r}")
    watch = _Watch(supervisor, on_alert, thresholds or Thresholds(), CoolDown(cool_down))
    with supervisor.events() as news:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch.read, news, nursery.cancel_scope)
            while True:
                await trio.sleep(window)
                watch.look()


@attrs.define(eq=False)
class _Watch:
    supervisor: Supervisor
    on_alert: OnAlert
    thresholds: Thresholds
    cool_down: CoolDown
    _failures: Failures = attrs.field(init=False, factory=Failures)
    _history: deque[Counts] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._history = deque([self.supervisor.counts()], maxlen=self.thresholds.growth_windows + 1)

    async def read(self, news: Subscription, scope: trio.CancelScope) -> None:
        async for event in news:
            self._failures.see(event)
        scope.cancel()

    def look(self) -> None:
        """A window is over: tell of it, and begin the next."""
        self._history.append(self.supervisor.counts())
        failures, self._failures = self._failures, Failures()
        alerts = evaluate(Window(self._history, failures, self.thresholds))
        for alert in self.cool_down.passing(alerts, trio.current_time()):
            name = f"on_alert {alert.name.value}"
            self.supervisor.handler_nursery.start_soon(self._tell, alert, name=name)

    async def _tell(self, alert: Alert) -> None:
        with trio.fail_after(TELLING):
            await self.on_alert(alert)
