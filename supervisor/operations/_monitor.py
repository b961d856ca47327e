"""What is watched for operators: samples each second, events, alerts, and surveys while somebody looks."""

from __future__ import annotations

import math

import trio

from supervisor import Supervisor, Survey
from supervisor.alerts import Alert, Thresholds, watch_alerts

from ._recent import Alerts, Feed
from ._trends import STEP, Sample, Trends

# The event loop is asked four times in each step whether it is late, and for what has happened.
BEAT = STEP / 4

# Events that may happen within a beat; of more, the oldest are skipped.
CAPACITY = 2_000

# While somebody looks, a survey begins so many seconds after the last one ended. Somebody looks who
# has asked within the last ten.
SURVEYS_APART = 2.0
LOOKS_FOR = 10.0

# Users at their limit who are looked at as often, however long it takes to look at everybody.
MOST_FIRST = 20

# What the first one takes of the event loop: whoever begins to look is not to wait for long.
FIRST_SHARE = 0.1

# So long, in seconds, somebody who begins to look waits for the first survey.
FIRST_SURVEY = 1.0


class Monitor:
    """Watches one supervisor, in its background."""

    def __init__(self, supervisor: Supervisor, *, alert_window: float, thresholds: Thresholds | None) -> None:
        if not 0 < alert_window < math.inf:
            raise ValueError(f"an alert window is some seconds, not {alert_window!r}")
        self.trends = Trends()
        self.feed = Feed(supervisor.counts().events)
        self.alerts = Alerts(alert_window)
        self.survey: Survey | None = None
        """The last one of everybody; None where nobody has looked for long."""
        self.first_survey: Survey | None = None
        """The last one of those at their limit: with many managers, it is made more often."""
        self.sampled_at = trio.current_time()
        self.trends.add(Sample(self.sampled_at, supervisor.counts(), 0.0))  # what comes now counts
        self._supervisor = supervisor
        self._looked_at = float("-inf")
        self._surveyed = trio.Event()
        self._wanted = trio.Event()
        self._tick = trio.Event()
        self._news = supervisor.events(capacity=CAPACITY)
        start = supervisor.background.start_soon
        start(self._sample_for_ever, name="operations: samples")
        start(self._survey_while_watched, name="operations: surveys")
        start(self._survey_the_first, name="operations: surveys of users at their limit")
        start(self._watch_alerts, thresholds, name="operations: alerts")

    # For those who look

    def look(self) -> None:
        """Somebody looks: have surveys made."""
        self._looked_at = trio.current_time()
        self._wanted.set()

    async def wait_surveyed(self) -> None:
        """Until there is a survey, or for a second. Cancellation: nothing happens."""
        self.look()
        with trio.move_on_after(FIRST_SURVEY):
            await self._surveyed.wait()

    async def wait_sampled(self) -> None:
        """Until the next sample. Cancellation: nothing happens."""
        await self._tick.wait()

    # The background

    async def _sample_for_ever(self) -> None:
        with self._news as news:
            while True:
                lag = 0.0
                for _ in range(round(STEP / BEAT)):
                    due = trio.current_time() + BEAT
                    await trio.sleep_until(due)
                    lag = max(lag, trio.current_time() - due)
                    self.feed.add(news.drain())
                self.sampled_at = trio.current_time()
                self.trends.add(Sample(self.sampled_at, self._supervisor.counts(), lag))
                self._tick.set()
                self._tick = trio.Event()

    async def _survey_while_watched(self) -> None:
        while True:
            await self._wanted.wait()
            survey = self._supervisor.survey
            self.survey = await (survey(share=FIRST_SHARE) if self.survey is None else survey())
            self._surveyed.set()
            await trio.sleep(SURVEYS_APART)
            if trio.current_time() - self._looked_at > LOOKS_FOR:
                self.survey, self._wanted, self._surveyed = None, trio.Event(), trio.Event()

    async def _survey_the_first(self) -> None:
        while True:
            await self._wanted.wait()
            first = self._supervisor.users_at_limit[:MOST_FIRST]
            self.first_survey = await self._supervisor.survey(users=first, share=FIRST_SHARE)
            await trio.sleep(SURVEYS_APART)

    async def _watch_alerts(self, thresholds: Thresholds | None) -> None:
        window = self.alerts.window
        await watch_alerts(
            self._supervisor, self._note_alert, thresholds=thresholds, window=window, cool_down=0.0
        )

    async def _note_alert(self, alert: Alert) -> None:
        await trio.lowlevel.checkpoint()
        self.alerts.add(alert, trio.current_time())
