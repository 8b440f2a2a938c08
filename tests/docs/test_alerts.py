"""docs/alerts.yml: alert rules that Prometheus takes, about metrics that there are."""

import re
import subprocess
from pathlib import Path

from flashnotify.telemetry.metrics import Metrics
from tests.support.system import requires_program

RULES = Path(__file__).resolve().parents[2] / "docs" / "alerts.yml"
# What waits by minute, and the alert at minute 20 or none.
CASES = [
    ("critical", "breaker_open", "0+60x30", "FlashNotifyUrgentDeliveriesWait"),
    ("critical", "scheduled", "0+60x30", None),
    ("low", "retrying", "0+60x30", None),
    ("low", "quiet_hours", "3600+60x30", None),
    ("critical", "due", "0x30", None),
]
UNIT = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: >-
          flashnotify_waiting_oldest_seconds{{instance="n",channel="email",priority="{priority}",reason="{reason}"}}
        values: "{values}"
    promql_expr_test:
      - expr: count by (alertname) (ALERTS{{alertstate="firing"}})
        eval_time: 10m
        exp_samples: [{samples}]
"""


def test_the_rules_are_about_metrics_that_there_are() -> None:
    declared = Metrics([]).exposition().decode()
    named = set(re.findall(r"\bflashnotify_\w+", RULES.read_text()))
    assert named
    assert {name for name in named if f"# TYPE {name} " not in declared} == set()


def test_the_rule_of_the_page_is_one_of_them() -> None:
    page = RULES.with_name("monitoring.md").read_text()
    (example,) = re.findall(r"```yaml\n(- alert: .*?)```", page, re.DOTALL)
    rules = " ".join(RULES.read_text().split())
    assert " ".join(example.split()) in rules


@requires_program("promtool")
def test_promtool_takes_the_rules_and_they_alert_when_they_should(tmp_path: Path) -> None:
    subprocess.run(["promtool", "check", "rules", RULES], check=True, capture_output=True)
    for number, (priority, reason, values, alert) in enumerate(CASES):
        samples = ""
        if alert is not None:
            samples = f"{{labels: '{{alertname=\"{alert}\"}}', value: 1}}"
        unit = tmp_path / f"{number}.yml"
        unit.write_text(
            UNIT.format(
                rules=RULES, priority=priority, reason=reason, values=values, samples=samples
            )
        )
        run = subprocess.run(
            ["promtool", "test", "rules", unit], check=False, capture_output=True, text=True
        )
        assert run.returncode == 0, (priority, reason, run.stdout, run.stderr)
