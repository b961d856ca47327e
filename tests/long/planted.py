"""Bugs to plant, one at a time, each with the tests that should find it first."""

from __future__ import annotations

import attrs

S = "tests/supervisor/test_"
A = "tests/actors/test_"


@attrs.frozen
class Mutant:
    """One bug: `old` occurs exactly once in the file, and `new` takes its place."""

    name: str
    file: str
    old: str
    new: str
    first: tuple[str, ...] = ()
    """Test files that are run before the others: only for speed."""


def _mailbox(name: str, old: str, new: str) -> Mutant:
    return Mutant(
        name, "actors/_mailbox.py", old, new, (f"{A}mailbox.py", f"{A}ref.py", f"{A}conservation.py")
    )


def _cell(name: str, old: str, new: str) -> Mutant:
    first = (f"{A}ref.py", f"{A}actor.py", f"{A}deadlock.py", f"{A}manager.py", f"{S}condemned.py")
    return Mutant(name, "actors/_cell.py", old, new, first)


def _actor(name: str, old: str, new: str) -> Mutant:
    return Mutant(name, "actors/_actor.py", old, new, (f"{A}actor.py", f"{A}pulse.py", f"{A}at_end.py"))


def _edge(name: str, file: str, old: str, new: str) -> Mutant:
    names = ("connection", "manager", "next_step", "proof_of_life", "outbox", "wire_endings", "torn_frames")
    first = tuple(f"{A}{name}.py" for name in names)
    return Mutant(name, f"actors/{file}", old, new, first)


def _health(name: str, old: str, new: str) -> Mutant:
    return Mutant(name, "supervisor/_health.py", old, new, (f"{S}health.py", f"{S}protection.py"))


def _admission(name: str, old: str, new: str) -> Mutant:
    return Mutant(name, "supervisor/_admission.py", old, new, (f"{S}admission.py", f"{S}escalation.py"))


def _cleanup(name: str, old: str, new: str) -> Mutant:
    first = (f"{S}escalation.py", f"{S}protection.py", f"{S}hostile.py", f"{S}limits.py")
    return Mutant(name, "supervisor/_cleanup.py", old, new, first)


def _table(name: str, old: str, new: str) -> Mutant:
    first = (f"{S}condemned.py", f"{S}reaping.py", f"{S}limits.py", f"{S}machine.py")
    return Mutant(name, "supervisor/_table.py", old, new, first)


def _user(name: str, old: str, new: str) -> Mutant:
    first = (f"{S}spawn.py", f"{S}identity.py", f"{S}cancelled_callers.py", f"{S}limits.py", f"{S}machine.py")
    return Mutant(name, "supervisor/_user.py", old, new, first)


def _escalation(name: str, old: str, new: str) -> Mutant:
    return Mutant(name, "supervisor/_escalation.py", old, new, (f"{S}escalation.py", f"{S}shared_cleanup.py"))


def _restart(name: str, file: str, old: str, new: str) -> Mutant:
    names = ("restart", "restarts", "groups", "restart_scripts", "restarts_and_slots")
    return Mutant(name, f"supervisor/{file}", old, new, tuple(f"{S}{each}.py" for each in names))


def _more(name: str, file: str, old: str, new: str, test: str) -> Mutant:
    return Mutant(name, f"supervisor/{file}", old, new, (f"{S}{test}.py",))


def _reaper(name: str, old: str, new: str) -> Mutant:
    first = (f"{S}condemned.py", f"{S}reaping.py", f"{S}force.py")
    return Mutant(name, "supervisor/_reaper.py", old, new, first)


def _background(name: str, file: str, old: str, new: str) -> Mutant:
    first = (f"{S}sweeper.py", f"{S}mass_hold.py", f"{S}protection.py", f"{S}hostile.py")
    return Mutant(name, f"supervisor/{file}", old, new, first)


MUTANTS = (
    # One who gave up meanwhile needs no slot
    _cleanup(
        "a slot is needed by one who has given up",
        "    await trio.lowlevel.checkpoint()  # each stage is a turn of its own: others go on in between\n",
        "    early = needed()\n    await trio.lowlevel.checkpoint()\n    needed = lambda: early\n",
    ),
    # The mailbox
    _mailbox(
        "a full mailbox takes one more",
        "if len(user) >= self.room:",
        "if len(user) > self.room:",
    ),
    _mailbox(
        "a full mailbox drops silently",
        "            return False\n        self.user, self.room",
        "            return True\n        self.user, self.room",
    ),
    _mailbox(
        "senders that wait are served last first",
        "task, waiting = self.senders.popitem(last=False)",
        "task, waiting = self.senders.popitem(last=True)",
    ),
    _mailbox("a closed mailbox takes mail", "        if self._closed:\n            raise Closed\n", ""),
    _mailbox("clearing loses one message", "left = list(self.user)", "left = list(self.user)[1:]"),
    _mailbox(
        "clearing leaves probes unanswered",
        "self.take_probe().done.set()",
        "self.take_probe()",
    ),
    _mailbox(
        "every probe is queued anew",
        "        if self.probe is None:\n            self.probe = Probe()",
        "        if True:\n            self.probe = Probe()",
    ),
    _mailbox(
        "a late answer revives its asker",
        "        self.asker = None\n        self.abandon()\n        return",
        "        return",
    ),
    _mailbox("closing forgets the senders that wait", "for task in self.senders or ():", "for task in ():"),
    # The way that most messages take
    Mutant(
        "a cancelled tell is sent",
        "actors/_ref.py",
        "effectively_cancelled:  # noqa: SLF001\n            await checkpoint_if_cancelled()\n        mailbox",
        "effectively_cancelled:  # noqa: SLF001\n            pass\n        mailbox",
        (f"{A}ref.py",),
    ),
    Mutant(
        "a tell in a hurry finds one place too many",
        "actors/_ref.py",
        "if len(mailbox.user) < mailbox.room and not fenced:  # Mailbox.put_nowait",
        "if len(mailbox.user) <= mailbox.room and not fenced:  # Mailbox.put_nowait",
        (f"{A}ref.py", f"{A}conservation.py"),
    ),
    Mutant(
        "the quick way asks nobody who he is",
        "actors/_ref.py",
        " and not fenced:  # as in tell_nowait",
        ":  # as in tell_nowait",
        (f"{S}condemned.py",),
    ),
    _actor(
        "what was given back is handled all the same",
        "        pulse.handled -= 1  #",
        "        pulse.handled -= 0  #",
    ),
    _actor(
        "what an exception ended is in nobody's hand",
        "        cell.interrupted(item)\n",
        "",
    ),
    _actor(
        "child tasks outlive their actor", "            await cell.children.end()  #", "            pass  #"
    ),
    # The cell
    _cell(
        "a stopping actor takes mail",
        "        self.mailbox.close()\n        self.observe(Ending())",
        "        self.observe(Ending())",
    ),
    _cell(
        "a cancelled actor keeps what it holds",
        "        self._let_go(lost)\n        self.observe(Ending())",
        "        self.observe(Ending())",
    ),
    _cell(
        "a condemned actor may send",
        "if self.pulse.state is State.CONDEMNED:\n            raise Fenced",
        "if self.pulse.state is State.ENDED:\n            raise Fenced",
    ),
    _cell(
        "asking oneself is no deadlock",
        "if link is self._sender:",
        "if link is self._sender and len(chain) > 2:",
    ),
    _cell("asking round a circle is no deadlock", "link = link.waits_for", "link = None"),
    _cell("a stop has no end", "        self.scope.deadline = deadline\n", ""),
    _cell(
        "the last reason wins",
        "        if self.due is None:\n            self.due = Exit(reason, detail)\n        self.pulse.signal(Signal.CANCEL)",
        "        self.due = Exit(reason, detail)\n        self.pulse.signal(Signal.CANCEL)",
    ),
    _cell("an asker is left waiting", "item.answer(None, ActorStopped(self.name, exit))", "pass"),
    _cell("dead letters are not told", "        if dead:\n", "        if dead > 1:\n"),
    _cell("returned requests are not counted", "self.pulse.returned += 1", "self.pulse.returned += 0"),
    # The actor
    _actor(
        "control mail waits behind user mail",
        "        if mailbox.probe is not None:\n            await _probe",
        "        if mailbox.probe is not None and not mailbox.user:\n            await _probe",
    ),
    _actor(
        "a crash in handle ends nothing",
        "        cell.interrupted(item)\n        raise\n",
        "        cell.interrupted(item)\n        if _part(error, _goes_on) is not None:\n            raise\n",
    ),
    _actor("on_stop is not shielded", "scope.shield = True", "scope.shield = False"),
    _actor(
        "on_stop has no bound",
        "with trio.move_on_at(cell.pulse.cleanup_by) as scope:",
        "with trio.CancelScope() as scope:",
    ),
    _actor(
        "a BaseException takes everybody down",
        "return not isinstance(error, trio.Cancelled | GeneratorExit)",
        "return isinstance(error, Exception)",
    ),
    _actor("a parked actor looks busy", "    pulse.phase, pulse.stamp = Phase.PARKED, clock()\n", ""),
    _actor(
        "a probe counts as activity",
        "        cell.pulse.probed_at = trio.current_time()\n",
        "        cell.pulse.probed_at = cell.pulse.active_at = trio.current_time()\n",
    ),
    _actor(
        "handled work is no activity",
        "    pulse.active_at = now + pulse.ahead\n",
        "",
    ),
    # The edge
    _edge(
        "sockets are left open",
        "_manager.py",
        "cell.call_at_end(connection, partial(_close, connection))",
        "cell.call_at_end(connection, lambda _: None)",
    ),
    _edge(
        "one connection too many",
        "_manager.py",
        "if cell.pulse.connections >= cell.connection_limit:",
        "if cell.pulse.connections > cell.connection_limit:",
    ),
    _edge(
        "outbound traffic is activity",
        "_connection.py",
        "        self._outbox.push(frame)\n",
        "        self._outbox.push(frame)\n        for function in self._at_message.values():\n            function(trio.current_time())\n",
    ),
    _edge(
        "the outbox has no bound",
        "_connection.py",
        "        if self._outbox.queued + size > self.spec.outbox_bytes:\n            self.abort",
        "        if self._outbox.queued < 0:\n            self.abort",
    ),
    _edge(
        "no second chance",
        "_silence.py",
        "return Ping() if len(pings) == 1 else Dead(now - last_inbound)",
        "return Dead(now - last_inbound)",
    ),
    _edge(
        "the outbox is dropped at a close",
        "_connection.py",
        "                await self._outbox.flush()\n",
        "                self._outbox.drop()\n",
    ),
    _edge(
        "something follows a Close",
        "_outbox.py",
        "        self._complete = True\n",
        "",
    ),
    _edge(
        "a torn frame is followed by another", "_wire.py", "        self._torn = True  #", "        pass  #"
    ),
    _edge(
        "a closed wire writes on",
        "_wire.py",
        "            self.outbox.drop()\n            # TLS",
        "            # TLS",
    ),
    _edge(
        "what is taken after a ping proves something",
        "_life.py",
        "return before < self._taken < self._before_ping",
        "return before < self._taken",
    ),
    _edge(
        "silence counts while nobody reads",
        "_life.py",
        "        if since is None:\n            self._pings = ()\n            return self._step_unread(now)\n",
        "        since = self._signs.last_inbound if since is None else since\n",
    ),
    _edge("an outbox has no budget", "_outbox.py", "> self.budget or self._ending", "< 0 or self._ending"),
    # The verdict
    _health(
        "a glance overlooks the ceiling",
        "if spent > policy.budget or spent > policy.ceiling:",
        "if spent > policy.budget:",
    ),
    _health(
        "a glance overlooks one without a connection",
        " or pulse.connections == 0:",
        ":",
    ),
    _health("exactly at its budget it is late", "    if now <= due:\n", "    if now < due:\n"),
    _health("a stall convicts", "max(since, lag.resumed_at) + allowance", "since + allowance"),
    _health(
        "progress renews for ever",
        "bounds = (renewed, policy.budget), (pulse.since, policy.ceiling)",
        "bounds = ((renewed, policy.budget),)",
    ),
    _health("newborns have no grace", "(pulse.since, policy.start_grace),", "(pulse.since, 0.0),"),
    _health(
        "quiet is unresponsive",
        '            Health.IDLE, f"no traffic',
        '            Health.UNRESPONSIVE, f"no traffic',
    ),
    _health("an old failure convicts", " and now - pulse.probed_at <= policy.budget", ""),
    _health(
        "nobody is ever abandoned",
        "    if verdict.health is Health.UNRESPONSIVE:\n        return Verdict(Health.DISCONNECTED",
        "    if False:\n        return Verdict(Health.DISCONNECTED",
    ),
    # The decision
    _admission(
        "garbage is not cleaned",
        "ESCALATION = (Stage.GARBAGE, Stage.LIVENESS, Stage.EVICT)",
        "ESCALATION = (Stage.LIVENESS,)",
    ),
    _admission("liveness is not tried", "    if len(tried) < len(stages):\n", "    if not tried:\n"),
    _admission(
        "refused before cleaning",
        "    if len(tried) < len(stages):\n        return Try",
        "    if False:\n        return Try",
    ),
    _admission(
        "whoever may come back goes although the bad are enough",
        "if stage is not Stage.GARBAGE or short <= 0:",
        "if stage is not Stage.GARBAGE:",
    ),
    _admission(
        "the shortest gone goes first",
        "gone.sort(key=lambda key: verdicts[key].until or 0.0)",
        "gone.sort(key=lambda key: -(verdicts[key].until or 0.0))",
    ),
    _admission("a literal for the retry hint", "return base * (1 + 0.5 * jitter.random())", "return 5.0"),
    _admission(
        "nothing is ever pending",
        "return RefusalReason.REAP_PENDING if pending else RefusalReason.LIMIT",
        "return RefusalReason.LIMIT",
    ),
    _admission("the high-water mark is never crossed", "return held - 1 < mark <= held", "return False"),
    # The stages
    _cleanup(
        "probes are asked one by one",
        "probes = [(child, probe) for child in asked if (probe := child.probe()) is not None]",
        "probes = ((child, probe) for child in asked if (probe := child.probe()) is not None)",
    ),
    _cleanup("connections are not asked", "            connection.check()\n", "            pass\n"),
    _cleanup(
        "the condemned count as reaped",
        "reaped=tuple(c.finding(v) for c, v in bad if c.is_gone)",
        "reaped=tuple(c.finding(v) for c, v in bad if c.left.is_set())",
    ),
    _cleanup(
        "a literal in a report", "        before,\n        table.held,\n", "        before,\n        0,\n"
    ),
    _cleanup(
        "nobody is said to be kept",
        "kept=tuple(c.finding(v) for c, v in found.items() if c not in ending)",
        "kept=()",
    ),
    _cleanup(
        "the live count of a refusal is the limit",
        "live=table.held if beyond is None",
        "live=table.limit if beyond is None",
    ),
    _cleanup("a dry run counts nobody out", "        held -= len(reaped)\n", ""),
    _cleanup(
        "a stage waits for nobody", "    await wait_left([*begun, *leaving, *going], bound=bound)\n", ""
    ),
    _cleanup("a voided verdict is not told", "table.emit(Voided, child, verdict)", "pass"),
    # The table
    _table("condemned ones never hold a slot", " + max(0, len(self._condemned) - self.allowance)", ""),
    _table(
        "a cancelled one holds no slot",
        "held = len(self._children)",
        "held = sum(not child.cancelled for child in self._children.values())",
    ),
    _table(
        "the end is told twice",
        "        events.emit(Terminal(events.stamp(), *who, how, was_condemned, child.ending_since, self.held))\n",
        "        for _ in range(2):\n            events.emit(Terminal(events.stamp(), *who, how, was_condemned, child.ending_since, self.held))\n",
    ),
    _table("a condemned one is not fenced", "        child.condemn()\n", ""),
    _table(
        "wall clock",
        "        now, lag = trio.current_time(), self.services.lag()\n        return {",
        '        now, lag = __import__("time").time(), self.services.lag()\n        return {',
    ),
    # The user
    _user(
        "a dying one is handed out",
        "if child is None or child.pulse.state is not State.RUNNING:",
        "if child is None:",
    ),
    _user(
        "a stuck one is handed out",
        "        if doubtful and table.verdict(child).health is Health.UNRESPONSIVE:\n            return None\n",
        "",
    ),
    _user(
        "a cancelled caller leaves his start behind",
        '            child.cancel(ExitReason.CANCELLED, "nobody waited for it any more")\n',
        "",
    ),
    _user(
        "a cancelled caller keeps his place", "            if spawn.unwanted:\n", "            if False:\n"
    ),
    _user(
        "one more than the limit",
        "            if self.table.held >= self.table.limit:\n",
        "            if self.table.held > self.table.limit:\n",
    ),
    _user(
        "counted before an await, written after it",
        "        self._grant()\n        if spawn.child is None:\n            spawn.after",
        "        if self.table.held < self.table.limit:\n\n            async def later() -> None:\n                await trio.lowlevel.checkpoint()\n                self._reserve(spawn)\n\n            self.home.do(later)\n            return spawn\n        if spawn.child is None:\n            spawn.after",
    ),
    _user(
        "last come, first served",
        "sorted(self.waiting, key=lambda spawn: spawn.key != heir)",
        "sorted(self.waiting[::-1], key=lambda spawn: spawn.key != heir)",
    ),
    _user(
        "two spawns under one key",
        "spawn = self._spawns.get(key) or self._begin(key, spec)",
        "spawn = self._begin(key, spec)",
    ),
    _user(
        "a raised limit admits nobody",
        "        self._count_out_condemned()\n        self._grant()\n",
        "        self._count_out_condemned()\n",
    ),
    _user(
        "a slot is not freed when its actor raised",
        "        count_out(self._services, child)\n        self.table.ended(child)\n",
        "        if child.exit_due.error is None:\n            count_out(self._services, child)\n"
        "        self.table.ended(child)\n",
    ),
    _user("a freed slot admits nobody", "        self._grant(heir=child.key)\n", ""),
    Mutant(
        "slots beyond the user leak",
        "supervisor/_beginnings.py",
        "            if not runs_elsewhere:\n                child.make_sure_it_ended()\n",
        "            pass\n",
        (f"{S}hostile.py", f"{S}restarts_and_slots.py"),
    ),
    _reaper(
        "a stuck start is waited for",
        "            if verdict.health is Health.UNRESPONSIVE:\n                reap",
        "            if False:\n                reap",
    ),
    _user(
        "a refusal is not told",
        "        events.emit(Refused(events.stamp(), self.user, spawn.key, report, waited))\n",
        "",
    ),
    # The reaper
    _reaper(
        "the cancel grace is ignored",
        "elif verdict.until is not None and trio.current_time() < verdict.until:",
        "elif False:",
    ),
    _reaper("nobody is condemned", "            table.condemn(child)", "            pass"),
    _reaper(
        "the clock is read twice",
        "while self._heap and self._heap[0][0] <= now:",
        "while self._heap and self._heap[0][0] <= now - 1e-6:",
    ),
    _reaper(
        "the stop grace is ignored",
        "        due = child.look_at if due is None else due\n",
        "        due = trio.current_time() if due is None else due\n",
    ),
    # Force
    Mutant(
        "force gives no grace",
        "supervisor/_child.py",
        "        self.pulse.forced_at = trio.current_time()\n",
        "",
        (f"{S}force.py",),
    ),
    Mutant(
        "force leaves connections open",
        "supervisor/_child.py",
        "                held.abort()\n",
        "                pass\n",
        (f"{S}force.py",),
    ),
    Mutant(
        "only the first shield is opened",
        "supervisor/_force.py",
        "            scope.shield = False\n            opened += 1\n",
        "            scope.shield = False\n            return 1\n",
        (f"{S}force.py",),
    ),
    Mutant(
        "force breaks the nursery of whoever waits for children",
        "supervisor/_force.py",
        "return any(frame.f_code.co_name ==",
        "return any(nursery.child_tasks for nursery in task.child_nurseries) and any(frame.f_code.co_name ==",
        (f"{S}force.py",),
    ),
    Mutant(
        "what spins cannot be thrown out",
        "supervisor/_force.py",
        "        leaf._next_send_fn, leaf._next_send = leaf.coro.send, outcome.Error(error)\n        return True\n",
        "        return False\n",
        (f"{S}force.py",),
    ),
    # Everything around
    _background(
        "a crash ends the sweeper",
        "_sweeper.py",
        "        except Exception as error:",
        "        except ZeroDivisionError as error:",
    ),
    _background(
        "a crash is not told",
        "_sweeper.py",
        "            events.emit(SweeperFailed(events.stamp(), error, backoff))\n",
        "",
    ),
    _background(
        "no back-off", "_sweeper.py", "backoff = min(2 * backoff, LONGEST_BACKOFF)", "backoff = FIRST_BACKOFF"
    ),
    _background(
        "stalls are not seen", "_sweeper.py", "        if late > LATE:\n", "        if late > 1e9:\n"
    ),
    _background(
        "many that look dead go at once",
        "_sweep.py",
        "return self._until if now < self._until else None",
        "return None",
    ),
    _background(
        "a hold has no end",
        "_sweep.py",
        "return self._until if now < self._until else None",
        "return self._until",
    ),
    _background(
        "a sweep asks nobody",
        "_sweep.py",
        "        await self._ask_all(bound)\n",
        "        await trio.lowlevel.checkpoint()\n",
    ),
    Mutant(
        "keys are folded",
        "supervisor/_supervisor.py",
        "        _check_request(user, key, spec)\n",
        "        _check_request(user, key, spec)\n        key = key.casefold().strip()\n",
        (f"{S}identity.py",),
    ),
    Mutant(
        "a manager inherits its caller's context",
        "supervisor/_home.py",
        "Context().run(partial(self._nursery.start_soon, task, *args, name=name))",
        "self._nursery.start_soon(task, *args, name=name)",
        (f"{S}identity.py", f"{S}spawn.py"),
    ),
    Mutant(
        "a handler's crash ends the server",
        "supervisor/_handlers.py",
        "except* Exception as group:",
        "except* ZeroDivisionError as group:",
        (f"{S}events.py", f"{S}hostile.py"),
    ),
    Mutant(
        "a slow subscriber is not told what it lost",
        "supervisor/_stream.py",
        "            self._lost += 1\n",
        "",
        (f"{S}events.py",),
    ),
    Mutant(
        "a slow subscriber loses the newest",
        "supervisor/_stream.py",
        "self._waiting.popleft()\n            self._lost",
        "self._waiting.pop()\n            self._lost",
        (f"{S}events.py",),
    ),
    Mutant(
        "every caller created it",
        "supervisor/_spawn.py",
        "created, self._claimed = not (self._claimed or self.joins), True",
        "created, self._claimed = True, True",
        (f"{S}spawn.py", f"{S}identity.py"),
    ),
    Mutant(
        "whoever shared a spawn gets a dying one",
        "supervisor/_spawn.py",
        "            case ActorRef() as ref if ref.state is not State.RUNNING:\n",
        "            case ActorRef() as ref if False:\n",
        (f"{S}spawn.py",),
    ),
    _user(
        "one that was to end before it began has started",
        "        if child.state is not State.RUNNING:\n            return  #",
        "        if False:\n            return  #",
    ),
    Mutant(
        "a full process forgets what it has counted",
        "supervisor/_quota.py",
        "        self._slots.add(slot)\n",
        "",
        (f"{S}full_process.py",),
    ),
    Mutant(
        "a full process refuses without cleaning up",
        "supervisor/_beyond.py",
        "    await services.make_room()\n    report = await clean_up(Stage.LIVENESS, Trigger.FULL_PROCESS, bound=services.spec.admission_deadline)\n",
        "    report = await clean_up(Stage.GARBAGE, Trigger.FULL_PROCESS, bound=services.spec.admission_deadline)\n",
        (f"{S}full_process.py",),
    ),
    Mutant(
        "one user takes every thread",
        "actors/_threads.py",
        "        if self.busy >= self.limit:\n",
        "        if self.busy < 0:\n",
        (f"{A}threads.py", f"{S}threads.py"),
    ),
    Mutant(
        "an abandoned thread counts no more",
        "actors/_threads.py",
        "        self.busy -= 1\n",
        "        self.busy = 0\n",
        (f"{A}threads.py", f"{S}threads.py"),
    ),
    # Making room
    _escalation(
        "all of the stuck go before the newcomer", "(self._table, needed=self._missing)", "(self._table)"
    ),
    _escalation(
        "the other stuck ones wait for their stage",
        "            await trio.lowlevel.checkpoint()\n        self._reaped |= reap_stuck(self._table)\n",
        "            await trio.lowlevel.checkpoint()\n",
    ),
    _escalation(
        "who waits hears of nobody's client",
        "            self._nap.cancel()\n",
        "            self._nap.deadline += 0.0\n",
    ),
    _escalation(
        "whoever went first is in no report",
        "return await run_stage(self._table, stage, needed=self._needed, bound=deadline, begun=begun)",
        "return await run_stage(self._table, stage, needed=self._needed, bound=deadline)",
    ),
    # Restarts
    _restart("the window does not slide", "_restart.py", "if self._lived - at < policy.period", "if True"),
    _restart(
        "one restart too many",
        "_restart.py",
        "if len(self._at) >= policy.intensity",
        "if len(self._at) > policy.intensity",
    ),
    _restart("back-off never doubles", "_restart.py", "policy.backoff * 2.0**doublings", "policy.backoff"),
    _restart("back-off without jitter", "_restart.py", "dice.random() * min(", "1.0 * min("),
    _restart(
        "back-off never starts over", "_restart.py", "            self._in_a_row = 0\n", "            pass\n"
    ),
    _restart(
        "a stop is a failure",
        "_restart.py",
        "ExitReason.UNRESPONSIVE, ExitReason.FENCED}",
        "ExitReason.UNRESPONSIVE, ExitReason.FENCED, ExitReason.STOPPED}",
    ),
    _restart(
        "what never began begins anew",
        "_restarts.py",
        "        if history is None:\n            return\n",
        "        if history is None:\n            history = self._histories[child.key] = History()\n",
    ),
    _restart(
        "a stuck one keeps its slot from who waits",
        "_restarts.py",
        "if how.reason is ExitReason.UNRESPONSIVE and (self._owner.waiting or table.services.in_need):",
        "if False:",
    ),
    _restart(
        "a restart is not stopped before it begins",
        "_beginnings.py",
        "        if wait is not None:\n            wait.cancel()\n",
        "        return\n",
    ),
    _restart(
        "a group does not wait for who ends",
        "_round.py",
        "        await child.wait_left()\n",
        "        await trio.sleep(0)\n",
    ),
    _restart(
        "a group begins all at once",
        "_round.py",
        "            await settled.wait()\n",
        "            await trio.sleep(0)\n",
    ),
    _restart(
        "a group waits for one that is stopped for good",
        "_restarts.py",
        "        self._settle(child)\n        history = self._histories.get(child.key)\n        if history is None:\n            return\n",
        "        history = self._histories.get(child.key)\n        if history is None:\n            return\n        self._settle(child)\n",
    ),
    _restart(
        "the rest of a group is all of it",
        "_restart.py",
        "return keys[keys.index(key) :]",
        "return keys",
    ),
    _restart(
        "a group outlives one that was given up",
        "_restarts.py",
        "        if others:\n            for one",
        "        if others and not others:\n            for one",
    ),
    _restart("who stops waiting for a restart ends it", "_user.py", " and not spawn.joins:", ":"),
    _restart("stopped for good, and begun anew", "_user.py", "        self._restarts.forget(key)\n", ""),
    _restart(
        "all are stopped for good, and begin anew",
        "_user.py",
        "        self._restarts.forget_all()\n        leaving",
        "        leaving",
    ),
    # Ending, evicting, overload
    _more(
        "a drain begins anew what crashes",
        "_user.py",
        "        units = self._restarts.units(self.table.children)\n        self._restarts.forget_all()\n",
        "        units = self._restarts.units(self.table.children)\n",
        "drain",
    ),
    _more(
        "a second drain waits for the notice of the first",
        "_drain.py",
        "        self._noticing.cancel()\n",
        "",
        "drain",
    ),
    _more(
        "who holds a drain up is not cancelled",
        "_drain.py",
        "            if child.has_left:\n                continue\n",
        "            if not child.has_left:\n                continue\n",
        "drain",
    ),
    _more(
        "all clients come back at once",
        "_drain.py",
        "spec.reconnect * self._services.jitter.random()",
        "spec.reconnect",
        "drain",
    ),
    _more("who is at work is evicted", "_evicting.py", " and not len(child.mailbox)", "", "eviction"),
    _more("the protected are evicted", "_evicting.py", "not child.spec.protected and ", "", "eviction"),
    _more(
        "the healthy go above a lowered limit",
        "_escalation.py",
        "        if self._table.held > self._table.limit:\n            return ()",
        "        if False:\n            return ()",
        "eviction",
    ),
    _more(
        "a user has one more than his share",
        "_quota.py",
        "            if self._held[user] >= share:\n",
        "            if self._held[user] > share:\n",
        "overload",
    ),
    _more(
        "a start holds its turn for ever",
        "_starts.py",
        "        self._starting.discard(child)\n",
        "        pass\n",
        "overload",
    ),
    _more(
        "turns go to who came last",
        "_starts.py",
        "        user = self._users.popleft()\n",
        "        user = self._users.pop()\n",
        "overload",
    ),
    _more(
        "who waits to begin is found unresponsive",
        "_beginnings.py",
        "min(spec.start_wait, 0.9 * child.spec.health.start_grace)",
        "spec.start_wait",
        "overload",
    ),
)
