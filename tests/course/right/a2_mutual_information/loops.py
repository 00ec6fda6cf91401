# %% [markdown]
# Loops over entries, and a sum of exponentials.

# %% nbgrader={"grade_id": "entropy", "solution": true}
import math


def entropy(p):
    return -sum(float(one) * math.log(one) for one in np.nditer(p) if one > 0)

# %% nbgrader={"grade_id": "batch", "solution": true} replace={"    log_q = torch.log_softmax(bias_logits, dim=1)\n    return (log_q.exp() * log_q).sum(dim=1).mean()": "    log_q = bias_logits - torch.logsumexp(bias_logits, 1, keepdim=True)\n    return (log_q.exp() * log_q).sum() * bias_logits.shape[1] / bias_logits.numel()"}

# %% nbgrader={"grade_id": "loss", "solution": true}
def mi_loss(joint, q, mu):
    total = 0.0
    for f, share in enumerate(joint.sum(axis=0)):
        for b in range(len(joint)):
            p = joint[b, f] / share if share > 0 else 0.0
            total += share * (q[b, f] * np.log(q[b, f]) + (mu * p * np.log(p / q[b, f]) if p > 0 else 0.0))
    return total
