# %% [markdown] lost={"test-batch": 20}
# "The term is an entropy", so it comes out positive.

# %% nbgrader={"grade_id": "batch", "solution": true}
def negative_entropy(bias_logits):
    log_q = torch.log_softmax(bias_logits, dim=1)
    return -(log_q.exp() * log_q).sum(dim=1).mean()
