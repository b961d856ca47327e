"""What the chat's two ends say to each other, as msgspec tagged structs; no I/O."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

# Characters. A name or room is read by people and shown on a phone's width.
NAME_LIMIT = 40
ROOM_LIMIT = 40
# Characters. A page of prose; longer things are files, not messages.
TEXT_LIMIT = 4_000
# Characters. A UUID is 36; room for a prefix, and small enough to index and echo.
ID_LIMIT = SESSION_LIMIT = 64
# Characters. Our own have at most some 250, for the oddest name; longer is not ours.
TOKEN_LIMIT = 2_048
# Bytes of one client frame. A TEXT_LIMIT of four-byte characters and a usual envelope;
# what needs more (every character escaped, say) is the transport's to refuse.
FRAME_LIMIT = 16 * 1024
# The last integer that JavaScript counts exactly, and well inside SQLite's 64 bits.
SEQ_LIMIT = 2**53 - 1
# Bytes of UTF-8. RFC 6455 gives a control frame 125, two of them are the close code.
CLOSE_REASON_LIMIT = 123

CLOSE_GOING_AWAY = 1001  # the session ended, or the server shuts down
CLOSE_POLICY = 1008  # bad or missing token, or too many messages
CLOSE_TOO_BIG = 1009  # a frame above FRAME_LIMIT
CLOSE_MOVED = 4010  # the session goes on elsewhere: another tab, or this one, has taken it to another node
CLOSE_LOG_IN_AGAIN = 4001  # logged out, or the token has expired: coming back with it is in vain

# No C0 control, no DEL (they forge lines in a log or terminal), no lone surrogate
# (not text: it can come from a command line, never from UTF-8). Otherwise exact:
# nothing here trims, folds or changes a string.
_PRINTABLE = "\\A[^\x00-\x1f\x7f\ud800-\udfff]+\\Z"

NAME_RULE = f"a name has 1 to {NAME_LIMIT} characters, and no control characters"

Name: TypeAlias = Annotated[str, Meta(max_length=NAME_LIMIT, pattern=_PRINTABLE)]
Room: TypeAlias = Annotated[str, Meta(max_length=ROOM_LIMIT, pattern=_PRINTABLE)]
Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=TEXT_LIMIT)]
Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=ID_LIMIT)]
Session: TypeAlias = Annotated[str, Meta(min_length=1, max_length=SESSION_LIMIT)]
Token: TypeAlias = Annotated[str, Meta(min_length=1, max_length=TOKEN_LIMIT)]
Seq: TypeAlias = Annotated[int, Meta(ge=0, le=SEQ_LIMIT)]


class BadMessage(ValueError):
    """A client said something that is not in the protocol.

    `sentence` is for people and safe to send back; `id` is the id of the offending
    message where one can be read, so that the client knows which one it was.
    """

    def __init__(self, sentence: str, *, id: str | None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.id = id


# --- what a client says ---


class Hello(Struct, frozen=True, tag_field="type", tag="hello"):
    """The first message: who I am (token) and which of my sessions this is. Shows no token."""

    token: Token
    session: Session

    def __repr__(self) -> str:
        return f"Hello(session={self.session!r})"


class Join(Struct, frozen=True, tag_field="type", tag="join", omit_defaults=True):
    """Let me into a room; send what came after `since`, or else the latest."""

    room: Room
    since: Seq | None = None


class Leave(Struct, frozen=True, tag_field="type", tag="leave"):
    """I am out of this room."""

    room: Room


class Say(Struct, frozen=True, tag_field="type", tag="say"):
    """Store and publish a text; the same user's same id is stored once only."""

    room: Room
    text: Text
    id: Id


class Ask(Struct, frozen=True, tag_field="type", tag="ask"):
    """A question to the assistant, whose events will carry this id."""

    text: Text
    id: Id


class Typing(Struct, frozen=True, tag_field="type", tag="typing"):
    """I am typing in this room."""

    room: Room


class Ping(Struct, frozen=True, tag_field="type", tag="ping"):
    """Are you there? Asked by the page, which cannot send WebSocket pings."""


ClientMessage: TypeAlias = Hello | Join | Leave | Say | Ask | Typing | Ping


# --- what the server says; `at` and `timestamp` are seconds since the epoch ---


class Welcome(Struct, frozen=True, tag_field="type", tag="welcome"):
    """You are in; `sessions` are yours that are not about to go, of at most `limit`."""

    user: str
    session: str
    resumed: bool
    limit: int
    sessions: list[str]


class Joined(Struct, frozen=True, tag_field="type", tag="joined"):
    """You are in the room, whose latest message has this seq (0: there is none).

    What follows comes in order, with nothing missing. Should the seq be smaller than what you have, then the
    history is another one: drop yours, and join without `since`.
    """

    room: str
    members: list[str]
    seq: int


class Message(Struct, frozen=True, tag_field="type", tag="message"):
    """Somebody said something; seq is its place in the room: it grows, and says nothing else."""

    room: str
    seq: int
    user: str
    text: str
    at: float
    id: str


class Ack(Struct, frozen=True, tag_field="type", tag="ack"):
    """Your message is on disk, here."""

    id: str
    room: str
    seq: int


class Presence(Struct, frozen=True, tag_field="type", tag="presence"):
    """Somebody came into the room or left it."""

    room: str
    user: str
    state: Literal["online", "offline"]


class TypingNow(Struct, frozen=True, tag_field="type", tag="typing"):
    """Somebody is typing in the room."""

    room: str
    user: str


class AgentStarted(Struct, frozen=True, tag_field="type", tag="agent_started"):
    """The assistant has your question."""

    id: str
    timestamp: float
    query: str


class AgentThinking(Struct, frozen=True, tag_field="type", tag="agent_thinking"):
    """What the assistant is about to do."""

    id: str
    timestamp: float
    thought: str


class ToolExecuting(Struct, frozen=True, tag_field="type", tag="tool_executing"):
    """The assistant's tool runs with this query."""

    id: str
    timestamp: float
    tool: str
    query: str


class ToolCompleted(Struct, frozen=True, tag_field="type", tag="tool_completed"):
    """The tool found this many hits in this many seconds."""

    id: str
    timestamp: float
    tool: str
    hits: int
    duration: float


class Source(Struct, frozen=True):
    """A message that the assistant's answer rests on."""

    room: str
    seq: int
    user: str
    text: str
    at: float


class AgentCompleted(Struct, frozen=True, tag_field="type", tag="agent_completed"):
    """The assistant's answer, and what it rests on."""

    id: str
    timestamp: float
    answer: str
    sources: list[Source]


class Pong(Struct, frozen=True, tag_field="type", tag="pong"):
    """I am here."""


class Error(Struct, frozen=True, tag_field="type", tag="error", omit_defaults=True):
    """Refused: a code for programs, a sentence for people, the id it is about.

    Only `id` may have a default here: omit_defaults leaves out what equals one.
    """

    code: str
    message: str
    id: str | None = None


AgentEvent: TypeAlias = AgentStarted | AgentThinking | ToolExecuting | ToolCompleted | AgentCompleted
ServerMessage: TypeAlias = Welcome | Joined | Message | Ack | Presence | TypingNow | AgentEvent | Pong | Error


class _Identified(Struct):
    """The one field that we try to save from a bad message."""

    id: Id


_Decoder = msgspec.json.Decoder
_client_decoder: _Decoder[ClientMessage] = _Decoder(ClientMessage)
_id_decoder = _Decoder(_Identified)
_encoder = msgspec.json.Encoder()


def decode_client(text: str) -> ClientMessage:
    """Read one frame of a client, holding it to the protocol's types and limits.

    Unknown fields are ignored, so that a newer page can talk to an older server.
    The size of the frame (FRAME_LIMIT) is the transport's to refuse.

    Raises:
      BadMessage: anything else, with a sentence and, where readable, the id.

    """
    try:
        return _client_decoder.decode(text)
    # ValueError: msgspec's errors, lone surrogates, endless digits.
    # RecursionError: a tower of brackets.
    except (ValueError, RecursionError) as error:
        raise BadMessage(_sentence(error), id=_id_in(text)) from error


def encode(message: ClientMessage | ServerMessage) -> str:
    """Write one message as the text of one frame."""
    return _encoder.encode(message).decode()


def close_reason(sentence: str) -> str:
    """Cut a sentence, at a character's boundary, to what a Close frame can hold."""
    # What no UTF-8 can say becomes "?"; what the cut tore goes whole.
    cut = sentence.encode(errors="replace")[:CLOSE_REASON_LIMIT]
    return cut.decode(errors="ignore")


def _sentence(error: ValueError | RecursionError) -> str:
    if not isinstance(error, msgspec.ValidationError):
        return "The frame is not valid JSON."
    what, _, where = str(error).partition(" - at ")
    if where == "`$.type`":
        return "This type of message is unknown."  # msgspec would echo it, all of it
    if "matching regex" in what:
        what = "Expected at least one character and no control characters"
    return f"The message is not valid: {what} at {where or 'its top'}."


def _id_in(text: str) -> str | None:
    try:
        return _id_decoder.decode(text).id
    except (ValueError, RecursionError):
        return None
