# %% [markdown] lost={"test-compare": 20}
# np.std as it comes, which divides by n.

# %% nbgrader={"grade_id": "compare", "solution": true}
def compare(runs):
    return {one: [float(np.mean(values)), float(np.std(values)) if len(values) > 1 else None, len(values)] for one, values in runs.items()}
