"""Mail: remembers each message that was sent, and hears each that is handled; says what does not fit."""

from __future__ import annotations

import enum
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import attrs

from actors import ActorRef


class Delivery(enum.Enum):
    """What its sender knows of a message."""

    UNDER_WAY = "under way"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """Its sender was told so, or was cancelled while it waited for room: nobody may ever handle it."""


@attrs.define(eq=False)
class Post:
    """One message: its running number, who sent it, to which incarnation, and what became of it."""

    number: int
    sender: str
    to: str
    message: object
    delivery: Delivery = Delivery.UNDER_WAY
    arrived: bool = False


@attrs.define(eq=False)
class Mail:
    """All messages of one run. At most once, in the order of their sender, and to nobody else."""

    broken: list[str] = attrs.field(init=False, factory=list[str])
    """What did not fit, in words."""
    _posts: dict[str, list[Post]] = attrs.field(
        init=False, factory=lambda: defaultdict[str, list[Post]](list)
    )
    """By the incarnation they are for."""
    _heard: Counter[str] = attrs.field(init=False, factory=Counter[str])
    """How many messages each handled, those of others included."""
    _numbers: Iterator[int] = attrs.field(init=False, factory=itertools.count)
    _by_message: dict[int, list[Post]] = attrs.field(
        init=False, factory=lambda: defaultdict[int, list[Post]](list)
    )
    """By identity: equal messages are not the same message. The posts keep them alive."""
    _last: dict[tuple[str, str], int] = attrs.field(init=False, factory=dict[tuple[str, str], int])
    """By sender and incarnation, the number that was handled last."""

    def post(self, sender: str, ref: ActorRef[Any], message: object) -> Post:
        """About to be sent."""
        post = Post(next(self._numbers), sender, ref.name, message)
        self._posts[ref.name].append(post)
        self._by_message[id(message)].append(post)
        return post

    def arrive(self, name: str, message: object) -> None:
        """`name` is about to handle it. A message that nobody posted is none of ours."""
        self._heard[name] += 1
        posts = self._by_message.get(id(message), [])
        if not posts:
            return
        here = [post for post in posts if post.to == name]
        new = [post for post in here if not post.arrived]
        if not here:
            self.broken.append(f"{message!r} was sent to {posts[0].to} and reached {name}")
        elif not new:
            self.broken.append(f"{name} got {message!r} twice")
        else:
            self._arrived(new[0])

    def _arrived(self, post: Post) -> None:
        post.arrived = True
        line = (post.sender, post.to)
        if post.number < self._last.get(line, -1):
            self.broken.append(f"{post.to} got {post.message!r} of {post.sender} out of order")
        self._last[line] = post.number

    def check(self, ref: ActorRef[Any], dead_letters: int) -> Iterator[str]:
        """What does not fit the books of one incarnation that has ended."""
        books = ref.statistics()
        posts, heard = self._posts[ref.name], self._heard[ref.name]
        sure = sum(post.delivery is Delivery.ACCEPTED for post in posts)
        kept = books.handled + books.failed + books.returned + books.dead_lettered
        if books.queued or books.in_hand or books.accepted != kept:
            yield f"the books of {ref.name} do not balance: {books}"
        if books.accepted < sure:
            yield f"{ref.name} accepted {sure} messages and knows of {books.accepted}"
        if books.handled > heard:
            yield f"{ref.name} handled {heard} messages and counts {books.handled}"
        if books.dead_lettered != dead_letters:
            yield f"{ref.name} dead-lettered {books.dead_lettered}, its events say {dead_letters}"
        for post in posts:
            if post.arrived and post.delivery is Delivery.REJECTED:
                yield f"{ref.name} handled {post.message!r}, which was not sent, as its sender was told"
