# %% [markdown] lost={"test-verdict": 10}
# Only a linear probe is asked.

# %% nbgrader={"grade_id": "verdict", "solution": true}
verdict = {name: "shown" if probe_accuracy(z, bias, 0) > 0.75 else "gone" for name, z in features.items()}
