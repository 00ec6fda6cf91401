# %% [markdown] lost={"test-probe": 20} name="none"
# The seed is fixed.

# %% nbgrader={"grade_id": "probe", "solution": true} replace={"default_rng(seed)": "default_rng(0)"}
