# %% [markdown] lost={"test-results": 25}
# One seed each.

# %% nbgrader={"grade_id": "results", "solution": true} replace={"for seed in SEEDS:": "for seed in SEEDS[:1]:"}
