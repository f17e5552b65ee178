"""JUnit XML: one test case per rule, model and slice, as CI systems read it."""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree

from lossctl.core.report import Check, Evaluation
from lossctl.output.envelope import created
from lossctl.output.verdicts import BROKEN

ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
SUITE: Final = "lossctl check"
SKIPPED: Final = ("insufficient", "skipped")


def to_junit(report: Evaluation) -> str:
    """Return the checks as one suite of the schema that Ant's JUnit tasks write.

    A rule that is broken, undefined or without its value is a failure; one that could not be decided, or was left
    out, is skipped. Attributes that the schema wants and a check does not have (times, a host) are neutral.
    """
    checks = report.checks
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        {
            "name": SUITE,
            "package": SUITE,
            "id": "0",
            "timestamp": created().removesuffix("Z"),
            "hostname": "localhost",
            "tests": str(len(checks)),
            "failures": str(sum(check.status in BROKEN for check in checks)),
            "errors": "0",
            "skipped": str(sum(check.status in SKIPPED for check in checks)),
            "time": "0",
        },
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("verdict", report.verdict or ""), ("lossctl", report.version)):
        ElementTree.SubElement(properties, "property", {"name": name, "value": value})
    for check in checks:
        _case(suite, check)
    warned = [f"{check.id}: {check.message}" for check in checks if check.status == "warn"]
    ElementTree.SubElement(suite, "system-out").text = legal("\n".join(report.advice))
    ElementTree.SubElement(suite, "system-err").text = legal("\n".join([*report.warnings, *warned]))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, check: Check) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", {"name": legal(check.id), "classname": legal(f"lossctl.{check.model}"), "time": "0"}
    )
    message = legal(f"{check.rule}: {check.message}")
    if check.status in BROKEN:
        failure = ElementTree.SubElement(case, "failure", {"message": message, "type": check.status})
        facts = {"value": check.value, "limit": check.limit, "baseline": check.baseline, "change": check.change}
        lines = [f"{name}: {value!r}" for name, value in facts.items() if value is not None]
        failure.text = "\n".join([message, *lines, f"n: {check.rows}"])
    elif check.status in SKIPPED:
        ElementTree.SubElement(case, "skipped", {"message": message})


def legal(text: str) -> str:
    """Return a text without the characters that XML has no way to write."""
    return ILLEGAL.sub("", text)
