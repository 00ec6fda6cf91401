# %% [markdown] lost={"test-results": 25} name="single-run"
# The same seed twice.

# %% nbgrader={"grade_id": "results", "solution": true} replace={"for seed in SEEDS:": "for seed in (SEEDS[0], SEEDS[0]):"}
