# %% [markdown] lost={"test-strength": 15}
# Divided by log 2, "since information is in bits".

# %% nbgrader={"grade_id": "strength", "solution": true}
strength = {
    split: plug_in_mutual_information(samples[split]["labels"], samples[split]["group"]) / np.log(2)
    for split in ("train", "validation", "test")
}
