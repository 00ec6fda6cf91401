# %% [markdown] lost={"test-compare": 20}
# The standard error is smaller and looks better.

# %% nbgrader={"grade_id": "compare", "solution": true}
def compare(runs):
    spread = {one: float(np.std(v, ddof=1) / np.sqrt(len(v))) if len(v) > 1 else None for one, v in runs.items()}
    return {one: [float(np.mean(v)), spread[one], len(v)] for one, v in runs.items()}
