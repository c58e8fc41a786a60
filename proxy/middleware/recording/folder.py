"""A recording in a folder that people read, edit and keep in git.

Each answer has a file of TOML: the request, the head of the reply, and when the pieces of its body
came. Bodies are files beside it, byte for byte. Names come from the request, and not from the order
in which requests were recorded: what is recorded again has the same name again.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

from proxy.core.recording import Answer, Question
from proxy.middleware.recording.asking import hidden_again
from proxy.middleware.recording.recorded_file import (
    answer_of,
    check_names,
    ending,
    name_of,
    order,
    question_of,
    redacted,
    table_of,
    tables_of,
    text_of,
)

INDEX: Final = "recording.toml"
_FORMAT: Final = 1
_ATTRIBUTES: Final = "# Git must not change line ends: bodies are kept byte for byte.\n* -text\n"


class NoRecording(Exception):
    """The folder cannot be used: a sentence for each reason."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = list(reasons)
        super().__init__("\n".join(self.reasons))


class _Found(NamedTuple):
    """One answer in the folder."""

    path: Path
    question: Question
    bodies: list[Path]


class RecordingFolder:
    """What ``Recording`` asks for, in a folder."""

    def __init__(self, folder: Path, redact: tuple[str, ...]) -> None:
        self._folder = folder
        self.redact = redact
        """Names of query parameters, fields and members whose values are hidden too."""
        self._found: defaultdict[str, list[_Found]] = defaultdict(list)
        self._added: Counter[str] = Counter()

    @classmethod
    def begun(
        cls, folder: Path, servers: Iterable[str], redact: tuple[str, ...]
    ) -> "RecordingFolder":
        """To record into; it is made if need be, and keeps what is not recorded again.

        Raises NoRecording.
        """
        made = cls(folder, redact)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / INDEX).exists():
                made._read_all()
            elif any(folder.iterdir()):
                raise NoRecording([f"{folder}: there are files that are no recording"])
            made._write_index(servers)
        except OSError as error:
            raise NoRecording([f"{folder}: cannot be written: {error.strerror}"]) from None
        return made

    @classmethod
    def opened(cls, folder: Path) -> "RecordingFolder":
        """To replay. Raises NoRecording."""
        made = cls(folder, ())
        try:
            made._read_all()
        except FileNotFoundError:
            raise NoRecording([f"{folder}: there is no recording: no {INDEX}"]) from None
        except OSError as error:
            raise NoRecording([f"{folder}: cannot be read: {error.strerror}"]) from None
        return made

    # Reading

    def questions(self) -> list[Question]:
        """All that have an answer, each once."""
        return [found[0].question for found in self._found.values() if found]

    def count(self, key: str) -> int:
        """How many answers there are to a question."""
        return len(self._found[key]) if key in self._found else 0

    def answer(self, key: str, number: int) -> Answer:
        """One of them, from 0 on. Raises OSError or ValueError where its file is not good."""
        found = self._found[key][number]
        reply = table_of(tables_of(found.path), "reply")
        return answer_of(reply, self._body(reply), found.question.method)

    def _read_all(self) -> None:
        """Raises OSError or NoRecording."""
        problems = []
        try:
            index = tables_of(self._folder / INDEX)
            if index.get("format") != _FORMAT:
                raise ValueError(f"format {index.get('format')!r} is not known here")
            check_names(index, ("format", "servers", "redact"))
            # What was hidden before stays so, or its requests would not be found any more.
            self.redact = tuple(dict.fromkeys((*redacted(index), *self.redact)))
        except ValueError as error:
            problems.append(f"{INDEX}: {error}")
        for path in sorted(self._folder.glob("*.toml"), key=order):
            if path.name == INDEX:
                continue
            try:
                found = self._read(path)
            except (OSError, ValueError) as error:
                problems.append(f"{path.name}: {getattr(error, 'strerror', '') or error}")
            else:
                self._found[found.question.key].append(found)
        if problems:
            raise NoRecording(f"{self._folder}/{problem}" for problem in problems)

    def _read(self, path: Path) -> _Found:
        tables = tables_of(path)
        check_names(tables, ("request", "reply"))
        request, reply = table_of(tables, "request"), table_of(tables, "reply")
        question = question_of(request, self._body(request))
        answer_of(reply, self._body(reply), question.method)  # what is wrong is told at the start
        names = [table["body"] for table in (request, reply) if "body" in table]
        # What is asked is hidden by the rules of today, so the files of an older version are too.
        question = hidden_again(question, self.redact)
        return _Found(path, question, [self._folder / name for name in names])

    def _body(self, table: dict[str, Any]) -> bytes:
        name = table.get("body")
        if name is None:
            return b""
        if not isinstance(name, str) or Path(name).name != name:
            raise ValueError(f"body: {name!r} is no file of this folder")
        return (self._folder / name).read_bytes()

    # Writing

    def _write_index(self, servers: Iterable[str]) -> None:
        lines = ["# A recording of an API, by `sidecar-proxy record`. See docs/record.md."]
        lines += [f"format = {_FORMAT}", f"servers = {json.dumps(list(servers))}"]
        lines.append(f"redact = {json.dumps(list(self.redact))}")
        (self._folder / INDEX).write_text("\n".join([*lines, ""]), encoding="utf-8")
        if not (self._folder / ".gitattributes").exists():
            (self._folder / ".gitattributes").write_text(_ATTRIBUTES, encoding="utf-8")

    def add(self, question: Question, answer: Answer) -> None:
        """Keep it, behind the others that this run has recorded; older ones give way.

        Raises OSError.
        """
        key = question.key
        self._added[key] += 1
        name = f"{name_of(question)}-{self._added[key]}"
        bodies = {}
        for kind, body, fields in (
            ("request", question.body, question.fields),
            ("reply", answer.body, answer.fields),
        ):
            if body:
                bodies[kind] = self._folder / f"{name}.{kind}.{ending(fields)}"
                bodies[kind].write_bytes(body)
        path = self._folder / f"{name}.toml"
        text = text_of(question, answer, {kind: file.name for kind, file in bodies.items()})
        unfinished = path.with_suffix(".part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
        before = self._found[key] if self._added[key] == 1 else []
        for old in {file for found in before for file in (found.path, *found.bodies)}:
            if old not in (path, *bodies.values()):
                old.unlink(missing_ok=True)
        if before:
            self._found[key] = []
        self._found[key].append(_Found(path, question, [*bodies.values()]))
