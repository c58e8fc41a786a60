"""What is said of a certificate that is for another name."""

from proxy.upstream.certificate import listed


def test_a_certificate_is_told_by_its_names() -> None:
    names = [("DNS", f"{number}.test") for number in range(10)]
    assert listed({"subjectAltName": names[:2]}) == "0.test, 1.test"
    assert listed({"subjectAltName": names}).endswith("7.test and 2 more")
    assert listed({}) == ""
