"""What the chat's two ends may say to each other, and that nothing else gets in."""

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.chat import protocol
from examples.chat.protocol import BadMessage, close_reason, decode_client, encode

CLIENT: list[tuple[dict[str, Any], protocol.ClientMessage]] = [
    ({"type": "hello", "token": "t.t.t", "session": "s"}, protocol.Hello("t.t.t", "s")),
    ({"type": "join", "room": "r"}, protocol.Join("r", None)),
    ({"type": "join", "room": "r", "since": None}, protocol.Join("r", None)),
    ({"type": "join", "room": "r", "since": 0}, protocol.Join("r", 0)),
    ({"type": "leave", "room": "r"}, protocol.Leave("r")),
    ({"type": "say", "room": "r", "text": "two\nlines", "id": "1"}, protocol.Say("r", "two\nlines", "1")),
    ({"type": "ask", "text": "who?", "id": "1"}, protocol.Ask("who?", "1")),
    ({"type": "typing", "room": "r"}, protocol.Typing("r")),
    ({"type": "ping"}, protocol.Ping()),
    ({"type": "ping", "of": "a newer page"}, protocol.Ping()),
]

# Every promised field, with the value most easily taken for "nothing".
SERVER: list[tuple[protocol.ServerMessage, dict[str, Any]]] = [
    (
        protocol.Welcome("u", "s", resumed=False, limit=0, sessions=[]),
        {"type": "welcome", "user": "u", "session": "s", "resumed": False, "limit": 0, "sessions": []},
    ),
    (protocol.Joined("r", [], 0), {"type": "joined", "room": "r", "members": [], "seq": 0}),
    (
        protocol.Message("r", 0, "u", "", 0.0, ""),
        {"type": "message", "room": "r", "seq": 0, "user": "u", "text": "", "at": 0.0, "id": ""},
    ),
    (protocol.Ack("1", "r", 0), {"type": "ack", "id": "1", "room": "r", "seq": 0}),
    (
        protocol.Presence("r", "u", "offline"),
        {"type": "presence", "room": "r", "user": "u", "state": "offline"},
    ),
    (protocol.TypingNow("r", "u"), {"type": "typing", "room": "r", "user": "u"}),
    (
        protocol.AgentStarted("1", 0.0, ""),
        {"type": "agent_started", "id": "1", "timestamp": 0.0, "query": ""},
    ),
    (
        protocol.AgentThinking("1", 0.0, ""),
        {"type": "agent_thinking", "id": "1", "timestamp": 0.0, "thought": ""},
    ),
    (
        protocol.ToolExecuting("1", 0.0, "t", ""),
        {"type": "tool_executing", "id": "1", "timestamp": 0.0, "tool": "t", "query": ""},
    ),
    (
        protocol.ToolCompleted("1", 0.0, "t", 0, 0.0),
        {"type": "tool_completed", "id": "1", "timestamp": 0.0, "tool": "t", "hits": 0, "duration": 0.0},
    ),
    (
        protocol.AgentCompleted("1", 0.0, "", [protocol.Source("r", 0, "u", "", 0.0)]),
        {
            "type": "agent_completed",
            "id": "1",
            "timestamp": 0.0,
            "answer": "",
            "sources": [{"room": "r", "seq": 0, "user": "u", "text": "", "at": 0.0}],
        },
    ),
    (protocol.Pong(), {"type": "pong"}),
    (protocol.Error("", ""), {"type": "error", "code": "", "message": ""}),
    (protocol.Error("c", "m", "1"), {"type": "error", "code": "c", "message": "m", "id": "1"}),
]

LIMITS = [
    ("hello", "token", 2048),
    ("hello", "session", 64),
    ("join", "room", 40),
    ("leave", "room", 40),
    ("say", "room", 40),
    ("say", "text", 4000),
    ("say", "id", 64),
    ("ask", "text", 4000),
    ("ask", "id", 64),
    ("typing", "room", 40),
]
WHOLE = {message["type"]: message for message, _ in CLIENT}
CONTROLS = [chr(code) for code in (*range(0x20), 0x7F)]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["type", "id"]), inner),
    max_leaves=10,
)


def refusal(text: str) -> BadMessage:
    with pytest.raises(BadMessage) as caught:
        decode_client(text)
    return caught.value


@pytest.mark.parametrize(("wire", "message"), CLIENT)
def test_what_a_client_may_say_is_read(wire: dict[str, Any], message: protocol.ClientMessage) -> None:
    assert decode_client(json.dumps(wire)) == message
    assert decode_client(encode(message)) == message


@pytest.mark.parametrize(("message", "wire"), SERVER)
def test_what_the_server_says_has_every_promised_field(
    message: protocol.ServerMessage, wire: dict[str, Any]
) -> None:
    assert json.loads(encode(message)) == wire


def test_every_kind_of_message_is_tried_above() -> None:
    assert {type(message) for _, message in CLIENT} == set(get_args(protocol.ClientMessage))
    assert {type(message) for message, _ in SERVER} == set(get_args(protocol.ServerMessage))


@pytest.mark.parametrize(("kind", "field", "limit"), LIMITS)
def test_a_string_may_be_as_long_as_its_limit_in_characters_and_no_longer_nor_empty(
    kind: str, field: str, limit: int
) -> None:
    fits = WHOLE[kind] | {field: "😀" * limit}
    assert getattr(decode_client(json.dumps(fits)), field) == "😀" * limit
    refusal(json.dumps(WHOLE[kind] | {field: "x" * (limit + 1)}))
    refusal(json.dumps(WHOLE[kind] | {field: ""}))


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("place", ["{}r", "r{}", "r{}r"])
def test_control_characters_are_refused_in_a_room(control: str, place: str) -> None:
    error = refusal(json.dumps({"type": "join", "room": place.format(control)}))
    assert "control characters" in error.sentence
    assert "`$.room`" in error.sentence


@pytest.mark.parametrize("name", ["", "x" * 41, "a\n", "\0", "a\x7f", "\ud800"])
def test_a_name_is_held_to_the_same(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(name, protocol.Name)


@pytest.mark.parametrize("room", [" a ", "A", "a", "a<b", "a>b", "é", "e\u0301", "\u00a0", "ﬁ", "\u202e"])
def test_rooms_are_exact_strings(room: str) -> None:
    assert decode_client(json.dumps({"type": "join", "room": room})) == protocol.Join(room)
    assert msgspec.convert(room, protocol.Name) == room


@pytest.mark.parametrize("since", [-1, 2**53, 10**30, 1.5, "1", True])
def test_since_is_a_seq_that_there_can_be(since: object) -> None:
    refusal(json.dumps({"type": "join", "room": "r", "since": since}))


def test_a_refusal_carries_the_id_where_one_can_be_read() -> None:
    assert refusal('{"type": "say", "text": 3, "id": "7"}').id == "7"
    assert refusal('{"id": "7"}').id == "7"
    assert refusal('{"type": "say", "room": "r", "text": "", "id": 7}').id is None
    assert refusal(json.dumps({"type": "say", "room": "r", "text": "", "id": "7" * 65})).id is None
    assert refusal('{"type": "say", "id": "7"').id is None


def test_a_refusal_is_a_plain_sentence_and_short() -> None:
    assert refusal("{").sentence == "The frame is not valid JSON."
    assert refusal(json.dumps({"type": "x" * 9999})).sentence == "This type of message is unknown."
    assert refusal('{"type": "say", "text": "t", "id": "7"}').sentence == (
        "The message is not valid: Object missing required field `room` at its top."
    )


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "ping", "x": ' + "[" * 16_000,
        '{"type": "join", "room": "r", "since": ' + "9" * 16_000 + "}",
        '{"type": "join", "room": "r", "since": 1e999}',
        '{"type": "join", "room": "\ud800"}',
        '{"type": "join", "room": "\\ud800"}',
        '{"type": "say", "room": "r", "text": "\\udc00", "id": "1"}',
        '{"type": "ping"} {"type": "ping"}',
        "\ufeff{}",
        "",
        "NaN",
        "[]",
    ],
    ids=range(11),
)
def test_odd_frames_are_bad_messages_like_any_other(text: str) -> None:
    assert refusal(text).sentence


def judge(text: str) -> None:
    """Either it is refused in words, or it is a message that can be said again."""
    try:
        message = decode_client(text)
    except BadMessage as error:
        refused = error
    else:
        assert decode_client(encode(message)) == message
        return
    assert refused.sentence


@settings(deadline=None)
@given(st.text(st.characters()) | st.text('{}[]":,\\ud80typeingjo01e.-'))
def test_any_text_is_a_message_or_refused(text: str) -> None:
    judge(text)


@settings(deadline=None)
@given(anything)
def test_any_json_is_a_message_or_refused(value: object) -> None:
    judge(json.dumps(value))


@settings(deadline=None)
@given(
    st.sampled_from(list(WHOLE.values())),
    st.dictionaries(st.sampled_from(["type", "room", "text", "id", "since", "token", "session"]), anything),
    st.booleans(),
)
def test_any_field_may_be_anything(message: dict[str, Any], wrong: dict[str, Any], ascii_only: bool) -> None:
    judge(json.dumps(message | wrong, ensure_ascii=ascii_only))


@settings(deadline=None)
@given(st.text("aé漢😀", max_size=9), st.text("aé漢😀", min_size=30))
def test_a_close_reason_is_as_much_of_the_sentence_as_fits(start: str, rest: str) -> None:
    sentence = start + rest * 5
    reason = close_reason(sentence)
    assert sentence.startswith(reason)
    assert len(reason.encode()) <= 123
    assert reason == sentence or len(sentence[: len(reason) + 1].encode()) > 123


def test_a_close_reason_is_never_in_the_way_of_closing() -> None:
    assert close_reason("a\ud800b") == "a?b"
