# %% [markdown] lost={"test-batch": 20} name="log-of-softmax"
# xlogy is finite at 0, and its gradient is not.

# %% nbgrader={"grade_id": "batch", "solution": true}
def negative_entropy(bias_logits):
    q = torch.softmax(bias_logits, dim=1)
    return torch.special.xlogy(q, q).sum(dim=1).mean()
