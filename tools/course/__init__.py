"""The course: assignments for nbgrader, derived from percent scripts (``release``), and how submissions are graded.

To add an assignment, write ``assignments/source/<id>/<id>.py`` and ``make assignments``; CONTRIBUTING.md has the steps.

``grade`` finds submissions (``layouts``), brings their test cells back (``repair``), runs each alone (``examine``, and ``sandbox``,
``jail`` and ``runner``, which talk by ``wire``) and writes marks and, by ``feedback``, pages. To add a layout of a folder of
submissions, write a function in ``layouts`` and name it in the list there.
"""

import sys

# jsonschema, which nbformat needs, would compile a grammar of web addresses for two seconds in each process; no notebook has one.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
