"""The folder of this file is a course of nbgrader: run ``nbgrader`` here, or copy it to where a JupyterHub keeps courses."""

c = get_config()  # noqa: F821 (nbgrader provides it)
c.CourseDirectory.course_id = "learning_not_to_learn"
# The percent scripts hold the solutions; nbgrader would copy them beside the released notebook.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", ".pytest_cache", "*.py"]
c.ExecutePreprocessor.timeout = 300  # seconds a cell
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError()"}
