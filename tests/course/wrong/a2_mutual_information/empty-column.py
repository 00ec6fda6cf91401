# %% [markdown] lost={"test-loss": 20} name="none"
# The column is divided by its sum, which is 0.

# %% nbgrader={"grade_id": "loss", "solution": true}
def mi_loss(joint, q, mu):
    weight = joint.sum(axis=0)
    with np.errstate(invalid="ignore"):
        posterior = joint / weight
    ratio = np.log(np.where(posterior > 0, posterior, 1) / np.where(posterior > 0, q, 1))
    return float((weight * ((q * np.log(q)).sum(axis=0) + mu * (posterior * ratio).sum(axis=0))).sum())
