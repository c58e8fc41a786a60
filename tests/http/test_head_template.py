"""A template fits the heads that it was made of, and what it says of them is what they say."""

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.http.fields import RawHeaders
from proxy.http.head_template import HeadTemplate, Line, TemplateFields

NAMES = st.frozensets(st.sampled_from([b"a", b"b", b"c", b"d", b"via", b"traceparent"]))
LINES = st.sampled_from([b"A: 1", b"A: 2", b"B: 1", b"C:", b"A: 1B: 1", b"D: a b"])
HEADS = st.integers(1, 5).flatmap(
    lambda size: st.lists(st.lists(LINES, min_size=size, max_size=size), min_size=2, max_size=5)
)


def written(lines: list[bytes]) -> bytes:
    return b"GET / HTTP/1.1\r\n" + b"".join([line + b"\r\n" for line in lines]) + b"\r\nbody\r\n"


def differing(template: HeadTemplate, lines: list[bytes]) -> list[bytes] | None:
    data = written(lines)
    return template.differing(data, data.find(b"\r\n") + 2, data.find(b"\r\n\r\n") + 2)


def read(line: bytes) -> Line:
    name, _, value = line.partition(b":")
    return 0, (name, value), line + b"\r\n"


def two_of_three(first: list[bytes], last: list[bytes]) -> tuple[HeadTemplate, TemplateFields]:
    """Of heads like these, of which every third line does not go on."""
    template = HeadTemplate(first).widened(last)
    passed = [number % 3 != 1 for number in range(len(first))]
    behind = [(b"Via", b"us")]
    told = TemplateFields([*map(read, first)], passed, template.varying, behind, b"Via: us\r\n")
    return template, told


@given(HEADS, st.lists(LINES, max_size=6))
@settings(max_examples=400, deadline=None)
def test_a_template_fits_all_that_it_was_widened_by(
    heads: list[list[bytes]], other: list[bytes]
) -> None:
    template = HeadTemplate(heads[0])
    for lines in heads[1:]:
        template = template.widened(lines)
    for lines in heads:
        assert template.widened(lines) is template
        assert differing(template, lines) == [lines[number] for number in template.varying]
    found = differing(template, other)
    if found is not None:
        filled = list(heads[-1])
        for number, line in zip(template.varying, found, strict=True):
            filled[number] = line
        assert filled == other


@given(HEADS, st.data())
@settings(max_examples=200, deadline=None)
def test_the_fields_of_a_head_that_fits_are_those_of_its_lines(
    heads: list[list[bytes]], data: st.DataObject
) -> None:
    first, last = heads[0], heads[-1]
    template = HeadTemplate(first).widened(last)
    passed = data.draw(st.lists(st.booleans(), min_size=len(first), max_size=len(first)))
    behind = [(b"Via", b"us")]
    fields = TemplateFields([*map(read, first)], passed, template.varying, behind, b"Via: us\r\n")
    for lines in (last, first, last):
        told, parts = fields.with_lines([read(lines[number]) for number in template.varying])
        kept = [read(line) for line, goes in zip(lines, passed, strict=True) if goes]
        assert told == [*[field for _, field, _ in kept], *behind]
        assert b"".join(parts) == b"".join([line for _, _, line in kept]) + b"Via: us\r\n"


def test_a_head_that_ends_early_or_goes_on_does_not_fit() -> None:
    template = HeadTemplate([b"A: 1", b"B: 1"]).widened([b"A: 1", b"B: 2"])
    assert differing(template, [b"A: 1", b"B: 3"]) == [b"B: 3"]
    for lines in ([b"A: 1"], [b"A: 1", b"B: 1", b"C:"], [b"B: 1"], [b"A: 1B: 1"], [b"A: 2", b"B:"]):
        assert differing(template, lines) is None


@given(HEADS, NAMES)
@settings(max_examples=200, deadline=None)
def test_where_fields_stand_is_told_as_looking_for_them_would(
    heads: list[list[bytes]], names: frozenset[bytes]
) -> None:
    first, last = heads[0], heads[-1]
    template, fields = two_of_three(first, last)
    for lines in (last, first, last):
        told, _ = fields.with_lines([read(lines[number]) for number in template.varying])
        told += [(b"traceparent", b"00-1-2-01")]
        places = fields.places(told, names)
        looked_for = [n for n, (name, _) in enumerate(told) if name.lower() in names]
        if places is not None:
            assert [*places] == looked_for
        elif b"traceparent" not in names:  # a line that differs has another name
            before = [read(line)[1][0] for line in first]
            assert before != [read(line)[1][0] for line in lines]


def test_only_so_many_sets_of_names_are_kept() -> None:
    lines = [b"A: 1", b"B: 2"]
    fields = TemplateFields([*map(read, lines)], [True, True], [], [], b"")
    for number in range(100):
        assert fields.places(fields.fields, frozenset((b"b", b"%d" % number))) == (1,)
    assert len(fields._found) <= 16
    for number in range(100):
        names = frozenset((b"b", b"%d" % number))
        assert fields.once(fields.fields, names, list) == fields.fields
    assert len(fields._once) <= 16


@given(HEADS, NAMES)
@settings(max_examples=200, deadline=None)
def test_what_is_found_once_is_what_looking_again_would_find(
    heads: list[list[bytes]], names: frozenset[bytes]
) -> None:
    first, last = heads[0], heads[-1]
    template, fields = two_of_three(first, last)
    looks = 0

    def look(told: RawHeaders, given: str) -> tuple[str, RawHeaders]:
        nonlocal looks
        looks += 1
        return given, [field for field in told if field[0].lower() in names]

    for number, lines in enumerate((last, first, last)):
        told, _ = fields.with_lines([read(lines[number]) for number in template.varying])
        told += [(b"traceparent", b"00-%d-2-01" % number)]
        found = fields.once(told, names, look, "it")
        if found is not None:
            assert found == ("it", [field for field in told if field[0].lower() in names])
    assert looks <= 1
    if b"traceparent" not in names and not template.varying:
        assert looks == 1


def test_what_depends_on_a_line_that_differs_is_looked_for_each_time() -> None:
    _, fields = two_of_three([b"A: 1", b"B: 1"], [b"A: 2", b"B: 1"])
    for line in (b"A: 1", b"A: 2"):
        told, _ = fields.with_lines([read(line)])
        assert fields.once(told, frozenset((b"a",)), list) is None
        assert fields.once(told, frozenset((b"via",)), len) == 2
    told, _ = fields.with_lines([read(b"D: a b")])  # another name may be one that is looked for
    assert fields.once(told, frozenset((b"via",)), len) is None
