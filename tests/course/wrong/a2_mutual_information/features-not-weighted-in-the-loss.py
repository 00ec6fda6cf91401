# %% [markdown] lost={"test-loss": 20} name="features-not-weighted"
# The mean over the columns is taken without their probabilities.

# %% nbgrader={"grade_id": "loss", "solution": true}
def mi_loss(joint, q, mu):
    p = joint / joint.sum(axis=0)
    ratio = np.log(np.where(p > 0, p, 1) / np.where(p > 0, q, 1))
    return float(((q * np.log(q)).sum(axis=0) + mu * (p * ratio).sum(axis=0)).mean())
