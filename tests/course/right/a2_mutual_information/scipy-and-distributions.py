# %% [markdown]
# scipy's entropy, torch's distribution, products of matrices.

# %% nbgrader={"grade_id": "entropy", "solution": true}
from scipy.stats import entropy as of_scipy


def entropy(p):
    return of_scipy(np.asarray(p).ravel())

# %% nbgrader={"grade_id": "information", "solution": true}
def information(joint):
    by_color, by_feature = joint.sum(axis=1), joint.sum(axis=0)
    known = [share * entropy(column / share) for share, column in zip(by_feature, joint.T, strict=True) if share > 0]
    return entropy(by_color) - sum(known)

# %% nbgrader={"grade_id": "numbers", "solution": true}
leak = float(information(joint))
leak_of_head = float(information(joint @ np.array([[1, 0], [1, 0], [0, 1]])))
floor = float(np.log(0.25))

# %% nbgrader={"grade_id": "batch", "solution": true} replace={"    log_q = torch.log_softmax(bias_logits, dim=1)\n    return (log_q.exp() * log_q).sum(dim=1).mean()": "    return -torch.distributions.Categorical(logits=bias_logits.movedim(1, -1)).entropy().mean()"}
