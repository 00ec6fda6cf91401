"""The course: assignments for nbgrader, derived from percent scripts (``release``), and how submissions are graded.

To add an assignment, write ``assignments/source/<id>/<id>.py`` and ``make assignments``; CONTRIBUTING.md has the steps.
"""
