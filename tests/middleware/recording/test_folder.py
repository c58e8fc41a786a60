"""A recording in a folder."""

import dataclasses
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.recording import Answer, Question
from proxy.http.fields import FORBIDDEN
from proxy.middleware.recording.folder import INDEX, NoRecording, RecordingFolder

ASKED = Question("POST", b"/v1/items?a=1", [(b"Content-Type", b"application/json")], b'{"a": 1}')
EVENTS = [(b"Content-Type", b"text/event-stream"), (b"X-Odd", b'\xff "quoted" \\ \t \x80\'')]
ANSWER = Answer(
    200,
    b"Fine \xe9",
    EVENTS,
    b"data: 1\r\n\r\n\x00\xff",
    [(0.25, 4), (1.5, 9)],
    [(b"X-Sum", b"9")],
    0.125,
    None,
)


def begun(folder: Path) -> RecordingFolder:
    return RecordingFolder.begun(folder, ["http://api.example.com"], ("X-Mine",))


def numbered(number: int, **changes: object) -> Answer:
    body = b"%d" % number
    plain = dataclasses.replace(ANSWER, body=body, pieces=[(0.0, len(body))], trailers=[])
    return dataclasses.replace(plain, length=len(body), **changes)  # type: ignore[arg-type]


def bodies(folder: Path, question: Question = ASKED) -> list[bytes]:
    recording = RecordingFolder.opened(folder)
    numbers = range(recording.count(question.key))
    return [recording.answer(question.key, number).body for number in numbers]


def test_what_was_added_is_found_to_the_byte(tmp_path: Path) -> None:
    begun(tmp_path / "new" / "folder").add(ASKED, ANSWER)
    recording = RecordingFolder.opened(tmp_path / "new" / "folder")
    assert recording.questions() == [ASKED]
    assert recording.count(ASKED.key) == 1
    assert recording.answer(ASKED.key, 0) == ANSWER
    assert recording.redact == ("X-Mine",)
    assert recording.count("other") == 0


VALUE = st.binary(max_size=20).map(lambda value: FORBIDDEN.sub(b"", value.translate(None, b"\r\n")))


@given(
    method=st.sampled_from(["GET", "M-SEARCH", "!#$%&'*+.^_`|~"]),
    target=st.binary(min_size=1, max_size=80),
    value=VALUE,
    body=st.binary(max_size=50),
    cut=st.integers(0, 50),
)
def test_any_bytes_come_back(
    method: str, target: bytes, value: bytes, body: bytes, cut: int
) -> None:
    cut = min(cut, len(body))
    pieces = [(0.0, size) for size in (cut, len(body) - cut) if size]
    answer = dataclasses.replace(
        ANSWER, reason=value, fields=[(b"X-A", value)], body=body, pieces=pieces, length=len(body)
    )
    question = Question(method, target, [(b"X-B", value)], body)
    with tempfile.TemporaryDirectory() as folder:
        begun(Path(folder)).add(question, answer)
        recording = RecordingFolder.opened(Path(folder))
        assert recording.questions() == [question]
        assert recording.answer(question.key, 0) == answer


def test_answers_keep_their_order_beyond_the_ninth(tmp_path: Path) -> None:
    recording = begun(tmp_path)
    for number in range(12):
        recording.add(ASKED, numbered(number))
    assert bodies(tmp_path) == [b"%d" % number for number in range(12)]


def test_what_is_recorded_again_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    other = Question("GET", b"/other", [], b"")
    recording = begun(tmp_path)
    recording.add(other, numbered(7))
    for number in range(3):
        recording.add(ASKED, numbered(number))
    names = {path.name for path in tmp_path.iterdir()}
    again = begun(tmp_path)
    again.add(ASKED, numbered(8, fields=[(b"Content-Type", b"text/plain")]))
    assert bodies(tmp_path) == [b"8"]
    assert bodies(tmp_path, other) == [b"7"]
    left = {path.name for path in tmp_path.iterdir()}
    # Names do not depend on the order, and nothing is left of what was there.
    assert left < names
    assert len(names - left) == 2 * 3  # the head, and the bodies of request and reply


def test_what_was_to_be_hidden_stays_so_when_more_is_recorded(tmp_path: Path) -> None:
    RecordingFolder.begun(tmp_path, ["http://a"], ("x-mine", "old"))
    again = RecordingFolder.begun(tmp_path, ["http://a"], ("new", "old"))
    assert again.redact == RecordingFolder.opened(tmp_path).redact == ("x-mine", "old", "new")


def test_bodies_are_files_that_people_can_read(tmp_path: Path) -> None:
    answer = numbered(1, fields=[(b"Content-Type", b"application/problem+json; charset=utf-8")])
    begun(tmp_path).add(ASKED, answer)
    name = f"POST-v1-items-{ASKED.key[:8]}-1"
    assert (tmp_path / f"{name}.reply.json").read_bytes() == b"1"
    assert (tmp_path / f"{name}.request.json").read_bytes() == b'{"a": 1}'
    assert "* -text" in (tmp_path / ".gitattributes").read_text()


def test_a_head_says_more_than_there_is(tmp_path: Path) -> None:
    head = Question("HEAD", b"/", [], b"")
    answer = dataclasses.replace(ANSWER, body=b"", pieces=[], length=1024, trailers=[])
    begun(tmp_path).add(head, answer)
    assert RecordingFolder.opened(tmp_path).answer(head.key, 0) == answer


def test_a_stream_that_was_left_is_none_that_ended(tmp_path: Path) -> None:
    begun(tmp_path).add(ASKED, dataclasses.replace(ANSWER, ended=False))
    assert not RecordingFolder.opened(tmp_path).answer(ASKED.key, 0).ended


@pytest.mark.parametrize(
    ("body", "pieces"),
    [(b"ab", [(0.25, 2)]), (b"abcdefghijklmnop", [(0.25, 4), (1.5, 12)]), (b"", [])],
)
def test_a_body_may_be_edited(tmp_path: Path, body: bytes, pieces: list[tuple[float, int]]) -> None:
    begun(tmp_path).add(ASKED, dataclasses.replace(ANSWER, length=len(ANSWER.body)))
    next(tmp_path.glob("*.reply.*")).write_bytes(body)
    answer = RecordingFolder.opened(tmp_path).answer(ASKED.key, 0)
    assert (answer.body, answer.pieces, answer.length) == (body, pieces, len(body))


def test_a_request_may_be_edited(tmp_path: Path) -> None:
    begun(tmp_path).add(ASKED, ANSWER)
    file = next(tmp_path.glob("POST*.toml"))
    file.write_text(file.read_text().replace("/v1/items?a=1", "/v2"))
    asked = Question("POST", b"/v2", ASKED.fields, ASKED.body)
    assert RecordingFolder.opened(tmp_path).count(asked.key) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[request", "Expected"),
        ("[request]\n", "there is no table [reply]"),
        ('[request]\nbody = "../x"\n[reply]\nstatus = 200', "'../x' is no file of this folder"),
        ('[request]\nbody = "/etc/passwd"\n[reply]\nstatus = 200', "is no file of this folder"),
        ('[request]\n[reply]\nstatus = 200\nbody = "../x"', "'../x' is no file of this folder"),
        ('[request]\nbody = "gone"\n[reply]\nstatus = 200', "No such file"),
        ("[replay]", "replay: this name is not known here, did you mean 'reply'?"),
        ("status = 200", "status: this name is not known here"),
        ("[request]\n[reply]\nstatus = 200\npieces = 5", "pieces: a list of"),
        ("[request]\n[reply]\nstatus = 1", "status: 1 is no status of a reply"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, text: str, reason: str) -> None:
    begun(tmp_path)
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(NoRecording) as failed:
        RecordingFolder.opened(tmp_path)
    [sentence] = failed.value.reasons
    assert sentence.startswith(f"{tmp_path}/mine.toml: ")
    assert reason in sentence


def test_a_folder_without_a_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoRecording, match="there is no recording"):
        RecordingFolder.opened(tmp_path)
    with pytest.raises(NoRecording, match="there is no recording"):
        RecordingFolder.opened(tmp_path / "gone")
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(NoRecording, match="files that are no recording"):
        begun(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(NoRecording, match="cannot be written"):
        begun(tmp_path / "thesis.txt")


def test_another_format_is_refused(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / INDEX).write_text("format = 99\nnew = 1\n")
    for use in (begun, RecordingFolder.opened):
        with pytest.raises(NoRecording, match="format 99 is not known"):
            use(tmp_path)


def test_files_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    begun(tmp_path).add(ASKED, ANSWER)
    for file in tmp_path.glob("*.toml"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    recording = RecordingFolder.opened(tmp_path)
    assert recording.answer(ASKED.key, 0) == ANSWER
    assert recording.redact == ("X-Mine",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("redact = 5", 'redact: a list of ["TEXT"] is expected'),
        ('redact = "x"', 'redact: a list of ["TEXT"] is expected'),
        ("redact = [1]", 'redact: a list of ["TEXT"] is expected'),
        ('redakt = ["x"]', "redakt: this name is not known here, did you mean 'redact'?"),
        ("x = " + "[" * 5000, "it is nested too deeply"),
    ],
)
def test_an_index_that_is_wrong_is_named(tmp_path: Path, text: str, reason: str) -> None:
    begun(tmp_path)
    (tmp_path / INDEX).write_text(f"format = 1\n{text}\n")
    for use in (begun, RecordingFolder.opened):
        with pytest.raises(NoRecording) as failed:
            use(tmp_path)
        assert failed.value.reasons == [f"{tmp_path}/{INDEX}: {reason}"]
