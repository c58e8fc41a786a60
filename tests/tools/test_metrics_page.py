"""The generated list of metrics."""

from proxy.telemetry.metric_table import LEFT_OUT, METRICS, STATES, TIMES
from tools.metrics_page import PAGE, page


def test_every_metric_stands_there_once_with_its_meaning() -> None:
    text = page()
    for row in (*METRICS, *STATES, *TIMES):
        [line] = [each for each in text.splitlines() if each.startswith(f"| `{row.full_name}` |")]
        assert line.endswith(f"| {row.unit} | {row.help} |")
        assert all(f"`{label}`" in line for label in row.labels)
    for name, reason in LEFT_OUT.items():
        assert f"| `{name}` | {reason} |" in text
    assert text == PAGE.read_text(encoding="utf-8")
