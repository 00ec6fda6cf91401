"""A page for each student, and a report for the lecturer: single HTML files, readable with any browser, in light and dark.

What a student wrote, or made the grader say, is text here and never markup: jinja2 escapes all of it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, StrictUndefined

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --good: light-dark(#176d34, #7ddb98); --bad: light-dark(#a3231a, #ff9e94); }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
body { background: light-dark(#fff, #16181c); color: light-dark(#1b1e23, #e8eaed); } a { color: light-dark(#0b57a4, #8ec5ff); }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 0; }
section { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin: 1rem 0; }
.points { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
aside { border-left: .25rem solid var(--line); padding-left: .8rem; margin: .8rem 0; }
pre { border: 1px solid var(--line); padding: .6rem; white-space: pre-wrap; }
table { border-collapse: collapse; } th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: left; }
"""

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ title }}</title><style>{{ style }}</style></head><body><main>
<h1>{{ title }}</h1>
"""

_PAGE = (
    _HEAD
    + """
<p>{{ name }}: <strong class="points">{{ "%g" | format(points) }} of {{ "%g" | format(worth) }} points</strong>
{%- if open %}, and up to {{ "%g" | format(open) }} more once a person has read your text{% endif %}.</p>
{% if problem %}<section><h2 class="bad">Your submission could not be graded</h2><p>{{ problem }}</p></section>{% endif %}
{% if notes %}<section><h2>What was mended</h2><ul>{% for one in notes %}<li>{{ one }}</li>{% endfor %}</ul></section>{% endif %}
{% for task in tasks %}
<section aria-label="{{ task.title }}">
<h2>{{ task.title }}</h2>
<p class="points">
{%- if task.points is none %}{{ "%g" | format(task.worth) }} points, read by a person
{%- else %}<span class="{{ 'good' if task.points == task.worth else 'bad' }}">
{{- "%g" | format(task.points) }} of {{ "%g" | format(task.worth) }} points</span>{% endif %}</p>
{% if task.passed is false and task.visible %}
<p>All the tests that you can see passed. One that you cannot see did not:</p>{% endif %}
{% if task.message %}<p><strong>{{ task.message }}</strong></p>
{%- elif task.passed %}<p class="good">All tests passed.</p>{% endif %}
{%- if task.about %}<aside><p><strong>{{ task.about.title }}</strong></p><p>{{ task.about.explain }}</p>
<p>{% if site %}<a href="{{ site }}/{{ task.about.page }}">Read on in the book</a>
{%- else %}Read on in the book: {{ task.about.chapter }}{% endif %}</p></aside>
{%- endif %}
{%- if task.error or task.lines %}<details><summary>The error, and where it was raised</summary>
<pre>{% for where, text in task.lines %}{{ where }}:
    {{ text }}
{% endfor %}{{ task.error[0] }}{% if task.error[1] %}: {{ task.error[1] }}{% endif %}</pre></details>{% endif %}
</section>
{% endfor %}
</main></body></html>
"""
)

_REPORT = (
    _HEAD
    + """
<p>{{ count }} submissions. {{ failed }} could not be graded.</p>
{% for name, one in assignments.items() %}
<h2>{{ name }}</h2>
<p>{{ one.count }} graded, median {{ "%g" | format(one.median) }} of {{ "%g" | format(one.worth) }} points.</p>
<table><caption>Misconceptions, most frequent first</caption>
<tr>{% for one in ("Misconception", "Students", "Tasks", "Chapter") %}<th scope="col">{{ one }}</th>{% endfor %}</tr>
{% for row in one.misconceptions %}<tr><td>{{ row.title }}</td><td>{{ row.count }}</td><td>{{ row.tasks }}</td>
<td>{% if site %}<a href="{{ site }}/{{ row.page }}">{{ row.chapter }}</a>{% else %}{{ row.chapter }}{% endif %}</td></tr>
{% else %}<tr><td colspan="4">none named</td></tr>{% endfor %}</table>
<table><caption>Tasks</caption>
<tr>{% for one in ("Task", "Full points", "Failed", "Most frequent message") %}<th scope="col">{{ one }}</th>{% endfor %}</tr>
{% for row in one.tasks %}<tr><td>{{ row.title }}</td><td>{{ row.passed }}</td><td>{{ row.failed }}</td>
<td>{{ row.message }}</td></tr>{% endfor %}</table>
{% if one.bare %}<p>These tasks have no hidden tests, so a student's code could claim to have passed:
{{ one.bare | join(", ") }}.</p>{% endif %}
{% endfor %}
<h2>Submissions that need a look</h2>
<table><tr>{% for one in ("Student", "Assignment", "Points", "What was seen") %}<th scope="col">{{ one }}</th>{% endfor %}</tr>
{% for row in rows %}<tr><td>{{ row.id }}</td><td>{{ row.assignment }}</td><td>{{ row.points }}</td>
<td>{{ row.note or row.status }}</td></tr>
{% else %}<tr><td colspan="4">none</td></tr>{% endfor %}</table>
{% if notes %}<h2>The folder and the class list</h2><ul>{% for one in notes %}<li>{{ one }}</li>{% endfor %}</ul>{% endif %}
</main></body></html>
"""
)

_ENVIRONMENT = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
Found = Mapping[str, Any]


def _page_of(chapter: str) -> str:
    """The file of the site that holds a chapter, as in ``book/theory`` or ``notebooks/02_derivation#tables``."""
    path, _, anchor = chapter.partition("#")
    return f"{path}.html" + (f"#{anchor}" if anchor else "")


def _about(name: str, misconceptions: Mapping[str, Found]) -> dict[str, str] | None:
    found = misconceptions.get(name)
    return {**found, "page": _page_of(found["chapter"])} if found else None


def page(result: Found, worth: float, misconceptions: Mapping[str, Found], site: str = "") -> str:
    """The feedback of one submission.

    Args:
        result: as :mod:`tools.course.grade` stores it, with the points of the gradebook.
        worth: the points of the whole assignment.
        misconceptions: those of the course, by name.
        site: address of the book, or nothing.
    """
    tasks = [{**task, "about": _about(task["misconception"], misconceptions)} for task in result["tasks"]]
    given = [task["points"] for task in tasks if task["points"] is not None]
    return _ENVIRONMENT.from_string(_PAGE).render(
        title=f"Feedback: {result['assignment'] or 'no assignment'}",
        style=_STYLE,
        name=result["student"]["name"] or result["student"]["id"],
        points=sum(given),
        worth=worth,
        open=sum(task["worth"] for task in tasks if task["points"] is None),
        problem=result["problem"],
        notes=result["notes"],
        tasks=tasks,
        site=site.rstrip("/"),
    )


def report(
    results: Sequence[Found],
    rows: Sequence[Found],
    misconceptions: Mapping[str, Found],
    notes: Sequence[str],
    course: Mapping[str, Any],
    site: str = "",
) -> str:
    """What most got wrong, by misconception and by task; which submissions need a look."""
    assignments = {}
    for name in sorted({result["assignment"] for result in results if result["assignment"]}):
        of_it = [result for result in results if result["assignment"] == name and result["tasks"]]
        points = sorted(sum(task["points"] or 0.0 for task in result["tasks"]) for result in of_it) or [0.0]
        who: Counter[str] = Counter()
        where: dict[str, set[str]] = {}
        for result in of_it:
            who.update({task["misconception"] for task in result["tasks"] if task["misconception"] in misconceptions})
            for task in result["tasks"]:
                where.setdefault(task["misconception"], set()).add(task["title"])
        assignments[name] = {
            "count": len(of_it),
            "median": (points[(len(points) - 1) // 2] + points[len(points) // 2]) / 2,
            "worth": sum(task.points for task in course[name].tasks),
            "misconceptions": [
                {**(_about(one, misconceptions) or {}), "count": count, "tasks": ", ".join(sorted(where[one]))}
                for one, count in who.most_common()
            ],
            "tasks": [_task_row(task, of_it) for task in course[name].tasks],
            "bare": [task.title for task in course[name].tasks if not task.manual and not task.hidden],
        }
    return _ENVIRONMENT.from_string(_REPORT).render(
        title="Report on the grading",
        style=_STYLE,
        count=len(results),
        failed=sum(bool(result["problem"]) for result in results),
        assignments=assignments,
        rows=[row for row in rows if row["note"] or row["status"] in ("not graded", "nothing handed in")],
        notes=notes,
        site=site.rstrip("/"),
    )


def _task_row(task: Any, results: Sequence[Found]) -> dict[str, Any]:
    found = [one for result in results for one in result["tasks"] if one["name"] == task.name]
    failed = [one for one in found if one["points"] is not None and one["points"] < one["worth"]]
    said = Counter(one["message"] for one in failed).most_common(1)
    return {
        "title": task.title,
        "passed": sum(one["points"] == one["worth"] for one in found),
        "failed": len(failed),
        "message": said[0][0] if said else "",
    }
