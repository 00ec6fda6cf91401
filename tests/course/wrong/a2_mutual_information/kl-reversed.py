# %% [markdown] lost={"test-loss": 20}
# D(Q||P).

# %% nbgrader={"grade_id": "loss", "solution": true}
def mi_loss(joint, q, mu):
    weight = joint.sum(axis=0)
    return float((weight * ((q * np.log(q)).sum(axis=0) + mu * (q * np.log(q * weight / joint)).sum(axis=0))).sum())
