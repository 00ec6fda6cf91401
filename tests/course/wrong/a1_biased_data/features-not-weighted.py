# %% [markdown] lost={"test-best": 15}
# The mean of the best posterior over the colours, each as often as any other.

# %% nbgrader={"grade_id": "best", "solution": true}
def best_by_color(joint):
    shares = joint.sum(axis=0)
    return float((joint[:, shares > 0] / shares[shares > 0]).max(axis=0).mean())
